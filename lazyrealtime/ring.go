package lazyrealtime

import (
	"slices"
	"time"
)

// ring holds the latest messages of a topic: all that are behind base, with no
// hole, up to the topic's last position. Guarded by the topic's mu.
type ring struct {
	messages []*Message // oldest first; taken from the front by moving it on
	base     uint64     // the offset before the first
	whole    bool       // nothing older is retained by the engine
	bytes    int
}

// recordBytes is what a message costs beside its data, about.
const recordBytes = 160

func cost(m *Message) int { return recordBytes + len(m.Data) + len(m.ID) + len(m.From) }

// push adds the topic's newest message.
func (r *ring) push(m *Message) {
	r.messages = append(r.messages, m)
	r.bytes += cost(m)
}

// prepend adds messages that end where the ring begins: everything between base
// and r.base.
func (r *ring) prepend(older []*Message, base uint64, whole bool) {
	joined := make([]*Message, 0, len(older)+len(r.messages))
	r.messages = append(append(joined, older...), r.messages...)
	for _, m := range older {
		r.bytes += cost(m)
	}
	r.base, r.whole = base, whole
}

// trim drops what is beyond the bounds. What the engine no longer retains leaves
// the ring as whole as it was, if it is a matter of counting; the engine has a clock
// of its own.
func (r *ring) trim(messages, bytes int, keep Retention, now time.Time) (freed int) {
	before := r.bytes
	oldest := now.Add(-keep.Age)
	for len(r.messages) > keep.Messages {
		r.dropFirst()
	}
	for len(r.messages) > messages || len(r.messages) > 1 && r.bytes > bytes ||
		len(r.messages) > 0 && r.messages[0].Time.Before(oldest) {
		r.dropFirst()
		r.whole = false
	}
	return before - r.bytes
}

func (r *ring) dropFirst() {
	m := r.messages[0]
	r.messages[0] = nil // the array lives on until append moves it
	r.messages = r.messages[1:]
	r.bytes -= cost(m)
	r.base = m.Position.Offset
}

// reset empties the ring; it begins again behind base.
func (r *ring) reset(base uint64, whole bool) {
	*r = ring{base: base, whole: whole}
}

// behind returns at most limit messages behind an offset, which is in the ring. The
// slice is the caller's: the ring clears its own as messages leave it.
func (r *ring) behind(offset uint64, limit int) []*Message {
	low, high := 0, len(r.messages)
	for low < high {
		if mid := int(uint(low+high) >> 1); r.messages[mid].Position.Offset <= offset {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return slices.Clone(r.messages[low:min(len(r.messages), low+limit)])
}
