package lazywebsocket

import (
	"context"
	"net"
	"net/netip"
	"time"
	"unsafe"
)

// SizeofConn is what a connection costs before it has a buffer.
const SizeofConn = unsafe.Sizeof(Conn{})

// PoisonBuffers says whether buffers are overwritten when they are given back.
const PoisonBuffers = raceEnabled

// Poison is the byte that they are overwritten with.
const Poison = poison

// ReadBuffered returns the size of the read buffer that the connection holds.
// The connection must not be reading.
func (c *Conn) ReadBuffered() int {
	if c.r.buf.mem == nil {
		return 0
	}
	return len(c.r.buf.mem.b)
}

// occupied reports whether somebody is inside.
func (g *gate) occupied() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.busy
}

// KeepaliveStopped reports whether the keepalive will never fire again.
func (c *Conn) KeepaliveStopped() bool {
	k := c.keepalive()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stopped
}

// NewServerConn makes a server's connection without a handshake.
func NewServerConn(nc net.Conn) *Conn { return newConn(nc, settings{}) }

// HideReadiness makes the connection look like one on a net.Conn of a stranger,
// which a Poller has to serve by a goroutine. Nobody may be using it.
func (c *Conn) HideReadiness() {
	c.deadlines.mu.Lock()
	defer c.deadlines.mu.Unlock()
	c.deadlines.nc = stranger{c.deadlines.nc}
}

type stranger struct{ net.Conn }

func (c stranger) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// Step is the time between two Close frames.
func (o *ClosingOptions) Step(n int, deadline time.Time) time.Duration { return o.step(n, deadline) }

// StreamDone is closed when nothing uses the stream of HTTP/2 any more.
func (c *Conn) StreamDone() <-chan struct{} { return c.deadlines.nc.(*streamConn).done }

// ServeBehind is Serve that never waits for the connection's end.
func (p *Poller) ServeBehind(c *Conn, h MessageHandler) error {
	s, err := p.serve(c, h)
	if err == nil && !s.polled {
		go s.block()
	}
	return err
}

// CloseBehind is Close that never waits for the end of a stream of HTTP/2.
func (c *Conn) CloseBehind() error {
	return c.closeBehind()
}

// OverStream reports whether the connection is a stream of HTTP/2.
func (c *Conn) OverStream() bool { return c.overStream() }

// Observe makes o hear of the connection, as if a handshake had made it. Nobody may
// be using it.
func (c *Conn) Observe(o *Observer) {
	o.attempt(context.Background(), false, 1).accepted(c, 101)
}

// TakeAddress counts a connection from an address.
func (b *Budget) TakeAddress(remote string) (any, netip.Addr) {
	a, flt := b.takeAddress(remote)
	return flt, a
}

// ReleaseAddress ends TakeAddress.
func (b *Budget) ReleaseAddress(a netip.Addr) { b.releaseAddress(a) }

// BusyBudget returns one with no room for a handshake.
func BusyBudget() *Budget {
	b := &Budget{Handshakes: 1}
	_ = b.beginHandshake()
	return b
}
