package lazywebsocket

import (
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golazy.dev/lazywebsocket/internal/poll"
	"golazy.dev/lazywebsocket/internal/wsproto"
)

// sink is a net.Conn that takes everything at once.
type sink struct{ writes, bytes atomic.Int64 }

func (s *sink) TryWrite(p []byte) (int, error) {
	s.writes.Add(1)
	s.bytes.Add(int64(len(p)))
	return len(p), nil
}

func (s *sink) Write(p []byte) (int, error)    { return s.TryWrite(p) }
func (*sink) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (*sink) TryRead([]byte) (int, error)      { return 0, net.ErrClosed }
func (*sink) Watch(poll.Watcher)               {}
func (*sink) SetInline(bool)                   {}
func (*sink) Close() error                     { return nil }
func (*sink) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*sink) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*sink) SetDeadline(time.Time) error      { return nil }
func (*sink) SetReadDeadline(time.Time) error  { return nil }
func (*sink) SetWriteDeadline(time.Time) error { return nil }

var _ readiness = (*sink)(nil)

// sinks is a group of connections that take everything at once.
func sinks(g *Group, n int) []*Conn {
	conns := make([]*Conn, n)
	for i := range conns {
		conns[i] = newConn(new(sink), settings{role: wsproto.Server})
		g.Add(conns[i])
	}
	return conns
}

// A room of a hundred thousand.
func TestLargeGroup(t *testing.T) {
	var g Group
	conns := sinks(&g, 100_000)
	pm, err := NewPreparedMessage(TextMessage, []byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := g.Broadcast(pm); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, c := range conns {
		s := c.deadlines.nc.(*sink)
		if s.bytes.Load() != 20*9 || s.writes.Load() > 20 {
			t.Fatalf("member %d got %d bytes in %d writes", i, s.bytes.Load(), s.writes.Load())
		}
		if i%100 == 0 {
			_ = c.Close()
		}
	}
	if g.Len() != 99_000 {
		t.Errorf("%d members", g.Len())
	}
}

// BenchmarkBroadcast is what a delivery costs beside the write of the network,
// and a member beside its connection.
func BenchmarkBroadcast(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		for _, burst := range []int{1, 50} {
			b.Run(fmt.Sprint(n, "x", burst), func(b *testing.B) {
				var g Group
				var before, after runtime.MemStats
				conns := make([]*Conn, n)
				for i := range conns {
					conns[i] = newConn(new(sink), settings{role: wsproto.Server})
				}
				pm, _ := NewPreparedMessage(TextMessage, make([]byte, 64))
				runtime.GC()
				runtime.ReadMemStats(&before)
				for _, c := range conns {
					g.Add(c)
				}
				_ = g.Broadcast(pm)
				_ = g.Drain(b.Context())
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportAllocs()
				for b.Loop() {
					for range burst {
						_ = g.Broadcast(pm)
					}
					_ = g.Drain(b.Context())
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n*burst), "ns/delivery")
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/member")
				runtime.KeepAlive(conns)
			})
		}
	}
}
