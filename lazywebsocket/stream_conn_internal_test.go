package lazywebsocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// fakeStream is the response writer of a stream, and its body.
type fakeStream struct {
	*io.PipeReader // the body
	arrive         *io.PipeWriter

	mu    sync.Mutex
	wrote [][]byte      // the very memory that was passed
	block chan struct{} // writes wait until it is closed; nil: they do not
	fail  error
	dead  bool // the handler has returned
	reset bool
}

func newFakeStream(t *testing.T) (*fakeStream, *streamConn) {
	f := new(fakeStream)
	f.PipeReader, f.arrive = io.Pipe()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodConnect, "/", f)
	s := newStreamConn(f, r)
	t.Cleanup(func() {
		_ = f.arrive.Close()
		_ = s.Close()
	})
	return f, s
}

func (f *fakeStream) Header() http.Header {
	if f.dead {
		panic("the handler has returned")
	}
	return http.Header{}
}
func (f *fakeStream) WriteHeader(int)                 {}
func (f *fakeStream) Flush()                          {}
func (f *fakeStream) SetReadDeadline(time.Time) error { return nil }

func (f *fakeStream) SetWriteDeadline(t time.Time) error {
	if f.dead {
		panic("the handler has returned")
	}
	if !t.IsZero() && time.Now().After(t) && !f.reset {
		f.reset, f.fail = true, errors.New("http2: stream closed")
		close(f.block)
	}
	return nil
}

func (f *fakeStream) Write(p []byte) (int, error) {
	if f.dead {
		panic("the handler has returned")
	}
	f.mu.Lock()
	f.wrote = append(f.wrote, p)
	block := f.block
	f.mu.Unlock()
	if block != nil {
		<-block
	}
	if f.fail != nil {
		return 0, f.fail
	}
	return len(p), nil
}

// What a read or a write of a net.Conn does when its deadline is moved.
func TestStreamDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := newFakeStream(t)
		start := time.Now()
		wantAfter := func(what string, err, want error, after time.Duration) {
			t.Helper()
			if d := time.Since(start); !errors.Is(err, want) || d != after {
				t.Errorf("%s: %v after %v, want %v after %v", what, err, d, want, after)
			}
			start = time.Now()
		}
		read := func() error { _, err := s.Read(make([]byte, 10)); return err }
		_ = s.SetReadDeadline(start.Add(time.Second))
		wantAfter("read", read(), os.ErrDeadlineExceeded, time.Second)
		wantAfter("again", read(), os.ErrDeadlineExceeded, 0)
		_ = s.SetReadDeadline(start.Add(time.Second))
		time.AfterFunc(500*time.Millisecond, func() { _ = s.SetReadDeadline(time.Now().Add(3 * time.Second)) })
		wantAfter("put off", read(), os.ErrDeadlineExceeded, 3500*time.Millisecond)
		_ = s.SetReadDeadline(time.Time{})
		time.AfterFunc(500*time.Millisecond, func() { _ = s.SetReadDeadline(longAgo) })
		wantAfter("interrupted", read(), os.ErrDeadlineExceeded, 500*time.Millisecond)
		_ = s.SetReadDeadline(time.Time{})
		_, _ = f.arrive.Write([]byte("nothing is lost"))
		b := make([]byte, 100)
		if n, err := s.Read(b); string(b[:n]) != "nothing is lost" || err != nil {
			t.Errorf("%q, %v", b[:n], err)
		}
		if n, err := s.Read(nil); n != 0 || err != nil {
			t.Errorf("an empty read: %d, %v", n, err)
		}

		_ = s.SetWriteDeadline(longAgo)
		_, err := s.Write([]byte("x"))
		wantAfter("a write that is late", err, os.ErrDeadlineExceeded, 0)
		if f.reset {
			t.Error("the stream was reset for nothing")
		}
		_ = s.SetWriteDeadline(time.Time{})
		f.block = make(chan struct{})
		time.AfterFunc(time.Second, func() { _ = s.SetWriteDeadline(time.Now().Add(time.Second)) })
		time.AfterFunc(1500*time.Millisecond, func() { _ = s.SetWriteDeadline(time.Now().Add(time.Second)) })
		_, err = s.Write([]byte("x"))
		wantAfter("a write that is stuck", err, os.ErrDeadlineExceeded, 2500*time.Millisecond)
		_ = s.SetWriteDeadline(time.Time{})
		_, err = s.Write([]byte("x"))
		wantAfter("a write after that", err, os.ErrDeadlineExceeded, 0)
	})
}

// A write that is told that its time has passed, and waits for nobody, is done.
func TestStreamWriteGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := newFakeStream(t)
		f.block = make(chan struct{})
		wrote := make(chan error, 1)
		go func() { _, err := s.Write([]byte("x")); wrote <- err }()
		synctest.Wait()
		_ = s.SetWriteDeadline(longAgo)
		time.Sleep(streamGrace / 2)
		close(f.block)
		if err := <-wrote; err != nil || f.reset {
			t.Errorf("%v, reset %t", err, f.reset)
		}
	})
}

// Close ends who reads and who writes, and returns when nobody uses the stream.
func TestStreamClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := newFakeStream(t)
		f.block = make(chan struct{})
		wrote, read := make(chan error, 1), make(chan error, 1)
		go func() { _, err := s.Write([]byte("x")); wrote <- err }()
		go func() { _, err := s.Read(make([]byte, 1)); read <- err }()
		synctest.Wait()
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			s.mu.Lock()
			if s.inside {
				t.Error("a write is inside")
			}
			s.mu.Unlock()
		}
		for name, err := range map[string]error{"write": <-wrote, "read": <-read} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err := s.Write([]byte("x"))
		if !errors.Is(err, net.ErrClosed) || len(f.wrote) != 1 {
			t.Errorf("a write after Close: %v", err)
		}
		if err := s.SetReadDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a deadline after Close: %v", err)
		}
	})
}

// net/http may still be sending from the memory of a write that the end of the stream
// has cut short: it is neither the caller's nor lent to anybody.
func TestStreamMemory(t *testing.T) {
	f, s := newFakeStream(t)
	p := bytes.Repeat([]byte("x"), 3*streamPiece)
	if _, err := s.Write(p); err != nil {
		t.Fatal(err)
	}
	f.fail = errors.New("http2: stream closed")
	if n, err := s.Write(p); n != 0 || err == nil {
		t.Fatalf("%d, %v", n, err)
	}
	lost := f.wrote[1]
	if &lost[0] == &p[0] {
		t.Error("net/http got the caller's memory")
	}
	clear(p)
	for range 100 {
		b := borrow(len(p))
		if &b.b[0] == &lost[0] {
			t.Error("the memory was given back")
		}
	}
	if !bytes.Equal(lost, bytes.Repeat([]byte("x"), 3*streamPiece)) {
		t.Error("the memory has changed")
	}
}

// Writes in one piece as far as a frame's size allows: each leaves in frames of its own.
func TestStreamWritesWhole(t *testing.T) {
	f, s := newFakeStream(t)
	for _, size := range []int{1, streamPiece, streamPiece + 1, maxBuffer} {
		f.wrote = nil
		if n, err := s.Write(make([]byte, size)); n != size || err != nil || len(f.wrote) != 1 {
			t.Errorf("%d bytes: %d, %v, in %d writes", size, n, err, len(f.wrote))
		}
	}
}

// A response writer that panics, because its handler has returned, does so in here.
func TestStreamHandlerReturned(t *testing.T) {
	f, s := newFakeStream(t)
	f.dead = true
	if _, err := s.Write([]byte("x")); !errors.Is(err, ErrHandlerReturned) {
		t.Errorf("write: %v", err)
	}
	s.mu.Lock()
	s.reset()
	s.mu.Unlock()
}

// A body may say itself that the handler has returned.
func TestStreamBodySaysReturned(t *testing.T) {
	f, s := newFakeStream(t)
	go f.arrive.CloseWithError(fmt.Errorf("reading: %w", ErrHandlerReturned))
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, ErrHandlerReturned) {
		t.Errorf("read: %v", err)
	}
}

// The addresses are those of what carries the stream.
func TestStreamAddresses(t *testing.T) {
	for network, local := range map[string]net.Addr{
		"tcp": &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443},
		"udp": &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443},
	} {
		ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, local)
		r := httptest.NewRequestWithContext(ctx, http.MethodConnect, "/", nil)
		s := newStreamConn(new(fakeStream), r)
		if a := s.RemoteAddr(); s.LocalAddr() != local || a.Network() != network || a.String() != r.RemoteAddr {
			t.Errorf("%v, %s %v", s.LocalAddr(), a.Network(), a)
		}
	}
}

// What a message costs beyond net/http allocates nothing.
func TestStreamAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	f, s := newFakeStream(t)
	f.wrote = make([][]byte, 0, 10000)
	small, large, in := make([]byte, 100), make([]byte, 10_000), make([]byte, 100)
	go func() {
		for {
			if _, err := f.arrive.Write(small); err != nil {
				return
			}
		}
	}()
	if n := testing.AllocsPerRun(1000, func() {
		_, _ = s.Write(small)
		_, _ = s.Write(large)
		_, _ = io.ReadFull(s, in)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// sparse is a body that sometimes has nothing to say, as that of a middleware may.
type sparse struct {
	io.ReadCloser
	quiet bool
}

func (s *sparse) Read(p []byte) (int, error) {
	if s.quiet = !s.quiet; s.quiet {
		return 0, nil
	}
	return s.ReadCloser.Read(p)
}

// A read that brings neither bytes nor an error is made again.
func TestStreamSparseBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := newFakeStream(t)
		s.in.body = &sparse{ReadCloser: f}
		for _, want := range []string{"one", "two"} {
			go func() { _, _ = f.arrive.Write([]byte(want)) }()
			b := make([]byte, 100)
			_ = s.SetReadDeadline(time.Now().Add(time.Second))
			if n, err := s.Read(b); string(b[:n]) != want || err != nil {
				t.Fatalf("%q, %v", b[:n], err)
			}
		}
	})
}

// A ping or a pong whose time has passed before it began fails nothing.
func TestStreamOwnTooLate(t *testing.T) {
	_, s := newFakeStream(t)
	c := newConn(s, settings{role: wsproto.Server})
	c.w.gate.enterAlways()
	err := c.writeOwn(wsproto.Ping, nil, longAgo)
	c.leaveWrite()
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	if err := c.WriteMessage(TextMessage, nil); err != nil {
		t.Errorf("the next write: %v", err)
	}
}
