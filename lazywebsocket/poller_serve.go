package lazywebsocket

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"golazy.dev/lazywebsocket/internal/poll"
)

// readiness is a net.Conn that tells when it can be read: a socket of our epoll,
// or a connection in memory.
type readiness interface {
	net.Conn
	// TryRead reads without waiting: poll.ErrWouldBlock when nothing is there.
	TryRead(p []byte) (int, error)
	// TryWrite writes what takes no waiting; poll.ErrWouldBlock when that is not
	// all.
	TryWrite(p []byte) (int, error)
	// Watch makes w the one that is told, nil nobody.
	Watch(w poll.Watcher)
	// SetInline says that the loop is inside the application.
	SetInline(on bool)
}

var _ readiness = (*poll.Socket)(nil)

// handOverWait bounds the wait for a writer that is stuck, when a connection is
// handed over.
const handOverWait = 100 * time.Millisecond

// errServed is what reads of a connection get that a Poller serves.
var errServed = errors.New("the connection is served by a Poller")

// Serve hands the connection over to h: the Poller reads it from now on, other
// reads return an error. It returns at once, so that the handler of the upgraded
// request ends with it:
//
//	return poller.Serve(conn, handler)
//
// and must not have deferred conn.Close: when its reading ends the connection is
// closed for it. What net/http holds for the request is free then. Writes, from
// anywhere, deadlines, limits, the keepalive, compression, the handlers of control
// messages and the closing handshake work as before.
//
// Over HTTP/2 a connection ends with the handler of its request: there Serve reads
// itself and returns at the connection's end. PollerStats counts it as one that has a
// goroutine.
//
// The error is nil unless the connection or the Poller was closed before, which
// ends the connection, or it is served already; h is not called then.
func (p *Poller) Serve(c *Conn, h MessageHandler) error {
	s, err := p.serve(c, h)
	switch {
	case err != nil && c.deadlines.ended():
		c.awaitStream()
		return err
	case err != nil:
		return err
	case s.polled:
	case c.overStream():
		defer c.awaitStream() // also where a handler ends its goroutine, which is ours
		s.block()
	default:
		go s.block()
	}
	return nil
}

// serve is Serve but for the goroutine.
func (p *Poller) serve(c *Conn, h MessageHandler) (*served, error) {
	p.start()
	c.r.gate.enterAlways()
	defer c.leaveRead()
	if c.served.Load() != nil {
		return nil, &OpError{Op: "serve", Err: errServed}
	}
	if c.deadlines.ended() {
		return nil, &OpError{Op: "serve", Err: net.ErrClosed}
	}
	s := &served{c: c, p: p, h: h, remote: compact(c.RemoteAddr())}
	if !c.inflating() && !c.overStream() { // a decompressor that has begun cannot but wait
		s.polled = p.adopt(c)
	}
	if !p.count(s) {
		_ = c.end(CloseGoingAway, "") // it cannot go back
		return nil, &OpError{Op: "serve", Err: net.ErrClosed}
	}
	c.served.Store(s)
	if s.polled {
		s.ready().Watch(s)
		s.wake() // what has been buffered raises no event
	}
	return s, nil
}

// adopt gives the connection's net.Conn to the loops. It returns false where they
// cannot take it. Inside the read gate.
func (p *Poller) adopt(c *Conn) bool {
	if c.w.gate.enter(entrant{deadline: time.Now().Add(handOverWait)}) != nil {
		return false // somebody is stuck in a write to the old net.Conn
	}
	defer c.leaveWrite()
	c.deadlines.mu.Lock()
	defer c.deadlines.mu.Unlock()
	if _, ok := c.deadlines.nc.(readiness); ok {
		return true
	}
	nc, inner := plain(c.deadlines.nc)
	if nc == nil || p.loops == nil || c.deadlines.ending.Load() {
		return false
	}
	socket, err := p.loops.Adopt(nc)
	if err != nil {
		return false
	}
	if inner != nil {
		inner.socket.Store(socket)
	} else {
		c.deadlines.nc = socket
	}
	c.src.socket = nil
	c.deadlines.transfer()
	return true
}

// handedOver is what NetConn returns for a socket that an event loop reads.
type handedOver struct{ *poll.Socket }

// Read returns an error: the loop reads.
func (handedOver) Read([]byte) (int, error) { return 0, &OpError{Op: "read", Err: errServed} }

// Write returns an error: it would bypass what waits to be sent.
func (handedOver) Write([]byte) (int, error) { return 0, &OpError{Op: "write", Err: errServed} }

// remoteAddr is the address of a TCP peer in little memory; zero if there is none.
type remoteAddr struct {
	ip   [16]byte
	port uint16
}

func compact(a net.Addr) (r remoteAddr) {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.Zone == "" {
		r.ip, r.port = tcp.AddrPort().Addr().As16(), tcp.AddrPort().Port()
	}
	return r
}

// addr is the address again, or nil.
func (r remoteAddr) addr() net.Addr {
	if r.port == 0 {
		return nil
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(r.ip).Unmap(), r.port))
}
