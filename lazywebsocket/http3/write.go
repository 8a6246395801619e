package http3

import (
	"net/http"

	"github.com/quic-go/quic-go/http3"

	"golazy.dev/lazywebsocket"
)

// Header returns the header of the answer.
func (s *stream) Header() http.Header { return s.w.Header() }

// WriteHeader says what the answer is. Of a stream that was taken over it has left.
func (s *stream) WriteHeader(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken != nil || s.over {
		return
	}
	s.agreed = status == http.StatusOK
	s.w.WriteHeader(status)
}

// Write writes a part of the answer.
func (s *stream) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	taken, err := s.enter()
	switch {
	case err != nil:
		return 0, err
	case taken == nil:
		n, err := s.w.Write(p)
		return n, s.leave(err)
	}
	n, err := taken.Write(p)
	return n, s.leave(err)
}

// Flush implements http.Flusher.
func (s *stream) Flush() { _ = s.FlushError() }

// FlushError sends the answer. With the status 200 the stream is ours from then on:
// nothing is buffered there.
func (s *stream) FlushError() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	taken, err := s.enter()
	switch {
	case err != nil:
		return err
	case taken != nil:
		return s.leave(nil)
	case !s.agreed: // only the handler's goroutine, which is here, changes it before
		return s.leave(s.control.Flush())
	}
	taken, err = s.streamer.HTTPStream() // which sends the header
	if err == nil {
		s.mu.Lock()
		s.taken = taken
		s.mu.Unlock()
	}
	return s.leave(err)
}

// enter begins a write, and returns the stream if it was taken over.
func (s *stream) enter() (*http3.Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, lazywebsocket.ErrHandlerReturned
	}
	s.inside = true
	return s.taken, nil
}

// leave ends enter, and returns what the write's caller sees.
func (s *stream) leave(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside = false
	s.failed = s.failed || err != nil
	if err != nil && s.over {
		return lazywebsocket.ErrHandlerReturned
	}
	return err
}
