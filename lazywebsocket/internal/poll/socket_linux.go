package poll

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// Socket is a connection whose descriptor a Poller watches. It is a net.Conn and
// may be used like one, from several goroutines. Errors are those of package net:
// io.EOF, or a *net.OpError. A Socket must be closed.
//
// There are many: its size is a budget (TestSocketSize).
type Socket struct {
	loop    *loop
	watcher Watcher    // guarded by mu
	waiters *waiter    // guarded by mu
	limits  *deadlines // guarded by mu; nil until the first deadline
	state   atomic.Uint64
	mu      sync.Mutex
	fd      int32
	gen     int32
}

var _ net.Conn = (*Socket)(nil)

// Close closes the socket. Calls that wait return net.ErrClosed, as all later
// ones do, and the watcher is called. What has been written is still sent. A
// second Close returns net.ErrClosed.
func (s *Socket) Close() error {
	// The reference keeps the descriptor while it is taken out of the epolls.
	first := s.swap(func(v uint64) (uint64, bool) { return (v | closed) + refOne, v&closed == 0 })
	if !first {
		return s.opError("close", net.ErrClosed)
	}
	sockets.put(s.fd, nil)
	s.mu.Lock()
	outAdded := s.state.Load()&outAdded != 0
	watched := s.watcher != nil
	s.stopTimers()
	s.wake(waitAny)
	s.mu.Unlock()
	// Closing does not do it if a child process, say, has the open file as well.
	_ = epollControl(s.loop.epfd, syscall.EPOLL_CTL_DEL, s, 0)
	if outAdded {
		_ = epollControl(s.loop.poller.out.epfd, syscall.EPOLL_CTL_DEL, s, 0)
	}
	if watched {
		s.loop.post(s)
	}
	s.release()
	return nil
}

// destroy closes the descriptor, which nobody uses any more.
func (s *Socket) destroy() {
	_ = syscall.Close(int(s.fd))
	p := s.loop.poller
	p.count.Add(-1)
	p.open.Done()
}

// CloseWrite tells the peer that nothing more will come. Reading goes on.
func (s *Socket) CloseWrite() error {
	if _, ok := s.acquire(); !ok {
		return s.opError("close", net.ErrClosed)
	}
	defer s.release()
	if err := syscall.Shutdown(int(s.fd), syscall.SHUT_WR); err != nil {
		return s.opError("close", os.NewSyscallError("shutdown", err))
	}
	return nil
}

// SyscallConn returns access to the descriptor for socket options. Its Read and
// Write return errors.ErrUnsupported.
func (s *Socket) SyscallConn() (syscall.RawConn, error) {
	if s.state.Load()&closed != 0 {
		return nil, s.opError("raw-control", net.ErrClosed)
	}
	return rawConn{s}, nil
}

// result turns the outcome of a system call into what a net.Conn returns.
func (s *Socket) result(op string, n int, err error) (int, error) {
	switch err { //nolint:errorlint // nothing wraps these
	case nil, io.EOF, ErrWouldBlock:
		return n, err
	}
	if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // nothing wraps it
		err = os.NewSyscallError(op, errno)
	}
	return n, s.opError(op, err)
}
