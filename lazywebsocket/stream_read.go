package lazywebsocket

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// inboxWaits is what a stream holds to wait with: more than most messages have.
	inboxWaits = 1 << 10
	// inboxFlows is what it borrows while more comes than that.
	inboxFlows = 16 << 10
)

// inbox reads the body of a request for a streamConn. A read of the body can only be
// ended for good, so that a goroutine does it, one piece ahead of the reader, who can
// stop waiting for it and come again.
type inbox struct {
	body  io.ReadCloser
	full  chan arrived  // what the goroutine has read
	empty chan struct{} // it was taken
	limit expiry        // the read deadline

	reading sync.Mutex // guards what follows: one reader at a time
	started bool       // the goroutine runs
	unread  []byte     // of what it has read last
	err     error      // behind that
}

// arrived is what a read of the body has brought. The memory is the goroutine's again
// when all of it was taken.
type arrived struct {
	b   []byte
	err error
}

func (in *inbox) init(body io.ReadCloser) {
	in.body = body
	in.full = make(chan arrived, 1)
	in.empty = make(chan struct{}, 1)
}

// Read waits for bytes, or for the deadline, or for Close. An expired deadline loses
// nothing.
func (s *streamConn) Read(p []byte) (int, error) {
	in := &s.in
	in.reading.Lock()
	defer in.reading.Unlock()
	for {
		passed, over := in.limit.now()
		switch {
		case s.isGone():
			return 0, net.ErrClosed
		case over:
			return 0, os.ErrDeadlineExceeded
		case len(in.unread) > 0 || len(p) == 0:
			return in.take(p), nil
		case in.err != nil:
			return 0, in.err
		}
		if !in.started {
			in.started = true
			go s.pump()
		}
		select {
		case got := <-in.full:
			in.unread = got.b
			if in.err = got.err; got.err != nil && got.err != io.EOF { //nolint:errorlint // readers return it as it is
				in.err = s.broken(got.err)
				s.letEnd(passed)
			}
		case <-passed:
		case <-s.gone:
		}
	}
}

// letEnd gives the connection time to end, where the stream was reset because a write
// ran out of its time: what reads return is decided by that.
func (s *streamConn) letEnd(passed <-chan struct{}) {
	s.mu.Lock()
	expired := s.expired
	s.mu.Unlock()
	if !expired {
		return
	}
	timer := time.NewTimer(streamLinger)
	defer timer.Stop()
	select {
	case <-s.gone:
	case <-passed:
	case <-timer.C:
	}
}

// take copies what is unread, and lets the goroutine go on when that was all.
func (in *inbox) take(p []byte) int {
	n := copy(p, in.unread)
	in.unread = in.unread[n:]
	if n > 0 && len(in.unread) == 0 && in.err == nil {
		in.empty <- struct{}{} // has room: the goroutine waits for it
	}
	return n
}

func (s *streamConn) isGone() bool {
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// SetReadDeadline sets the time after which reads fail, until it is set anew.
func (s *streamConn) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.in.limit.set(t)
	return nil
}

// pump reads the body until its end, or Close.
func (s *streamConn) pump() {
	small := make([]byte, inboxWaits)
	var large *buffer
	for {
		b := small
		if large != nil {
			b = large.b
		}
		n, err := s.in.body.Read(b)
		if n == 0 && err == nil {
			continue // nobody would take that, and let us go on
		}
		s.in.full <- arrived{b[:n], err} // has room: the one before was taken
		if err != nil {
			return
		}
		select {
		case <-s.in.empty:
		case <-s.gone:
			return // the reader may be at it: what was borrowed is not given back
		}
		switch {
		case n == len(b) && large == nil:
			large = borrow(inboxFlows)
		case n < len(b) && large != nil:
			giveBack(large)
			large = nil
		}
	}
}

// expiry tells when a time has come that can be changed. The zero value is never.
type expiry struct {
	mu     sync.Mutex
	passed chan struct{} // closed when it has come; made when somebody asks
	over   bool          // it has come
	timer  *time.Timer
	number int // of calls of set
}

// now returns what will be closed when the time has come, and whether it has.
func (e *expiry) now() (passed <-chan struct{}, over bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.passed == nil {
		e.passed = make(chan struct{})
	}
	return e.passed, e.over
}

// set changes the time; zero is never.
func (e *expiry) set(t time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.number++
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
	if e.over {
		e.over, e.passed = false, nil
	}
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		e.come()
		return
	}
	number := e.number
	e.timer = time.AfterFunc(wait, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.number == number {
			e.come()
		}
	})
}

// come notes that the time has come. mu is held.
func (e *expiry) come() {
	e.over = true
	if e.passed == nil {
		e.passed = make(chan struct{})
	}
	close(e.passed)
}
