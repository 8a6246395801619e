package poll

import (
	"errors"
	"net"
)

// rawConn is a syscall.RawConn for socket options.
type rawConn struct{ s *Socket }

// Control calls f with the descriptor, which stays open until f returns.
func (c rawConn) Control(f func(fd uintptr)) error {
	if _, ok := c.s.acquire(); !ok {
		return c.s.opError("raw-control", net.ErrClosed)
	}
	defer c.s.release()
	f(uintptr(c.s.fd)) //nolint:gosec // a descriptor
	return nil
}

// Read returns errors.ErrUnsupported: what f reads would be unknown to the
// socket.
func (rawConn) Read(func(fd uintptr) bool) error { return errors.ErrUnsupported }

// Write returns errors.ErrUnsupported.
func (rawConn) Write(func(fd uintptr) bool) error { return errors.ErrUnsupported }
