package lazywebsocket

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"runtime"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

const (
	// goodbyeWait bounds what Close waits for: the turn of a writer that may be
	// stuck, and the Close frame's own write.
	goodbyeWait = 250 * time.Millisecond
	// closeWait is what the Close of the net.Conn gets at least, when no goodbye
	// could be said. It is more than a socket needs.
	closeWait = 10 * time.Millisecond
	// lingerTime and lingerBytes bound what is read and dropped after Close, so
	// that unread bytes do not make the system reset the connection and throw
	// away what the peer has not received yet.
	lingerTime  = 2 * time.Second
	lingerBytes = 256 << 10
	// streamLinger is lingerTime on a stream of HTTP/2, for which a handler waits.
	streamLinger = time.Second
)

// Close ends the connection. If no Close frame was sent it sends one, with
// CloseNormalClosure; what was written or published before arrives first, if the
// peer takes it in time. A message of NextWriter that was not finished stays so,
// and if a part of it has left, what was published behind it is dropped: nothing
// may stand in its middle (RFC 6455, 5.4). Close takes at most a quarter of a second, however stuck the
// peer or a writer is, and leaves the rest, waiting for the peer's answer for up
// to two seconds, to the background.
//
// A blocked read returns at once, with an error that is net.ErrClosed; a
// blocked write fails. Later writes return ErrCloseSent. Close may be called
// from any goroutine, any number of times: the second and later ones return
// nil. To wait for the peer's Close frame, use Shutdown.
//
// Over HTTP/2 the stream ends when the handler of its request returns, and the peer
// must have answered by then, or it sees no goodbye (1006): there Close waits for that,
// a second at most, and so do the later calls. Where a write is stuck in net/http,
// because the peer takes nothing of its whole HTTP/2 connection, a handler cannot return
// before the write does: see http2.Config, and unless something else makes the request
// wait (see Upgrader.Upgrade), Close waits for that.
//
// Called by a deferred function while a panic is on its way, as by
//
//	defer conn.Close()
//
// it says CloseInternalServerErr instead.
func (c *Conn) Close() error {
	defer c.awaitStream()
	return c.closeBehind()
}

// closeBehind is Close that leaves a stream of HTTP/2 to the background, too.
func (c *Conn) closeBehind() error {
	if c.deadlines.ended() {
		return nil // and the walk up the stack is saved
	}
	if panicking() {
		c.ends(EndPanic)
		return c.end(CloseInternalServerErr, "")
	}
	return c.end(CloseNormalClosure, "")
}

// overStream reports whether the connection is a stream of HTTP/2.
func (c *Conn) overStream() bool {
	_, ok := c.deadlines.conn().(*streamConn)
	return ok
}

// awaitStream waits until a stream of HTTP/2 that is ending is not used any more:
// the handler may return then.
func (c *Conn) awaitStream() {
	s, ok := c.deadlines.conn().(*streamConn)
	if !ok {
		return
	}
	var patience time.Duration
	switch {
	case c.r.handling.Load():
		// A handler of a control message may be our caller, within a read, which who
		// lingers waits for.
		patience = goodbyeWait
	case s.isKept():
		patience = goodbyeWait + streamLinger // the request waits for more than that
	default:
		// After that time, unless net/http has a write that cannot end: our caller may be
		// the handler, and what that write uses is the next request's when it returns.
		<-s.done
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-s.done:
	case <-timer.C:
		if !s.isKept() && s.isInside() {
			// That is a pong of the reader's, and no handler of the application's. The
			// stream is reset for it already.
			_ = s.Close()
		}
	}
}

// panicking reports whether the goroutine runs deferred functions of a panic.
// The language tells only a function that is deferred directly, by recover, and
// not the closures around Close that linters ask for; the stack tells all.
func panicking() bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if f.Function == "runtime.gopanic" {
			return true
		}
		if !more {
			return false
		}
	}
}

// Shutdown does the closing handshake (RFC 6455, 7.1.2): it sends a Close frame
// with code and reason, of at most 123 bytes, waits for the peer's, and ends
// the connection. Messages that arrive meanwhile go to a read that is in
// progress; others are dropped.
//
// It returns nil when the peer has answered, or the connection had been closed
// before. A code or a reason that must not be sent is an *OpError, and changes
// nothing; with every other error, an *OpError too, of the context for example,
// the connection is closed all the same. It must not be called from a handler of
// a control message.
func (c *Conn) Shutdown(ctx context.Context, code int, reason string) error {
	payload := FormatCloseMessage(code, reason)
	if _, _, err := wsproto.ParseClose(payload); err != nil || len(payload) > wsproto.MaxControlPayload {
		return &OpError{Op: "shutdown", Err: errBadClose}
	}
	defer c.awaitStream()
	return c.shutdownBehind(ctx, code, reason, payload)
}

// shutdownBehind is Shutdown with the payload of the Close frame, which has been
// checked, that leaves the end of a stream of HTTP/2 to the background: ctx bounds it.
func (c *Conn) shutdownBehind(ctx context.Context, code int, reason string, payload []byte) error {
	if c.deadlines.ended() {
		return nil
	}
	err := c.shutdown(ctx, payload)
	waited := err != nil && c.w.closeSent.Load()
	_ = c.end(code, reason)
	if waited && c.overStream() {
		_ = c.closeNow() // the peer has had its time, and a handler may wait to return
	}
	if op, ok := err.(*OpError); ok { //nolint:errorlint // ours, not one within a handler's error
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
	if !c.r.gate.tryEnter() {
		c.beforeBlocking()
		if err := c.r.gate.enter(entrant{ctx: ctx}); err != nil {
			return err
		}
	}
	defer c.leaveRead()
	c.waitAgain()
	defer c.cancelReads(ctx)()
	for err = nil; err == nil; { // a message that arrives is dropped by the next begin
		err = c.begin()
	}
	if c.r.peerClosed {
		return nil
	}
	return err
}

// end ends the connection once; later calls do nothing. It takes no lock that a
// writer or a reader may hold for long.
func (c *Conn) end(code int, reason string) error {
	c.ends(EndLocal) // unless something has been noted before
	deadline := time.Now().Add(goodbyeWait)
	if !c.deadlines.end(deadline) {
		return nil
	}
	if k := c.keepalive(); k != nil {
		k.stop()
	}
	said := c.sayGoodbye(code, reason, deadline)
	c.closeQueue()
	c.endStream() // who waits for an open message to end hears of it
	if s := c.served.Load(); s != nil {
		defer s.wake() // to hear of it
	}
	if said {
		go c.linger()
		return nil
	}
	// A foreign net.Conn may have a patience of its own.
	closed := make(chan error, 1)
	go func() { closed <- c.closeNow() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(max(time.Until(deadline), closeWait)):
		return nil
	}
}

// abort ends the connection without a goodbye. It waits for nothing and takes
// no gate.
func (c *Conn) abort() {
	if !c.deadlines.end(longAgo) {
		return
	}
	if k := c.keepalive(); k != nil {
		k.stop()
	}
	c.closeQueue()
	c.endStream()
	_ = c.closeNow()
	if s := c.served.Load(); s != nil {
		s.wake() // to hear of it
	}
}

// sayGoodbye sees to it that a Close frame has been sent. It returns false if
// that cannot be done, or not in time: a frame that a stuck writer has begun
// must not be torn.
func (c *Conn) sayGoodbye(code int, reason string, deadline time.Time) bool {
	if !c.w.gate.tryEnter() {
		c.beforeBlocking()
		if c.w.gate.enter(entrant{deadline: deadline}) != nil {
			return false
		}
	}
	defer c.leaveWrite()
	if c.w.failure.Load() != nil {
		return false
	}
	if c.w.closeSent.Load() {
		return true
	}
	if c.sendLast(noContext, deadline) != nil {
		return false // what the peer does not take it would not take the Close frame behind
	}
	c.w.closeSent.Store(true)
	f := frame{op: wsproto.Close, fin: true, now: true, payload: FormatCloseMessage(code, reason), deadline: deadline}
	if c.writeFrame(&f) != nil {
		return false
	}
	c.saidClose(f.payload)
	return true
}

// linger shuts the write side, reads what still comes, and closes.
func (c *Conn) linger() {
	defer c.closeNow() //nolint:errcheck // nobody is left to be told
	patience := lingerTime
	if c.overStream() {
		patience = streamLinger
	}
	deadline := time.Now().Add(patience)
	// CloseWrite of a *tls.Conn has a patience of its own.
	limit := time.AfterFunc(patience, func() { _ = c.closeNow() })
	defer limit.Stop()
	half, ok := c.deadlines.conn().(interface{ CloseWrite() error })
	if ok && half.CloseWrite() != nil {
		return
	}
	// The application's read was interrupted; it leaves the gate now.
	if c.r.gate.enter(entrant{deadline: deadline}) != nil {
		return
	}
	intact := c.r.dec.Closed() || !c.r.lost
	c.abandonInflate()
	if c.r.err == nil {
		c.r.err = c.endedError()
	}
	c.waitAgain()
	c.leaveRead() // later reads return the error, so that the rest is ours
	nc := c.deadlines.conn()
	if nc.SetReadDeadline(deadline) != nil {
		return
	}
	src := &io.LimitedReader{R: nc, N: lingerBytes}
	// A peer that has seen the end of our stream ends its own, and nothing of it
	// is left unread then. Where the stream has no end to show, the peer's Close
	// frame is all that a server waits for; a client waits for the server, which
	// goes first (RFC 6455, 7.1.1).
	heard := c.awaitClose(src, intact)
	if !intact && c.overStream() {
		heard = c.seekClose(src)
		c.r.buf.drop()
	}
	if heard && !ok && c.r.dec.Role == wsproto.Server {
		return
	}
	_, _ = io.Copy(io.Discard, src)
}

// waitAgain makes reads wait that an event loop has made not to. Inside the read
// gate, for the end.
func (c *Conn) waitAgain() {
	if !c.inLoop() {
		return
	}
	c.r.blocking = true
	if _, inner := plain(c.deadlines.nc); inner != nil {
		inner.waits.Store(true)
	}
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
			c.overhear(p, r.dec.Remaining())
		} else {
			_, n, err = r.dec.Next(p)
			c.overhear(nil, r.dec.Remaining()) // one without a payload
		}
		r.buf.skip(n)
		intact = err == nil
		if n == 0 && intact {
			if n, _ = src.Read(r.buf.space()); n == 0 {
				return false
			}
			r.buf.filled(n)
		}
	}
	return intact
}

// seekClose is awaitClose where the peer has broken the protocol: nothing but the
// lengths of its frames is looked at. Without it a handler over HTTP/2, and the client
// behind it, would wait for all of streamLinger.
func (c *Conn) seekClose(src io.Reader) bool {
	r := &c.r
	rest, found := r.dec.Remaining(), false
	for rest > 0 || !found {
		p := r.buf.unread()
		n := int(min(rest, int64(len(p))))
		rest -= int64(n)
		if rest == 0 && n == 0 {
			h, size, err := wsproto.ParseHeader(p)
			if err != nil {
				return false
			}
			if size > 0 {
				n, rest, found = size, h.Length, h.Opcode == wsproto.Close
			}
		}
		r.buf.skip(n)
		if n == 0 {
			if n, _ = src.Read(r.buf.space()); n == 0 {
				return false
			}
			r.buf.filled(n)
		}
	}
	return true
}

// closeNow closes the connection beneath without waiting: TLS would try to say a
// goodbye of its own for up to five seconds on a socket that nobody reads.
func (c *Conn) closeNow() error {
	defer c.closed()
	defer c.releaseAddress()
	return hangUp(c.deadlines.conn())
}

// finalDeadlines reports whether the connection beneath cannot be written to after a
// write that was stopped by its deadline, even if nothing has left: TLS, and a stream
// of HTTP/2.
func (c *Conn) finalDeadlines() bool {
	_, secret := c.deadlines.conn().(*tls.Conn)
	return secret || c.overStream()
}

// lateForGood reports whether that has come true: a write on a stream of HTTP/2 that
// was too late to begin has harmed nothing.
func (c *Conn) lateForGood() bool {
	switch nc := c.deadlines.conn().(type) {
	case *tls.Conn:
		return true
	case *streamConn:
		return nc.wasReset()
	}
	return false
}
