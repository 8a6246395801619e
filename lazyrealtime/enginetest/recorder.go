package enginetest

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golazy.dev/lazyrealtime"
)

// recorder is a feed that notes what it is told, and whether the engine keeps to
// what feeds are promised.
type recorder struct {
	mu       sync.Mutex // guards the fields below
	busy     map[string]bool
	overlaps []string
	lives    []live
	fleeting []fleeting
	lost     []string
	presence []lazyrealtime.PresenceEvent
	gone     []string
	changed  int
}

type live struct {
	m    *lazyrealtime.Message
	prev uint64
}

type fleeting struct{ topic, origin, data string }

// join makes a node with a recorder.
func (e *env) join(log lazyrealtime.Log) (lazyrealtime.Node, *recorder) {
	e.Helper()
	r := &recorder{busy: make(map[string]bool)}
	n, err := log.Join(e.Context(), r)
	if err != nil {
		e.Fatalf("Join: %v", err)
	}
	e.Cleanup(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.overlaps) > 0 {
			e.Errorf("the feed was called by two goroutines at a time for topics %q", r.overlaps)
		}
	})
	return n, r
}

// follow makes nodes follow topics.
func (e *env) follow(n lazyrealtime.Node, topics ...string) {
	e.Helper()
	for _, topic := range topics {
		if err := n.Follow(e.Context(), topic); err != nil {
			e.Fatalf("Follow of %q: %v", topic, err)
		}
	}
}

// enter begins a call for a topic. Another one must not begin before it has ended.
func (r *recorder) enter(topic string) {
	r.mu.Lock()
	if r.busy[topic] {
		r.overlaps = append(r.overlaps, topic)
	}
	r.busy[topic] = true
	r.mu.Unlock()
	runtime.Gosched() // lets a second call in
	r.mu.Lock()
	r.busy[topic] = false
}

func (r *recorder) Live(m *lazyrealtime.Message, prev uint64) {
	r.enter(m.Topic)
	defer r.mu.Unlock()
	r.lives = append(r.lives, live{m, prev})
}

func (r *recorder) Fleeting(topic, origin string, data []byte) {
	r.enter(topic)
	defer r.mu.Unlock()
	r.fleeting = append(r.fleeting, fleeting{topic, origin, string(data)})
}

func (r *recorder) Lost(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = append(r.lost, topic)
}

func (r *recorder) Presence(e lazyrealtime.PresenceEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.presence = append(r.presence, e)
}

func (r *recorder) Gone(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = append(r.gone, node)
}

func (r *recorder) Changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed++
}

// livesOf returns the calls of Live for a topic.
func (r *recorder) livesOf(topic string) []live {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.lives), func(l live) bool { return l.m.Topic != topic })
}

// data returns the data of the calls of Live for a topic.
func (r *recorder) data(topic string) []string {
	var list []string
	for _, l := range r.livesOf(topic) {
		list = append(list, string(l.m.Data))
	}
	return list
}

// hasLive returns nil once Live has been called for data on a topic.
func (r *recorder) hasLive(topic, data string) error {
	if got := r.data(topic); !slices.Contains(got, data) {
		return fmt.Errorf("no Live for %q on topic %q; there were %q", brief([]byte(data)), topic, got)
	}
	return nil
}

// hasFleeting returns nil once Fleeting has been called so.
func (r *recorder) hasFleeting(want fleeting) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.fleeting, want) {
		return fmt.Errorf("no Fleeting for %+v; there were %+v", want, r.fleeting)
	}
	return nil
}

// fleetings returns the data of the calls of Fleeting for a topic.
func (r *recorder) fleetings(topic string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, f := range r.fleeting {
		if f.topic == topic {
			list = append(list, f.data)
		}
	}
	return list
}

// hasPresence returns nil once Presence has been called so.
func (r *recorder) hasPresence(topic, node, id, info string, left bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.presence {
		if e.Topic == topic && e.Node == node && e.ID == id && e.Left == left && (left || string(e.Info) == info) {
			return nil
		}
	}
	return fmt.Errorf("no Presence for %q on topic %q of node %s with info %q, left %v; there were %+v", id, topic, node, info, left, r.presence)
}

// presenceOf returns the calls of Presence for a topic.
func (r *recorder) presenceOf(topic string) []lazyrealtime.PresenceEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.presence), func(e lazyrealtime.PresenceEvent) bool { return e.Topic != topic })
}

// hasGone returns nil once Gone has been called for a node.
func (r *recorder) hasGone(node string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.gone, node) {
		return fmt.Errorf("no Gone for node %s; there were %q", node, r.gone)
	}
	return nil
}

// hasChanged returns nil once Changed has been called more than before times.
func (r *recorder) hasChanged(before int) error {
	if n := r.changes(); n <= before {
		return fmt.Errorf("Changed was called %d times, as before", n)
	}
	return nil
}

func (r *recorder) changes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}
