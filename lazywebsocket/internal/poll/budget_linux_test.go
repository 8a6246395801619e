//go:build !race

package poll

import (
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// The detector of races makes pools forget on purpose, so that these tests are
// for builds without it.

// No call allocates, also if it waits, with or without a deadline.
func TestCallsAllocateNothing(t *testing.T) {
	p := newPoller(t, 1)
	a, b := adoptedPair(t, p)
	go func() { // echoes, and waits each time
		buf := make([]byte, 100)
		for {
			n, err := b.Read(buf)
			if err != nil {
				return
			}
			if _, err := b.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 100)
	echo := func() {
		_, err := a.Write(buf[:10])
		must(t, err)
		_, err = io.ReadFull(a, buf[:10])
		must(t, err)
	}
	readable := make(watch, 1)
	big := make([]byte, 8<<20)
	for _, c := range []struct {
		name  string
		setup func()
		f     func()
	}{
		{"Read and Write", nil, echo},
		{"with deadlines", nil, func() {
			must(t, a.SetDeadline(time.Now().Add(time.Hour)))
			echo()
		}},
		{"TryRead and TryWrite", func() { must(t, a.SetDeadline(noDeadline)); a.Watch(readable) }, func() {
			_, err := a.TryWrite(buf[:10])
			must(t, err)
			for n := 0; n < 10; {
				m, err := a.TryRead(buf)
				if errors.Is(err, ErrWouldBlock) {
					<-readable
				}
				n += m
			}
		}},
		{"Write that waits", func() { a.Watch(nil); go io.Copy(io.Discard, struct{ io.Reader }{a}) }, func() {
			_, err := b.Write(big)
			must(t, err)
		}},
	} {
		if c.setup != nil {
			c.setup()
		}
		for range 10 {
			c.f()
		}
		if n := testing.AllocsPerRun(100, c.f); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

// adoptedPair returns both ends of a connection as sockets.
func adoptedPair(t testing.TB, p *Poller) (a, b *Socket) {
	t.Helper()
	one, two := tcpPair(t)
	a, err := p.Adopt(one)
	must(t, err)
	b, err = p.Adopt(two)
	must(t, err)
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// A socket that nobody waits for is 64 bytes and 8 of the table; a goroutine that
// waits in Read adds its waiter to what a goroutine costs.
func TestIdleMemory(t *testing.T) {
	const many = 4000
	p := newPoller(t, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	var peers []net.Conn
	servers := make([]net.Conn, many)
	all := make([]*Socket, many)
	for i := range servers {
		client, err := net.Dial("tcp", l.Addr().String())
		must(t, err)
		defer client.Close()
		peers = append(peers, client)
		servers[i], err = l.Accept()
		must(t, err)
	}
	with := heap()
	for i, server := range servers {
		all[i], err = p.Adopt(server)
		must(t, err)
		all[i].Watch(watch(nil))
		servers[i] = nil
	}
	without := heap() // the net.Conns
	for _, s := range all {
		must(t, s.Close())
	}
	clear(all)
	closed := heap()
	t.Logf("%d bytes a net.Conn, %d a Socket", (with-without)/many, (without-closed)/many)
	if each := (without - closed) / many; each > 72 {
		t.Errorf("%d bytes a socket", each)
	}
	runtime.KeepAlive(peers)
}

// heap returns the bytes in use after the garbage and the pools are gone.
func heap() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
