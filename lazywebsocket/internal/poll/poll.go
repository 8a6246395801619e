// Package poll waits for many sockets with few goroutines and little memory. It
// is an epoll of our own for Linux; elsewhere New says errors.ErrUnsupported and
// nothing else is of use.
//
// A Socket is adopted from a net.Conn, of which only the descriptor survives: 64
// bytes and a place in a table, no goroutine, buffer, timer or channel. It can be
// read as a net.Conn, by a goroutine that waits, or watched, by a loop that calls
// when there is something to read. Both save the read that would only say that
// there is nothing: a read that was not filled has emptied the socket, and epoll
// tells of what comes after it.
package poll

import "net"

// ErrWouldBlock is what TryRead and TryWrite return when they would have to wait.
// It is a net.Error that is temporary and no time-out, so that crypto/tls goes on
// after it.
var ErrWouldBlock error = wouldBlock{}

type wouldBlock struct{}

var _ net.Error = wouldBlock{}

func (wouldBlock) Error() string   { return "poll: would block" }
func (wouldBlock) Timeout() bool   { return false }
func (wouldBlock) Temporary() bool { return true }

// Watcher is told when a socket may have something to read.
type Watcher interface {
	// Readable runs on a goroutine of the Poller. It must not block unless the
	// socket is inline (SetInline) or it has called HandOver, because other sockets
	// wait for its return. It is never called again for the same socket before it
	// has returned.
	Readable()
}
