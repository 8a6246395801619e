package lazywebsocket

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// observed is what a connection counts for its Observer. Only connections that have
// one have this; all others pay for a look whether it is there.
type observed struct {
	to     *Observer
	shared *tally // of to.Traffic; nil: none
	own    tally
	begun  time.Time
	client bool
	major  uint8

	cause    atomic.Uint32 // an EndCause; zero: it has not ended
	sent     atomic.Uint32 // the code of the Close frame; zero: none yet
	received atomic.Uint32 // likewise
	told     atomic.Bool   // Closed was called

	unread  int    // bytes in the read buffer before a read; reader goroutine only
	goodbye []byte // of the peer's Close frame behind Close: the code; who lingers only
}

// observed returns what the connection counts; nil if nobody is told.
func (c *Conn) observed() *observed {
	if !c.w.hold.told {
		return nil
	}
	return c.rare.Load().observed
}

// attempt is a handshake that an Observer is told of; nil if there is none.
type attempt struct {
	to    *Observer
	begun time.Time
	event HandshakeEvent
	told  bool

	returned bool // what was told of a connection has returned
}

// attempt begins a handshake.
func (o *Observer) attempt(ctx context.Context, client bool, major int) *attempt {
	if o == nil {
		return nil
	}
	// Until something else is said, what comes is a panic.
	event := HandshakeEvent{Context: ctx, Client: client, ProtoMajor: major, Refusal: RefusedPanic}
	return &attempt{to: o, begun: time.Now(), event: event}
}

// tell tells of the end of the handshake, once. It is deferred, for a panic.
func (a *attempt) tell() {
	if a == nil || a.told {
		return
	}
	a.told = true
	a.event.Duration = time.Since(a.begun)
	if a.to.Handshake != nil {
		a.to.Handshake(a.event)
	}
}

// refused ends a handshake that has failed.
func (a *attempt) refused(why Refusal, status int, err error) {
	if a != nil {
		a.event.Refusal, a.event.Status, a.event.Err = why, status, err
		a.tell()
	}
}

// accepted ends a handshake that has made c, of which nobody knows yet.
func (a *attempt) accepted(c *Conn, status int) {
	if a == nil {
		return
	}
	o := &observed{to: a.to, begun: time.Now(), client: a.event.Client, major: uint8(a.event.ProtoMajor)} //nolint:gosec // 1 to 3
	if a.to.Traffic != nil {
		o.shared = a.to.Traffic.pick()
	}
	lazily(&c.rare).observed, c.w.hold.told = o, true
	o.wireReceived(len(c.r.buf.unread()))
	a.event.Conn, a.event.Refusal, a.event.Status = c, Accepted, status
	a.event.Compressed = c.w.deflate != nil
	defer c.unlessTold(&a.returned)
	a.tell()
	a.returned = true
}

// unlessTold ends a connection that nobody will get, because what should have been told
// of it has panicked, or ended its goroutine: the server has let go of the net.Conn.
func (c *Conn) unlessTold(returned *bool) {
	if *returned {
		return
	}
	c.ends(EndPanic)
	_ = c.end(CloseInternalServerErr, "")
	c.awaitStream()
}

// ends notes what has ended the connection, if nothing has before.
func (c *Conn) ends(cause EndCause) {
	if o := c.observed(); o != nil {
		o.cause.CompareAndSwap(0, uint32(cause))
	}
}

// wouldEnd is ends before it has come true: the peer's answer may be faster than the
// caller. The function that it returns takes it back.
func (c *Conn) wouldEnd(cause EndCause) (undo func()) {
	o := c.observed()
	if o == nil || !o.cause.CompareAndSwap(0, uint32(cause)) {
		return func() {}
	}
	return func() { o.cause.CompareAndSwap(uint32(cause), 0) }
}

// endsReading is ends with what has stopped a read: err as it was met, and what the
// application sees of it.
func (c *Conn) endsReading(err, seen error) {
	if o := c.observed(); o == nil || c.deadlines.ended() {
		return
	}
	_, handlers := err.(handlerError) //nolint:errorlint // the reader's own, not wrapped yet
	switch {
	case handlers:
		c.ends(EndLocal)
	case errors.As(seen, new(*ProtocolError)):
		c.ends(EndProtocol)
	case errors.As(seen, new(*BudgetError)):
		c.ends(EndBudget)
	default:
		c.ends(networkCause(seen))
	}
}

// endsWriting is ends with what has failed a write. Inside the write gate.
func (c *Conn) endsWriting(err error) {
	if o := c.observed(); o == nil || c.deadlines.ended() {
		return
	}
	cause := networkCause(err)
	if q := c.w.queue.Load(); cause == EndTimeout && q != nil && q.patient {
		cause = EndSlow // the time was the queue's
	}
	c.ends(cause)
}

// networkCause tells the kinds of failures of the network.
func networkCause(err error) EndCause {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return EndCancelled
	case errors.Is(err, os.ErrDeadlineExceeded):
		return EndTimeout
	}
	return EndNetwork
}

// saidClose notes the code of the Close frame that was sent, by its payload.
func (c *Conn) saidClose(payload []byte) {
	if o := c.observed(); o != nil {
		o.sent.CompareAndSwap(0, closeCode(payload))
	}
}

// saidCode is saidClose by the code.
func (c *Conn) saidCode(code int) {
	if o := c.observed(); o != nil {
		o.sent.CompareAndSwap(0, uint32(code)) //nolint:gosec // two bytes
	}
}

// heardCode notes the code of the peer's Close frame, which ends the connection.
func (c *Conn) heardCode(code int) {
	if o := c.observed(); o != nil {
		o.received.CompareAndSwap(0, uint32(code)) //nolint:gosec // two bytes
		c.ends(EndPeer)
	}
}

// closeCode returns the code in the payload of a Close frame.
func closeCode(payload []byte) uint32 {
	if len(payload) < 2 {
		return CloseNoStatusReceived
	}
	return uint32(binary.BigEndian.Uint16(payload))
}

// overhear notes, while a connection lingers, the code of the peer's Close frame as it
// comes: p is some of its payload, and rest is how much follows. An invalid one is
// none.
func (c *Conn) overhear(p []byte, rest int64) {
	o := c.observed()
	if o == nil || !c.r.dec.Closed() {
		return
	}
	o.goodbye = append(o.goodbye, p...)
	if rest > 0 {
		return
	}
	if code, _, err := wsproto.ParseClose(o.goodbye); err == nil {
		c.heardCode(code)
	}
}

// closed tells the Observer that the connection is closed; later calls do nothing.
func (c *Conn) closed() {
	o := c.observed()
	if o == nil || o.told.Swap(true) || o.to.Closed == nil {
		return
	}
	e := ClosedEvent{
		Conn: c, Client: o.client, ProtoMajor: int(o.major), Cause: EndCause(o.cause.Load()), //nolint:gosec // one of ours
		Sent: codeOrNone(o.sent.Load()), Received: codeOrNone(o.received.Load()),
		Duration: time.Since(o.begun),
	}
	o.own.addTo(&e.Traffic)
	o.to.Closed(e)
}

func codeOrNone(code uint32) int {
	if code == 0 {
		return CloseAbnormalClosure
	}
	return int(code)
}

// messageRead counts the message that was read, or dropped, to its end. Inside the
// read gate.
func (c *Conn) messageRead() {
	o := c.observed()
	if o == nil {
		return
	}
	n := c.r.dec.MessageSize()
	o.own.received.message(n)
	if o.shared != nil {
		o.shared.received.message(n)
	}
	if o.to.Message != nil {
		o.to.Message(MessageEvent{Conn: c, Type: int(c.r.opcode), Bytes: n})
	}
}

// messageSent counts a message whose write has returned err, and returns that.
func (c *Conn) messageSent(messageType int, n int64, err error) error {
	if o := c.observed(); o != nil && err == nil {
		o.messageSent(c, messageType, n)
	}
	return err
}

func (o *observed) messageSent(c *Conn, messageType int, n int64) {
	o.own.sent.message(n)
	if o.shared != nil {
		o.shared.sent.message(n)
	}
	if o.to.Message != nil {
		o.to.Message(MessageEvent{Conn: c, Sent: true, Type: messageType, Bytes: n})
	}
}

// publishedSent is messageSent inside the write gate. A panic may come out of somebody
// else's Publish there, who knows nothing of this connection, and nobody leaves its gate.
func (o *observed) publishedSent(c *Conn, pm *PreparedMessage) {
	returned := o.to.Message == nil
	if !returned {
		defer func() {
			if !returned {
				c.ends(EndPanic)
				c.abort()
			}
		}()
	}
	o.messageSent(c, pm.messageType, int64(len(pm.payload())))
	returned = true
}

// wireReceived counts what a read has brought.
func (o *observed) wireReceived(n int) {
	o.own.received.wire.Add(uint64(n)) //nolint:gosec // not negative
	if o.shared != nil {
		o.shared.received.wire.Add(uint64(n)) //nolint:gosec // not negative
	}
}

// wireSent counts what a write has taken.
func (c *Conn) wireSent(n int) {
	if o := c.observed(); o != nil && n > 0 {
		o.own.sent.wire.Add(uint64(n))
		if o.shared != nil {
			o.shared.sent.wire.Add(uint64(n))
		}
	}
}

// queued counts messages that were put into the outgoing queue, or, below zero, taken
// out. The gate's mu is held.
func (c *Conn) queued(messages, bytes int) {
	if o := c.observed(); o != nil {
		o.queued(messages, bytes)
	}
}

func (o *observed) queued(messages, bytes int) {
	o.own.queue(messages, bytes)
	if o.shared != nil {
		o.shared.queue(messages, bytes)
	}
}

// unqueued counts messages that were taken out to be sent. The gate's mu is held.
func (o *observed) unqueued(messages []*PreparedMessage) {
	bytes := 0
	for _, pm := range messages {
		bytes += len(pm.frame)
	}
	o.queued(-len(messages), -bytes)
}

func (t *tally) queue(messages, bytes int) {
	t.queuedMessages.Add(int64(messages))
	t.queuedBytes.Add(int64(bytes))
}

// dropped counts a message that QueueDropOldest has dropped, as discarded does those
// that ended with their connection.
func (c *Conn) dropped() {
	if o := c.observed(); o != nil {
		o.own.dropped.Add(1)
		if o.shared != nil {
			o.shared.dropped.Add(1)
		}
	}
}

func (c *Conn) discarded(n int) {
	if o := c.observed(); o != nil && n > 0 {
		o.own.discarded.Add(uint64(n))
		if o.shared != nil {
			o.shared.discarded.Add(uint64(n))
		}
	}
}
