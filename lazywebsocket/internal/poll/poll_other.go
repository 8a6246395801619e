//go:build !linux

package poll

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// Poller does not exist on this system: New never returns one.
type Poller struct{}

// New returns errors.ErrUnsupported.
func New(int) (*Poller, error) { return nil, errors.ErrUnsupported }

// Adopt returns errors.ErrUnsupported.
func (*Poller) Adopt(net.Conn) (*Socket, error) { return nil, errors.ErrUnsupported }

// Sockets returns 0.
func (*Poller) Sockets() int { return 0 }

// Close returns errors.ErrUnsupported.
func (*Poller) Close() error { return errors.ErrUnsupported }

// Socket does not exist on this system: Adopt never returns one.
type Socket struct{}

var _ net.Conn = (*Socket)(nil)

// Read returns errors.ErrUnsupported, as all methods that can.
func (*Socket) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Write returns errors.ErrUnsupported.
func (*Socket) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

// TryRead returns errors.ErrUnsupported.
func (*Socket) TryRead([]byte) (int, error) { return 0, errors.ErrUnsupported }

// TryWrite returns errors.ErrUnsupported.
func (*Socket) TryWrite([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Watch does nothing.
func (*Socket) Watch(Watcher) {}

// SetInline does nothing.
func (*Socket) SetInline(bool) {}

// HandOver does nothing.
func (*Socket) HandOver() {}

// LocalAddr returns an empty address.
func (*Socket) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr returns an empty address.
func (*Socket) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// SetDeadline returns errors.ErrUnsupported.
func (*Socket) SetDeadline(time.Time) error { return errors.ErrUnsupported }

// SetReadDeadline returns errors.ErrUnsupported.
func (*Socket) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

// SetWriteDeadline returns errors.ErrUnsupported.
func (*Socket) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// SyscallConn returns errors.ErrUnsupported.
func (*Socket) SyscallConn() (syscall.RawConn, error) { return nil, errors.ErrUnsupported }

// CloseWrite returns errors.ErrUnsupported.
func (*Socket) CloseWrite() error { return errors.ErrUnsupported }

// Close returns errors.ErrUnsupported.
func (*Socket) Close() error { return errors.ErrUnsupported }
