package local

import (
	"context"
	"sync"
	"sync/atomic"

	"golazy.dev/lazyrealtime"
)

// node is a lazyrealtime.Node.
type node struct {
	local *Local
	id    string
	feed  lazyrealtime.Feed

	// closed is set before the node is taken out of the topics; who adds it to one
	// looks at it with the topic's lock held, so that none is added behind that.
	closed atomic.Bool
	// said is held for reading by what the node tells others, and by Close before
	// it says that the node is gone: nothing comes behind that.
	said sync.RWMutex
}

// ID is a random name: no other node ever has it.
func (n *node) ID() string { return n.id }

// call calls the feed unless the node is closed. A call that is under way when it
// is closed may end behind Close.
func (n *node) call(call func(lazyrealtime.Feed)) {
	if !n.closed.Load() {
		call(n.feed)
	}
}

// open returns the error of a call that does not begin.
func (n *node) open(ctx context.Context) error {
	if n.closed.Load() {
		return lazyrealtime.ErrClosed
	}
	return ctx.Err()
}

// Follow waits for no feed.
func (n *node) Follow(ctx context.Context, name string) error {
	if err := n.open(ctx); err != nil {
		return err
	}
	s := n.local.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.closed.Load() {
		return lazyrealtime.ErrClosed
	}
	s.get(name).add(n)
	return nil
}

// Unfollow waits for no feed: a call that is under way may end behind it.
func (n *node) Unfollow(name string) {
	s := n.local.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.topics[name]; t != nil {
		t.remove(n)
		s.forget(t)
	}
}

// Send calls the feeds before it returns. Data is kept.
func (n *node) Send(ctx context.Context, name, origin string, data []byte) error {
	n.said.RLock()
	defer n.said.RUnlock()
	if err := n.open(ctx); err != nil {
		return err
	}
	t := n.local.use(name)
	if t == nil {
		return nil
	}
	defer n.local.release(t)
	t.tell(func(f lazyrealtime.Feed) { f.Fleeting(name, origin, data) })
	return nil
}

// Close takes the node and its members away, and lets the other nodes know. A
// second Close returns nil.
func (n *node) Close(context.Context) error {
	l := n.local
	l.mu.Lock()
	_, joined := l.nodes[n]
	delete(l.nodes, n)
	l.mu.Unlock()
	if !joined {
		return nil
	}
	n.end()
	for _, other := range l.all() {
		other.call(func(f lazyrealtime.Feed) { f.Gone(n.id) })
	}
	return nil
}

// end takes the node out of all topics. There is no list of its own of what it
// follows: an end is rare, and following must be cheap.
func (n *node) end() {
	n.closed.Store(true)
	n.said.Lock() // what it was saying has been said
	defer n.said.Unlock()
	for i := range n.local.shards {
		s := &n.local.shards[i]
		s.mu.Lock()
		for _, t := range s.topics {
			t.remove(n)
			t.dismiss(n)
			s.forget(t)
		}
		s.mu.Unlock()
	}
}
