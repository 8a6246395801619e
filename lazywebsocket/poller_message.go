package lazywebsocket

// begin reads the first header of a message. The rest of one that a reader has
// left before the hand-over is dropped.
func (s *served) begin() error {
	c := s.c
	if c.r.begun {
		c.r.begun = false
		s.open(c.r.dec.Remaining())
		return nil
	}
	if err := c.dropRest(); err != nil {
		return err
	}
	f, err := c.nextData()
	if err != nil {
		return err
	}
	c.r.opcode = f.Opcode
	c.r.message++
	s.open(f.Length)
	return nil
}

// open makes room for a message, whose first frame has length bytes.
func (s *served) open(length int64) {
	s.number = s.c.r.message
	here := max(len(s.c.r.buf.unread()), 1<<minBufferShift) // what a header announces costs nothing
	s.mem, s.n = borrow(int(min(length, int64(here)))), 0
}

// collect takes a step towards the end of the open message.
func (s *served) collect() error {
	c := s.c
	if c.atHeader() {
		_, err := c.nextData()
		return err
	}
	if p := c.buffered(); len(p) > 0 {
		s.grow(len(p))
		p = s.mem.b[s.n : s.n+copy(s.mem.b[s.n:], p)]
		s.n += len(p)
		c.r.buf.skip(len(p))
		return c.r.dec.Payload(p)
	}
	if c.r.dec.Remaining() < int64(c.r.buf.size) {
		return c.fill() // may bring the next frames too
	}
	s.grow(1)
	n, err := c.readPayload(s.mem.b[s.n:])
	s.n += n
	return err
}

// grow makes room for n bytes more: four times what has arrived, at most. What a
// header announces costs nothing.
func (s *served) grow(n int) {
	if len(s.mem.b)-s.n >= n {
		return
	}
	larger := borrowLarge(max(s.n+n, 4*s.n))
	copy(larger.b, s.mem.b[:s.n])
	giveBackLarge(s.mem)
	s.mem = larger
}

// shrink keeps what has arrived of the open message in memory of about its size:
// it may take long to become more.
func (s *served) shrink() {
	if s.mem == nil || len(s.mem.b) <= max(4*s.n, 1<<minBufferShift) {
		return
	}
	small := borrowLarge(s.n)
	copy(small.b, s.mem.b[:s.n])
	giveBackLarge(s.mem)
	s.mem = small
}

// message returns the open message, which is complete. What the peer has
// compressed is inflated now: a decompressor could not stop in the middle and go
// on.
func (s *served) message() (data []byte, err error) {
	c := s.c
	data = s.mem.b[:s.n]
	if !c.r.dec.Compressed() {
		return data, nil
	}
	c.r.inflate.begin(compressedPayload{c: c, read: true, collected: true, whole: data})
	out := borrowScratch()
	c.r.inflate.out = out
	out.b, err = c.appendInflated(out.b, 0)
	return filled(out.b, err), err
}

// release gives back the memory of a message.
func (s *served) release() {
	if s.mem != nil {
		giveBackLarge(s.mem)
		s.mem = nil
	}
	if f := s.c.r.inflate; f != nil {
		f.out.giveBack()
		f.out = nil
	}
}
