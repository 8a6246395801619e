package lazywebsocket

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

const (
	// directSize is the size from which a prepared frame is sent from its own
	// memory, and not copied to stand in one write with others.
	directSize = 16 << 10
	// fetched is how many messages are taken out of a queue at a time.
	fetched = 8
)

// errStalled is the failure of a connection whose peer takes nothing.
var errStalled = fmt.Errorf("the peer takes nothing of what is queued: %w", os.ErrDeadlineExceeded)

// fetch moves queued messages to what is held, in their order, up to the one
// before number to, and as many as fit. The windows of compression learn them
// here: they leave before anything else, or nothing does. It reports whether it
// has moved any, and whether others wait for room. If together is set something
// will follow that is to leave in the same write. Inside the write gate.
func (c *Conn) fetch(q *queue, to uint64, together bool) (moved, rest bool) {
	var batch [fetched]*PreparedMessage
	o := c.observed()
	for {
		n, bytes, rest := c.take(q, batch[:], to)
		alone := n == 1 && !moved && !c.w.hold.pending()
		if n > 1 && !moved {
			c.w.hold.grow(0, min(bytes, maxBuffer))
		}
		moved = moved || n > 0
		for _, pm := range batch[:n] {
			f := c.prepared(pm)
			if o != nil {
				o.publishedSent(c, pm)
			}
			if alone && f.wire && (!together || len(pm.frame) >= directSize) {
				c.keepDirect(&f)
			} else {
				c.keepWhole(&f)
			}
		}
		if n < len(batch) {
			return moved, rest
		}
	}
}

// take takes messages out of the queue for fetch, and returns their number, the
// bytes of all that waited, and whether others wait for room.
func (c *Conn) take(q *queue, batch []*PreparedMessage, to uint64) (n, bytes int, rest bool) {
	g := &c.w.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	empty := !c.w.hold.pending()
	if empty {
		q.settle()
	}
	bytes = q.bytes
	switch {
	case c.w.failure.Load() != nil || c.w.closeSent.Load():
		c.clearQueue(q) // nothing can leave any more
	case !g.stream || q.last:
		room := maxBuffer - len(c.w.hold.bytes())
		for q.ring.n > 0 && q.moved < to && n < len(batch) {
			size := len(q.ring.slots[q.ring.head].frame)
			room -= size + wsproto.MaxHeaderSize + learnCost
			if rest = room < 0 && (!empty || n > 0); rest {
				break
			}
			batch[n] = q.next()
			q.leaving += size
			n++
		}
	}
	if o := c.observed(); o != nil {
		o.unqueued(batch[:n])
	}
	g.queued = q.ring.n > 0 || q.leaving > 0
	return n, bytes + n*(wsproto.MaxHeaderSize+learnCost), rest
}

// prepared returns the frame of a prepared message.
func (c *Conn) prepared(pm *PreparedMessage) frame {
	if c.w.hold.masks {
		return frame{op: wsproto.Opcode(pm.messageType), fin: true, payload: pm.payload()} //nolint:gosec // 1 or 2
	}
	return frame{wire: true, payload: pm.frame, pm: pm}
}

// keepDirect holds a prepared frame without a copy; nothing else is held.
func (c *Conn) keepDirect(f *frame) {
	h := &c.w.hold
	if h.kept == nil {
		h.kept = new(kept)
	}
	s := c.shape(f)
	h.kept.direct = f.payload
	s.sent(c)
}

// sendAhead moves to what is held what was queued before now, and sends as much
// of it as does not fit: what follows leaves behind it. The errors are those of
// sendHeld; ctx may be nil. Inside the write gate.
func (c *Conn) sendAhead(ctx context.Context, deadline time.Time) error {
	q := c.w.queue.Load()
	if q == nil {
		return nil
	}
	queued, to := c.queuedNow(q)
	if !queued {
		return nil
	}
	for {
		if _, rest := c.fetch(q, to, true); !rest {
			return nil
		}
		if err := c.sendHeldUntil(ctx, deadline); err != nil {
			return err
		}
	}
}

// queuedNow reports whether something is queued, and the number of what comes
// behind that.
func (c *Conn) queuedNow(q *queue) (queued bool, to uint64) {
	c.w.gate.mu.Lock()
	defer c.w.gate.mu.Unlock()
	return c.w.gate.queued, q.moved + uint64(q.ring.n) //nolint:gosec // not negative
}

// sendLast is sendAhead in front of a Close frame. What waits for a message in
// fragments to end leaves too, if no fragment of that has left: none will. Behind
// one that has it cannot (RFC 6455, 5.4). Inside the write gate.
func (c *Conn) sendLast(ctx context.Context, deadline time.Time) error {
	if q := c.w.queue.Load(); q != nil && !c.w.gate.torn {
		q.last = true
		defer func() { q.last = false }()
	}
	return c.sendAhead(ctx, deadline)
}

// sendQueued sends what was queued before now, by the deadline, and says to those
// who wait for it that it has left: there may be nobody for long who would. Inside
// the write gate.
func (c *Conn) sendQueued(deadline time.Time) error {
	q := c.w.queue.Load()
	if q == nil {
		return nil
	}
	if err := c.sendAhead(noContext, deadline); err != nil {
		return err
	}
	if err := c.sendHeld(deadline); err != nil {
		return err
	}
	c.w.gate.mu.Lock()
	defer c.w.gate.mu.Unlock()
	q.settle()
	c.w.gate.queued = q.ring.n > 0
	return nil
}

// sendHeldUntil is sendHeld that ends when ctx does; ctx may be nil.
func (c *Conn) sendHeldUntil(ctx context.Context, deadline time.Time) error {
	if ctx == nil || ctx.Done() == nil {
		return c.sendHeld(deadline)
	}
	stop := c.cancelWrites(ctx)
	err := c.sendHeld(deadline)
	cancelled := stop()
	switch {
	case err == nil || !cancelled:
		return err
	case c.w.failure.Load() == nil:
		return writeError(ctx.Err())
	}
	c.abort()
	return err
}

// tryQueued is tryFlush for a connection with a queue.
func (c *Conn) tryQueued(q *queue) bool {
	for range leaveTries {
		if !c.tryHeld() {
			return false
		}
		if moved, _ := c.fetch(q, math.MaxUint64, false); !moved {
			return true
		}
	}
	return c.tryHeld()
}

// flushEntered sends what is queued, without waiting or by a goroutine, and
// leaves the gate.
func (c *Conn) flushEntered() {
	if c.tryFlush() {
		c.leaveWrite()
	} else {
		go c.flushAndLeave()
	}
}

// flushScheduled is what a group's flusher does.
func (c *Conn) flushScheduled() {
	q, g := c.w.queue.Load(), &c.w.gate
	g.mu.Lock()
	q.scheduled = false
	enter := !g.busy && !g.stream && g.queued
	g.busy = g.busy || enter
	if !enter && g.queued {
		c.watchQueue(q)
	}
	g.mu.Unlock()
	if enter {
		c.flushEntered()
	}
}

// flushQueue sends what is queued, however long that takes while the peer takes
// something, and leaves the gate.
func (c *Conn) flushQueue(q *queue) {
	for {
		c.fallBehind(q)
		err := c.flushPatiently(q)
		c.catchUp(q)
		if err != nil {
			c.leaveWrite()
			return
		}
		if !c.w.gate.leave() {
			return
		}
	}
}

// flushPatiently is flushInside that goes on as long as the peer takes something:
// each write has all the patience. Its errors are final. Inside the write gate.
func (c *Conn) flushPatiently(q *queue) error {
	_, to := c.queuedNow(q)
	for {
		writes := c.w.writes.Load()
		rest, err := c.flushStep(q, to)
		failed := c.w.failure.Load() != nil
		switch {
		case err == nil && rest:
			continue
		case err == nil:
			return nil
		case !failed && !c.deadlines.ended() && c.w.writes.Load() != writes:
			continue
		case !failed:
			// Of the frame that has begun the rest will not follow.
			err = c.writeFailed(errStalled)
			c.w.hold.drop()
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.setFate(q, errStalled)
			c.abort()
		}
		return err
	}
}

// flushStep sends what is held and as much of what is queued as fits beside it.
// Inside the write gate.
func (c *Conn) flushStep(q *queue, to uint64) (rest bool, err error) {
	if failure := c.w.failure.Load(); failure != nil {
		c.w.hold.drop()
		return false, *failure
	}
	_, rest = c.fetch(q, to, false)
	return rest, c.sendHeld(q.deadline())
}

// setFate notes why the connection ends, unless it is ending.
func (c *Conn) setFate(q *queue, err error) {
	c.w.gate.mu.Lock()
	defer c.w.gate.mu.Unlock()
	if q.fate == nil && !c.deadlines.ended() {
		q.fate = err
		c.ends(EndSlow)
	}
}

// endStream says that the message in fragments will not go on.
func (c *Conn) endStream() {
	if c.w.gate.endStream() {
		c.flushEntered()
	}
}

// closeQueue ends the queue with the connection, and what it counts for in the
// budget.
func (c *Conn) closeQueue() {
	if f := c.r.inflate; f != nil {
		f.discharge(c.budget())
	}
	q := c.w.queue.Load()
	if q == nil {
		return
	}
	c.w.gate.mu.Lock()
	c.clearQueue(q)
	q.ended = true
	q.endWatch()
	q.caughtUp()
	groups := q.groups
	q.groups = nil
	c.w.gate.mu.Unlock()
	for _, g := range groups {
		g.drop(c)
	}
}

// awaitEmpty waits until all that was queued has left, or nothing can leave any
// more.
func (c *Conn) awaitEmpty(ctx context.Context) error {
	q := c.w.queue.Load()
	for q != nil {
		c.w.gate.mu.Lock()
		if q.ended || q.bytes+q.leaving == 0 {
			c.w.gate.mu.Unlock()
			return nil
		}
		change := q.awaited()
		c.w.gate.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
