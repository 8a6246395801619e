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
			_ = s.c.Close()
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

// begin reads the first header of a message. The rest of one that a reader has
// left before the hand-over is dropped.
func (s *served) begin() error {
	c := s.c
	if c.r.begun {
		c.r.begun = false
		s.open(c.r.dec.Remaining())
		return nil
	}
	for c.r.dec.InMessage() {
		if err := c.drop(); err != nil {
			return err
		}
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

func wouldBlock(err error) bool { return errors.Is(err, poll.ErrWouldBlock) }

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
