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
	resting    map[string]*identity // those without sessions, until their buckets are full
	emptied    chan struct{}        // closed when there are no sessions; nil: nobody waits
}

// identity is what the connections of an identity on this node share.
type identity struct {
	sessions map[*session]struct{}
	rate     bucket
}

// add registers a session, unless there are too many, or its identity has.
func (ss *sessions) add(s *session, limits Limits) error {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if most := limits.connections(); most >= 0 && len(ss.every) >= most {
		return &LimitError{"Connections", most}
	}
	if ss.every == nil {
		ss.every = make(map[*session]struct{})
		ss.identities = make(map[string]*identity)
	}
	if s.id.ID == "" {
		s.rate = newBucket(limits.publishes())
		ss.every[s] = struct{}{}
		return nil
	}
	i := ss.identities[s.id.ID]
	if i == nil {
		i = &identity{sessions: make(map[*session]struct{}), rate: *newBucket(limits.publishes())}
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
	if len(ss.every) == 0 && ss.emptied != nil {
		close(ss.emptied)
		ss.emptied = nil
	}
	id := s.id.ID
	i := ss.identities[id]
	if i == nil {
		return
	}
	if delete(i.sessions, s); len(i.sessions) > 0 {
		return
	}
	if i.rate.full() {
		delete(ss.identities, id)
		delete(ss.resting, id) // since the time before: sweep would take another of its name for it
		return
	}
	if ss.resting == nil {
		ss.resting = make(map[string]*identity)
	}
	ss.resting[id] = i // or coming back would be a way around the limit
}

// sweep forgets identities that have no sessions and have been quiet.
func (ss *sessions) sweep() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for id, i := range ss.resting {
		if len(i.sessions) > 0 {
			delete(ss.resting, id)
		} else if i.rate.full() {
			delete(ss.resting, id)
			delete(ss.identities, id)
		}
	}
}

// gone returns what is closed when there are no sessions.
func (ss *sessions) gone() <-chan struct{} {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	c := make(chan struct{})
	if len(ss.every) == 0 {
		close(c)
	} else {
		ss.emptied = c
	}
	return c
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

// connections is how many a node may have; negative: no limit.
func (l Limits) connections() int { return limitOf(l.Connections, defaultConnections) }

// publishes is the rate of what an identity sends.
func (l Limits) publishes() float64 {
	return float64(limitOf(l.PublishesPerSecond, defaultPublishesPerSecond))
}

// commands is the rate of what a connection asks for. Whoever may have many
// subscriptions has to make them.
func (l Limits) commands() float64 {
	subscriptions := limitOf(l.Subscriptions, defaultSubscriptions)
	if l.CommandsPerSecond != 0 || subscriptions < 0 {
		return float64(limitOf(l.CommandsPerSecond, -1))
	}
	return float64(max(defaultCommandsPerSecond, subscriptions))
}

func newBucket(rate float64) *bucket {
	return &bucket{rate: rate, tokens: rate * bucketSeconds, last: time.Now()}
}

// take takes a token, if there is one.
func (b *bucket) take() bool { return b.takes(1) }

// takes takes n tokens, or as many as there can be at once, if they are there.
func (b *bucket) takes(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill()
	if b.rate < 0 {
		return true
	}
	tokens := min(float64(n), b.rate*bucketSeconds)
	if b.tokens < tokens {
		return false
	}
	b.tokens -= tokens
	return true
}

// full reports whether nothing has been taken lately.
func (b *bucket) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill()
	return b.rate < 0 || b.tokens == b.rate*bucketSeconds
}

// fill adds what has come since it was called last. mu is held.
func (b *bucket) fill() {
	now := time.Now()
	b.tokens = min(b.rate*bucketSeconds, b.tokens+b.rate*now.Sub(b.last).Seconds())
	b.last = now
}
