package lazyrealtime

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"golazy.dev/lazyrealtime/cable"
)

// Present is an identity that is present in a topic, on however many connections
// and nodes.
type Present struct {
	ID   string
	Info []byte // JSON, or nil; must not be changed
}

// presence is who is present in a topic. The topic's mu guards it, except where it
// says otherwise.
type presence struct {
	turn sync.Mutex          // orders what is told to the engine; nothing of the feed takes it
	owed map[string]struct{} // who may be present for the engine and is not; turn guards it

	here     map[string]int               // connections of this node, by identity
	view     map[string]map[string][]byte // by identity and node: info
	all      []cable.Presence             // who is in view, by identity; nil: it has changed since
	loaded   bool                         // view is what the engine has told
	loading  int                          // readings of the engine under way
	events   []PresenceEvent              // since the first of them began; without an ID: of all of a node
	watchers map[*Subscriber]struct{}     // who gets events
}

const (
	// presenceEvery is how often the presence of watched topics is compared with
	// the engine's: events are hints.
	presenceEvery   = 15 * time.Second
	presenceTimeout = 10 * time.Second
)

// presenceLocked returns the topic's presence. mu is held.
func (t *topic) presenceLocked() *presence {
	if t.presence == nil {
		t.presence = &presence{
			here: make(map[string]int), view: make(map[string]map[string][]byte),
			watchers: make(map[*Subscriber]struct{}),
		}
	}
	return t.presence
}

// Presence returns who is present in a topic, on all nodes, by id.
func (h *Hub) Presence(ctx context.Context, topic string) ([]Present, error) {
	if err := h.checkTopic(topic); err != nil {
		return nil, err
	}
	members, err := h.node.Members(ctx, topic)
	if err != nil {
		return nil, err
	}
	view := make(map[string]map[string][]byte)
	for _, m := range members {
		put(view, m)
	}
	return list(view), nil
}

func put(view map[string]map[string][]byte, m Member) {
	if view[m.ID] == nil {
		view[m.ID] = make(map[string][]byte)
	}
	view[m.ID][m.Node] = m.Info
}

func take(view map[string]map[string][]byte, id, node string) {
	delete(view[id], node)
	if len(view[id]) == 0 {
		delete(view, id)
	}
}

// list returns the identities of a view, by id. Of several nodes' infos it is that
// of the first by name.
func list(view map[string]map[string][]byte) []Present {
	all := make([]Present, 0, len(view))
	for id, nodes := range view {
		all = append(all, Present{id, nodes[slices.Min(slices.Collect(maps.Keys(nodes)))]})
	}
	slices.SortFunc(all, func(a, b Present) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// present takes an event of the feed.
func (t *topic) present(e PresenceEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.presence
	if p == nil {
		return
	}
	if p.loading > 0 {
		p.events = append(p.events, e)
	}
	if p.loaded {
		t.apply(e)
	}
}

// apply changes the view and tells the watchers. mu is held.
func (t *topic) apply(e PresenceEvent) {
	p := t.presence
	_, was := p.view[e.ID]
	p.all = nil
	if e.Left {
		take(p.view, e.ID, e.Node)
	} else {
		put(p.view, e.Member)
	}
	_, is := p.view[e.ID]
	switch {
	case !was && is:
		t.tell(func(s *Subscriber) []byte { return cable.AppendJoin(nil, s.identifier, e.ID, e.Info) })
	case was && !is:
		t.tell(func(s *Subscriber) []byte { return cable.AppendLeave(nil, s.identifier, e.ID) })
	}
}

// gone drops the members of a node.
func (t *topic) gone(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.presence
	if p == nil {
		return
	}
	if p.loading > 0 {
		p.events = append(p.events, PresenceEvent{Topic: t.name, Member: Member{Node: node}, Left: true})
	}
	for id, nodes := range p.view {
		if _, ok := nodes[node]; ok {
			t.apply(PresenceEvent{Topic: t.name, Member: Member{Node: node, ID: id}, Left: true})
		}
	}
}

// tell sends a frame to who watches. mu is held.
func (t *topic) tell(frame func(*Subscriber) []byte) {
	for s := range t.presence.watchers {
		_ = s.push(frame(s))
	}
}

// loadPresence compares the view with the engine's, and tells the watchers what
// is different.
func (t *topic) loadPresence(ctx context.Context) error {
	t.mu.Lock()
	p := t.presenceLocked()
	p.loading++
	t.mu.Unlock()
	members, err := t.hub.node.Members(ctx, t.name)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.reconcile(members)
	}
	if p.loading--; p.loading == 0 {
		p.events = nil
	}
	return err
}

// reconcile makes the view what the engine has told, and what has happened since it
// was asked. mu is held.
func (t *topic) reconcile(members []Member) {
	p := t.presence
	now := make(map[string]map[string][]byte)
	for _, m := range members {
		put(now, m)
	}
	for _, e := range p.events {
		switch {
		case !e.Left:
			put(now, e.Member)
		case e.ID != "":
			take(now, e.ID, e.Node)
		default:
			for id := range now {
				take(now, id, e.Node)
			}
		}
	}
	before := p.view
	p.view, p.all, p.loaded = now, nil, true
	for id := range before {
		if now[id] == nil {
			t.tell(func(s *Subscriber) []byte { return cable.AppendLeave(nil, s.identifier, id) })
		}
	}
	for _, m := range list(now) {
		if before[m.ID] == nil {
			t.tell(func(s *Subscriber) []byte { return cable.AppendJoin(nil, s.identifier, m.ID, m.Info) })
		}
	}
}

// watchPresence compares the presence of watched topics with the engine's, now
// and then, and tells the engine what it should know already.
func (h *Hub) watchPresence() {
	for h.pause(presenceEvery) {
		for _, t := range h.openTopics() {
			t.mu.Lock()
			p := t.presence
			watched := p != nil && len(p.watchers) > 0
			t.mu.Unlock()
			if p != nil {
				h.pay(t, p)
			}
			if !watched {
				continue
			}
			ctx, cancel := context.WithTimeout(h.ctx, presenceTimeout)
			if err := t.loadPresence(ctx); err != nil && h.ctx.Err() == nil {
				h.logger.Warn("presence cannot be read", "topic", t.name, "error", err)
			}
			cancel()
		}
	}
}

// enter counts a connection of an identity, and tells the engine of the first.
func (h *Hub) enter(ctx context.Context, t *topic, id string, info []byte) error {
	t.mu.Lock()
	p := t.presenceLocked()
	t.mu.Unlock()
	p.turn.Lock()
	defer p.turn.Unlock()
	t.mu.Lock()
	members, there := len(p.view), p.view[id] != nil
	t.mu.Unlock()
	if !there {
		if err := h.within("Members", h.config.Limits.Members, defaultMembers, members+1); err != nil {
			return err
		}
	}
	err := h.node.Enter(ctx, t.name, id, info)
	t.mu.Lock()
	if err == nil {
		p.here[id]++
	}
	here := p.here[id] > 0
	t.mu.Unlock()
	if !here {
		h.owe(t, p, id) // it may have been done all the same
	}
	return err
}

// owe notes that an identity is not present, for pay to tell the engine. The caller
// has its turn, and the topic.
func (h *Hub) owe(t *topic, p *presence, id string) {
	if _, ok := p.owed[id]; ok {
		return
	}
	if p.owed == nil {
		p.owed = make(map[string]struct{})
	}
	p.owed[id] = struct{}{}
	h.mu.Lock()
	defer h.mu.Unlock()
	t.users++ // it is not forgotten until then
}

// pay tells the engine who is not present, where it may not know.
func (h *Hub) pay(t *topic, p *presence) {
	if !p.turn.TryLock() {
		return // another time
	}
	defer p.turn.Unlock()
	for id := range p.owed {
		t.mu.Lock()
		here := p.here[id] > 0
		t.mu.Unlock()
		if !here {
			ctx, cancel := context.WithTimeout(h.ctx, presenceTimeout)
			err := h.node.Exit(ctx, t.name, id)
			cancel()
			if err != nil {
				return
			}
		}
		delete(p.owed, id)
		h.release(t)
	}
}

// exitLater is exit for the end of a subscription, which does not wait for the
// engine.
func (h *Hub) exitLater(t *topic, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return // the node's members go with it
	}
	t.users++
	h.all.Go(func() {
		defer h.release(t)
		h.exit(t, id)
	})
}

// exit reverses enter.
func (h *Hub) exit(t *topic, id string) {
	t.mu.Lock()
	p := t.presenceLocked()
	t.mu.Unlock()
	p.turn.Lock()
	defer p.turn.Unlock()
	t.mu.Lock()
	p.here[id]--
	last := p.here[id] == 0
	if last {
		delete(p.here, id)
	}
	t.mu.Unlock()
	if !last {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), presenceTimeout)
	defer cancel()
	if err := h.node.Exit(ctx, t.name, id); err != nil && !errors.Is(err, ErrClosed) {
		h.logger.Warn("a leave was not noted yet", "topic", t.name, "identity", id, "error", err)
		h.owe(t, p, id)
	}
}
