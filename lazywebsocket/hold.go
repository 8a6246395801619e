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

	// What is elsewhere, too, and looked at for each message: see Conn.
	masks bool // the connection is a client's, whose frames are masked one by one
	told  bool // rare has an observed

	kept *kept // inside the write gate; nil until something was held
}

// kept is what is held. Inside the write gate.
type kept struct {
	direct   []byte    // leaves first: prepared memory, which is shared
	buf      *buffer   // nil while nothing else is held
	start, n int       // buf.b[start:n] is held; what is before it has left
	deadline time.Time // the earliest in force when a frame was queued; zero: none
	timer    *time.Timer
}

// pending reports whether something is held.
func (h *hold) pending() bool {
	return h.kept != nil && (len(h.kept.direct) > 0 || len(h.bytes()) > 0)
}

// bytes returns what is held of our own memory.
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
	h.masks = c.r.dec.Role == wsproto.Client
}

// isSocket reports whether nc is a socket of the system, or TLS on one.
func isSocket(nc net.Conn) bool {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok { // *tls.Conn
		nc = unwrapped(t.NetConn())
	}
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// delivered notes that a message was read to its end. Reader goroutine only.
func (c *Conn) delivered() {
	c.messageRead()
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
// below maxBuffer, or nothing is held.
func (c *Conn) keep(f *frame) {
	c.w.hold.grow(f.size(), min(4*f.size(), maxBuffer)) // more will come
	k := c.w.hold.kept
	k.n = len(c.appendFrame(k.buf.b[:k.n], f))
	k.deadline = earliest(k.deadline, f.deadline)
}

// grow makes room for need more bytes; a new buffer gets room for hint.
func (h *hold) grow(need, hint int) {
	if h.kept == nil {
		h.kept = new(kept)
	}
	k := h.kept
	switch {
	case k.buf == nil:
		k.start, k.n = 0, 0
		k.buf = borrowLarge(max(need, hint))
	case k.n+need > len(k.buf.b):
		larger := borrow(max(2*len(k.buf.b), k.n+need-k.start))
		k.n = copy(larger.b, h.bytes())
		k.start = 0
		giveBackLarge(k.buf)
		k.buf = larger
	}
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
	if !c.w.hold.pending() {
		return nil
	}
	k := c.w.hold.kept
	by := earliest(k.deadline, deadline)
	c.deadlines.armWrite(by)
	err := c.writeKept(k)
	if errors.Is(err, os.ErrDeadlineExceeded) && !c.lateForGood() && (by != k.deadline || c.deadlines.interrupted()) {
		return writeError(err)
	}
	c.w.hold.drop()
	if err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// writeKept writes what is held, and notes what of it has left.
func (c *Conn) writeKept(k *kept) error {
	if len(k.direct) > 0 {
		n, err := c.writeLarge(k.direct)
		if k.direct = k.direct[n:]; err != nil {
			return err
		}
		c.renewPatience()
	}
	b := c.w.hold.bytes()
	if len(b) == 0 {
		return nil
	}
	n, err := c.writeLarge(b)
	k.start += n
	return err
}

// renewPatience gives the peer all the time again to take something, if it is a
// queue that is sent by flushQueue. Inside the write gate.
func (c *Conn) renewPatience() {
	if q := c.w.queue.Load(); q != nil && q.patient {
		c.deadlines.armWrite(earliest(c.w.hold.kept.deadline, q.deadline()))
	}
}

// drop forgets what is held: it has left, or nothing can leave any more.
func (h *hold) drop() {
	k := h.kept
	if k == nil {
		return
	}
	if k.direct, k.deadline = nil, (time.Time{}); k.buf != nil {
		giveBackLarge(k.buf)
		k.buf = nil
	}
}

// flushInside writes what is held and what is queued, by the deadline or those of
// the frames. That the end of the connection has begun changes nothing: those who
// wrote it were told that it is on its way. Inside the write gate.
func (c *Conn) flushInside(deadline time.Time) error {
	if failure := c.w.failure.Load(); failure != nil {
		c.w.hold.drop()
		return *failure
	}
	if err := c.sendAhead(noContext, deadline); err != nil {
		return err
	}
	return c.sendHeld(deadline)
}

// tryFlush sends what is held, and what is queued, if that takes no waiting, and
// reports whether nothing is left of it. Inside the write gate.
func (c *Conn) tryFlush() bool {
	if q := c.w.queue.Load(); q != nil {
		return c.tryQueued(q)
	}
	return c.tryHeld()
}

// tryHeld sends what is held if that takes no waiting, and reports whether
// nothing is held any more. Inside the write gate.
func (c *Conn) tryHeld() bool {
	if !c.w.hold.pending() || c.w.failure.Load() != nil {
		c.w.hold.drop()
		return true
	}
	if !c.canTry() {
		return false
	}
	k := c.w.hold.kept
	err := c.tryKept(k, c.deadlines.armWrite(k.deadline))
	switch {
	case err == nil && c.w.hold.pending(), err != nil && c.deadlines.probed():
		return false
	case err != nil:
		_ = c.writeFailed(err)
	}
	c.w.hold.drop()
	return true
}

// tryKept writes what is held, as far as that takes no waiting; free says that the
// net.Conn has no deadline.
func (c *Conn) tryKept(k *kept, free bool) error {
	if len(k.direct) > 0 {
		n, err := c.tryWrite(k.direct, free)
		if k.direct = k.direct[n:]; err != nil || len(k.direct) > 0 {
			return err
		}
	}
	b := c.w.hold.bytes()
	if len(b) == 0 {
		return nil
	}
	n, err := c.tryWrite(b, free)
	k.start += n
	return err
}

// leaveTries is how often who leaves sends what others have queued meanwhile,
// before a goroutine does it: nobody works for the others for ever.
const leaveTries = 4

// leaveWrite leaves the write gate, and does before what others have left to do,
// as far as that takes no waiting.
func (c *Conn) leaveWrite() {
	for tries := 0; c.w.gate.leave(); tries++ {
		if tries == leaveTries || !c.tryFlush() {
			go c.flushAndLeave()
			return
		}
	}
}

// flushAndLeave sends what is held and queued, however long that takes, and
// leaves the gate.
func (c *Conn) flushAndLeave() {
	if q := c.w.queue.Load(); q != nil {
		c.flushQueue(q)
		return
	}
	_ = c.flushInside(time.Time{}) // its failure is the next write's
	c.leaveWrite()
}

// Flush sends what is held back (see Upgrader.HoldLimit) and what is queued by
// Publish at once, and returns when it has left. It waits for its turn like a
// write, and returns the error of a message that could not be sent, as every
// later write does. While the writer of a NextWriter is open it leaves the queue
// alone.
func (c *Conn) Flush() error {
	deadline := c.deadlines.forMessage()
	if err := c.enterWrite(entrant{deadline: deadline}); err != nil {
		return err
	}
	defer c.leaveWrite()
	return c.flushInside(deadline)
}
