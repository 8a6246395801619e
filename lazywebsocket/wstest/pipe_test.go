package wstest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket/wstest"
)

// bubble runs a test inside synctest, which fails if a goroutine is left.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// isTimeout says whether err is what package net returns for a deadline.
func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &ne) && ne.Timeout()
}

func TestPipeCarriesBytesBothWays(t *testing.T) {
	for name, network := range map[string]wstest.Network{
		"whole":     {},
		"bytewise":  {Chunk: wstest.Bytewise},
		"random":    {Chunk: wstest.RandomChunks(1, 100)},
		"one byte":  {Buffer: 1},
		"unbounded": {Buffer: -1},
	} {
		bubble(t, name, func(t *testing.T) {
			a, b := network.Pipe()
			data := bytes.Repeat([]byte("0123456789abcdef"), 1000)
			var wg sync.WaitGroup
			for _, ends := range [][2]*wstest.PipeConn{{a, b}, {b, a}} {
				wg.Go(func() {
					if n, err := ends[0].Write(data); n != len(data) || err != nil {
						t.Errorf("Write: %d, %v", n, err)
					}
					if err := ends[0].CloseWrite(); err != nil {
						t.Error(err)
					}
				})
				wg.Go(func() {
					got, err := io.ReadAll(ends[1])
					if err != nil || !bytes.Equal(got, data) {
						t.Errorf("read %d bytes, %v", len(got), err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestPipeChunks(t *testing.T) {
	sizes := []int{3, 0, -7, 100}
	next := 0
	a, b := wstest.Network{Chunk: func() int { next++; return sizes[next-1] }}.Pipe()
	if _, err := a.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{3, 1, 1, 5} {
		if n, err := b.Read(make([]byte, 20)); n != want || err != nil {
			t.Errorf("read %d: %d, %v, want %d", i, n, err, want)
		}
	}
	x, y := wstest.RandomChunks(7, 50), wstest.RandomChunks(7, 50)
	seen := map[int]bool{}
	for range 1000 {
		n := x()
		if n < 1 || n > 50 || n != y() {
			t.Fatalf("RandomChunks: %d", n)
		}
		seen[n] = true
	}
	if len(seen) != 50 {
		t.Errorf("RandomChunks gave %d sizes of 50", len(seen))
	}
	if n := wstest.RandomChunks(7, 0)(); n != 1 {
		t.Errorf("RandomChunks(7, 0): %d", n)
	}
}

func TestPipeFullBufferBlocks(t *testing.T) {
	for name, tc := range map[string]struct{ buffer, holds int }{
		"default": {0, 64 << 10},
		"small":   {10, 10},
	} {
		bubble(t, name, func(t *testing.T) {
			a, b := wstest.Network{Buffer: tc.buffer}.Pipe()
			if n, err := a.Write(make([]byte, tc.holds)); n != tc.holds || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			done := false
			go func() {
				if n, err := a.Write([]byte("more")); n != 4 || err != nil {
					t.Errorf("second write: %d, %v", n, err)
				}
				done = true
			}()
			synctest.Wait()
			if done {
				t.Fatal("a write into a full buffer returned")
			}
			if n := b.Unread(); n != tc.holds {
				t.Errorf("Unread is %d, want %d", n, tc.holds)
			}
			if _, err := io.ReadFull(b, make([]byte, 3)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if done {
				t.Fatal("the write returned before its last byte had room")
			}
			if _, err := io.ReadFull(b, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if !done {
				t.Fatal("the write waits although there is room")
			}
		})
	}
}

func TestPipeDeadlines(t *testing.T) {
	bubble(t, "read", func(t *testing.T) {
		a, b := wstest.Pipe()
		start := time.Now()
		_ = b.SetReadDeadline(start.Add(time.Second))
		n, err := b.Read(make([]byte, 1))
		if n != 0 || !isTimeout(err) || time.Since(start) != time.Second {
			t.Errorf("%d, %v after %v", n, err, time.Since(start))
		}
		// As in package net, the deadline holds although bytes are there.
		if _, err := a.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Read(make([]byte, 1)); !isTimeout(err) {
			t.Errorf("with bytes: %v", err)
		}
		_ = b.SetReadDeadline(time.Time{})
		if n, err := b.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("after the deadline was lifted: %d, %v", n, err)
		}
	})
	bubble(t, "write", func(t *testing.T) {
		a, b := wstest.Network{Buffer: 4}.Pipe()
		start := time.Now()
		_ = a.SetDeadline(start.Add(time.Second))
		n, err := a.Write([]byte("123456"))
		if n != 4 || !isTimeout(err) || time.Since(start) != time.Second {
			t.Errorf("%d, %v after %v", n, err, time.Since(start))
		}
		if n, err := a.Write(nil); n != 0 || !isTimeout(err) {
			t.Errorf("%d, %v", n, err)
		}
		_, _ = b.Read(make([]byte, 1))
		_ = a.SetWriteDeadline(start.Add(time.Hour))
		if n, err := a.Write([]byte("5")); n != 1 || err != nil {
			t.Errorf("with a later deadline: %d, %v", n, err)
		}
	})
	bubble(t, "moved while waiting", func(t *testing.T) {
		_, b := wstest.Pipe()
		start := time.Now()
		_ = b.SetReadDeadline(start.Add(time.Second))
		time.AfterFunc(time.Second/2, func() { _ = b.SetReadDeadline(start.Add(3 * time.Second)) })
		time.AfterFunc(2*time.Second, func() { _ = b.SetReadDeadline(time.Unix(1, 0)) })
		_, err := b.Read(make([]byte, 1))
		if !isTimeout(err) || time.Since(start) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
	t.Run("outside a bubble", func(t *testing.T) {
		_, b := wstest.Pipe()
		_ = b.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := b.Read(make([]byte, 1)); !isTimeout(err) {
			t.Error(err)
		}
	})
}

// A read of nothing gets nothing, whatever the state, as in package net.
func TestPipeReadsNothing(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		a, b := wstest.Network{Chunk: func() int { t.Error("asked for a chunk"); return 1 }}.Pipe()
		check := func() {
			t.Helper()
			if n, err := b.Read(nil); n != 0 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}
		check()
		_, _ = a.Write([]byte("x"))
		check()
		_ = b.SetReadDeadline(time.Unix(1, 0))
		check()
		_ = a.CloseWrite()
		check()
	})
}

func TestPipeHalfClose(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		a, b := wstest.Pipe()
		_, _ = a.Write([]byte("last"))
		if err := a.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write after CloseWrite: %v", err)
		}
		got, err := io.ReadAll(b)
		if string(got) != "last" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		_, _ = b.Write([]byte("answer"))
		buf := make([]byte, 10)
		if n, err := a.Read(buf); string(buf[:n]) != "answer" || err != nil {
			t.Errorf("the other direction: %q, %v", buf[:n], err)
		}
	})
}

func TestPipeClose(t *testing.T) {
	bubble(t, "peer reads the rest", func(t *testing.T) {
		a, b := wstest.Pipe()
		_, _ = a.Write([]byte("last"))
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); string(got) != "last" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
	bubble(t, "own end", func(t *testing.T) {
		a, b := wstest.Network{Buffer: 1}.Pipe()
		errs := make(chan error, 2)
		go func() { _, err := a.Read(make([]byte, 1)); errs <- err }()
		go func() { _, err := a.Write([]byte("12")); errs <- err }()
		synctest.Wait()
		_ = a.SetDeadline(time.Now().Add(time.Hour))
		_ = a.Close()
		for range 2 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("a waiting call: %v", err)
			}
		}
		for name, f := range map[string]func() error{
			"Close": a.Close, "CloseWrite": a.CloseWrite,
			"SetDeadline": func() error { return a.SetDeadline(time.Time{}) },
			"Read":        func() error { _, err := a.Read(nil); return err },
			"Write":       func() error { _, err := a.Write(nil); return err },
		} {
			if err := f(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_ = b.Close()
	})
}

func TestPipeReset(t *testing.T) {
	check := func(t *testing.T, end *wstest.PipeConn) {
		t.Helper()
		if n, err := end.Read(make([]byte, 9)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: %d, %v", n, err)
		}
		if _, err := end.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write: %v", err)
		}
	}
	bubble(t, "close with unread bytes", func(t *testing.T) {
		a, b := wstest.Pipe()
		_, _ = a.Write([]byte("for b"))
		_, _ = b.Write([]byte("for a"))
		_ = a.Close()
		check(t, b)
	})
	bubble(t, "write to a closed end", func(t *testing.T) {
		a, b := wstest.Pipe()
		_, _ = a.Write([]byte("for b"))
		_ = a.Close()
		if n, err := b.Write([]byte("late")); n != 4 || err != nil {
			t.Errorf("the write that meets the closed end: %d, %v", n, err)
		}
		check(t, b)
	})
	bubble(t, "an empty write sends nothing", func(t *testing.T) {
		a, b := wstest.Pipe()
		_ = a.Close()
		_, _ = b.Write(nil)
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
	bubble(t, "wakes a waiting read", func(t *testing.T) {
		a, b := wstest.Pipe()
		errs := make(chan error)
		go func() { _, err := b.Read(make([]byte, 1)); errs <- err }()
		synctest.Wait()
		_ = a.Close()
		if err := <-errs; !errors.Is(err, io.EOF) {
			t.Errorf("after Close: %v", err)
		}

		a, b = wstest.Pipe()
		go func() { _, err := a.Read(make([]byte, 1)); errs <- err }()
		synctest.Wait()
		_ = a.CloseWrite()
		go func() { _, err := b.Read(make([]byte, 1)); errs <- err }()
		if err := <-errs; !errors.Is(err, io.EOF) {
			t.Errorf("after CloseWrite: %v", err)
		}
		_ = b.Close()
		if err := <-errs; !errors.Is(err, io.EOF) {
			t.Errorf("after the other's Close: %v", err)
		}
	})
	bubble(t, "CloseWrite wakes a waiting read", func(t *testing.T) {
		a, b := wstest.Pipe()
		errs := make(chan error)
		go func() { _, err := b.Read(make([]byte, 1)); errs <- err }()
		synctest.Wait()
		_ = a.CloseWrite()
		if err := <-errs; !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
	bubble(t, "a reset wakes a waiting read", func(t *testing.T) {
		a, b := wstest.Pipe()
		_, _ = b.Write([]byte("unread"))
		errs := make(chan error)
		go func() { _, err := b.Read(make([]byte, 1)); errs <- err }()
		synctest.Wait()
		_ = a.Close()
		if err := <-errs; !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
	})
	bubble(t, "wakes a waiting write", func(t *testing.T) {
		a, b := wstest.Network{Buffer: 1}.Pipe()
		errs := make(chan error)
		go func() { _, err := b.Write([]byte("123")); errs <- err }()
		synctest.Wait()
		_ = a.Close()
		if err := <-errs; !errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
	})
}

// Writes of several goroutines come out whole, also where each needs many turns.
func TestPipeWritesDoNotMix(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		a, b := wstest.Network{Buffer: 3}.Pipe()
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				for range 20 {
					if _, err := a.Write(bytes.Repeat([]byte{byte(i)}, 10)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 100 {
			p := make([]byte, 10)
			if _, err := io.ReadFull(b, p); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(p, bytes.Repeat(p[:1], 10)) {
				t.Fatalf("writes are mixed: % x", p)
			}
		}
		wg.Wait()
	})
	bubble(t, "in the order of the turns", func(t *testing.T) {
		a, b := wstest.Network{Buffer: 2}.Pipe()
		for _, s := range []string{"1111", "2222"} {
			go func() { _, _ = a.Write([]byte(s)) }()
			synctest.Wait()
		}
		var got []byte
		for range 8 {
			one := make([]byte, 1)
			_, err := b.Read(one)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, one...)
			synctest.Wait()
		}
		if string(got) != "11112222" {
			t.Errorf("the peer read %s", got)
		}
	})
	bubble(t, "a waiting write hears its deadline", func(t *testing.T) {
		a, _ := wstest.Network{Buffer: 1}.Pipe()
		errs := make(chan error, 2)
		for range 2 {
			go func() { _, err := a.Write([]byte("123")); errs <- err }()
		}
		synctest.Wait()
		_ = a.SetWriteDeadline(time.Now().Add(time.Second))
		for range 2 {
			if err := <-errs; !isTimeout(err) {
				t.Error(err)
			}
		}
	})
}

// All methods at once, for the race detector.
func TestPipeConcurrentUse(_ *testing.T) {
	a, b := wstest.Network{Buffer: 100, Chunk: wstest.RandomChunks(3, 9)}.Pipe()
	var wg sync.WaitGroup
	for _, end := range []*wstest.PipeConn{a, b} {
		wg.Go(func() {
			for {
				if _, err := end.Read(make([]byte, 50)); err != nil && !isTimeout(err) {
					return
				}
			}
		})
		wg.Go(func() {
			for range 500 {
				if _, err := end.Write(make([]byte, 70)); err != nil && !isTimeout(err) {
					return
				}
			}
		})
		wg.Go(func() {
			for i := range 500 {
				_ = end.SetDeadline(time.Now().Add(time.Duration(i%3-1) * time.Millisecond))
				_ = end.Unread()
			}
			_ = end.SetDeadline(time.Time{})
			_ = end.CloseWrite()
		})
	}
	wg.Wait()
	_, _ = a.Close(), b.Close()
}

func TestPipeAddresses(t *testing.T) {
	a, b := wstest.Pipe()
	if a.LocalAddr() != b.RemoteAddr() || b.LocalAddr() != a.RemoteAddr() || a.LocalAddr() == b.LocalAddr() {
		t.Errorf("%v to %v, %v to %v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	for _, addr := range []net.Addr{a.LocalAddr(), b.LocalAddr()} {
		if _, _, err := net.SplitHostPort(addr.String()); err != nil || addr.Network() == "" {
			t.Errorf("%v: %v", addr, err)
		}
	}
}

func TestPipeAllocatesNothing(t *testing.T) {
	for _, left := range []int{0, 100} { // unread all the time
		a, b := wstest.Pipe()
		data, buf := make([]byte, 1500), make([]byte, 1500)
		_, _ = a.Write(data[:left])
		if n := testing.AllocsPerRun(2000, func() {
			_, _ = a.Write(data)
			_, _ = io.ReadFull(b, buf)
		}); n != 0 {
			t.Errorf("with %d unread bytes: %v allocations", left, n)
		}
		if n := b.Unread(); n != left {
			t.Errorf("%d unread bytes, want %d", n, left)
		}
	}
}
