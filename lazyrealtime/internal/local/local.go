// Package local is what of an engine lives in one process: the nodes that have
// joined its log here, what they follow, who is present on them, and the calls of
// their feeds.
//
// It is the whole way between nodes for an engine whose log belongs to one process.
// Presence is in memory: the end of a process ends its connections too.
//
// Three rules keep it free of deadlocks. Feeds do not block and call nothing of
// the engine. Nothing of Local's is locked during a feed's call but the order of the
// one topic (and, for what a node says of itself, the node's Close). And Follow,
// Unfollow and Members never wait for a feed; only Publish, Changed, Send, Enter,
// Exit and Close do, because they call feeds: their callers hold nothing that a
// feed waits for.
package local

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"sync"

	"golazy.dev/lazyrealtime"
)

// Local is the nodes that have joined a log in this process. An engine has one and
// tells it what it has committed. All methods may be called concurrently.
type Local struct {
	seed   maphash.Seed
	shards [shards]shard

	mu     sync.RWMutex // guards the fields below
	nodes  map[*node]struct{}
	closed bool
}

// New returns a Local without nodes.
func New() *Local {
	l := &Local{seed: maphash.MakeSeed(), nodes: make(map[*node]struct{})}
	for i := range l.shards {
		l.shards[i].topics = make(map[string]*topic)
	}
	return l
}

// Join makes a node that calls feed. It is the engine's Log.Join.
func (l *Local) Join(ctx context.Context, feed lazyrealtime.Feed) (lazyrealtime.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := &node{local: l, id: rand.Text(), feed: feed}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, lazyrealtime.ErrClosed
	}
	l.nodes[n] = struct{}{}
	return n, nil
}

// Publish calls Feed.Live of all nodes that follow m's topic. It is called once m
// can be read, for the messages of a topic one at a time and in the order of their
// offsets. It costs a look into a map where nobody follows. The calls take as long
// as the fanout takes.
func (l *Local) Publish(m *lazyrealtime.Message, prev uint64) {
	t := l.use(m.Topic)
	if t == nil {
		return
	}
	defer l.release(t)
	t.tell(func(f lazyrealtime.Feed) { f.Live(m, prev) })
}

// Followed reports whether anybody follows a topic. An engine that asks after it
// has committed a message, and hears no, need not build the Message: who follows
// later reads it.
func (l *Local) Followed(topic string) bool {
	s := l.shard(topic)
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.topics[topic]
	return t != nil && len(t.list()) > 0
}

// Changed calls Feed.Changed of all nodes. It is called once the control log's new
// record can be read.
func (l *Local) Changed() {
	for _, n := range l.all() {
		n.call(lazyrealtime.Feed.Changed)
	}
}

// Close ends all nodes. They hear nothing of each other's end. Join returns
// lazyrealtime.ErrClosed from then on.
func (l *Local) Close() {
	l.mu.Lock()
	nodes := l.nodes
	l.nodes, l.closed = nil, true
	l.mu.Unlock()
	for n := range nodes {
		n.end()
	}
}

// all returns the nodes of the moment.
func (l *Local) all() []*node {
	l.mu.RLock()
	defer l.mu.RUnlock()
	nodes := make([]*node, 0, len(l.nodes))
	for n := range l.nodes {
		nodes = append(nodes, n)
	}
	return nodes
}
