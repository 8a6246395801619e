package poll

import (
	"io"
	"net"
	"os"
	"syscall"
)

// Read reads into p. It waits for a byte, the end (io.EOF), Close (net.ErrClosed)
// or the deadline (os.ErrDeadlineExceeded). It allocates nothing but errors.
func (s *Socket) Read(p []byte) (int, error) {
	for {
		n, edges, err := s.read(p)
		if err != ErrWouldBlock { //nolint:errorlint // nothing wraps it
			return s.result("read", n, err)
		}
		if err := s.park(waitRead, edges); err != nil {
			return 0, s.opError("read", err)
		}
	}
}

// TryRead reads into p without waiting. It returns ErrWouldBlock when there is
// nothing, and io.EOF at the end. It makes no system call when the last read has
// emptied the socket and the loop has seen nothing since.
func (s *Socket) TryRead(p []byte) (int, error) {
	n, _, err := s.read(p)
	return s.result("read", n, err)
}

// read makes at most one read. With ErrWouldBlock it returns the count of edges
// that the loop had seen before it.
func (s *Socket) read(p []byte) (n int, edges uint64, err error) {
	v := s.state.Load()
	if v&readLimited != 0 && s.late(readSide) {
		return 0, 0, os.ErrDeadlineExceeded
	}
	if v&(drained|eager|closed) == drained && len(p) > 0 {
		return 0, v >> edgeShift, ErrWouldBlock
	}
	v, ok := s.acquire()
	if !ok {
		return 0, 0, net.ErrClosed
	}
	if len(p) == 0 {
		s.release()
		return 0, 0, nil
	}
	n, errno := sysRead(s.fd, p)
	s.releaseRead(v, errno == syscall.EAGAIN || errno == 0 && 0 < n && n < len(p))
	switch {
	case errno == syscall.EAGAIN:
		return 0, v >> edgeShift, ErrWouldBlock
	case errno != 0:
		return 0, 0, errno
	case n == 0:
		return 0, 0, io.EOF
	}
	return n, 0, nil
}
