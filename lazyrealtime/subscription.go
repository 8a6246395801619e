package lazyrealtime

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"
)

// Subscription follows a topic in the process: see Hub.Subscribe.
type Subscription struct {
	topic *topic
	ctx   context.Context
	stop  context.CancelCauseFunc
	woken chan struct{} // has room for one

	mu       sync.Mutex
	at       Position   // behind what has been yielded
	page     []*Message // stored ones that were read and wait to be yielded
	unstored []*Message // others that do
	failed   error
}

// unstoredMost is how many messages wait in a Subscription that are not stored;
// the oldest go.
const unstoredMost = 256

// SubscribeOption is an option of Hub.Subscribe.
type SubscribeOption func(*subscribing)

type subscribing struct {
	after  Position
	replay bool
}

// After makes a subscription begin behind a position; the zero Position is before
// everything that is retained. Without it, it begins with what is published next.
func After(p Position) SubscribeOption {
	return func(s *subscribing) { s.after, s.replay = p, true }
}

// Subscribe follows a topic in the process, without asking Authorize. The
// subscription ends with ctx, Close, and the hub.
func (h *Hub) Subscribe(ctx context.Context, topic string, options ...SubscribeOption) (*Subscription, error) {
	if err := h.checkTopic(topic); err != nil {
		return nil, err
	}
	var o subscribing
	for _, option := range options {
		option(&o)
	}
	t, err := h.acquire(ctx, topic)
	if err != nil {
		return nil, err
	}
	s := &Subscription{topic: t, woken: make(chan struct{}, 1)}
	s.ctx, s.stop = context.WithCancelCause(ctx)
	s.begin(o)
	unhook := context.AfterFunc(h.ctx, func() { s.stop(ErrClosed) })
	context.AfterFunc(s.ctx, func() {
		unhook()
		s.release()
	})
	return s, nil
}

// begin makes the topic wake the subscription, until release.
func (s *Subscription) begin(o subscribing) {
	t := s.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.at = t.last; o.replay {
		s.at = o.after
	}
	if t.pulls == nil {
		t.pulls = make(map[*Subscription]struct{})
	}
	t.pulls[s] = struct{}{}
}

// Messages yields the messages of the topic in order, none twice, as they come.
// It ends with an error: *GapError when messages are missing, ErrClosed, the
// context's, or the engine's. Messages that are not stored have a zero Position;
// of those some are dropped if the loop is slow. After the loop has been left, another
// one goes on behind the last message. One goroutine at a time.
func (s *Subscription) Messages() iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		for {
			m, err := s.next(nil)
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// next waits for the next message, or returns none when quiet, which may be nil,
// has something.
func (s *Subscription) next(quiet <-chan time.Time) (*Message, error) {
	for {
		if err := context.Cause(s.ctx); err != nil {
			return nil, err
		}
		if m, err := s.waiting(); m != nil || err != nil {
			return m, err
		}
		page, err := s.topic.next(s.ctx, s.Position(), replayPage)
		if err != nil {
			return nil, s.give(err)
		}
		if len(page) > 0 {
			s.mu.Lock()
			s.page = page
			s.mu.Unlock()
			continue
		}
		select {
		case <-s.woken:
		case <-quiet:
			return nil, nil
		case <-s.ctx.Done():
		}
	}
}

// waiting returns a message that waits to be yielded, or the error that has ended
// the subscription.
func (s *Subscription) waiting() (*Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.page) > 0:
		m := s.page[0]
		s.page = s.page[1:]
		s.at = m.Position
		return m, nil
	case s.failed != nil:
		return nil, s.failed
	case len(s.unstored) > 0:
		m := s.unstored[0]
		s.unstored = s.unstored[1:]
		return m, nil
	}
	return nil, nil
}

// give returns the error that every later call returns too, if it is a gap.
func (s *Subscription) give(err error) error {
	var gap *GapError
	if errors.As(err, &gap) {
		s.fail(gap)
	}
	return err
}

// fail ends the subscription. It does not block.
func (s *Subscription) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	s.wake()
}

// fleeting takes a message that is not stored. It does not block.
func (s *Subscription) fleeting(m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unstored) == unstoredMost {
		s.unstored = s.unstored[1:]
	}
	s.unstored = append(s.unstored, m)
	s.wake()
}

func (s *Subscription) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// Position returns the place behind the last message that Messages has yielded.
func (s *Subscription) Position() Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// Close ends the subscription. It may be called from any goroutine, and more than
// once.
func (s *Subscription) Close() { s.stop(ErrClosed) }

// release lets go of the topic, once.
func (s *Subscription) release() {
	s.topic.mu.Lock()
	delete(s.topic.pulls, s)
	s.topic.mu.Unlock()
	s.topic.hub.release(s.topic)
}
