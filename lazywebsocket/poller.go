package lazywebsocket

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"golazy.dev/lazywebsocket/internal/poll"
)

// Poller serves connections from event loops: a connection that waits has no
// goroutine and no buffer, only a few hundred bytes. The zero value is ready; its
// fields must not change once it serves. All methods may be called concurrently.
//
// The loops use epoll, on Linux, for connections over TCP and Unix sockets, and
// for TLS over those that a listener of [NewListener] has accepted. Everything
// else is served by a goroutine each, with the same behaviour; Stats tells them
// apart.
type Poller struct {
	// Loops is the number of event loops. If zero or negative, GOMAXPROCS.
	Loops int

	// Inline says that handlers never block: they are called on the loop itself,
	// which saves a goroutine's start for each burst of messages, and stops all
	// other connections of the loop meanwhile. Writing to the handler's own
	// connection is no blocking in this sense, and neither is Conn.Publish; a
	// handler that waits for anything else, another connection included, must
	// not be inline.
	Inline bool

	once  sync.Once
	loops *poll.Poller // nil where there is no epoll

	polled atomic.Int64 // connections served by loops, which know them

	mu     sync.Mutex
	closed bool
	others map[*Conn]bool // served by goroutines (false), or by loops that are not ours
	all    sync.WaitGroup // has a count for each connection
}

// MessageHandler receives what arrives on a connection that a [Poller] serves.
type MessageHandler interface {
	// ServeMessage is called for each message, TextMessage or BinaryMessage, in
	// order, one at a time for a connection. Data is valid until it returns. An
	// error ends the connection with CloseInternalServerErr, and so does a panic;
	// both come back in ServeClosed.
	ServeMessage(c *Conn, messageType int, data []byte) error

	// ServeClosed is called once, when nothing will be read any more and the
	// latest ServeMessage has returned. Err is never nil: what a read would have
	// returned (see Conn.AppendMessage), what ServeMessage has returned, or a
	// *PanicError. The connection is closed after it has returned; it may still
	// write where only the peer has ended its direction.
	ServeClosed(c *Conn, err error)
}

// PanicError is what ServeClosed gets when ServeMessage has panicked, and SentAwayEvent
// when a handler of control messages has, which Group.Shutdown ran.
type PanicError struct {
	Value any    // of the panic
	Stack []byte // of the goroutine, as debug.Stack prints it
}

// Error implements error.
func (e *PanicError) Error() string {
	return fmt.Sprintf("lazywebsocket: a message handler panicked: %v", e.Value)
}

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// PollerStats counts the connections that a Poller serves.
type PollerStats struct {
	Polled     int // by event loops
	Goroutines int // by a goroutine each
}

// Stats returns the current numbers.
func (p *Poller) Stats() PollerStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	stats := PollerStats{Polled: int(p.polled.Load())}
	for _, polled := range p.others {
		if polled {
			stats.Polled++
		} else {
			stats.Goroutines++
		}
	}
	return stats
}

// Close ends all connections that the Poller serves, those of its loops without a
// goodbye, and waits until ServeClosed has returned for each. It must not be
// called by a handler. Later calls of Serve return an error.
func (p *Poller) Close() error {
	p.start()
	p.mu.Lock()
	p.closed = true
	others := slices.Collect(maps.Keys(p.others))
	p.mu.Unlock()
	for _, c := range others {
		go func() { _ = c.end(CloseGoingAway, "") }()
	}
	var err error
	if p.loops != nil {
		err = p.loops.Close()
	}
	p.all.Wait()
	return err
}

// start makes the loops with the first connection.
func (p *Poller) start() {
	p.once.Do(func() { p.loops, _ = poll.New(p.Loops) }) // without them goroutines do
}

// count notes that s is served, and returns false if the Poller is closed.
func (p *Poller) count(s *served) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.all.Add(1)
	if s.ours() {
		p.polled.Add(1)
		return true
	}
	if p.others == nil {
		p.others = make(map[*Conn]bool)
	}
	p.others[s.c] = s.polled
	return true
}

// uncount notes that s is served no more.
func (p *Poller) uncount(s *served) {
	defer p.all.Done()
	if s.ours() {
		p.polled.Add(-1)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.others, s.c)
}

// ours reports whether the Poller's own loops serve it.
func (s *served) ours() bool {
	if !s.polled {
		return false
	}
	_, ok := s.ready().(*poll.Socket)
	return ok
}
