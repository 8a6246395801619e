package lazyrealtime

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// sessions are the connections of a hub, by identity.
type sessions struct {
	subscriptions atomic.Int64

	mu         sync.Mutex
	every      map[*session]struct{}
	identities map[string]*identity
}

// identity is what the connections of an identity on this node share.
type identity struct {
	sessions map[*session]struct{}
	rate     bucket
}

// add registers a session, unless its identity has too many.
func (ss *sessions) add(s *session, limits Limits) error {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.every == nil {
		ss.every = make(map[*session]struct{})
		ss.identities = make(map[string]*identity)
	}
	if s.id.ID == "" {
		s.rate = newBucket(limits)
		ss.every[s] = struct{}{}
		return nil
	}
	i := ss.identities[s.id.ID]
	if i == nil {
		i = &identity{sessions: make(map[*session]struct{}), rate: *newBucket(limits)}
	}
	if most := limitOf(limits.ConnectionsPerIdentity, defaultConnectionsPerIdentity); most >= 0 && len(i.sessions) >= most {
		return &LimitError{"ConnectionsPerIdentity", most}
	}
	ss.identities[s.id.ID] = i
	i.sessions[s] = struct{}{}
	s.rate = &i.rate
	ss.every[s] = struct{}{}
	return nil
}

// remove reverses add.
func (ss *sessions) remove(s *session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.every, s)
	if i := ss.identities[s.id.ID]; i != nil {
		if delete(i.sessions, s); len(i.sessions) == 0 {
			delete(ss.identities, s.id.ID)
		}
	}
}

// of returns the sessions of an identity.
func (ss *sessions) of(id string) []*session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if i := ss.identities[id]; i != nil {
		return slices.Collect(maps.Keys(i.sessions))
	}
	return nil
}

func (ss *sessions) all() []*session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return slices.Collect(maps.Keys(ss.every))
}

func (ss *sessions) len() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return len(ss.every)
}

// bucket is a token bucket: so many a second on average, four seconds' worth at once.
type bucket struct {
	mu     sync.Mutex
	rate   float64 // a second; negative: no limit
	tokens float64
	last   time.Time
}

const bucketSeconds = 4

func newBucket(limits Limits) *bucket {
	rate := float64(limitOf(limits.PublishesPerSecond, defaultPublishesPerSecond))
	return &bucket{rate: rate, tokens: rate * bucketSeconds, last: time.Now()}
}

// take takes a token, if there is one.
func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rate < 0 {
		return true
	}
	now := time.Now()
	b.tokens = min(b.rate*bucketSeconds, b.tokens+b.rate*now.Sub(b.last).Seconds())
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
