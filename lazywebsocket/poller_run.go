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
	mem  *scratch // what has arrived of the open message
	open bool     // a message has begun
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
	messageType, mem, err := s.next()
	if err == nil {
		err = s.deliver(messageType, mem)
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
func (s *served) deliver(messageType int, mem *scratch) (err error) {
	defer mem.giveBack()
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return s.h.ServeMessage(s.c, messageType, mem.b)
}

// finish tells the handler of the end.
func (s *served) finish(err error) {
	s.done = true
	s.mem.giveBack()
	s.mem = nil
	if s.ready != nil {
		s.ready.Watch(nil)
	}
	s.p.uncount(s)
	defer s.c.Close() //nolint:errcheck // nobody is left to be told
	s.h.ServeClosed(s.c, err)
}

// next reads the next message, as far as it has arrived: poll.ErrWouldBlock says
// that it has not.
func (s *served) next() (int, *scratch, error) {
	c := s.c
	if !c.r.gate.tryEnterOrOwe() {
		return noMessage, nil, poll.ErrWouldBlock // Shutdown reads; who leaves wakes us
	}
	defer c.leaveRead()
	if c.r.err != nil {
		return noMessage, nil, c.r.err
	}
	err := s.begin()
	for err == nil && c.r.dec.InMessage() {
		if c.atHeader() {
			_, err = c.nextData()
		} else {
			s.mem.b, err = c.appendPayload(s.mem.b, 0)
		}
	}
	if err == nil && c.r.dec.Compressed() {
		err = s.inflate()
	}
	switch {
	case err == nil:
	case wouldBlock(err):
		s.rest()
		return noMessage, nil, err
	default:
		return noMessage, nil, c.readFailed(err)
	}
	mem := s.mem
	s.mem, s.open = nil, false
	c.delivered()
	return int(c.r.opcode), mem, nil
}

// begin reads the first header of a message, unless that was done.
func (s *served) begin() error {
	if s.open {
		return nil
	}
	f, err := s.c.nextData()
	if err != nil {
		return err
	}
	s.c.r.opcode, s.open, s.mem = f.Opcode, true, borrowScratch()
	s.c.r.message++
	return nil
}

// rest keeps what has arrived of the open message in memory of about its size: it
// may take long to become more.
func (s *served) rest() {
	if s.mem == nil || cap(s.mem.b) <= 4*len(s.mem.b) {
		return
	}
	small := &scratch{b: append([]byte(nil), s.mem.b...)}
	s.mem.giveBack()
	s.mem = small
}

// inflate makes the open message what the peer has compressed. A decompressor
// cannot stop in the middle and go on, so that it gets the whole.
func (s *served) inflate() error {
	c := s.c
	packed := s.mem
	defer packed.giveBack()
	s.mem = borrowScratch()
	c.r.inflate.src = compressedPayload{c: c, read: true, whole: packed.b}
	c.r.inflate.in.Begin(&c.r.inflate.src)
	c.r.inflate.open = true
	var err error
	s.mem.b, err = c.appendInflated(s.mem.b, 0)
	return err
}

func wouldBlock(err error) bool { return errors.Is(err, poll.ErrWouldBlock) }

// block serves the connection from a goroutine of its own.
func (s *served) block() {
	for !s.done {
		messageType, mem, err := s.nextBlocking()
		if err == nil {
			if err = s.deliver(messageType, mem); err == nil {
				continue
			}
			_ = s.c.end(CloseInternalServerErr, "")
		}
		s.finish(err)
	}
}

// nextBlocking waits for the next message, without memory before it has begun.
func (s *served) nextBlocking() (int, *scratch, error) {
	c := s.c
	c.r.gate.enterAlways()
	defer c.leaveRead()
	if err := c.await(); err != nil {
		return noMessage, nil, err
	}
	mem := borrowScratch()
	messageType, data, err := c.appendMessage(mem.b)
	if mem.b = data; err != nil {
		mem.giveBack()
		return noMessage, nil, err
	}
	return messageType, mem, nil
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
