package lazyrealtime

import (
	"context"
	"encoding/json"

	"golazy.dev/lazyrealtime/cable"
)

// serve does what a command asks for.
func (s *session) serve(c *cable.Command) {
	switch c.Name {
	case cable.CommandSubscribe:
		s.subscribe(c)
		return
	case cable.CommandUnsubscribe:
		s.unsubscribe(c.Identifier)
		return
	case cable.CommandPong:
		return // reading it has shown that the client lives
	}
	sub := s.sub(c.Identifier)
	if c.Request != "" && s.extended {
		s.request(sub, c)
		return
	}
	if sub == nil {
		return // the client has unsubscribed, or was rejected, and knows it soon
	}
	switch c.Name {
	case cable.CommandMessage:
		s.message(sub, c)
	case cable.CommandWhisper:
		s.whisper(sub, c)
	case cable.CommandHistory:
		sub.history(c)
	case cable.CommandJoin:
		sub.enter(c)
	case cable.CommandLeave:
		sub.leave()
	case cable.CommandPresence:
		sub.who(c)
	}
}

func (s *session) sub(identifier string) *Subscriber {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subs[identifier]
}

// subscribe starts a subscription. One that there is already is confirmed again,
// and nothing else: clients repeat themselves when an answer is late, and a second
// replay would double what the first has brought.
func (s *session) subscribe(c *cable.Command) {
	h := s.hub
	s.mu.Lock()
	again := s.subs[c.Identifier]
	there := len(s.subs)
	s.mu.Unlock()
	if again != nil {
		again.confirmAgain()
		return
	}
	if err := h.within("Subscriptions", h.config.Limits.Subscriptions, defaultSubscriptions, there+1); err != nil {
		s.reject(c.Identifier, err)
		return
	}
	sub := &Subscriber{session: s, identifier: c.Identifier}
	if err := sub.admit(); err != nil {
		sub.drop()
		if unavailable(err) {
			h.logger.Warn("a subscription cannot be served now", "identity", s.id.ID, "error", err)
			s.disconnect(endNoEngine) // a rejection would be final
			return
		}
		s.reject(c.Identifier, err)
		return
	}
	h.sessions.subscriptions.Add(1)
	h.count(CountSubscribes, 1)
	s.mu.Lock()
	ended := s.ended || s.leaving.Load() // silence has not seen it then
	if !ended {
		s.subs[sub.identifier] = sub
	}
	s.mu.Unlock()
	if ended {
		sub.end()
		return
	}
	sub.start(c)
}

// reject refuses a subscription.
func (s *session) reject(identifier string, err error) {
	s.hub.count(CountRejects, 1)
	s.hub.logger.Log(s.ctx, levelOf(err), "a subscription was rejected", "identity", s.id.ID, "error", err)
	s.send(cable.AppendReply(nil, cable.RejectSubscription, identifier))
}

func (s *session) unsubscribe(identifier string) {
	s.mu.Lock()
	sub := s.subs[identifier]
	delete(s.subs, identifier)
	s.mu.Unlock()
	if sub != nil {
		sub.end()
	}
}

// message passes on to the channel what a client sends.
func (s *session) message(sub *Subscriber, c *cable.Command) {
	if !s.allowed() || sub.channel.Message == nil {
		return
	}
	data := json.RawMessage(c.Text)
	if err := s.hub.checkData(data); err != nil {
		s.hub.logger.Info("a message was refused", "identity", s.id.ID, "error", err)
		s.disconnect(endInvalid)
		return
	}
	_ = s.deliver(s.ctx, sub, data) // whose sender does not ask
}

// deliver calls the channel.
func (s *session) deliver(ctx context.Context, sub *Subscriber, data json.RawMessage) error {
	err := sub.channel.Message(ctx, sub, cable.Action(data), data)
	if err != nil && s.ctx.Err() == nil {
		s.hub.logger.Log(s.ctx, levelOf(err), "a channel has refused a message", "subscription", sub.identifier, "identity", s.id.ID, "error", err)
	}
	return err
}

// whisper sends to the others what is not stored.
func (s *session) whisper(sub *Subscriber, c *cable.Command) {
	if !s.allowed() || !sub.channel.Whisper || len(sub.followers) == 0 {
		return
	}
	if err := s.hub.checkData(c.Data); err != nil {
		s.disconnect(endInvalid)
		return
	}
	topic := sub.followers[0].topic.name
	if !sub.public {
		if err := s.hub.authorize(s.ctx, s.id, OpWhisper, topic); err != nil {
			return
		}
	}
	if err := s.hub.node.Send(s.ctx, topic, s.origin, c.Data); err != nil {
		s.hub.logger.Debug("a whisper was not sent", "topic", topic, "error", err)
		return
	}
	s.hub.count(CountBroadcasts, 1)
}

// allowed takes a token from the identity's bucket; without one the connection
// ends.
func (s *session) allowed() bool {
	if s.rate.take() {
		return true
	}
	s.hub.count(CountLimited, 1)
	s.disconnect(endTooFast)
	return false
}

// history replays behind positions that a client names after it has subscribed.
// That is possible as long as nothing was sent: what is older would come behind
// what is newer. What was replayed to it is not replayed again, and a replay that
// runs already answers for itself.
func (s *Subscriber) history(c *cable.Command) {
	if !s.session.extended {
		return
	}
	if len(s.followers) == 0 {
		_ = s.push(cable.AppendReply(nil, cable.ConfirmHistory, s.identifier))
		return
	}
	starts := make([]begin, 0, len(s.followers))
	for _, f := range s.followers {
		p, ok := Position{}, false
		if c.History != nil {
			p, ok = clientPosition(c.History, f)
		}
		var b begin
		switch f.step(p, ok) {
		case stepLate:
			b = begin{gap: true, at: p}
		case stepBack:
			b = begin{replay: true, at: p, gap: !s.mayReplay(f.topic.name)}
		case stepBusy:
			b = begin{busy: true}
		case stepLevel:
		}
		starts = append(starts, b)
	}
	s.startReplay(starts)
}

// step is what becomes of a follower that is asked to go back.
type step int

const (
	stepLevel step = iota // it has everything
	stepBusy              // a replay runs
	stepLate              // it cannot
	stepBack              // it is no longer live, and can
)

// step prepares a live follower for going on behind a position, if one was named.
func (f *follower) step(at Position, named bool) step {
	t := f.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !f.live:
		return stepBusy
	case !named, at.Epoch == f.from.Epoch && at.Offset >= f.from.Offset:
		return stepLevel
	case f.from != t.last, f.sent:
		return stepLate
	}
	t.leave(f)
	return stepBack
}
