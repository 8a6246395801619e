package nats

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A partition is a stream with the messages of some of the topics.
type partition struct {
	index  int
	stream string

	now     atomic.Pointer[incarnation]
	finding sync.Mutex // held while find runs
	found   time.Time  // when it last did; guarded by finding
	marks   marks
}

// An incarnation is a stream as long as it exists. It is never changed.
type incarnation struct {
	epoch string
	least uint64        // no topic has ever lost a message to fewer newer ones
	age   time.Duration // and none to its age before that
	batch int           // how many messages are worth a batch; zero: none
}

// line is the time from which on all messages are there, on all servers, as far as
// their age goes. Clocks may differ by half of the margin.
func (i *incarnation) line(now time.Time) time.Time {
	return now.Add(margin(i.age)/2 - i.age)
}

// findEvery bounds how often it is asked whether a stream still is the same one.
const findEvery = time.Second

// find gets to know the stream, or makes it. It does nothing if somebody does so
// already, or just has.
func (p *partition) find(ctx context.Context, l *Log) error {
	if !p.finding.TryLock() {
		return nil
	}
	defer p.finding.Unlock()
	if time.Since(p.found) < findEvery {
		return nil
	}
	info, err := l.ensure(ctx, l.logConfig(p, rand.Text()[:epochLen]))
	if err != nil {
		return err
	}
	next, err := incarnationOf(info.Config.Metadata, info.Config.MaxAge)
	if err != nil {
		return fmt.Errorf("lazyrealtime/nats: stream %s: %w", p.stream, err)
	}
	if l.batches && info.Config.Replicas > 1 && info.Config.AllowAtomicPublish {
		next.batch = minBatchSize
	}
	p.found = time.Now()
	if last := p.now.Swap(next); last != nil && last.epoch != next.epoch {
		l.log.Warn("a partition was made anew", "stream", p.stream, "epoch", next.epoch)
		l.lost(p.index)
	}
	return nil
}

// epochLen is the length of an epoch, with 5 bits each.
const epochLen = 16

func incarnationOf(meta map[string]string, age time.Duration) (*incarnation, error) {
	epoch := meta[metaEpoch]
	least, err := strconv.ParseUint(meta[metaLeast], 10, 64)
	if epoch == "" || err != nil {
		return nil, fmt.Errorf("it was not made by this package: its metadata are %v", meta)
	}
	return &incarnation{epoch: epoch, least: least, age: age}, nil
}

// of returns the partition of a topic.
func (l *Log) of(topic string) *partition {
	return l.parts[partitionOf(topic, len(l.parts))]
}

// look asks, in the background, whether a partition's stream is still there.
func (l *Log) look(ctx context.Context, p *partition) {
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptWait)
		defer cancel()
		if err := p.find(ctx, l); err != nil {
			l.log.Debug("a partition is not to be found", "stream", p.stream, "err", err)
		}
	}()
}
