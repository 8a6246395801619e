package memory

import (
	"slices"
	"sync"
	"time"

	"golazy.dev/lazyrealtime"
)

// topic is the log of a topic. Offsets count from one.
type topic struct {
	name string
	// order is held while a message is appended and the feeds are told of it, so
	// that they hear of messages in the order of offsets. Readers do not wait for it.
	order sync.Mutex

	mu       sync.Mutex // guards the fields below
	keep     lazyrealtime.Retention
	tail     uint64                  // offset of the last message, whether it is retained or not
	messages []*lazyrealtime.Message // those retained, with no offset missing up to tail
	ids      map[string]uint64       // offsets of the first messages with an id, within the window
	expiries []expiry                // oldest first: when ids are forgotten
}

// expiry is when an id is forgotten.
type expiry struct {
	id string
	at time.Time
}

// append returns the message and the offset before it, or no message and the offset
// of the first one with its id. t.order is held.
func (t *topic) append(e *lazyrealtime.Entry, epoch string, window time.Duration) (m *lazyrealtime.Message, prev, first uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.forget(now)
	if e.ID != "" {
		if first, dup := t.ids[e.ID]; dup {
			return nil, 0, first
		}
		t.remember(e.ID, now.Add(window))
	}
	prev = t.tail
	t.tail++
	m = &lazyrealtime.Message{
		Topic:    t.name,
		Position: lazyrealtime.Position{Epoch: epoch, Offset: t.tail},
		ID:       e.ID,
		From:     e.From,
		Time:     time.UnixMilli(now.UnixMilli()),
		Data:     e.Data,
	}
	t.messages = append(t.messages, m)
	t.keep = e.Keep.OrDefault()
	t.trim(now)
	return m, prev, 0
}

// read returns messages and the tail; not whole says that some behind the position
// are missing.
func (t *topic) read(after lazyrealtime.Position, epoch string, limit int) (messages []*lazyrealtime.Message, tail uint64, whole bool) {
	if t == nil {
		return nil, 0, after.IsZero() || after.Epoch == epoch && after.Offset == 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trim(time.Now())
	gone := t.tail - uint64(len(t.messages)) // the last offset that is not retained
	skip := uint64(0)
	if !after.IsZero() {
		if after.Epoch != epoch || after.Offset < gone || after.Offset > t.tail {
			return nil, t.tail, false
		}
		skip = after.Offset - gone
	}
	rest := t.messages[skip:]
	return slices.Clone(rest[:min(limit, len(rest))]), t.tail, true
}

// end returns the tail.
func (t *topic) end() uint64 {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tail
}

// trim applies the retention. t.mu is held.
func (t *topic) trim(now time.Time) {
	n := max(0, len(t.messages)-t.keep.Messages)
	for n < len(t.messages) && now.Sub(t.messages[n].Time) >= t.keep.Age {
		n++
	}
	clear(t.messages[:n])
	t.messages = t.messages[n:]
}

// remember notes the id of the message that comes next. t.mu is held.
func (t *topic) remember(id string, until time.Time) {
	if t.ids == nil {
		t.ids = make(map[string]uint64)
	}
	t.ids[id] = t.tail + 1
	t.expiries = append(t.expiries, expiry{id, until})
}

// forget drops the ids whose window is over. t.mu is held.
func (t *topic) forget(now time.Time) {
	n := 0
	for n < len(t.expiries) && !now.Before(t.expiries[n].at) {
		delete(t.ids, t.expiries[n].id)
		n++
	}
	clear(t.expiries[:n])
	t.expiries = t.expiries[n:]
}
