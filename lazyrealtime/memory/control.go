package memory

import (
	"context"
	"slices"
	"sync"
	"time"

	"golazy.dev/lazyrealtime"
)

// control is the control log.
type control struct {
	mu      sync.Mutex // guards the fields below
	seq     uint64     // of the last record
	records []lazyrealtime.Record
}

// Control implements lazyrealtime.Log.
func (l *Log) Control(ctx context.Context, r lazyrealtime.Record) error {
	if err := l.open(ctx); err != nil {
		return err
	}
	l.control.add(r)
	l.local.Changed()
	return nil
}

// Controls implements lazyrealtime.Log.
func (l *Log) Controls(ctx context.Context, after uint64) ([]lazyrealtime.Record, uint64, error) {
	if err := l.open(ctx); err != nil {
		return nil, 0, err
	}
	records, seq := l.control.behind(after)
	return records, seq, nil
}

func (c *control) add(r lazyrealtime.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	c.seq++
	r.Seq = c.seq
	c.records = append(c.records, r)
}

func (c *control) behind(after uint64) ([]lazyrealtime.Record, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	for i, r := range c.records {
		if r.Seq > after {
			return slices.Clone(c.records[i:]), c.seq
		}
	}
	return nil, c.seq
}

// expire drops the records that have expired. c.mu is held.
func (c *control) expire() {
	now := time.Now()
	c.records = slices.DeleteFunc(c.records, func(r lazyrealtime.Record) bool { return !now.Before(r.Expires) })
}

// claims is who was first.
type claims struct {
	mu    sync.Mutex // guards the fields below
	until map[string]time.Time
	sweep int // the number of claims at which those that have passed are dropped
}

// Claim implements lazyrealtime.Log.
func (l *Log) Claim(ctx context.Context, key string, then time.Time) (bool, error) {
	if err := l.open(ctx); err != nil {
		return false, err
	}
	return l.claims.claim(key, then), nil
}

func (c *claims) claim(key string, then time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if until, claimed := c.until[key]; claimed && now.Before(until) {
		return false
	}
	c.drop(now)
	c.until[key] = then
	return true
}

// drop drops what has passed, once there is twice as much as the last drop has
// left. c.mu is held.
func (c *claims) drop(now time.Time) {
	if c.until == nil {
		c.until = make(map[string]time.Time)
	}
	if len(c.until) < c.sweep {
		return
	}
	for key, until := range c.until {
		if !now.Before(until) {
			delete(c.until, key)
		}
	}
	c.sweep = 2*len(c.until) + 64
}
