package lazywebsocket

import (
	"errors"
	"log"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"golazy.dev/lazywebsocket/internal/poll"
)

// served is a connection that a Poller serves.
type served struct {
	c *Conn
	p *Poller
	h MessageHandler

	state  atomic.Uint32 // whether somebody runs it
	reads  int32         // of the network that are left for this run; negative: no limit
	remote remoteAddr    // which a socket forgets at its end
	polled bool          // by an event loop; otherwise a goroutine waits
	done   bool          // ServeClosed was called
	number uint32        // of the open message

	// Of who runs it.
	mem *buffer // mem.b[:n] has arrived of the open message; nil between messages
	n   int
}

// ready returns what tells of bytes. It has not changed since Serve.
func (s *served) ready() readiness {
	nc := s.c.deadlines.nc
	if ready, ok := nc.(readiness); ok {
		return ready
	}
	_, inner := plain(nc)
	return inner.socket.Load()
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
	if !s.claim() {
		return
	}
	ready, direct := s.c.deadlines.nc.(readiness)
	if !s.p.Inline || !direct {
		// Not on the loop: reading TLS can wait for a writer of the same connection.
		s.start()
		return
	}
	ready.SetInline(true)
	s.run(true)
	ready.SetInline(false)
}

// wake makes somebody look at the connection: for what has been buffered, or
// because the connection's end has begun.
func (s *served) wake() {
	if s.polled && s.claim() {
		s.start()
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

// A loop stays with a connection for so many reads and messages, while others
// wait; a goroutine goes on then.
const (
	inlineReads    = 16
	inlineMessages = 256
)

// run reads and calls the handler until nothing is there, or on a loop for its
// time.
func (s *served) run(inline bool) {
	s.reads = -1
	if inline {
		s.reads = inlineReads
	}
	for n := 1; ; n++ {
		more := s.turn()
		if inline && (s.reads == 0 || n >= inlineMessages) {
			s.start()
			return
		}
		if more {
			continue
		}
		if s.state.CompareAndSwap(running, idle) {
			return
		}
		s.state.Store(running)
	}
}

// runner starts a goroutine that runs a connection without the allocation that a
// go statement with an argument takes.
type runner struct {
	s   *served
	run func() // bound once
}

var runners sync.Pool

func newRunner() *runner {
	r := new(runner)
	r.run = func() {
		s := r.s
		r.s = nil
		runners.Put(r)
		s.run(false)
	}
	return r
}

// start runs the connection, which the caller has claimed, on a goroutine.
func (s *served) start() {
	r, ok := runners.Get().(*runner)
	if !ok {
		r = newRunner()
	}
	r.s = s
	go r.run()
}

// turn delivers one message, and returns false if none is there.
func (s *served) turn() bool {
	if s.done {
		return false
	}
	err := s.guarded(s.next)
	switch {
	case err == nil:
		return true
	case !wouldBlock(err):
		s.finish(err)
	}
	return false
}

// guarded reads a message with next and calls the handler. What panics, a handler
// of control messages too, ends this connection and not the process.
func (s *served) guarded(next func() (int, []byte, error)) (err error) {
	returned := false
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
			s.c.ends(EndPanic)
			_ = s.c.end(CloseInternalServerErr, "")
		} else if !returned {
			s.exited()
		}
	}()
	messageType, data, err := next()
	if err == nil {
		if err = s.h.ServeMessage(s.c, messageType, data); err != nil {
			_ = s.c.end(CloseInternalServerErr, "")
		}
		s.release()
	}
	returned = true
	return err
}

// errExited is why a connection ends whose handler has called runtime.Goexit.
var errExited = errors.New("lazywebsocket: a message handler has ended its goroutine")

// exited goes on elsewhere: this goroutine, which may be the loop's, ends.
func (s *served) exited() {
	s.c.beforeBlocking()
	s.c.ends(EndPanic)
	go func() {
		_ = s.c.end(CloseInternalServerErr, "")
		s.finish(errExited)
	}()
}

// finish tells the handler of the end.
func (s *served) finish(err error) {
	s.done = true
	s.release()
	if s.polled {
		s.ready().Watch(nil)
	}
	defer s.p.uncount(s)
	defer func() {
		if s.c.r.farewell.what&farewellLeaves != 0 {
			s.c.abort()
		} else {
			_ = s.c.closeBehind() // Serve waits for a stream
		}
	}()
	returned := false
	defer func() {
		if v := recover(); v != nil {
			log.Printf("lazywebsocket: panic in ServeClosed: %v\n%s", v, debug.Stack())
		} else if !returned {
			s.c.beforeBlocking() // its goroutine ends, which may be the loop's
		}
	}()
	s.h.ServeClosed(s.c, err)
	returned = true
}

// next reads the next message, as far as it has arrived: poll.ErrWouldBlock says
// that it has not. The data is valid until release.
func (s *served) next() (messageType int, data []byte, err error) {
	c := s.c
	if !c.r.gate.tryEnterOrOwe() {
		return noMessage, nil, poll.ErrWouldBlock // Shutdown reads; who leaves wakes us
	}
	defer c.leaveRead()
	if s.mem != nil && s.number != c.r.message {
		s.release() // Shutdown has dropped the rest of it
	}
	switch {
	case c.r.err != nil:
		return noMessage, nil, c.r.err
	case s.mem != nil:
	case c.deadlines.ended():
		return noMessage, nil, c.endedError()
	default:
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

func wouldBlock(err error) bool { return errors.Is(err, poll.ErrWouldBlock) }

// beforeBlocking is called before a wait that may be a handler's on an event loop,
// which a fresh goroutine runs from then on.
func (c *Conn) beforeBlocking() {
	if s := c.served.Load(); s != nil && s.polled && s.p.Inline {
		if socket, ok := s.ready().(*poll.Socket); ok {
			socket.HandOver()
		}
	}
}

// mayRead takes one of the reads that a run has, if one is left.
func (s *served) mayRead() bool {
	if s.reads > 0 {
		s.reads--
		return true
	}
	return s.reads < 0
}

// inLoop reports whether an event loop reads the connection. Inside the read
// gate.
func (c *Conn) inLoop() bool {
	s := c.served.Load()
	return s != nil && s.polled && !c.r.blocking
}

// notServed returns the error of the application's reads where a Poller reads.
func (c *Conn) notServed() error {
	if c.served.Load() == nil {
		return nil
	}
	return &OpError{Op: "read", Err: errServed}
}

// leaveRead leaves the read gate. Who was not let in meanwhile looks again.
func (c *Conn) leaveRead() {
	if c.r.farewell.what&farewellDue != 0 {
		c.sayFarewell()
	}
	owed := false
	for c.r.gate.leave() {
		owed = true
	}
	if s := c.served.Load(); owed && s != nil {
		s.wake()
	}
}
