package lazywebsocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"
)

// ErrHandlerReturned is what reads and writes of a connection over HTTP/2 or HTTP/3
// return when the handler of its request has returned before the connection's end: its
// stream has ended then. It comes within an *OpError and is net.ErrClosed, too.
// Reads also return it for a peer that has reset the stream with NO_ERROR, which cannot
// be told apart with plain net/http.
var ErrHandlerReturned = fmt.Errorf("the handler of the request has returned: %w", net.ErrClosed)

// streamConn is a net.Conn on a stream of HTTP/2 (RFC 8441), or of HTTP/3 that looks
// like one: the body of the request, and the response. Whoever uses the response writer
// must have left before the handler returns, because net/http gives its memory to the
// next request: Close waits for that.
//
// net/http's own deadlines end the stream when they pass. The ones here are kept
// without them, but for a write that is to end now: that resets the stream.
type streamConn struct {
	w       http.ResponseWriter // the innermost: what wraps it must not see frames
	control *http.ResponseController
	ctx     context.Context // of the request: it ends when the handler has returned
	local   net.Addr
	remote  net.Addr
	in      inbox

	gone chan struct{} // closed when Close begins
	done chan struct{} // closed when nothing uses the stream any more

	writing sync.Mutex // held by a write: they do not mix
	mu      sync.Mutex // guards what follows
	closed  bool
	kept    bool        // the request waits for done when its handler returns
	inside  bool        // a write uses the response writer
	expired bool        // a write has run out of its time, and the stream is reset
	writeBy time.Time   // the write deadline; zero: none
	timer   *time.Timer // of the write that is inside; nil: has no deadline
}

var _ net.Conn = (*streamConn)(nil)

// newStreamConn makes a connection of a request that was accepted; w is the
// innermost response writer.
func newStreamConn(w http.ResponseWriter, r *http.Request) *streamConn {
	s := &streamConn{
		w:       w,
		control: http.NewResponseController(w),
		ctx:     r.Context(),
		gone:    make(chan struct{}),
		done:    make(chan struct{}),
		remote:  namedAddr(r.RemoteAddr),
	}
	s.local, _ = s.ctx.Value(http.LocalAddrContextKey).(net.Addr)
	if s.local == nil {
		s.local = namedAddr("")
	}
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		if s.remote = net.TCPAddrFromAddrPort(ap); s.local.Network() == "udp" { // QUIC's
			s.remote = net.UDPAddrFromAddrPort(ap)
		}
	}
	s.in.init(r.Body)
	return s
}

// namedAddr is an address that is not one of TCP, as net/http writes it.
type namedAddr string

func (namedAddr) Network() string  { return "http2" }
func (a namedAddr) String() string { return string(a) }

// LocalAddr returns the address of the connection that carries the stream.
func (s *streamConn) LocalAddr() net.Addr { return s.local }

// RemoteAddr returns the other one.
func (s *streamConn) RemoteAddr() net.Addr { return s.remote }

// SetDeadline implements net.Conn.
func (s *streamConn) SetDeadline(t time.Time) error {
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

// streamPiece is the most that is copied into net/http's own buffer. More goes to
// the network from the memory that is passed.
const streamPiece = 4 << 10

// streamGrace is what a write gets to end in that is told that its time has passed: it
// may wait for nobody, and the stream would be reset for nothing.
const streamGrace = 5 * time.Millisecond

// Write sends p and returns when it has left, as far as HTTP/2's flow control lets
// it. A write that ran out of its time, or that Close has ended, has reset the
// stream: nothing can follow it.
func (s *streamConn) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.enter(); err != nil {
		return 0, err
	}
	n, err := s.send(p)
	return n, s.leave(err)
}

// enter says why nothing can be written, or begins the time of a write.
func (s *streamConn) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return net.ErrClosed
	case s.expired, s.late():
		return os.ErrDeadlineExceeded
	case s.ctx.Err() != nil && !s.answers():
		return ErrHandlerReturned
	}
	s.inside = true
	s.arm()
	return nil
}

// leave ends enter, and returns what the write's caller sees.
func (s *streamConn) leave(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside = false
	s.disarm()
	if s.closed {
		close(s.done) // Close has left that to the last write
	}
	switch {
	case s.expired: // although all may have left
		return os.ErrDeadlineExceeded
	case err != nil && s.closed:
		return net.ErrClosed
	}
	return err
}

// answers reports whether the response writer can still be used: its request's
// context may be one of a middleware, which ended for a reason of its own.
func (s *streamConn) answers() (ok bool) {
	defer func() { ok = recover() == nil }()
	_ = s.w.Header()
	return true
}

// send writes p in pieces. The response writer panics when the handler has returned.
func (s *streamConn) send(p []byte) (n int, err error) {
	defer func() {
		if recover() != nil {
			err = ErrHandlerReturned
		}
	}()
	for n < len(p) {
		piece := p[n:min(len(p), n+maxBuffer)]
		if err := s.sendPiece(piece); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return n, nil
}

// sendPiece writes a piece and sees that it leaves. When the stream ends meanwhile
// net/http returns while it may still be sending from the memory that it was given:
// that is neither the caller's, nor is it given back then.
func (s *streamConn) sendPiece(p []byte) error {
	if len(p) <= streamPiece {
		return s.writeAndFlush(p)
	}
	own := borrow(len(p))
	if err := s.writeAndFlush(own.b[:copy(own.b, p)]); err != nil {
		return err
	}
	giveBack(own)
	return nil
}

func (s *streamConn) writeAndFlush(p []byte) error {
	if _, err := s.w.Write(p); err != nil {
		return err
	}
	return s.control.Flush()
}

// SetWriteDeadline sets the time by which writes end, the one in progress too.
func (s *streamConn) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeBy = t
	if s.inside && !s.closed {
		s.disarm()
		s.arm()
	}
	return nil
}

// late reports whether the write deadline has passed. mu is held.
func (s *streamConn) late() bool {
	return !s.writeBy.IsZero() && !time.Now().Before(s.writeBy)
}

// wasReset reports whether a write has run out of its time.
func (s *streamConn) wasReset() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expired
}

// arm sees to it that the write that is inside ends in time. mu is held.
func (s *streamConn) arm() {
	if s.writeBy.IsZero() {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(max(time.Until(s.writeBy), streamGrace), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.timer == timer && !s.closed { // else it is a later write's turn
			s.expired = true
			s.reset()
		}
	})
	s.timer = timer
}

// disarm ends arm. mu is held.
func (s *streamConn) disarm() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// reset makes a write that is inside return: net/http resets the stream. mu is held.
func (s *streamConn) reset() {
	defer func() { _ = recover() }() // the handler has returned: there is no stream
	_ = s.control.SetWriteDeadline(longAgo)
}

// Close ends reads and writes, and returns when nothing uses the stream any more.
// The stream itself ends with the handler.
//
// A write that is inside returns when net/http has sent the reset, which it cannot to a
// peer that takes nothing of the whole connection: that may take until
// HTTP2Config.WriteByteTimeout, or for ever.
func (s *streamConn) Close() error {
	if s.beginClose() {
		_ = s.in.body.Close() // and the pump ends
		s.in.limit.set(time.Time{})
	}
	<-s.done
	return nil
}

// beginClose returns false if Close has begun before.
func (s *streamConn) beginClose() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.closed = true
	close(s.gone)
	if s.inside {
		s.reset()
	} else {
		close(s.done)
	}
	return true
}

// keep notes that the request waits for done when its handler returns.
func (s *streamConn) keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = true
}

// isInside reports whether a write uses the response writer.
func (s *streamConn) isInside() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inside
}

func (s *streamConn) isKept() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept
}

// streamError has the fields of net/http's error of a stream that was reset, which
// errors.As finds by them.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "the stream was reset" }

// broken is the error of a read that net/http has failed: the peer has gone, or has
// reset the stream, without a word; or the handler has returned. Then net/http resets
// the stream with NO_ERROR (RFC 9113, 8.1), unless the peer had ended it. A peer's reset
// with that code looks the same, but where the request waits for the connection it is
// the only one that there can be. Over HTTP/3 the body says itself that the handler has
// returned.
func (s *streamConn) broken(err error) error {
	var reset streamError
	if errors.Is(err, ErrHandlerReturned) || errors.As(err, &reset) && reset.Code == 0 && !s.isKept() ||
		err.Error() == "http2: request body closed due to handler exiting" {
		return ErrHandlerReturned
	}
	return io.EOF
}
