// Package memory is an engine for tests and toys: a log that ends with its process.
// It keeps what the contract of lazyrealtime.Log says, durability aside, and passes
// the conformance suite of golazy.dev/lazyrealtime/enginetest. Its clock is
// time.Now, so it can be used in a bubble of testing/synctest.
//
// A topic that has had a message takes some memory for good.
package memory

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/internal/local"
)

// defaultWindow is JetStream's.
const defaultWindow = 2 * time.Minute

// Option is what Open may be given.
type Option func(*Log)

// Window is how long the id of a message is remembered. Without it, two minutes.
func Window(d time.Duration) Option {
	return func(l *Log) { l.window = d }
}

// Log is a lazyrealtime.Log in memory. Retention is applied when a topic is written
// or read. All methods may be called concurrently.
type Log struct {
	epoch  string
	window time.Duration
	local  *local.Local
	closed atomic.Bool

	mu     sync.RWMutex // guards topics
	topics map[string]*topic

	control control
	claims  claims
}

// Open returns an empty log with an epoch of its own. It needs no Close; one ends
// the nodes that have joined.
func Open(options ...Option) *Log {
	l := &Log{
		epoch:  rand.Text(),
		window: defaultWindow,
		local:  local.New(),
		topics: make(map[string]*topic),
	}
	for _, o := range options {
		o(l)
	}
	return l
}

// Append implements lazyrealtime.Log. It keeps the entries' data. The feeds of this
// log's nodes are called before it returns.
func (l *Log) Append(ctx context.Context, entries []lazyrealtime.Entry) ([]lazyrealtime.Appended, error) {
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	done := make([]lazyrealtime.Appended, len(entries))
	for i := range entries {
		done[i] = l.append(&entries[i])
	}
	return done, nil
}

func (l *Log) append(e *lazyrealtime.Entry) lazyrealtime.Appended {
	t := l.make(e.Topic)
	t.order.Lock()
	defer t.order.Unlock()
	m, prev, first := t.append(e, l.epoch, l.window)
	if m == nil {
		return lazyrealtime.Appended{Position: l.at(first), Duplicate: true}
	}
	l.local.Publish(m, prev)
	return lazyrealtime.Appended{Position: m.Position}
}

// Read implements lazyrealtime.Log. A limit below one is one.
func (l *Log) Read(ctx context.Context, topic string, after lazyrealtime.Position, limit int) (lazyrealtime.Page, error) {
	if err := l.open(ctx); err != nil {
		return lazyrealtime.Page{}, err
	}
	messages, tail, whole := l.find(topic).read(after, l.epoch, max(limit, 1))
	if !whole {
		return lazyrealtime.Page{}, &lazyrealtime.GapError{Topic: topic, After: after, Tail: l.at(tail)}
	}
	return lazyrealtime.Page{Messages: messages, Tail: l.at(tail)}, nil
}

// Tail implements lazyrealtime.Log.
func (l *Log) Tail(ctx context.Context, topic string) (lazyrealtime.Position, error) {
	if err := l.open(ctx); err != nil {
		return lazyrealtime.Position{}, err
	}
	return l.at(l.find(topic).end()), nil
}

// Join implements lazyrealtime.Log.
func (l *Log) Join(ctx context.Context, feed lazyrealtime.Feed) (lazyrealtime.Node, error) {
	return l.local.Join(ctx, feed)
}

// Check implements lazyrealtime.Log.
func (l *Log) Check(ctx context.Context) error { return l.open(ctx) }

// Close implements lazyrealtime.Log. A second one returns nil.
func (l *Log) Close() error {
	l.closed.Store(true)
	l.local.Close()
	return nil
}

// open returns the error of a call that does not begin.
func (l *Log) open(ctx context.Context) error {
	if l.closed.Load() {
		return lazyrealtime.ErrClosed
	}
	return ctx.Err()
}

func (l *Log) at(offset uint64) lazyrealtime.Position {
	return lazyrealtime.Position{Epoch: l.epoch, Offset: offset}
}

// find returns a topic, or nil, which is one without messages.
func (l *Log) find(name string) *topic {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.topics[name]
}

// make returns a topic, new if there is none.
func (l *Log) make(name string) *topic {
	if t := l.find(name); t != nil {
		return t
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.topics[name]
	if t == nil {
		t = &topic{name: name}
		l.topics[name] = t
	}
	return t
}
