package lazywebsocket

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

const (
	// goodbyeWait bounds what Close waits for: the turn of a writer that may be
	// stuck, and the Close frame's own write.
	goodbyeWait = 250 * time.Millisecond
	// lingerTime and lingerBytes bound what is read and dropped after Close, so
	// that unread bytes do not make the system reset the connection and throw
	// away what the peer has not received yet.
	lingerTime  = 2 * time.Second
	lingerBytes = 256 << 10
)

// Close ends the connection. If no Close frame was sent it sends one, with
// CloseNormalClosure; what was written before arrives first. It takes at most a
// quarter of a second, however stuck the peer or a writer is, and leaves the
// rest, waiting for the peer's answer for up to two seconds, to the background.
//
// A blocked read returns at once, with an error that is net.ErrClosed; a
// blocked write fails. Later writes return ErrCloseSent. Close may be called
// from any goroutine, any number of times: the second and later ones return
// nil. To wait for the peer's Close frame, use Shutdown.
//
// Deferred directly, as in
//
//	defer conn.Close()
//
// it notices a panic that is on its way through the function, says
// CloseInternalServerErr instead, and lets the panic go on.
func (c *Conn) Close() error {
	if p := recover(); p != nil {
		_ = c.end(CloseInternalServerErr, "")
		panic(p)
	}
	return c.end(CloseNormalClosure, "")
}

// Shutdown does the closing handshake (RFC 6455, 7.1.2): it sends a Close frame
// with code and reason, of at most 123 bytes, waits for the peer's, and ends
// the connection. Messages that arrive meanwhile go to a read that is in
// progress; others are dropped.
//
// It returns nil when the peer has answered, or the connection had been closed
// before; otherwise the connection is closed all the same, and the error is an
// *OpError, of the context for example. It must not be called from a handler of
// a control message.
func (c *Conn) Shutdown(ctx context.Context, code int, reason string) error {
	payload := FormatCloseMessage(code, reason)
	if _, _, err := wsproto.ParseClose(payload); err != nil || len(payload) > wsproto.MaxControlPayload {
		return &OpError{Op: "shutdown", Err: errBadClose}
	}
	if c.deadlines.ended() {
		return nil
	}
	err := c.shutdown(ctx, payload)
	_ = c.end(code, reason)
	if op := (*OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	if err != nil {
		return &OpError{Op: "shutdown", Err: err}
	}
	return nil
}

func (c *Conn) shutdown(ctx context.Context, payload []byte) error {
	err := c.writeControl(entrant{ctx: ctx}, CloseMessage, payload)
	if err != nil && !errors.Is(err, ErrCloseSent) {
		return err
	}
	if err := c.r.gate.enter(entrant{ctx: ctx}); err != nil {
		return err
	}
	defer c.r.gate.leave()
	defer c.cancelReads(ctx)()
	for err = nil; err == nil; { // a message that arrives is dropped by the next begin
		err = c.begin()
	}
	if errors.As(err, new(*CloseError)) && !errors.Is(err, errNoClose) {
		return nil
	}
	return err
}

// end ends the connection once; later calls do nothing. It takes no lock that a
// writer or a reader may hold for long.
func (c *Conn) end(code int, reason string) error {
	deadline := time.Now().Add(goodbyeWait)
	if !c.deadlines.end(c.nc, deadline) {
		return nil
	}
	if c.keepalive != nil {
		c.keepalive.stop()
	}
	if !c.sayGoodbye(code, reason, deadline) {
		return c.closeNow()
	}
	go c.linger()
	return nil
}

// abort ends the connection without a goodbye. It waits for nothing and takes
// no gate.
func (c *Conn) abort() {
	if !c.deadlines.end(c.nc, longAgo) {
		return
	}
	if c.keepalive != nil {
		c.keepalive.stop()
	}
	_ = c.closeNow()
}

// sayGoodbye sees to it that a Close frame has been sent. It returns false if
// that cannot be done, or not in time: a frame that a stuck writer has begun
// must not be torn.
func (c *Conn) sayGoodbye(code int, reason string, deadline time.Time) bool {
	if c.w.gate.enter(entrant{deadline: deadline}) != nil {
		return false
	}
	defer c.w.gate.leave()
	if c.w.failure.Load() != nil {
		return false
	}
	if c.w.closeSent.Swap(true) {
		return true
	}
	return c.writeFrame(wsproto.Close, true, FormatCloseMessage(code, reason), deadline) == nil
}

// linger shuts the write side, reads what still comes, and closes.
func (c *Conn) linger() {
	defer c.closeNow() //nolint:errcheck // nobody is left to be told
	deadline := time.Now().Add(lingerTime)
	half, ok := c.nc.(interface{ CloseWrite() error })
	if ok && half.CloseWrite() != nil {
		return
	}
	// The application's read was interrupted; it leaves the gate now.
	if c.r.gate.enter(entrant{deadline: deadline}) != nil {
		return
	}
	intact := c.r.dec.Closed() || c.r.err == nil || errors.Is(c.r.err, errReadClosed)
	if c.r.err == nil {
		c.r.err = c.endedError()
	}
	c.r.gate.leave() // later reads return the error, so that the rest is ours
	if c.nc.SetReadDeadline(deadline) != nil {
		return
	}
	src := &io.LimitedReader{R: c.nc, N: lingerBytes}
	// A peer that has seen the end of our stream ends its own, and nothing of it
	// is left unread then. Where the stream has no end to show, the peer's Close
	// frame is all that a server waits for; a client waits for the server, which
	// goes first (RFC 6455, 7.1.1).
	if c.awaitClose(src, intact) && !ok && c.role == wsproto.Server {
		return
	}
	_, _ = io.Copy(io.Discard, src)
}

// awaitClose reads up to the end of the peer's Close frame. It returns false if
// that does not come. intact says whether the decoder stands at a place in the
// stream that it can go on from.
func (c *Conn) awaitClose(src io.Reader, intact bool) bool {
	r := &c.r
	for intact && (!r.dec.Closed() || r.dec.Remaining() > 0) {
		var n int
		var err error
		p := r.buf.unread()
		if r.dec.Remaining() > 0 {
			p = c.buffered()
			n, err = len(p), r.dec.Payload(p)
		} else {
			_, n, err = r.dec.Next(p)
		}
		r.buf.skip(n)
		intact = err == nil
		if n == 0 && intact && r.buf.fill(src) != nil {
			return false
		}
	}
	return intact
}

// closeNow closes the connection beneath without waiting. A *tls.Conn would try
// to say its own goodbye for up to five seconds on a socket that nobody reads;
// its own was said by CloseWrite if there was a chance.
func (c *Conn) closeNow() error {
	if t, ok := c.nc.(*tls.Conn); ok {
		return t.NetConn().Close()
	}
	return c.nc.Close()
}
