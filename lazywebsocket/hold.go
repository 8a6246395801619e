package lazywebsocket

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// hold keeps frames back, so that the answers to messages that have arrived
// together leave together: one system call instead of one for each.
//
// The reader switches it on when it delivers a message and another complete one
// waits in its buffer, and off when it is about to wait for the network, where
// it sends what is held. Should the reader not come back soon, the guard does
// the same after a millisecond or two.
type hold struct {
	on      atomic.Bool   // frames are kept back
	guarded atomic.Bool   // the guard, or a timer, will come
	frames  atomic.Uint32 // kept back since it was switched on

	messages uint32 // delivered since it was switched on; reader goroutine only
	limit    int    // bytes that may be held; zero or less: never
	own      bool   // the guard must not touch this connection: it has timers of its own

	kept *kept // inside the write gate; nil until something was held
}

// kept is what is held. Inside the write gate.
type kept struct {
	buf      *buffer   // nil while nothing is held
	start, n int       // buf.b[start:n] is held; what is before it has left
	deadline time.Time // the earliest in force when a frame was queued; zero: none
	timer    *time.Timer
}

// bytes returns what is held.
func (h *hold) bytes() []byte {
	if h.kept == nil || h.kept.buf == nil {
		return nil
	}
	return h.kept.buf.b[h.kept.start:h.kept.n]
}

// initHold decides whether writes of the connection may be held, and who guards
// them. Only sockets have the process-wide guard: any other net.Conn may belong
// to a bubble of testing/synctest, which nobody outside may wake.
func (c *Conn) initHold(limit int) {
	h := &c.w.hold
	if h.limit = limit; limit == 0 || limit > maxBuffer {
		h.limit = maxBuffer
	}
	h.own = !isSocket(c.nc)
}

// isSocket reports whether nc is a socket of the system, or TLS on one.
func isSocket(nc net.Conn) bool {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok { // *tls.Conn
		nc = t.NetConn()
	}
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// delivered notes that a message was read to its end. Reader goroutine only.
func (c *Conn) delivered() {
	h := &c.w.hold
	if h.on.Load() {
		h.messages++
		return
	}
	if b := c.r.buf.unread(); len(b) > 0 && h.limit > 0 && wsproto.HoldsFrame(b) {
		h.messages = 1
		h.frames.Store(0)
		h.on.Store(true)
	}
}

// holdFrame keeps f back if that is wanted and there is room. Inside the write
// gate.
func (c *Conn) holdFrame(f frame, deadline time.Time) bool {
	h := &c.w.hold
	if f.now || !h.on.Load() || len(h.bytes())+f.size() > h.limit {
		return false
	}
	c.keep(f, deadline)
	h.frames.Add(1)
	if !h.guarded.Swap(true) {
		c.callGuard()
	}
	return true
}

// keep appends f to what is held. Inside the write gate; there is room for it
// below maxBuffer.
func (c *Conn) keep(f frame, deadline time.Time) {
	h := &c.w.hold
	if h.kept == nil {
		h.kept = new(kept)
	}
	k := h.kept
	switch need := k.n + f.size(); {
	case k.buf == nil:
		k.start, k.n, k.deadline = 0, 0, time.Time{}
		k.buf = borrow(4 * f.size()) // more will come
	case need > len(k.buf.b):
		larger := borrow(max(2*len(k.buf.b), need-k.start))
		k.n = copy(larger.b, h.bytes())
		k.start = 0
		giveBack(k.buf)
		k.buf = larger
	}
	k.n = len(c.appendFrame(k.buf.b[:k.n], f))
	k.deadline = earliest(k.deadline, deadline)
}

// earliest returns the earlier of two deadlines; zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// sendHeld writes what is held, by the deadline or those of the frames. A write
// that ran out of a time that is none of theirs leaves them held, to go on from
// where it stopped; any other failure is that of the writing direction. Inside
// the write gate.
func (c *Conn) sendHeld(deadline time.Time) error {
	b := c.w.hold.bytes()
	if len(b) == 0 {
		return nil
	}
	k := c.w.hold.kept
	c.deadlines.armWrite(c.nc, earliest(k.deadline, deadline))
	n, err := c.writeOut(b)
	k.start += n
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) && !passed(k.deadline) && !c.overTLS() {
		return writeError(err)
	}
	c.w.hold.drop()
	if err != nil {
		return c.writeFailed(err)
	}
	return nil
}

func passed(deadline time.Time) bool {
	return !deadline.IsZero() && !time.Now().Before(deadline)
}

// drop forgets what is held: it has left, or nothing can leave any more.
func (h *hold) drop() {
	if h.kept != nil && h.kept.buf != nil {
		giveBack(h.kept.buf)
		h.kept.buf = nil
	}
}

// flushInside writes what is held; a failure is that of the writing direction.
// Inside the write gate.
func (c *Conn) flushInside() error {
	if len(c.w.hold.bytes()) == 0 {
		return nil
	}
	if err := c.writable(); err != nil {
		c.w.hold.drop()
		return err
	}
	return c.sendHeld(time.Time{})
}

// leaveWrite leaves the write gate, and does before what others have left to do.
func (c *Conn) leaveWrite() {
	for c.w.gate.leave() {
		_ = c.flushInside() // its failure is the next write's
	}
}

// Flush sends what is held back (see Upgrader.HoldLimit) at once. It waits for
// its turn like a write, and returns the error of a held message that could not
// be sent, as every later write does.
func (c *Conn) Flush() error {
	if err := c.enterWrite(entrant{deadline: c.deadlines.forMessage()}); err != nil {
		return err
	}
	defer c.leaveWrite()
	return c.flushInside()
}
