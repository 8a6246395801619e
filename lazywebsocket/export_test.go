package lazywebsocket

import (
	"net"
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
	c.keepalive.mu.Lock()
	defer c.keepalive.mu.Unlock()
	return c.keepalive.stopped
}

// NewServerConn makes a server's connection without a handshake.
func NewServerConn(nc net.Conn) *Conn { return newConn(nc, settings{}) }
