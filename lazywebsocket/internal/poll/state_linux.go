package poll

// The state of a Socket is one word, so that a read takes a reference to the
// descriptor, sees what the loop has seen, and gives the reference back with what
// it found in two exchanges:
//
//	bits 0..15   the flags below
//	bits 16..35  references: uses of the descriptor in progress
//	bits 36..63  edges: how many events of the descriptor the loop has seen
//
// The count of edges wraps around. It is compared only across one read, and a
// read that takes as long as 2^28 events is none.
const (
	closed       uint64 = 1 << iota // Close was called: nothing may begin
	drained                         // the last read emptied the socket and no edge came since
	eager                           // reads ask the kernel all the same: the end is near, or a short read proves nothing
	inline                          // the loop may be inside the application (SetInline)
	writing                         // somebody has the turn to write
	queued                          // somebody waits for the turn
	calling                         // Readable runs
	again                           // and has to run again
	posted                          // the socket is in its loop's list
	readLimited                     // there is a deadline for reads
	writeLimited                    // there is one for writes
	outAdded                        // the descriptor is known to the epoll for writing
	unixDomain                      // not TCP

	refShift  = 16
	refOne    = uint64(1) << refShift
	edgeShift = 36
	edgeOne   = uint64(1) << edgeShift
	refMask   = edgeOne - refOne
)

// swap changes the state by f until nobody interferes. When f returns false it
// leaves the state as it is, and returns that too.
func (s *Socket) swap(f func(uint64) (uint64, bool)) bool {
	for {
		old := s.state.Load()
		next, ok := f(old)
		if !ok {
			return false
		}
		if s.state.CompareAndSwap(old, next) {
			return true
		}
	}
}

// acquire takes a reference: the descriptor stays open until release. It returns
// the state from before, and false when the socket is closed.
func (s *Socket) acquire() (uint64, bool) {
	for {
		v := s.state.Load()
		if v&closed != 0 {
			return v, false
		}
		if s.state.CompareAndSwap(v, v+refOne) {
			return v, true
		}
	}
}

// release gives a reference back. The last one after Close closes the
// descriptor.
func (s *Socket) release() {
	s.released(s.state.Add(^(refOne - 1)))
}

// released closes the descriptor if the state v, just made, says so.
func (s *Socket) released(v uint64) {
	if v&closed != 0 && v&refMask == 0 {
		s.destroy()
	}
}

// releaseRead gives back the reference of a read that began in the state v. If
// the read emptied the socket it says so, unless an edge came meanwhile: what
// that one told of may have arrived behind the read.
func (s *Socket) releaseRead(v uint64, emptied bool) {
	for {
		old := s.state.Load()
		next := old - refOne
		if emptied && old>>edgeShift == v>>edgeShift {
			next |= drained
		}
		if s.state.CompareAndSwap(old, next) {
			s.released(next)
			return
		}
	}
}
