package realtime

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// What a room allows.
const (
	MaxMembers = 1000
	MaxName    = 32   // characters
	MaxMessage = 1000 // characters

	// queueLength is how many events may wait for one member. A member that falls further behind is closed.
	queueLength = 64
)

// Why a name, a message or a member is turned away. The texts are shown to people.
var (
	ErrFull     = errors.New("the room is full")
	ErrName     = fmt.Errorf("a name has at most %d characters, all of them visible", MaxName)
	ErrEmpty    = errors.New("a message has at least one character")
	ErrTooLong  = fmt.Errorf("a message has at most %d characters", MaxMessage)
	ErrTooSlow  = errors.New("too slow")
	ErrLost     = errors.New("connection lost")
	ErrStopping = errors.New("server is stopping")
)

// A Sink is a member's way out: the socket, seen from the room. One goroutine per member calls it.
type Sink interface {
	// Send delivers one event. It may take its time: only this member waits.
	Send(Event) error
	// End is the last call. The reason is nil when the member left by itself.
	End(reason error)
}

// Room lets its members hear each other. It knows no WebSocket, and its members know no goroutine: Join, Say and Leave
// are the whole seam, which a room with a history or on several machines can keep.
//
// The zero Room is ready to use. All methods may be called from any goroutine.
type Room struct {
	writers sync.WaitGroup

	mu      sync.Mutex // guards the fields below, and every send to a member's queue
	members map[uint64]*Member
	lastID  uint64
	closed  bool
}

// Member is one connection's place in a room. Its fields do not change.
type Member struct {
	ID   uint64
	Name string

	room   *Room
	queue  chan Event    // closed when the member is out; room.mu guards sending and closing
	reason error         // why it is out; written before queue is closed, read after
	done   chan struct{} // closed when the sink has been called for the last time
}

// Join adds a member that hears, through sink, everything said from now on. Without a name it is called a guest.
// The caller must call Leave.
func (r *Room) Join(name string, sink Sink) (*Member, error) {
	name = strings.Join(strings.Fields(name), " ")
	if !validName(name) {
		return nil, ErrName
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, ErrStopping
	case len(r.members) >= MaxMembers:
		return nil, ErrFull
	case r.members == nil:
		r.members = make(map[uint64]*Member)
	}
	r.lastID++
	if name == "" {
		name = fmt.Sprintf("guest-%d", r.lastID)
	}
	m := &Member{
		ID:    r.lastID,
		Name:  name,
		room:  r,
		queue: make(chan Event, queueLength),
		done:  make(chan struct{}),
	}
	r.publish(Event{Type: Joined, From: m.ID, Name: m.Name, Here: len(r.members) + 1})
	r.members[m.ID] = m
	r.put(m, Event{Type: Welcome, From: m.ID, Name: m.Name, Here: len(r.members)})
	r.writers.Go(func() { m.write(sink) })
	return m, nil
}

// Close ends every member with ErrStopping, lets nobody in any more, and waits until the goodbyes have been said.
func (r *Room) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	for _, m := range r.members {
		r.take(m, ErrStopping)
	}
	r.mu.Unlock()

	done := make(chan struct{})
	go func() {
		r.writers.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close room: %w", ctx.Err())
	}
}

// Say tells everybody in the room, the speaker too.
func (m *Member) Say(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return ErrEmpty
	case utf8.RuneCountInString(text) > MaxMessage:
		return ErrTooLong
	}
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	if m.room.members[m.ID] == nil {
		return m.reason
	}
	m.room.publish(Event{Type: Message, From: m.ID, Name: m.Name, Text: text})
	return nil
}

// Refuse tells this member alone why what it said was not taken.
func (m *Member) Refuse(err error) {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	if m.room.members[m.ID] != nil {
		m.room.put(m, Event{Type: Refused, Text: err.Error()})
	}
}

// Leave takes the member out of the room and waits for its writer. It may be called after the room has closed it.
func (m *Member) Leave() {
	m.room.remove(m, nil)
	<-m.done
}

// write is the member's one writer goroutine.
func (m *Member) write(sink Sink) {
	defer close(m.done)
	for event := range m.queue {
		if err := sink.Send(event); err != nil {
			m.room.remove(m, ErrLost) // closes the queue
			break
		}
	}
	sink.End(m.reason)
}

// publish puts an event into every member's queue and waits for none. All members see the same order. r.mu is held.
func (r *Room) publish(event Event) {
	event.At = time.Now()
	var slow []*Member
	for _, m := range r.members {
		if !m.offer(event) {
			slow = append(slow, m)
		}
	}
	for _, m := range slow {
		if r.members[m.ID] != nil { // the notice about another one may have taken it out
			r.out(m, ErrTooSlow)
		}
	}
}

// put puts an event into one member's queue. r.mu is held.
func (r *Room) put(m *Member, event Event) {
	event.At = time.Now()
	if !m.offer(event) {
		r.out(m, ErrTooSlow)
	}
}

// offer reports whether the event found room in the queue. room.mu is held.
func (m *Member) offer(event Event) bool {
	select {
	case m.queue <- event:
		return true
	default:
		return false
	}
}

// remove takes a member out, unless it is out, and tells the others.
func (r *Room) remove(m *Member, reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[m.ID] != nil {
		r.out(m, reason)
	}
}

// out takes a member out and tells the others. r.mu is held.
func (r *Room) out(m *Member, reason error) {
	r.take(m, reason)
	event := Event{Type: Left, From: m.ID, Name: m.Name, Here: len(r.members)}
	if reason != nil {
		event.Text = reason.Error()
	}
	r.publish(event)
}

// take takes a member out and tells nobody. Its writer says goodbye once the queue is empty: for a slow reader at
// once, because what it has not read is dropped. r.mu is held.
func (r *Room) take(m *Member, reason error) {
	delete(r.members, m.ID)
	m.reason = reason
	for errors.Is(reason, ErrTooSlow) && len(m.queue) > 0 {
		select {
		case <-m.queue:
		default: // its writer was faster
		}
	}
	close(m.queue)
}

func validName(name string) bool {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > MaxName {
		return false
	}
	return !strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) })
}
