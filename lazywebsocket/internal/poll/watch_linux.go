package poll

// Watch has w.Readable called, on the loop's goroutine, whenever bytes or the end
// may have arrived since TryRead said ErrWouldBlock, the read deadline has passed
// or the socket was closed; and once soon if something may be there already. It
// may be called for nothing, and is never forgotten. It is called for one thing
// at a time: a new call comes after the last has returned. nil stops; a call that
// has begun by then goes on.
func (s *Socket) Watch(w Watcher) {
	s.mu.Lock()
	s.watcher = w
	if w != nil {
		s.arm(readSide)
	}
	v := s.state.Load()
	s.mu.Unlock()
	if w != nil && (v&(drained|eager) != drained || v&(closed|readLimited) != 0) {
		s.loop.post(s)
	}
}

// SetInline says whether Readable may call the application. While it is on, a
// Read or Write of the socket that has to wait inside Readable first hands the
// loop to a fresh goroutine, which serves the other sockets; the old one ends when
// Readable returns. Only waiting for this socket does so. Before it waits for
// anything else, Readable may call HandOver: in a Read of another socket of the
// same loop it would wait for itself otherwise.
func (s *Socket) SetInline(on bool) {
	if on {
		s.state.Or(inline)
	} else {
		s.state.And(^inline)
	}
}

// HandOver hands the loop to a fresh goroutine now if Readable of this socket is
// running, which may block from then on. Any goroutine may call it, as one that
// looks for watchers that take too long.
func (s *Socket) HandOver() {
	s.loop.handOver(s)
}

// edge notes an event of the descriptor: it wakes the readers, and returns the
// watcher if it has to be called now. The caller calls returned after it.
func (s *Socket) edge(events uint32) Watcher {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.claim(func(v uint64) uint64 {
		v = (v + edgeOne) &^ drained
		if events&endEvents != 0 {
			v |= eager
		}
		return v
	})
	if s.waiters != nil {
		s.wake(waitRead)
	}
	return w
}

// nudge returns the watcher if it has to be called now. The caller calls returned
// after it.
func (s *Socket) nudge() Watcher {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claim(func(v uint64) uint64 { return v })
}

// claim changes the state by f, and notes that the watcher is called, or has to
// be called again if it has not returned. mu is held.
func (s *Socket) claim(f func(uint64) uint64) Watcher {
	for {
		old := s.state.Load()
		next := f(old)
		w := s.watcher
		switch {
		case w == nil:
		case old&calling != 0:
			next |= again
			w = nil
		default:
			next |= calling
		}
		if s.state.CompareAndSwap(old, next) {
			return w
		}
	}
}

// returned says that the watcher has returned. If it should have been called
// meanwhile it will be.
func (s *Socket) returned() {
	if s.state.And(^(calling|again))&again != 0 {
		s.loop.post(s)
	}
}

// callNow calls the watcher without a loop.
func (s *Socket) callNow() {
	if w := s.nudge(); w != nil {
		w.Readable()
		s.returned()
	}
}
