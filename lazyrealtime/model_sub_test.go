package lazyrealtime_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"golazy.dev/lazyrealtime"
)

// subscriber follows a topic in the process.
func (m *model) subscriber(r *rand.Rand, name string) {
	s := &modelSub{m: m, name: name, topic: pick(r, m.topics...)}
	for !s.over() {
		m.subscribed(r, s)
	}
	s.atTheEnd()
}

// over reports whether the run is, and all has been read.
func (s *modelSub) over() bool {
	select {
	case <-s.m.done:
		return true
	default:
		return false
	}
}

// subscribed reads for a while.
func (m *model) subscribed(r *rand.Rand, s *modelSub) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+r.IntN(2000))*time.Millisecond)
	defer cancel()
	var options []lazyrealtime.SubscribeOption
	if s.known {
		options = append(options, lazyrealtime.After(lazyrealtime.Position{Epoch: m.epoch(s.topic), Offset: s.at}))
	}
	sub, err := m.hub(r).hub.Subscribe(ctx, s.topic, options...)
	if err != nil {
		m.pause(50 * time.Millisecond)
		return
	}
	defer sub.Close()
	s.known, s.at = true, sub.Position().Offset
	for left := r.IntN(50); left >= 0; left-- {
		for msg, err := range sub.Messages() {
			var gap *lazyrealtime.GapError
			switch {
			case errors.As(err, &gap):
				m.gap(s.name, s.topic, s.at)
				if gap.Tail.Offset < s.at {
					m.errorf("%s at %d is told to go on at %d", s.name, s.at, gap.Tail.Offset)
				}
				s.at = gap.Tail.Offset
				return
			case err == nil:
				s.message(msg.Position.Offset, string(msg.Data))
			case errors.Is(err, lazyrealtime.ErrUnavailable):
				m.pause(30 * time.Millisecond)
			default:
				return // the end of ctx or of the hub
			}
			if r.IntN(10) == 0 {
				m.pause(time.Duration(r.IntN(300)) * time.Millisecond)
				break
			}
		}
	}
}

// modelSub is a subscription of any kind, and what it has got.
type modelSub struct {
	m          *model
	name       string
	topic      string
	identifier string

	known bool
	at    uint64 // the last message that it has got, or need not get

	wanted, got, first int       // answers to its subscribes on this connection; those before the first are another's
	subscribed         bool      // as the client sees it
	asked              uint64    // the least position that a history was asked for with
	since              time.Time // of the subscribe
}

// message takes a message with its offset.
func (s *modelSub) message(offset uint64, data string) {
	if want, ok := s.m.truth.at(s.topic, offset); !ok || want != data {
		s.m.errorf("%s gets %s at %d, where %s is", s.name, data, offset, want)
	}
	switch {
	case !s.known:
	case offset <= s.at:
		s.m.errorf("%s in %s gets %d behind %d: doubled, or out of order", s.name, s.topic, offset, s.at)
	case offset > s.at+1:
		s.m.errorf("%s in %s gets %d behind %d: %d are lost", s.name, s.topic, offset, s.at, offset-s.at-1)
	}
	s.known, s.at = true, offset
}

// moved takes a position that the hub has told.
func (s *modelSub) moved(p place, kind string) {
	if s.known && p.Offset != s.at {
		s.m.errorf("%s at %d of %s is told by %s that it stands at %d", s.name, s.at, s.topic, kind, p.Offset)
	}
	s.known, s.at = true, p.Offset
}

// atTheEnd is when nothing has been published for long.
func (s *modelSub) atTheEnd() {
	if tail := s.m.truth.tail(s.topic); s.known && s.at != tail {
		s.m.errorf("%s ends at %d of %s, where %d is the last", s.name, s.at, s.topic, tail)
	}
}
