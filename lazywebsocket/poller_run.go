package lazywebsocket

import (
	"errors"
	"runtime/debug"
	"sync/atomic"

	"golazy.dev/lazywebsocket/internal/poll"
)

// served is a connection that a Poller serves.
type served struct {
	c     *Conn
	p     *Poller
	h     MessageHandler
	ready readiness // nil: a goroutine waits instead

	state atomic.Uint32 // whether somebody runs it

	// Of who runs it.
	mem  *buffer // mem.b[:n] has arrived of the open message; nil between messages
	n    int
	out  *scratch // the open message inflated, or nil
	done bool     // ServeClosed was called
}

// The states of a served connection.
const (
	idle    = iota
	running // somebody reads and calls the handler
	again   // and has to look once more before it stops
)

var _ poll.Watcher = (*served)(nil)

// Readable is called by the loop when something may be there.
func (s *served) Readable() {
	switch {
	case !s.claim():
	case s.p.Inline:
		s.ready.SetInline(true)
		s.run(inlineBurst)
		s.ready.SetInline(false)
	default:
		go s.run(0)
	}
}

// wake makes somebody look at the connection: for what has been buffered, or
// because the connection's end has begun.
func (s *served) wake() {
	if s.ready != nil && s.claim() {
		go s.run(0)
	}
}

// claim makes the caller the one who runs the connection, or else the one who
// does look again.
func (s *served) claim() bool {
	for {
		switch s.state.Load() {
		case idle:
			if s.state.CompareAndSwap(idle, running) {
				return true
			}
		case running:
			if s.state.CompareAndSwap(running, again) {
				return false
			}
		default:
			return false
		}
	}
}

// inlineBurst bounds the messages for which a loop stays with a connection while
// others wait.
const inlineBurst = 256

// run reads and calls the handler until nothing is there, or after most messages
// leaves the rest to a goroutine, if most is not zero.
func (s *served) run(most int) {
	for n := 1; ; n++ {
		if s.turn() {
			if n == most {
				go s.run(0)
				return
			}
			continue
		}
		if s.state.CompareAndSwap(running, idle) {
			return
		}
		s.state.Store(running)
	}
}

// turn delivers one message, and returns false if none is there.
func (s *served) turn() bool {
	if s.done {
		return false
	}
	messageType, data, err := s.next()
	if err == nil {
		err = s.deliver(messageType, data)
		s.release()
		if err == nil {
			return true
		}
		_ = s.c.end(CloseInternalServerErr, "")
	}
	if !wouldBlock(err) {
		s.finish(err)
	}
	return false
}

// deliver calls the handler.
func (s *served) deliver(messageType int, data []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return s.h.ServeMessage(s.c, messageType, data)
}

// finish tells the handler of the end.
func (s *served) finish(err error) {
	s.done = true
	s.release()
	if s.ready != nil {
		s.ready.Watch(nil)
	}
	s.p.uncount(s)
	defer s.c.Close()
	s.h.ServeClosed(s.c, err)
}

// next reads the next message, as far as it has arrived: poll.ErrWouldBlock says
// that it has not. The data is valid until release.
func (s *served) next() (messageType int, data []byte, err error) {
	c := s.c
	if !c.r.gate.tryEnterOrOwe() {
		return noMessage, nil, poll.ErrWouldBlock // Shutdown reads; who leaves wakes us
	}
	defer c.leaveRead()
	if c.r.err != nil {
		return noMessage, nil, c.r.err
	}
	if s.mem == nil {
		err = s.begin()
	}
	for err == nil && c.r.dec.InMessage() {
		err = s.collect()
	}
	if err == nil {
		data, err = s.message()
	}
	switch {
	case err == nil:
		c.delivered()
		return int(c.r.opcode), data, nil
	case wouldBlock(err):
		s.shrink()
		return noMessage, nil, err
	}
	return noMessage, nil, c.readFailed(err)
}

// begin reads the first header of a message.
func (s *served) begin() error {
	c := s.c
	f, err := c.nextData()
	if err != nil {
		return err
	}
	c.r.opcode = f.Opcode
	c.r.message++
	s.mem, s.n = borrow(int(min(f.Length, maxBuffer))), 0
	return nil
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
	c.r.inflate.src = compressedPayload{c: c, read: true, collected: true, whole: data}
	c.r.inflate.in.Begin(&c.r.inflate.src)
	c.r.inflate.open = true
	s.out = borrowScratch()
	s.out.b, err = c.appendInflated(s.out.b, 0)
	return s.out.b, err
}

// release gives back the memory of a message.
func (s *served) release() {
	if s.mem != nil {
		giveBackLarge(s.mem)
		s.mem = nil
	}
	s.out.giveBack()
	s.out = nil
}

func wouldBlock(err error) bool { return errors.Is(err, poll.ErrWouldBlock) }

// block serves the connection from a goroutine of its own.
func (s *served) block() {
	for !s.done {
		messageType, data, err := s.nextBlocking()
		if err == nil {
			err = s.deliver(messageType, data)
			s.release()
			if err == nil {
				continue
			}
			_ = s.c.end(CloseInternalServerErr, "")
		}
		s.finish(err)
	}
}

// nextBlocking waits for the next message, without memory before it has begun.
// The data is valid until release.
func (s *served) nextBlocking() (messageType int, data []byte, err error) {
	c := s.c
	c.r.gate.enterAlways()
	defer c.leaveRead()
	if err := c.await(); err != nil {
		return noMessage, nil, err
	}
	s.out = borrowScratch()
	messageType, s.out.b, err = c.appendMessage(s.out.b)
	return messageType, s.out.b, err
}

// inLoop reports whether an event loop reads the connection. Inside the read
// gate.
func (c *Conn) inLoop() bool {
	s := c.served.Load()
	return s != nil && s.ready != nil && !c.r.blocking
}

// leaveRead leaves the read gate. Who was not let in meanwhile looks again.
func (c *Conn) leaveRead() {
	owed := false
	for c.r.gate.leave() {
		owed = true
	}
	if s := c.served.Load(); owed && s != nil {
		s.wake()
	}
}
