package lazyrealtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golazy.dev/lazyrealtime/cable"
)

// PublishOption is an option of Hub.Publish.
type PublishOption func(*Entry)

// MessageID names a message: another one with the same id in the same topic, within
// the engine's window, is not published, and gets the first one's position.
func MessageID(id string) PublishOption { return func(e *Entry) { e.ID = id } }

// From names the identity that a message is from.
func From(identity string) PublishOption { return func(e *Entry) { e.From = identity } }

// DataError says that a message cannot be published.
type DataError struct {
	Reason string
}

func (e *DataError) Error() string { return "lazyrealtime: publish: " + e.Reason }

// Publish appends a message to a topic's log and returns its position once it is
// durable; then, or shortly before, everybody gets it who follows the topic. Data is a JSON text
// that JavaScript takes for true, because browser clients drop others; it must not
// be changed afterwards. Authorize is not asked.
//
// The error is a *DataError or *LimitError, or wraps ErrUnavailable: nobody knows
// then whether the message is in the log, and it may be published again with the
// same MessageID.
func (h *Hub) Publish(ctx context.Context, topic string, data []byte, options ...PublishOption) (Position, error) {
	e, err := h.entry(topic, data, options)
	if err != nil {
		return Position{}, err
	}
	appended, err := h.append(ctx, []Entry{e})
	if err != nil {
		return Position{}, fmt.Errorf("lazyrealtime: publish to %q: %w", topic, err)
	}
	return appended[0].Position, nil
}

// entry checks a message that is to be published.
func (h *Hub) entry(topic string, data []byte, options []PublishOption) (Entry, error) {
	if err := h.checkTopic(topic); err != nil {
		return Entry{}, err
	}
	if err := h.checkData(data); err != nil {
		return Entry{}, err
	}
	e := Entry{Topic: topic, Data: data, Keep: h.retention(topic)}
	for _, option := range options {
		option(&e)
	}
	return e, nil
}

// append makes messages durable.
func (h *Hub) append(ctx context.Context, entries []Entry) ([]Appended, error) {
	if h.ctx.Err() != nil {
		return nil, ErrClosed
	}
	start := h.now()
	appended, err := h.log.Append(ctx, entries)
	if err != nil {
		return nil, err
	}
	for i := range appended {
		if appended[i].Duplicate {
			h.count(CountDuplicates, 1)
		} else {
			h.count(CountPublishes, 1)
		}
	}
	h.took(TimePublish, start)
	return appended, nil
}

// PublishHTML publishes HTML, such as <turbo-stream> elements, as a JSON string:
// what Turbo's elements expect.
func (h *Hub) PublishHTML(ctx context.Context, topic, html string, options ...PublishOption) (Position, error) {
	data, err := json.Marshal(html)
	if err != nil {
		return Position{}, err
	}
	return h.Publish(ctx, topic, data, options...)
}

// Broadcast sends a message, of the same kind as Publish, to everybody who follows a topic now, on all
// nodes. It is not stored: who is not connected does not get it, and nobody knows
// whether it has arrived.
func (h *Hub) Broadcast(ctx context.Context, topic string, data []byte) error {
	if err := h.checkTopic(topic); err != nil {
		return err
	}
	if err := h.checkData(data); err != nil {
		return err
	}
	if h.ctx.Err() != nil {
		return ErrClosed
	}
	h.count(CountBroadcasts, 1)
	return h.node.Send(ctx, topic, "", data)
}

// checkData says what is wrong with a message.
func (h *Hub) checkData(data []byte) error {
	if err := h.within("MessageBytes", h.config.Limits.MessageBytes, defaultMessageBytes, len(data)); err != nil {
		return err
	}
	if err := cable.CheckMessage(data); err != nil {
		return &DataError{err.Error()}
	}
	if !cable.Truthy(data) {
		return &DataError{`browser clients drop messages that are false to JavaScript: null, false, 0 and ""`}
	}
	return nil
}

// History returns messages of a topic, oldest first, at most limit, which is one or
// more: the latest ones if after is the zero Position, else those behind it, or a *GapError. The
// Position is where a page that shows them stands: SignPosition makes it an
// attribute. Authorize is not asked.
func (h *Hub) History(ctx context.Context, topic string, after Position, limit int) ([]*Message, Position, error) {
	if err := h.checkTopic(topic); err != nil {
		return nil, Position{}, err
	}
	t, err := h.acquire(ctx, topic)
	if err != nil {
		return nil, Position{}, err
	}
	defer h.release(t)
	limit = max(1, limit)
	if after.IsZero() {
		return t.latest(ctx, limit)
	}
	messages, err := t.next(ctx, after, limit)
	if err != nil {
		return nil, Position{}, err
	}
	if len(messages) > 0 {
		after = messages[len(messages)-1].Position
	}
	return messages, after, nil
}

// latest returns the latest messages, and the topic's last position.
func (t *topic) latest(ctx context.Context, limit int) ([]*Message, Position, error) {
	var latest []*Message
	var at Position
	for {
		t.mu.Lock()
		t.trim(time.Now())
		if n := len(t.recent.messages); n >= limit || t.recent.whole {
			messages := append([]*Message(nil), t.recent.messages[max(0, n-limit):]...)
			last := t.last
			t.mu.Unlock()
			return messages, last, nil
		}
		last := t.last
		t.mu.Unlock()
		page, err := t.next(ctx, at, replayPage)
		var gap *GapError
		if errors.As(err, &gap) {
			latest, at = nil, Position{} // retention was faster: all there is has changed
			continue
		}
		if err != nil {
			return nil, Position{}, err
		}
		if len(page) == 0 {
			if at.IsZero() {
				at = last
			}
			return latest, at, nil
		}
		at = page[len(page)-1].Position
		latest = append(latest, page...)
		latest = latest[max(0, len(latest)-limit):]
	}
}
