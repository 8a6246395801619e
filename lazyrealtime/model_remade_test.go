package lazyrealtime_test

import (
	"context"
	"errors"
	"sync"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/memory"
)

// remade is a log of which the messages can be lost.
type remade struct {
	*memory.Log // control log, claims, and what is not stored

	mu    sync.Mutex
	now   *memory.Log
	all   []*memory.Log
	nodes map[*remadeNode]struct{}
}

func newRemade() *remade {
	first := memory.Open()
	return &remade{Log: memory.Open(), now: first, all: []*memory.Log{first}, nodes: make(map[*remadeNode]struct{})}
}

func (l *remade) current() *memory.Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *remade) Append(ctx context.Context, entries []lazyrealtime.Entry) ([]lazyrealtime.Appended, error) {
	return l.current().Append(ctx, entries)
}

func (l *remade) Read(ctx context.Context, topic string, after lazyrealtime.Position, limit int) (lazyrealtime.Page, error) {
	return l.current().Read(ctx, topic, after, limit)
}

func (l *remade) Tail(ctx context.Context, topic string) (lazyrealtime.Position, error) {
	return l.current().Tail(ctx, topic)
}

// Close closes all of them.
func (l *remade) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, log := range l.all {
		_ = log.Close()
	}
	return l.Log.Close()
}

// lose loses all messages. The feeds go on with those of the new log.
func (l *remade) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = memory.Open()
	l.all = append(l.all, l.now)
	for n := range l.nodes {
		n.enter(l.now)
	}
}

// Join makes a node of the control log, and of that of messages.
func (l *remade) Join(ctx context.Context, feed lazyrealtime.Feed) (lazyrealtime.Node, error) {
	n := &remadeNode{log: l, feed: &oneByOne{Feed: feed}, follows: make(map[string]bool)}
	var err error
	if n.Node, err = l.Log.Join(ctx, feed); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n.enter(l.now)
	l.nodes[n] = struct{}{}
	return n, nil
}

// oneByOne hears of messages from several logs.
type oneByOne struct {
	lazyrealtime.Feed
	mu sync.Mutex
}

func (f *oneByOne) Live(m *lazyrealtime.Message, prev uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Feed.Live(m, prev)
}

// remadeNode follows topics in the log of the moment. The log's mu guards it.
type remadeNode struct {
	lazyrealtime.Node
	log      *remade
	feed     *oneByOne
	follows  map[string]bool
	messages lazyrealtime.Node
}

func (n *remadeNode) enter(log *memory.Log) {
	n.messages, _ = log.Join(context.Background(), n.feed) // an open log is joined
	for topic := range n.follows {
		_ = n.messages.Follow(context.Background(), topic) // nor does this fail
	}
}

func (n *remadeNode) Follow(ctx context.Context, topic string) error {
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	n.follows[topic] = true
	return errors.Join(n.Node.Follow(ctx, topic), n.messages.Follow(ctx, topic))
}

func (n *remadeNode) Unfollow(topic string) {
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	delete(n.follows, topic)
	n.messages.Unfollow(topic)
	n.Node.Unfollow(topic)
}

func (n *remadeNode) Close(ctx context.Context) error {
	n.log.mu.Lock()
	delete(n.log.nodes, n)
	n.log.mu.Unlock()
	return errors.Join(n.messages.Close(ctx), n.Node.Close(ctx))
}
