package poll

import (
	"net"
	"os"
	"syscall"
)

// Write writes all of p, or returns how much and an error. It waits for room,
// for Close (net.ErrClosed) or for the deadline (os.ErrDeadlineExceeded). The
// bytes of calls in several goroutines do not mix. It allocates nothing but
// errors.
func (s *Socket) Write(p []byte) (int, error) {
	if err := s.takeTurn(); err != nil {
		return s.result("write", 0, err)
	}
	n, err := s.writeAll(p)
	s.leaveTurn()
	return s.result("write", n, err)
}

// TryWrite writes what there is room for. If that is not all of p, it returns how
// much and ErrWouldBlock; so it does with 0 while another call writes. Deadlines
// are not for it.
func (s *Socket) TryWrite(p []byte) (int, error) {
	v, ok := s.tryTurn()
	switch {
	case v&closed != 0:
		return s.result("write", 0, net.ErrClosed)
	case !ok:
		return 0, ErrWouldBlock
	case len(p) == 0:
		s.leaveTurn()
		return 0, nil
	}
	n, errno := sysWrite(s.fd, p)
	s.leaveTurn()
	switch {
	case errno == syscall.EAGAIN, errno == 0 && n < len(p):
		return n, ErrWouldBlock
	case errno != 0:
		return s.result("write", n, errno)
	}
	return n, nil
}

func (s *Socket) writeAll(p []byte) (n int, err error) {
	for n < len(p) {
		v := s.state.Load()
		if v&closed != 0 {
			return n, net.ErrClosed
		}
		if v&writeLimited != 0 && s.late(writeSide) {
			return n, os.ErrDeadlineExceeded
		}
		m, errno := sysWrite(s.fd, p[n:])
		n += m
		if errno != 0 && errno != syscall.EAGAIN {
			return n, errno
		}
		if n < len(p) { // there was not more room
			if err := s.park(waitWrite, 0); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// tryTurn takes the turn to write, and a reference, if nobody has it. It returns
// the state from before.
func (s *Socket) tryTurn() (uint64, bool) {
	for {
		v := s.state.Load()
		if v&(closed|writing) != 0 {
			return v, false
		}
		if s.state.CompareAndSwap(v, (v|writing)+refOne) {
			return v, true
		}
	}
}

// takeTurn waits for the turn to write.
func (s *Socket) takeTurn() error {
	for {
		v, ok := s.tryTurn()
		switch {
		case ok:
			return nil
		case v&closed != 0:
			return net.ErrClosed
		case v&writeLimited != 0 && s.late(writeSide):
			return os.ErrDeadlineExceeded
		}
		if err := s.park(waitTurn, 0); err != nil {
			return err
		}
	}
}

// leaveTurn gives the turn and the reference back.
func (s *Socket) leaveTurn() {
	for {
		v := s.state.Load()
		next := v&^writing - refOne
		if !s.state.CompareAndSwap(v, next) {
			continue
		}
		if v&queued != 0 {
			s.wakeTurn()
		}
		s.released(next)
		return
	}
}

// watchRoom has the epoll for writing wake the writer once there is room, also
// if there is by now. The caller has the turn, and with it a reference.
func (s *Socket) watchRoom() error {
	op := syscall.EPOLL_CTL_MOD
	if s.state.Load()&outAdded == 0 {
		op = syscall.EPOLL_CTL_ADD
	}
	if err := epollControl(s.loop.poller.out.epfd, op, s, writeEvents); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	s.state.Or(outAdded)
	return nil
}

// writable wakes the writer that waits for room.
func (s *Socket) writable() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake(waitWrite)
}
