package local

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"golazy.dev/lazyrealtime"
)

// shards is how many maps the topics are in, so that cores that publish, follow and
// unfollow seldom meet.
const shards = 64

type shard struct {
	mu     sync.RWMutex // guards topics, and writing of topic.followers
	topics map[string]*topic
}

// topic is a topic with followers or members, or one that a call is using. No
// other has one.
type topic struct {
	name string
	// order is held during the feeds' calls, so that they come one at a time.
	order sync.Mutex
	// followers is copied when it changes: it is read without a lock.
	followers atomic.Pointer[[]*node]
	// users counts the calls that have the topic. While there is one the topic stays
	// in its map, so that no second one of its name, with another order, is called
	// meanwhile. It rises under shard.mu only.
	users atomic.Int32

	present sync.Mutex // guards members
	members map[member][]byte
}

// member is an identity on a node.
type member struct {
	node *node
	id   string
}

func (l *Local) shard(name string) *shard {
	return &l.shards[maphash.String(l.seed, name)%shards]
}

// use returns a topic for a call that ends with release, or nil.
func (l *Local) use(name string) *topic {
	s := l.shard(name)
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.topics[name]
	if t != nil {
		t.users.Add(1)
	}
	return t
}

// make returns a topic for a call that ends with release.
func (l *Local) make(name string) *topic {
	if t := l.use(name); t != nil {
		return t
	}
	s := l.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.get(name)
	t.users.Add(1)
	return t
}

// release ends use or make.
func (l *Local) release(t *topic) {
	if t.users.Add(-1) > 0 || len(t.list()) > 0 {
		return
	}
	s := l.shard(t.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(t)
}

// get returns a topic, making it where it is not. s.mu is held.
func (s *shard) get(name string) *topic {
	t := s.topics[name]
	if t == nil {
		t = &topic{name: name}
		s.topics[name] = t
	}
	return t
}

// forget removes a topic that nothing holds. s.mu is held.
func (s *shard) forget(t *topic) {
	if t.users.Load() > 0 || len(t.list()) > 0 || t.peopled() {
		return
	}
	if s.topics[t.name] == t {
		delete(s.topics, t.name)
	}
}

// list returns the followers of the moment.
func (t *topic) list() []*node {
	if p := t.followers.Load(); p != nil {
		return *p
	}
	return nil
}

// add makes n a follower. The shard's mu is held.
func (t *topic) add(n *node) {
	old := t.list()
	if slices.Contains(old, n) {
		return
	}
	list := append(slices.Clone(old), n)
	t.followers.Store(&list)
}

// remove makes n no follower. The shard's mu is held.
func (t *topic) remove(n *node) {
	old := t.list()
	i := slices.Index(old, n)
	if i < 0 {
		return
	}
	list := slices.Concat(old[:i], old[i+1:])
	t.followers.Store(&list)
}

// tell calls the feeds of all followers, behind the calls that are under way. The
// list is read last, so that nobody is called for what came after its Unfollow.
func (t *topic) tell(call func(lazyrealtime.Feed)) {
	t.order.Lock()
	defer t.order.Unlock()
	t.tellInOrder(call)
}

// tellInOrder is tell where t.order is held.
func (t *topic) tellInOrder(call func(lazyrealtime.Feed)) {
	for _, n := range t.list() {
		n.call(call)
	}
}
