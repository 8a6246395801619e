package poll

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestWriteWaitsForRoom(t *testing.T) {
	s, peer := adopted(t, newPoller(t, 1))
	full := fill(t, s)
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	type result struct {
		n   int
		err error
	}
	wrote := make(chan result)
	for range 2 { // the second time the descriptor is known to the epoll for writing
		go func() {
			n, err := s.Write(text)
			wrote <- result{n, err}
		}()
		parked(t, s, 1)
		got := make([]byte, full+len(text))
		_, err := io.ReadFull(peer, got)
		must(t, err)
		if r := <-wrote; r.n != len(text) || r.err != nil {
			t.Fatal(r)
		}
		if !bytes.Equal(got[full:], text) {
			t.Fatal("other bytes")
		}
		full = fill(t, s)
	}
}

// Calls of several goroutines do not mix, though each has to wait.
func TestConcurrentWrites(t *testing.T) {
	const writers, length, each = 8, 50_000, 10
	s, peer := adopted(t, newPoller(t, 1))
	option(t, s, syscall.SO_SNDBUF, 16<<10)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			text := bytes.Repeat([]byte{byte('a' + w)}, length)
			for range each {
				if n, err := s.Write(text); n != length || err != nil {
					t.Error(n, err)
				}
			}
		})
	}
	buf := make([]byte, length)
	for range writers * each {
		_, err := io.ReadFull(peer, buf)
		must(t, err)
		if !bytes.Equal(buf, bytes.Repeat(buf[:1], length)) {
			t.Fatal("writes are mixed")
		}
	}
	wg.Wait()
}

func TestTryWrite(t *testing.T) {
	s, peer := adopted(t, newPoller(t, 1))
	if n, err := s.TryWrite(nil); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := s.Write(nil); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	must(t, s.SetWriteDeadline(time.Unix(1, 0)))
	if n, err := s.TryWrite([]byte("abc")); n != 3 || err != nil {
		t.Fatal(n, err) // deadlines are not for it
	}
	must(t, s.SetWriteDeadline(time.Time{}))
	full := fill(t, s)
	if n, err := s.TryWrite([]byte("abc")); n != 0 || !errors.Is(err, ErrWouldBlock) {
		t.Fatal(n, err)
	}
	done := make(chan error)
	go func() {
		_, err := s.Write([]byte("abc"))
		done <- err
	}()
	parked(t, s, 1)
	if _, err := io.CopyN(io.Discard, peer, int64(full)+6); err != nil {
		t.Fatal(err)
	}
	must(t, <-done)
	if n, err := s.TryWrite([]byte("abc")); n != 3 || err != nil {
		t.Fatal(n, err)
	}
}

// While another call writes there is no turn for TryWrite, even if there is room.
func TestTryWriteHasNoTurn(t *testing.T) {
	s, _ := adopted(t, newPoller(t, 1))
	must(t, s.takeTurn())
	if n, err := s.TryWrite([]byte("abc")); n != 0 || !errors.Is(err, ErrWouldBlock) {
		t.Fatal(n, err)
	}
	s.leaveTurn()
	if n, err := s.TryWrite([]byte("abc")); n != 3 || err != nil {
		t.Fatal(n, err)
	}
}

func TestWriteDeadline(t *testing.T) {
	s, peer := adopted(t, newPoller(t, 1))
	text := make([]byte, 64<<20)
	var n int
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		n, err = s.Write(text)
	}()
	parked(t, s, 1)
	must(t, s.SetWriteDeadline(time.Now().Add(5*time.Millisecond)))
	<-done
	wantErr(t, err, os.ErrDeadlineExceeded)
	if n == 0 || n == len(text) {
		t.Fatal(n) // some of it has left
	}
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() {
		t.Fatal(err)
	}
	if m, err := s.Write(text); m != 0 {
		t.Fatal(m, err)
	}
	must(t, s.SetWriteDeadline(time.Time{}))
	go io.Copy(io.Discard, peer)
	if m, err := s.Write(text); m != len(text) || err != nil {
		t.Fatal(m, err)
	}
}

// A deadline that passes ends the writer's wait and those for its turn.
func TestWriteDeadlineWakesAll(t *testing.T) {
	s, _ := adopted(t, newPoller(t, 1))
	fill(t, s)
	errs := make(chan error)
	for range 3 {
		go func() {
			_, err := s.Write([]byte("x"))
			errs <- err
		}()
	}
	parked(t, s, 3)
	must(t, s.SetDeadline(time.Unix(1, 0)))
	for range 3 {
		wantErr(t, <-errs, os.ErrDeadlineExceeded)
	}
}

// A writer that the kernel will not wake does not wait.
func TestWriteCannotWait(t *testing.T) {
	s, _ := adopted(t, newPoller(t, 1))
	fill(t, s)
	s.state.Or(outAdded) // which is not true
	_, err := s.Write([]byte("x"))
	wantErr(t, err, syscall.ENOENT)
	parked(t, s, 0)
	s.state.And(^outAdded)
	must(t, s.SetWriteDeadline(time.Now().Add(time.Millisecond)))
	_, err = s.Write([]byte("x"))
	wantErr(t, err, os.ErrDeadlineExceeded)
}

func TestCloseWrite(t *testing.T) {
	s, peer := adopted(t, newPoller(t, 1))
	send(t, s, "bye")
	must(t, s.CloseWrite())
	text, err := io.ReadAll(peer)
	if string(text) != "bye" || err != nil {
		t.Fatalf("%q, %v", text, err)
	}
	_, err = s.Write([]byte("x"))
	wantErr(t, err, syscall.EPIPE)
	send(t, peer, "still")
	must(t, peer.Close())
	text, err = io.ReadAll(s)
	if string(text) != "still" || err != nil {
		t.Fatalf("%q, %v", text, err)
	}
	must(t, s.Close())
	wantErr(t, s.CloseWrite(), net.ErrClosed)
}
