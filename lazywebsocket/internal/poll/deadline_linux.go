package poll

import (
	"net"
	"time"
)

// side is a direction of a socket.
type side uint8

const (
	readSide side = iota
	writeSide
)

// side returns whose deadline ends the wait.
func (w waitFor) side() side {
	if w == waitRead {
		return readSide
	}
	return writeSide
}

// deadlines exist from the first one that is set.
type deadlines [2]deadline

// deadline ends waiting in one direction. A timer runs only while somebody waits;
// it is left to run when the deadline moves further away, and looks again.
type deadline struct {
	at    time.Time // zero: none
	timer *time.Timer
	fires time.Time // when the timer does; zero: it does not run
}

func (d *deadline) passed() bool {
	return !d.at.IsZero() && !time.Now().Before(d.at)
}

// SetDeadline sets the deadlines of both directions.
func (s *Socket) SetDeadline(t time.Time) error {
	if err := s.setDeadline(t, readSide); err != nil {
		return err
	}
	return s.setDeadline(t, writeSide)
}

// SetReadDeadline sets when Read, TryRead included, begins to return
// os.ErrDeadlineExceeded. Calls that wait by then return; a watcher is called. The
// zero time is no deadline: it also revives reads that have timed out.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.setDeadline(t, readSide) }

// SetWriteDeadline sets when Write begins to return os.ErrDeadlineExceeded. A call
// that waits by then returns, and says how much of its bytes has left. The zero
// time is no deadline. TryWrite knows none.
func (s *Socket) SetWriteDeadline(t time.Time) error { return s.setDeadline(t, writeSide) }

func (s *Socket) setDeadline(t time.Time, of side) error {
	if !t.IsZero() {
		// Timers run by the monotonic clock, and so must the deadline.
		now := time.Now()
		t = now.Add(t.Sub(now))
	}
	s.mu.Lock()
	if s.state.Load()&closed != 0 {
		s.mu.Unlock()
		return s.opError("set", net.ErrClosed)
	}
	post := s.setLocked(t, of)
	s.mu.Unlock()
	if post {
		s.loop.post(s)
	}
	return nil
}

// setLocked returns true when the watcher has to be called. mu is held.
func (s *Socket) setLocked(t time.Time, of side) (post bool) {
	if t.IsZero() {
		s.state.And(^of.limited())
		if s.limits != nil {
			s.limits[of].at = t
		}
		return false
	}
	if s.limits == nil {
		s.limits = new(deadlines)
	}
	d := &s.limits[of]
	d.at = t
	s.state.Or(of.limited())
	if d.passed() {
		return s.expire(of)
	}
	s.arm(of)
	return false
}

// limited returns the flag that says that there is a deadline.
func (of side) limited() uint64 {
	if of == readSide {
		return readLimited
	}
	return writeLimited
}

// limit returns the deadline of a direction, nil if none was ever set. mu is held.
func (s *Socket) limit(of side) *deadline {
	if s.limits == nil {
		return nil
	}
	return &s.limits[of]
}

// late says whether the deadline has passed.
func (s *Socket) late(of side) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.limit(of)
	return d != nil && d.passed()
}

// arm starts the timer of a direction if there is a deadline, somebody waits, and
// the timer does not fire before it anyway. mu is held.
func (s *Socket) arm(of side) {
	d := s.limit(of)
	if d == nil || d.at.IsZero() || !s.somebodyWaits(of) || s.state.Load()&closed != 0 {
		return
	}
	if !d.fires.IsZero() && !d.fires.After(d.at) {
		return
	}
	d.fires = d.at
	if d.timer == nil {
		d.timer = time.AfterFunc(time.Until(d.at), func() { s.fired(of) })
	} else {
		d.timer.Reset(time.Until(d.at))
	}
}

func (s *Socket) somebodyWaits(of side) bool {
	if of == readSide {
		return s.watcher != nil || s.waitsFor(waitRead)
	}
	return s.waitsFor(waitWriting)
}

// fired is what the timer runs.
func (s *Socket) fired(of side) {
	s.mu.Lock()
	d := s.limit(of)
	if d == nil {
		s.mu.Unlock()
		return // closed
	}
	d.fires = time.Time{}
	post := false
	if d.passed() {
		post = s.expire(of)
	} else {
		s.arm(of) // it has moved
	}
	s.mu.Unlock()
	if post {
		s.loop.post(s)
	}
}

// expire ends the waiting of a direction. It returns true when the watcher has to
// be called. mu is held.
func (s *Socket) expire(of side) (post bool) {
	if of == writeSide {
		s.wake(waitWriting)
		return false
	}
	s.wake(waitRead)
	return s.watcher != nil
}

// stopTimers forgets the deadlines. mu is held.
func (s *Socket) stopTimers() {
	if s.limits == nil {
		return
	}
	for i := range s.limits {
		if timer := s.limits[i].timer; timer != nil {
			timer.Stop()
		}
	}
	s.limits = nil
	s.state.And(^(readLimited | writeLimited))
}
