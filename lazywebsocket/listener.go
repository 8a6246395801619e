package lazywebsocket

import (
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golazy.dev/lazywebsocket/internal/poll"
)

// NewListener returns a listener for servers whose WebSocket connections over TLS
// a Poller is to serve from its event loops. It accepts with l, which is one of
// TCP or Unix sockets, and stands beneath TLS:
//
//	l, err := net.Listen("tcp", ":443")
//	...
//	err = server.ServeTLS(lazywebsocket.NewListener(l), certFile, keyFile)
//
// For connections without TLS it is not needed, and changes nothing.
func NewListener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept waits for the next connection.
func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &handedConn{Conn: nc}, nil
}

// handedConn is a connection beneath crypto/tls, which changes hands without
// TLS's notice when a Poller takes it over.
type handedConn struct {
	net.Conn                             // until then
	socket   atomic.Pointer[poll.Socket] // from then on
	waits    atomic.Bool                 // reads wait again, for the end
}

// conn returns the connection as it is now.
func (c *handedConn) conn() net.Conn {
	if s := c.socket.Load(); s != nil {
		return s
	}
	return c.Conn
}

// Read waits for bytes before the hand-over. After it, it does not: the error is
// temporary, so that TLS goes on with the next call.
func (c *handedConn) Read(p []byte) (int, error) {
	s := c.socket.Load()
	if s == nil || c.waits.Load() {
		return c.conn().Read(p)
	}
	return s.TryRead(p)
}

// Write implements net.Conn.
func (c *handedConn) Write(p []byte) (int, error) { return c.conn().Write(p) }

// ReadFrom implements io.ReaderFrom, for net/http, which sends files with it.
func (c *handedConn) ReadFrom(r io.Reader) (int64, error) {
	if w, ok := c.conn().(io.ReaderFrom); ok {
		return w.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.conn()}, r)
}

// Close implements net.Conn.
func (c *handedConn) Close() error { return c.conn().Close() }

// CloseWrite shuts the writing direction.
func (c *handedConn) CloseWrite() error {
	if half, ok := c.conn().(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}

// LocalAddr implements net.Conn.
func (c *handedConn) LocalAddr() net.Addr { return c.conn().LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *handedConn) RemoteAddr() net.Addr { return c.conn().RemoteAddr() }

// SetDeadline implements net.Conn.
func (c *handedConn) SetDeadline(t time.Time) error { return c.conn().SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (c *handedConn) SetReadDeadline(t time.Time) error { return c.conn().SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (c *handedConn) SetWriteDeadline(t time.Time) error { return c.conn().SetWriteDeadline(t) }

// SyscallConn implements syscall.Conn, for socket options.
func (c *handedConn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.conn().(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, syscall.EINVAL
}

// plain returns the socket at the bottom of nc, if a Poller can take that over,
// and beneath TLS what stands between them; nil if not.
func plain(nc net.Conn) (net.Conn, *handedConn) {
	secure, ok := nc.(*tls.Conn)
	if !ok {
		return nc, nil
	}
	if inner, ok := secure.NetConn().(*handedConn); ok {
		return inner.Conn, inner
	}
	return nil, nil
}

// unwrapped is nc without the wrapper that it does not need: no TLS stands on it.
func unwrapped(nc net.Conn) net.Conn {
	if c, ok := nc.(*handedConn); ok {
		return c.Conn
	}
	return nc
}
