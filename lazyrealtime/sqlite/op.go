package sqlite

import (
	"context"
	"sync/atomic"

	"golazy.dev/lazyrealtime"
)

// op is something that the writer is asked to do: to append entries, or to do.
type op struct {
	entries []lazyrealtime.Entry
	results []lazyrealtime.Appended

	// do is called in the transaction. What it returns fails the whole transaction.
	do func(*writer) error
	// between is called behind the transaction, if that was committed.
	between func(*writer) error

	state atomic.Int32 // waiting, taken or withdrawn
	err   error        // how it ended
	done  chan struct{}
}

const (
	opWaiting = iota
	opTaken
	opWithdrawn
)

// perform has the writer do an op, and returns when it is committed or has failed.
// An op whose context ends before the writer has taken it is not done. From then on
// the context means nothing: the entries are the writer's, and the answer is near.
func (l *Log) perform(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.done = make(chan struct{})
	if err := l.enqueue(ctx, o); err != nil {
		return err
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	if o.state.CompareAndSwap(opWaiting, opWithdrawn) {
		return ctx.Err()
	}
	<-o.done
	return o.err
}

// enqueue waits for a place in the queue.
func (l *Log) enqueue(ctx context.Context, o *op) error {
	l.enqueuing.RLock() // Close waits for those who are here
	defer l.enqueuing.RUnlock()
	select {
	case <-l.closing:
		return lazyrealtime.ErrClosed
	default:
	}
	select {
	case l.queue <- o:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closing:
		return lazyrealtime.ErrClosed
	}
}
