// Package load is the benchmark's client: one epoll loop on raw descriptors,
// which sends frames that were made before, in one write for all that are in
// flight, and compares every byte of every answer.
package load

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// reader gets what arrives on a connection.
type reader interface {
	// receive gets bytes that have arrived, which are valid until it returns.
	receive(b []byte, now time.Time) error
}

// ender is a reader that expects the server to end the connection.
type ender interface{ end(now time.Time) error }

// socket is a connection's descriptor in a loop.
type socket struct {
	fd      int
	loop    *loop
	reader  reader
	rest    []byte // to be written when the descriptor takes it
	waiting bool   // for that
}

// loop is the epoll loop of one goroutine.
type loop struct {
	fd      int
	events  [256]unix.EpollEvent
	sockets map[int32]*socket
	buf     []byte
}

const readSize = 1 << 20

func newLoop() (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &loop{fd: fd, sockets: map[int32]*socket{}, buf: make([]byte, readSize)}, nil
}

// add takes a descriptor.
func (l *loop) add(fd int, r reader) (*socket, error) {
	s := &socket{fd: fd, loop: l, reader: r}
	l.sockets[int32(fd)] = s                                      //nolint:gosec // descriptors are small
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)} //nolint:gosec // as above
	return s, unix.EpollCtl(l.fd, unix.EPOLL_CTL_ADD, fd, &event)
}

// errStuck is a server that has not answered for stuckAfter.
var errStuck = errors.New("load: the server answers nothing any more")

const stuckAfter = 20 * time.Second

// run serves the descriptors until done. It does not sleep: the core is the
// load's alone, and a server must not pay for waking it.
func (l *loop) run(done func() bool) error {
	last := time.Now()
	for !done() {
		n, err := unix.EpollWait(l.fd, l.events[:], 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n <= 0 {
			if time.Since(last) > stuckAfter {
				return errStuck
			}
			continue
		}
		last = time.Now()
		for _, event := range l.events[:n] {
			if s := l.sockets[event.Fd]; s != nil {
				if err := s.serve(event.Events); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *socket) serve(events uint32) error {
	if events&unix.EPOLLOUT != 0 {
		if err := s.flush(); err != nil {
			return err
		}
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return nil
	}
	n, err := unix.Read(s.fd, s.loop.buf)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("load: read: %w", err)
	case n == 0:
		if e, ok := s.reader.(ender); ok {
			return e.end(time.Now())
		}
		return errors.New("load: the server has ended a connection")
	}
	return s.reader.receive(s.loop.buf[:n], time.Now())
}

// write sends b, which must not change until it has left.
func (s *socket) write(b []byte) error {
	s.rest = b
	return s.flush()
}

func (s *socket) flush() error {
	for len(s.rest) > 0 {
		n, err := unix.Write(s.fd, s.rest)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return s.wait(true)
		case err != nil:
			return fmt.Errorf("load: write: %w", err)
		default:
			s.rest = s.rest[n:]
		}
	}
	return s.wait(false)
}

// wait says whether to wait until the descriptor takes more.
func (s *socket) wait(on bool) error {
	if s.waiting == on {
		return nil
	}
	s.waiting = on
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)} //nolint:gosec // descriptors are small
	if on {
		event.Events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(s.loop.fd, unix.EPOLL_CTL_MOD, s.fd, &event)
}

// close resets the connection, which leaves no port waiting.
func (s *socket) close() {
	_ = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	s.leave()
}

// leave closes a connection that the server has closed.
func (s *socket) leave() {
	delete(s.loop.sockets, int32(s.fd)) //nolint:gosec // descriptors are small
	_ = unix.Close(s.fd)
}

func (l *loop) close() {
	for _, s := range l.sockets {
		s.close()
	}
	_ = unix.Close(l.fd)
}
