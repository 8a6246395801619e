package enginetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golazy.dev/lazyrealtime"
)

// Op is a method of a Log or a Node.
type Op string

// The methods that a Faulty has its hand in.
const (
	OpAppend   Op = "Append"
	OpRead     Op = "Read"
	OpTail     Op = "Tail"
	OpJoin     Op = "Join"
	OpControl  Op = "Control"
	OpControls Op = "Controls"
	OpClaim    Op = "Claim"
	OpCheck    Op = "Check"
	OpFollow   Op = "Follow"
	OpSend     Op = "Send"
	OpEnter    Op = "Enter"
	OpExit     Op = "Exit"
	OpMembers  Op = "Members"
)

// Call is a call of a Faulty.
type Call struct {
	Op Op
	// Topic is that of the call, of an Append's first entry; a claim's key.
	Topic string
}

// Faulty is a Log that works as the one beneath it until the test says otherwise.
// Its methods may be called at any time, from any goroutine.
type Faulty struct {
	log lazyrealtime.Log

	mu     sync.Mutex // guards the fields below
	counts map[Op]int
	before func(context.Context, Call) error
	after  func(context.Context, Call) error
	fate   func(*lazyrealtime.Message, uint64) Fate
	feeds  map[*faultyFeed]struct{}
}

// NewFaulty returns a Faulty without faults.
func NewFaulty(log lazyrealtime.Log) *Faulty {
	return &Faulty{log: log, counts: make(map[Op]int), feeds: make(map[*faultyFeed]struct{})}
}

// Count returns how often a method has been called, of the log and of all nodes,
// whatever became of the calls.
func (f *Faulty) Count(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[op]
}

// Before makes hook see each call before the log does. If it returns an error the
// call returns that, and the log sees nothing. It may block. A nil hook is none.
func (f *Faulty) Before(hook func(ctx context.Context, c Call) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = hook
}

// After makes hook see each call that the log has done without an error. If it
// returns an error the call returns that: the caller does not know that it was
// done. A nil hook is none.
func (f *Faulty) After(hook func(ctx context.Context, c Call) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = hook
}

// Fail makes the calls of these methods, or of all if there are none, return an
// error that wraps lazyrealtime.ErrUnavailable, in place of what Before has set.
// Before(nil) ends it.
func (f *Faulty) Fail(ops ...Op) {
	f.Before(func(_ context.Context, c Call) error {
		if among(c.Op, ops) {
			return fmt.Errorf("enginetest: %s of %q: %w", c.Op, c.Topic, lazyrealtime.ErrUnavailable)
		}
		return nil
	})
}

// Block makes the calls of these methods, or of all if there are none, wait, in
// place of what Before has set. A call ends with its context, or goes on once
// unblock is called, which may be called more than once.
func (f *Faulty) Block(ops ...Op) (unblock func()) {
	gate := make(chan struct{})
	f.Before(func(ctx context.Context, c Call) error {
		if !among(c.Op, ops) {
			return nil
		}
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return sync.OnceFunc(func() { close(gate) })
}

// among reports whether op is one of ops, or there are none.
func among(op Op, ops []Op) bool {
	for _, o := range ops {
		if o == op {
			return true
		}
	}
	return len(ops) == 0
}

// call makes a call of the log's.
func (f *Faulty) call(ctx context.Context, c Call, do func() error) error {
	f.mu.Lock()
	f.counts[c.Op]++
	before, after := f.before, f.after
	f.mu.Unlock()
	if before != nil {
		if err := before(ctx, c); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if after != nil {
		return after(ctx, c)
	}
	return nil
}

// Append implements lazyrealtime.Log.
func (f *Faulty) Append(ctx context.Context, entries []lazyrealtime.Entry) (done []lazyrealtime.Appended, err error) {
	c := Call{Op: OpAppend}
	if len(entries) > 0 {
		c.Topic = entries[0].Topic
	}
	err = f.call(ctx, c, func() (err error) {
		done, err = f.log.Append(ctx, entries)
		return err
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// Read implements lazyrealtime.Log.
func (f *Faulty) Read(ctx context.Context, topic string, after lazyrealtime.Position, limit int) (page lazyrealtime.Page, err error) {
	err = f.call(ctx, Call{OpRead, topic}, func() (err error) {
		page, err = f.log.Read(ctx, topic, after, limit)
		return err
	})
	if err != nil {
		return lazyrealtime.Page{}, err
	}
	return page, nil
}

// Tail implements lazyrealtime.Log.
func (f *Faulty) Tail(ctx context.Context, topic string) (tail lazyrealtime.Position, err error) {
	err = f.call(ctx, Call{OpTail, topic}, func() (err error) {
		tail, err = f.log.Tail(ctx, topic)
		return err
	})
	if err != nil {
		return lazyrealtime.Position{}, err
	}
	return tail, nil
}

// Control implements lazyrealtime.Log.
func (f *Faulty) Control(ctx context.Context, r lazyrealtime.Record) error {
	return f.call(ctx, Call{Op: OpControl}, func() error { return f.log.Control(ctx, r) })
}

// Controls implements lazyrealtime.Log.
func (f *Faulty) Controls(ctx context.Context, after uint64) (list []lazyrealtime.Record, next uint64, err error) {
	err = f.call(ctx, Call{Op: OpControls}, func() (err error) {
		list, next, err = f.log.Controls(ctx, after)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return list, next, nil
}

// Claim implements lazyrealtime.Log.
func (f *Faulty) Claim(ctx context.Context, key string, then time.Time) (first bool, err error) {
	err = f.call(ctx, Call{OpClaim, key}, func() (err error) {
		first, err = f.log.Claim(ctx, key, then)
		return err
	})
	return first && err == nil, err
}

// Check implements lazyrealtime.Log.
func (f *Faulty) Check(ctx context.Context) error {
	return f.call(ctx, Call{Op: OpCheck}, func() error { return f.log.Check(ctx) })
}

// Close closes the log beneath.
func (f *Faulty) Close() error { return f.log.Close() }
