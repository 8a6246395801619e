package lazywebsocket

import (
	"context"
	"os"
	"time"
)

// Publish puts a prepared text or binary message into the connection's outgoing
// queue, and returns: it waits for no network, whatever the peer does. What does
// not leave at once a goroutine sends, which ends when the queue is empty. What
// has queued leaves in one write, as far as it fits into 64 KiB.
//
// Messages of Publish, WriteMessage and NextWriter leave in the order of the
// calls of one goroutine. While the writer of a NextWriter is open, what is
// queued waits. Close sends what is queued before the Close frame, if that takes
// no longer than Close may; Flush waits until it has left. Behind a message of
// NextWriter of which a part has left and that is never finished nothing can
// leave: a Close frame drops what is queued there. The write deadline is not that
// of queued messages: see QueueOptions.Patience.
//
// The errors are those of WriteMessage, and ErrQueueFull and *BudgetError where
// the queue's policy, or the process's budget, has ended the connection. Nil
// means that the message is on its way. A message is not copied, and costs a
// queue eight bytes. Publish may be called from any goroutine.
func (c *Conn) Publish(pm *PreparedMessage) error { return c.publish(noContext, pm) }

// PublishContext is Publish that, under QueueBlock, waits for room until ctx
// ends. The error is an *OpError with the context's error then, and nothing was
// queued.
func (c *Conn) PublishContext(ctx context.Context, pm *PreparedMessage) error {
	if err := ctx.Err(); err != nil {
		return publishError(err)
	}
	return c.publish(ctx, pm)
}

func (c *Conn) publish(ctx context.Context, pm *PreparedMessage) error {
	if !isData(pm.messageType) {
		return publishError(errNotData)
	}
	q := c.openQueue()
	for {
		p := c.push(q, pm, false)
		if p.full == nil {
			c.pushed(p)
			return p.err
		}
		if err := c.awaitRoom(ctx, p.full); err != nil {
			return err
		}
	}
}

// pushed is what became of a message.
type pushed struct {
	err     error           // it was not queued
	full    <-chan struct{} // nor this time: to be tried again when it is closed
	entered bool            // it was, and the caller is inside the gate, to send it
	listed  bool            // it was, and the caller puts the connection into his list
	ends    bool            // the connection is to be ended for its slowness
	beyond  bool            // the budget of queued bytes is used up
	lives   bool            // it was not queued behind a Close frame that may still fail to leave
}

// push puts a message into the queue. If nobody is inside the gate who would send
// it on his way out, the caller is to do it: who has no list has entered, a group
// puts the connection into its list if it stands in none.
func (c *Conn) push(q *queue, pm *PreparedMessage, group bool) (p pushed) {
	g := &c.w.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.err = c.publishable(q); p.err != nil {
		p.lives = g.closes && !c.w.closeSent.Load()
		return p
	}
	for q.full(len(pm.frame)) {
		switch policy := q.options.Policy; {
		case policy == QueueDropOldest:
			c.dropOldest(q)
		case policy == QueueBlock && !group:
			p.full = q.awaited()
			return p
		default:
			q.fate = ErrQueueFull
			c.ends(EndSlow)
			c.clearQueue(q)
			p.err, p.ends = publishError(ErrQueueFull), true
			return p
		}
	}
	q.add(pm)
	c.queued(1, len(pm.frame))
	g.queued = true
	p.beyond = q.behind != nil && c.budget().beyond()
	switch {
	case g.busy || g.stream:
		c.watchQueue(q)
	case !group:
		g.busy, p.entered = true, true
	case !q.scheduled:
		q.scheduled, p.listed = true, true
	}
	return p
}

// publishable says why no message can be queued any more. The gate's mu is held.
func (c *Conn) publishable(q *queue) error {
	if q.fate != nil {
		return publishError(q.fate)
	}
	if q.ended || c.w.gate.closes {
		return ErrCloseSent
	}
	err := c.writable()
	if err != nil && c.deadlines.ended() {
		return ErrCloseSent // which q.ended says in a moment, whatever the end has broken
	}
	return err
}

// pushed does what push has left to do. No lock is held.
func (c *Conn) pushed(p pushed) {
	if p.entered {
		c.flushEntered()
	}
	if p.ends {
		go c.end(ClosePolicyViolation, slowReader) //nolint:errcheck // nobody is left to be told
	}
	if p.beyond {
		c.budget().relieve()
	}
}

// awaitRoom waits until something has left the queue, the write deadline, or the
// end of ctx, which may be nil.
func (c *Conn) awaitRoom(ctx context.Context, room <-chan struct{}) error {
	c.beforeBlocking()
	var expired <-chan time.Time
	if deadline := c.deadlines.forMessage(); !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		expired = timer.C
	}
	var done <-chan struct{}
	if ctx != nil {
		done = ctx.Done()
	}
	select {
	case <-room:
		return nil
	case <-done:
		return publishError(ctx.Err())
	case <-expired:
		return publishError(os.ErrDeadlineExceeded)
	}
}

func publishError(err error) error { return &OpError{Op: "publish", Err: err} }
