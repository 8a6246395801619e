package poll

import "sync"

// What a waiter waits for.
type waitFor uint8

const (
	waitRead  waitFor = 1 << iota // an edge
	waitWrite                     // room to write
	waitTurn                      // the turn to write

	waitWriting = waitWrite | waitTurn // what a write deadline ends
	waitAny     = waitRead | waitWriting
)

// waiter is a goroutine that waits in a call of a Socket. Who takes it out of the
// socket's list sends on ready, once, and so a waiter can be used again.
type waiter struct {
	ready chan struct{} // of capacity 1
	next  *waiter
	what  waitFor
}

var waiters = sync.Pool{New: func() any { return &waiter{ready: make(chan struct{}, 1)} }}

// park waits until what has happened or may have: the caller looks again. edges
// is what a reader knows of. It returns an error if the kernel cannot be told to
// wake a writer.
func (s *Socket) park(what waitFor, edges uint64) error {
	w := waiters.Get().(*waiter)
	defer waiters.Put(w)
	w.what = what
	s.mu.Lock()
	if !s.mustWait(what, edges) {
		s.mu.Unlock()
		return nil
	}
	s.enlist(w)
	s.mu.Unlock()
	if what == waitWrite {
		if err := s.watchRoom(); err != nil {
			if !s.unlist(w) {
				<-w.ready
			}
			return err
		}
	}
	if s.state.Load()&inline != 0 {
		s.loop.handOver(s)
	}
	<-w.ready
	return nil
}

// mustWait says whether what is still to be waited for, and sets the timer. mu
// is held, under which edges are counted and waiters are woken.
func (s *Socket) mustWait(what waitFor, edges uint64) bool {
	v := s.state.Load()
	if v&closed != 0 {
		return false
	}
	if what == waitRead && v>>edgeShift != edges {
		return false
	}
	if what == waitTurn {
		busy := s.swap(func(v uint64) (uint64, bool) { return v | queued, v&writing != 0 })
		if !busy {
			return false
		}
	}
	if d := s.limit(what.side()); d != nil && d.passed() {
		return false
	}
	return true
}

// enlist appends w, for turns are taken in order. mu is held.
func (s *Socket) enlist(w *waiter) {
	last := &s.waiters
	for *last != nil {
		last = &(*last).next
	}
	*last = w
	s.arm(w.what.side())
}

// unlist takes w out. It returns false when somebody has woken it.
func (s *Socket) unlist(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := &s.waiters; *at != nil; at = &(*at).next {
		if *at == w {
			*at, w.next = w.next, nil
			return true
		}
	}
	return false
}

// wake wakes all who wait for one of what. mu is held.
func (s *Socket) wake(what waitFor) {
	for at := &s.waiters; *at != nil; {
		w := *at
		if w.what&what == 0 {
			at = &w.next
			continue
		}
		*at, w.next = w.next, nil
		w.ready <- struct{}{}
	}
}

// wakeTurn wakes the first who waits for the turn to write.
func (s *Socket) wakeTurn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := &s.waiters; *at != nil; at = &(*at).next {
		if w := *at; w.what == waitTurn {
			*at, w.next = w.next, nil
			w.ready <- struct{}{}
			return // there may be more: queued stays
		}
	}
	s.state.And(^queued)
}

// waitsFor says whether anybody waits for one of what. mu is held.
func (s *Socket) waitsFor(what waitFor) bool {
	for w := s.waiters; w != nil; w = w.next {
		if w.what&what != 0 {
			return true
		}
	}
	return false
}
