package nats_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/nats"
)

// reader is a node that sees topics as a hub does: what is live if it joins, and what
// Read says otherwise.
type reader struct {
	t    *testing.T
	log  *nats.Log
	node lazyrealtime.Node
	wake chan struct{}

	mu     sync.Mutex // guards the fields below
	early  []seen     // what the feed was told and has not been looked at
	seen   map[string][]*lazyrealtime.Message
	lost   map[string]bool
	topics []string

	lives, repaired, repairs int // of the goroutine
	drop                     func(m *lazyrealtime.Message) bool
	deaf                     bool // to Lost
}

// seen is a call of the feed: of Live, or of Lost if m is nil.
type seen struct {
	m     *lazyrealtime.Message
	prev  uint64
	topic string
}

// newReader joins. One that is deaf does nothing when it is told of a loss.
func newReader(t *testing.T, log *nats.Log, deaf bool) *reader {
	t.Helper()
	r := &reader{
		t: t, log: log, deaf: deaf, wake: make(chan struct{}, 1),
		seen: make(map[string][]*lazyrealtime.Message), lost: make(map[string]bool),
	}
	var err error
	if r.node, err = log.Join(t.Context(), r); err != nil {
		t.Fatalf("Join: %v", err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go r.run(done)
	return r
}

func (r *reader) follow(topics []string) {
	r.t.Helper()
	r.mu.Lock()
	r.topics = topics
	r.mu.Unlock()
	for _, topic := range topics {
		if err := r.node.Follow(r.t.Context(), topic); err != nil {
			r.t.Fatalf("Follow: %v", err)
		}
	}
}

func (r *reader) note(s seen) {
	r.mu.Lock()
	r.early = append(r.early, s)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reader) Live(m *lazyrealtime.Message, prev uint64) {
	if r.drop == nil || !r.drop(m) {
		r.note(seen{m: m, prev: prev})
	}
}

func (r *reader) Lost(topic string) {
	r.mu.Lock()
	r.lost[topic] = true
	r.mu.Unlock()
	if !r.deaf {
		r.note(seen{topic: topic})
	}
}

func (r *reader) Fleeting(string, string, []byte)     {}
func (r *reader) Presence(lazyrealtime.PresenceEvent) {}
func (r *reader) Gone(string)                         {}
func (r *reader) Changed()                            {}

// run works off the calls until the test ends.
func (r *reader) run(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-r.wake:
		}
		r.mu.Lock()
		calls := r.early
		r.early = nil
		r.mu.Unlock()
		for _, s := range calls {
			r.step(s)
		}
	}
}

func (r *reader) step(s seen) {
	switch {
	case s.m == nil && s.topic == "":
		r.mu.Lock()
		topics := r.topics
		r.mu.Unlock()
		for _, topic := range topics {
			r.repair(topic)
		}
	case s.m == nil:
		r.repair(s.topic)
	case s.m.Position.Offset <= r.last(s.m.Topic).Offset:
	case s.prev > r.last(s.m.Topic).Offset:
		r.repair(s.m.Topic)
	default:
		r.lives++
		r.take(s.m)
	}
}

// repair reads what is behind the last message.
func (r *reader) repair(topic string) {
	for {
		page, err := r.log.Read(context.Background(), topic, r.last(topic), 100)
		switch {
		case errors.Is(err, lazyrealtime.ErrUnavailable):
			continue
		case err != nil:
			if !errors.Is(err, lazyrealtime.ErrClosed) {
				r.t.Errorf("Read of %s: %v", topic, err)
			}
			return
		case len(page.Messages) == 0:
			return
		}
		r.repairs++
		for _, m := range page.Messages {
			r.repaired++
			r.take(m)
		}
	}
}

func (r *reader) last(topic string) lazyrealtime.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	if list := r.seen[topic]; len(list) > 0 {
		return list[len(list)-1].Position
	}
	return lazyrealtime.Position{}
}

func (r *reader) hasLost(topic string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost[topic]
}

func (r *reader) forgetLost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.lost)
}

func (r *reader) take(m *lazyrealtime.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[m.Topic] = append(r.seen[m.Topic], m)
}

func (r *reader) seenOf(topic string) []*lazyrealtime.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen[topic])
}
