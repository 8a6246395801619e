package lazyrealtime

import (
	"slices"
	"time"
)

// sweep forgets topics that have been idle for long, and what is too old to be
// kept in memory.
func (h *Hub) sweep() {
	linger := max(0, or(h.config.Linger, defaultLinger))
	for round := 1; h.pause(sweepEvery); round++ {
		for _, t := range h.takeIdle(time.Now().Add(-linger)) {
			h.retire(t)
		}
		h.sessions.sweep()
		if h.recent.Load() > defaultRecentTotal {
			h.relieve()
		}
		if round%trimEvery != 0 {
			continue
		}
		for _, t := range h.openTopics() {
			t.mu.Lock()
			t.trim(time.Now())
			t.mu.Unlock()
		}
	}
}

// takeIdle takes the topics out of the list that have been idle since then, and
// still are.
func (h *Hub) takeIdle(then time.Time) (expired []*topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for n < len(h.idle) && (!h.idle[n].since.After(then) || len(h.idle)-n > idleMost) {
		n++
	}
	due := slices.Clone(h.idle[:n])
	h.idle = slices.Delete(h.idle, 0, n)
	for _, i := range due {
		t := i.t
		t.listed = false
		switch {
		case t.users > 0 || h.topics[t.name] != t:
		case !i.since.After(then) && t.idle.After(then): // it was used meanwhile
			h.list(t)
		default:
			expired = append(expired, t)
		}
	}
	return expired
}

// retire forgets a topic without users. Its place is taken until the engine's feed
// has ended, so that the end of the old does not end the feed of a new one.
func (h *Hub) retire(t *topic) {
	place := &topic{hub: h, name: t.name, opened: make(chan struct{}), failed: errRetired, ended: true}
	h.mu.Lock()
	if t.users > 0 || h.topics[t.name] != t {
		h.mu.Unlock()
		return
	}
	h.topics[t.name] = place
	h.mu.Unlock()

	t.mu.Lock()
	t.ended = true
	h.recent.Add(int64(-t.recent.bytes))
	t.recent.reset(0, false)
	t.wake()
	t.mu.Unlock()
	h.node.Unfollow(t.name)

	h.mu.Lock()
	delete(h.topics, t.name)
	h.mu.Unlock()
	close(place.opened)
}

// relieve empties rings until those of all topics fit into memory: of idle topics,
// and then of any.
func (h *Hub) relieve() {
	h.mu.Lock()
	topics := make([]*topic, len(h.idle))
	for n, i := range h.idle {
		topics[n] = i.t
	}
	h.mu.Unlock()
	for _, t := range append(topics, h.openTopics()...) {
		if h.recent.Load() <= defaultRecentTotal*3/4 {
			return
		}
		t.mu.Lock()
		if !t.ended && t.warm {
			t.empty(t.last.Offset)
			t.filled = false
		}
		t.mu.Unlock()
	}
}
