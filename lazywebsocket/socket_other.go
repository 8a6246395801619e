//go:build !unix

package lazywebsocket

import (
	"net"
	"sync/atomic"
)

// socket is for systems with file descriptors. Elsewhere the methods of net.Conn
// do.
type socket struct{}

func newSocket(net.Conn) *socket { return nil }

func (*socket) receive(net.Conn, *readBuffer) error { panic("no socket") }

func (*socket) read(net.Conn, []byte) (int, error) { panic("no socket") }

func (*socket) try(net.Conn, []byte, bool, *atomic.Uint32) (int, error) { panic("no socket") }

func (*socket) write(net.Conn, []byte, bool, *atomic.Uint32) (int, error) { panic("no socket") }
