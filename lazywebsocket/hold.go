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
	limit    int32  // bytes that may be held; zero or less: never
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
	if limit == 0 {
		limit = maxBuffer
	}
	h.limit = int32(min(max(limit, -1), maxBuffer))
	h.own = !isSocket(c.deadlines.nc)
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
	c.r.buf.settle()
	if c.src.record != nil {
		c.src.record.begun = false // most records end with a message
	}
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

// holdFrame keeps f back if that is wanted, there is room, and time. Inside the
// write gate.
func (c *Conn) holdFrame(f *frame) bool {
	h := &c.w.hold
	if f.now || !h.on.Load() || len(h.bytes())+f.size() > int(h.limit) {
		return false
	}
	if !f.deadline.IsZero() && time.Until(f.deadline) < 2*guardTick {
		return false // the guard could come too late
	}
	c.keep(f)
	h.frames.Add(1)
	if !h.guarded.Swap(true) {
		c.callGuard()
	}
	return true
}

// keep appends f to what is held. Inside the write gate; there is room for it
// below maxBuffer.
func (c *Conn) keep(f *frame) {
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
	k.deadline = earliest(k.deadline, f.deadline)
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
	by := earliest(k.deadline, deadline)
	c.deadlines.armWrite(by)
	n, err := c.writeOut(b)
	k.start += n
	if errors.Is(err, os.ErrDeadlineExceeded) && !c.overTLS() && (by != k.deadline || c.deadlines.interrupted()) {
		return writeError(err)
	}
	c.w.hold.drop()
	if err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// drop forgets what is held: it has left, or nothing can leave any more.
func (h *hold) drop() {
	if h.kept != nil && h.kept.buf != nil {
		giveBack(h.kept.buf)
		h.kept.buf = nil
	}
}

// flushInside writes what is held, by the deadline or those of the frames. That
// the end of the connection has begun changes nothing: those who wrote it were
// told that it is on its way. Inside the write gate.
func (c *Conn) flushInside(deadline time.Time) error {
	if failure := c.w.failure.Load(); failure != nil {
		c.w.hold.drop()
		return *failure
	}
	return c.sendHeld(deadline)
}

// tryFlush sends what is held if that takes no waiting, and reports whether
// nothing is held any more. Inside the write gate.
func (c *Conn) tryFlush() bool {
	b := c.w.hold.bytes()
	if len(b) == 0 || c.w.failure.Load() != nil {
		c.w.hold.drop()
		return true
	}
	if !c.canTry() {
		return false
	}
	k := c.w.hold.kept
	c.deadlines.armWrite(k.deadline)
	n, err := c.tryWrite(b)
	k.start += n
	switch {
	case err == nil && n < len(b), err != nil && c.deadlines.probed():
		return false
	case err != nil:
		_ = c.writeFailed(err)
	}
	c.w.hold.drop()
	return true
}

// leaveWrite leaves the write gate, and does before what others have left to do,
// as far as that takes no waiting.
func (c *Conn) leaveWrite() {
	for c.w.gate.leave() {
		if !c.tryFlush() {
			go c.flushAndLeave()
			return
		}
	}
}

// flushAndLeave sends what is held, however long that takes, and leaves the gate.
func (c *Conn) flushAndLeave() {
	_ = c.flushInside(time.Time{}) // its failure is the next write's
	c.leaveWrite()
}

// Flush sends what is held back (see Upgrader.HoldLimit) at once. It waits for
// its turn like a write, and returns the error of a held message that could not
// be sent, as every later write does.
func (c *Conn) Flush() error {
	deadline := c.deadlines.forMessage()
	if err := c.enterWrite(entrant{deadline: deadline}); err != nil {
		return err
	}
	defer c.leaveWrite()
	return c.flushInside(deadline)
}
