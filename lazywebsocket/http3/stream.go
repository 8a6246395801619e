package http3

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"golazy.dev/lazywebsocket"
)

// stream is a request's stream as net/http shows one over HTTP/2: its response writer
// and its body. What differs from quic-go's: a write deadline in the past resets the
// stream, and what comes after the handler's return gets an error that says so.
//
// It has no method Unwrap, on purpose: lazywebsocket writes to the innermost writer.
type stream struct {
	w        http.ResponseWriter // quic-go's, or what wraps it
	control  *http.ResponseController
	streamer http3.HTTPStreamer
	body     io.ReadCloser
	ctx      context.Context // of the request, not of a middleware's copy
	waits    []func()        // the handler's goroutine only: what to call when it has returned
	panics   []func()        // likewise: when it has panicked

	writing sync.Mutex // held by who writes: they do not mix
	mu      sync.Mutex // guards what follows
	taken   *http3.Stream
	agreed  bool // the status is 200, with which a WebSocket begins
	inside  bool // somebody writes
	failed  bool // a write has failed: what has left may be a part of a frame
	over    bool // the handler has returned
}

func newStream(w http.ResponseWriter, streamer http3.HTTPStreamer, r *http.Request) *stream {
	return &stream{w: w, control: http.NewResponseController(w), streamer: streamer, body: r.Body, ctx: r.Context()}
}

// request returns the request that the handler sees.
func (s *stream) request(r *http.Request) *http.Request {
	seen := r.WithContext(r.Context())
	seen.Header = r.Header.Clone()
	seen.Header[":protocol"] = []string{r.Proto}
	seen.Proto = "HTTP/3.0"
	seen.Body = s
	return seen
}

// serve calls the handler, waits for what it has left behind, and ends the stream.
func (s *stream) serve(next http.Handler, r *http.Request) {
	returned := false
	defer func() { s.end(returned) }() // a panic goes on to quic-go, who leaves the stream to us
	defer func() {
		for _, tell := range s.panics {
			tell()
		}
	}()
	next.ServeHTTP(s, r)
	s.panics = nil
	for _, wait := range s.waits {
		wait()
	}
	returned = true
}

// end ends a stream that was taken over; another is quic-go's to end.
func (s *stream) end(returned bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	switch {
	case s.taken == nil:
	case !returned:
		s.reset(http3.ErrCodeInternalError)
	case s.inside || s.failed:
		s.reset(http3.ErrCodeRequestCanceled)
	default:
		s.taken.CancelRead(quic.StreamErrorCode(http3.ErrCodeNoError)) // unless the peer has ended
		_ = s.taken.Close()
	}
}

// reset ends both directions at once. mu is held, the stream is taken.
func (s *stream) reset(code http3.ErrCode) {
	s.taken.CancelRead(quic.StreamErrorCode(code))
	s.taken.CancelWrite(quic.StreamErrorCode(code))
}

// OnReturn registers what is called when the handler has returned: Upgrader.Upgrade
// looks for it.
func (s *stream) OnReturn(f func()) { s.waits = append(s.waits, f) }

// OnPanic registers what is called when the handler has panicked: Upgrader.Upgrade looks
// for it, too.
func (s *stream) OnPanic(f func()) { s.panics = append(s.panics, f) }

// CloseNotify tells that the client has gone: the connection has ended, or it wants
// nothing more of the stream. Who waits for the end of a connection looks for it, because
// the context that the handler has may be one that ends for reasons of its own.
func (s *stream) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	context.AfterFunc(s.ctx, func() { gone <- true })
	return gone
}

// Read reads the body.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.over {
			err = lazywebsocket.ErrHandlerReturned
		}
	}
	return n, err
}

// Close tells the peer that nothing more is read, which is no error (RFC 9114, 4.1), and
// ends a Read.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == nil {
		return s.body.Close()
	}
	s.taken.CancelRead(quic.StreamErrorCode(http3.ErrCodeNoError))
	return nil
}

// SetReadDeadline sets the time after which a Read fails.
func (s *stream) SetReadDeadline(t time.Time) error { return s.control.SetReadDeadline(t) }

// SetWriteDeadline sets the time after which a write fails. One in the past resets the
// stream, as over HTTP/2: what has left of a frame cannot be taken back.
func (s *stream) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == nil || t.IsZero() || t.After(time.Now()) {
		return s.control.SetWriteDeadline(t)
	}
	s.reset(http3.ErrCodeRequestCanceled)
	return nil
}
