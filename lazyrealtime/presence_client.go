package lazyrealtime

import (
	"context"

	"golazy.dev/lazyrealtime/cable"
)

// presenceTopic returns the topic that a client may be present in, or look at.
func (s *Subscriber) presenceTopic() (*topic, bool) {
	if !s.channel.Presence || len(s.followers) == 0 {
		return nil, false
	}
	t := s.followers[0].topic
	if err := s.session.hub.authorize(s.session.ctx, s.session.id, OpPresence, t.name); err != nil {
		return nil, false
	}
	return t, true
}

// enter makes the client's identity present, with the identity's info, or the
// client's if it has none.
func (s *Subscriber) enter(c *cable.Command) {
	if !s.session.extended {
		return // it would take the answer for a message
	}
	h, id := s.session.hub, s.session.id
	t, ok := s.presenceTopic()
	info := id.Info
	if info == nil && c.Presence != nil {
		info = c.Presence.Info
	}
	if h.within("InfoBytes", h.config.Limits.InfoBytes, defaultInfoBytes, len(info)) != nil {
		ok = false
	}
	if err := cable.CheckMessage(info); info != nil && err != nil {
		h.logger.Warn("the presence info of an identity is not JSON", "identity", id.ID, "error", err)
		ok = false
	}
	if !ok || id.ID == "" || !s.session.allowed() {
		_ = s.push(cable.AppendPresenceError(nil, s.identifier))
		return
	}
	if err := s.watch(t); err != nil {
		s.presenceFailed(t, err)
		return
	}
	if s.present {
		return
	}
	if err := h.enter(s.session.ctx, t, id.ID, info); err != nil {
		s.presenceFailed(t, err)
		return
	}
	s.present = true
}

// leave ends the client's presence.
func (s *Subscriber) leave() {
	if s.present {
		s.present = false
		s.session.hub.exit(s.followers[0].topic, s.session.id.ID)
	}
}

// who answers who is present, and lets the client know of changes from then on.
func (s *Subscriber) who(c *cable.Command) {
	if !s.session.extended {
		return
	}
	t, ok := s.presenceTopic()
	if !ok {
		_ = s.push(cable.AppendPresenceError(nil, s.identifier))
		return
	}
	if err := s.watch(t); err != nil {
		s.presenceFailed(t, err)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.presence
	if !c.ReturnRecords() {
		_ = s.push(cable.AppendPresence(nil, s.identifier, len(p.view), nil, false))
		return
	}
	if !s.session.commands.takes(len(p.view) / membersPerCommand) {
		s.session.hub.count(CountLimited, 1)
		_ = s.push(cable.AppendPresenceError(nil, s.identifier))
		return
	}
	_ = s.push(cable.AppendPresence(nil, s.identifier, len(p.view), p.records(), true))
}

// membersPerCommand is how many members count as one more command of who asks for them
// all: a long list is written while the topic stands still.
const membersPerCommand = 100

// records returns who is present. The topic's mu is held.
func (p *presence) records() []cable.Presence {
	if p.all == nil {
		p.all = make([]cable.Presence, 0, len(p.view))
		for _, m := range list(p.view) {
			p.all = append(p.all, cable.Presence{ID: m.ID, Info: m.Info})
		}
	}
	return p.all
}

// watch makes the client get events, from a view that has been loaded.
func (s *Subscriber) watch(t *topic) error {
	t.mu.Lock()
	p := t.presenceLocked()
	_, watches := p.watchers[s]
	loaded := p.loaded && len(p.watchers) > 0
	t.mu.Unlock()
	if watches {
		return nil
	}
	if !loaded {
		ctx, cancel := context.WithTimeout(s.session.ctx, presenceTimeout)
		defer cancel()
		if err := t.loadPresence(ctx); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p.watchers[s] = struct{}{}
	return nil
}

// unwatch ends watch.
func (s *Subscriber) unwatch(t *topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.presence != nil {
		delete(t.presence.watchers, s)
	}
}

func (s *Subscriber) presenceFailed(t *topic, err error) {
	s.session.hub.logger.Log(s.session.ctx, levelOf(err), "presence was refused", "topic", t.name, "identity", s.session.id.ID, "error", err)
	_ = s.push(cable.AppendPresenceError(nil, s.identifier))
}
