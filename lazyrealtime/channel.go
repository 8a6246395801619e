package lazyrealtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golazy.dev/lazyrealtime/cable"
)

// Channel is the application's side of subscriptions: what a client's "channel"
// names in Config.Channels.
type Channel struct {
	// Subscribe says what a subscription follows: it calls s.Follow for each topic,
	// of which there may be none. An error rejects the subscription, and is logged: if
	// it wraps ErrDenied, or is a *LimitError for example, for debugging only. The
	// context ends with the connection.
	Subscribe func(ctx context.Context, s *Subscriber) error

	// Message is called for what the client sends, an action (empty if the message
	// names none) with the whole message, one call at a time for a connection. An
	// error is logged, as those of Subscribe. If the sender waits for an answer
	// (subscription.publish of cable.js), the context ends after 10 s at most,
	// RequestID has its id, and the answer is that all is well, or of which kind the
	// error is: it wraps ErrDenied, it is a *DataError or a *LimitError, it wraps
	// ErrUnavailable or context.DeadlineExceeded, and the sender repeats the message;
	// it is another one. Its text is not told. If nil, messages are ignored.
	Message func(ctx context.Context, s *Subscriber, action string, data json.RawMessage) error

	// Unsubscribe is called when a subscription that was accepted has ended. It may
	// be nil.
	Unsubscribe func(s *Subscriber)

	// Whisper lets clients send to the subscription's first topic what is not stored,
	// and Presence lets them be present there, if Authorize says so, too.
	Whisper, Presence bool
}

// The channels that every hub has: one for any topic, and that of turbo-rails.
const (
	channelPubSub = "$pubsub"
	channelTurbo  = "Turbo::StreamsChannel"
)

// channel returns the channel that an identifier names.
func (h *Hub) channel(name string) (*Channel, error) {
	switch name {
	case channelPubSub:
		return pubSub, nil
	case channelTurbo:
		return turboStreams, nil
	}
	c, ok := h.config.Channels[name]
	if !ok || c.Subscribe == nil {
		return nil, fmt.Errorf("%w: there is no channel %q", ErrDenied, name)
	}
	return &c, nil
}

var (
	pubSub       = &Channel{Subscribe: subscribeName, Message: publishMessage, Whisper: true, Presence: true}
	turboStreams = &Channel{Subscribe: subscribeName}
)

// subscribeName follows the topic that an identifier names.
func subscribeName(_ context.Context, s *Subscriber) error {
	h, p := s.session.hub, s.params
	switch {
	case p.SignedStreamName != "":
		topic, err := h.openName(s.session.id, p.SignedStreamName)
		if err != nil {
			return err
		}
		return s.Follow(topic)
	case p.StreamName != "" && h.config.Public && p.Channel == channelPubSub:
		s.public = true
		return s.Follow(p.StreamName)
	}
	return fmt.Errorf("%w: the stream name is not signed", ErrDenied)
}

// publishMessage publishes what a client sends to $pubsub.
func publishMessage(ctx context.Context, s *Subscriber, _ string, data json.RawMessage) error {
	id, topic := s.session.id, s.followers[0].topic.name
	if err := s.session.hub.authorize(ctx, id, OpPublish, topic); err != nil {
		return err
	}
	at, err := s.session.hub.Publish(ctx, topic, data, From(id.ID), MessageID(RequestID(ctx)))
	if r := requestOf(ctx); r != nil && err == nil {
		r.at = at
	}
	return err
}

// Follow makes the subscription get the messages of a topic, once it is
// confirmed. Channel.Subscribe calls it. Config.Authorize is asked, if there is
// one, unless the topic is public.
func (s *Subscriber) Follow(topic string) error {
	h := s.session.hub
	if s.accepted {
		return errors.New("lazyrealtime: Follow is for Channel.Subscribe")
	}
	if err := h.checkTopic(topic); err != nil {
		return err
	}
	if len(s.topics) == topicsMost {
		return fmt.Errorf("lazyrealtime: a subscription follows at most %d topics", topicsMost)
	}
	if slices.Contains(s.topics, topic) {
		return nil
	}
	if h.config.Authorize != nil && !s.public {
		if err := h.authorize(s.session.ctx, s.session.id, OpSubscribe, topic); err != nil {
			return err
		}
	}
	s.topics = append(s.topics, topic)
	return nil
}

const topicsMost = 100

// Identity returns who subscribes.
func (s *Subscriber) Identity() Identity { return s.session.id }

// Hub returns the hub.
func (s *Subscriber) Hub() *Hub { return s.session.hub }

// Identifier returns the text that names the subscription.
func (s *Subscriber) Identifier() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.identifier
}

// Param returns a parameter of the identifier: a string as it is, anything else as
// JSON, "" for none.
func (s *Subscriber) Param(name string) string {
	params, _ := cable.ParseIdentifier(s.Identifier()) // which was valid; s.params are not kept
	raw := params.Raw[name]
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// Send sends a message, a JSON text, to this subscription alone. It waits for
// nothing, may be called from any goroutine, and does nothing once the subscription
// has ended.
func (s *Subscriber) Send(data []byte) error {
	if err := s.session.hub.checkData(data); err != nil {
		return err
	}
	return s.push(cable.AppendMessage(nil, s.Identifier(), data))
}
