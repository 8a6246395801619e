package lazywebsocket

// block serves the connection from a goroutine of its own.
func (s *served) block() {
	var out *scratch
	next := func() (int, []byte, error) { return s.nextBlocking(&out) }
	for {
		err := s.guarded(next)
		out.giveBack()
		out = nil
		if err != nil {
			s.finish(err)
			return
		}
	}
}

// nextBlocking waits for the next message, and borrows memory for it when it has
// begun.
func (s *served) nextBlocking(out **scratch) (messageType int, data []byte, err error) {
	c := s.c
	c.r.gate.enterAlways()
	defer c.leaveRead()
	if c.r.err == nil && !c.messageOpen() && c.deadlines.ended() {
		return noMessage, nil, c.endedError()
	}
	if err := c.await(); err != nil {
		return noMessage, nil, err
	}
	*out = borrowScratch()
	messageType, data, err = c.appendMessage((*out).b)
	(*out).b = data
	return messageType, filled(data, err), err
}
