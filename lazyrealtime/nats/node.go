package nats

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
)

// node is a process that follows topics. It has a connection of its own for what is
// live, a few goroutines that call the feed, each for its share of the topics, and one
// for its lease.
type node struct {
	l    *Log
	feed lazyrealtime.Feed
	c    *caller // of the connection for what is live

	shards  []*shard
	signals chan *nats.Msg // what concerns all topics
	poll    chan struct{}  // has a token: look for nodes that are gone

	suspicion chan struct{} // has a token: anything may have been lost

	ids atomic.Pointer[string]

	ctx  context.Context // ends with Close
	end  context.CancelFunc
	done sync.WaitGroup

	mu      sync.RWMutex         // guards the fields below
	follows map[string]*followed // by the token of the topic
	queues  []followQueue        // by partition
	closed  bool

	// Entering and leaving takes writing for reading, a new incarnation takes it for
	// writing: so that no entry is written for an incarnation that has ended.
	writing sync.RWMutex
	entries sync.Map // memberKey to []byte
	lease   lease    // of the lease goroutine
}

// signalsRoom is how many signals may wait. One that is dropped is a slow consumer's,
// after which everything is looked at.
const signalsRoom = 1024

// Join makes a node. It has one more connection to the servers.
func (l *Log) Join(ctx context.Context, feed lazyrealtime.Feed) (lazyrealtime.Node, error) {
	if err := l.begin(ctx); err != nil {
		return nil, err
	}
	n := &node{
		l: l, feed: feed,
		signals:   make(chan *nats.Msg, signalsRoom),
		poll:      make(chan struct{}, 1),
		suspicion: make(chan struct{}, 1),
		follows:   make(map[string]*followed),
		queues:    make([]followQueue, len(l.parts)),
	}
	n.ctx, n.end = context.WithCancel(l.ctx)
	if err := n.open(ctx); err != nil {
		n.stop()
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nodes == nil {
		go n.stop()
		return nil, lazyrealtime.ErrClosed
	}
	l.nodes[n] = struct{}{}
	return n, nil
}

func (n *node) open(ctx context.Context) error {
	for range min(runtime.GOMAXPROCS(0), maxShards) {
		n.shards = append(n.shards, newShard(n))
	}
	nc, err := n.l.connect("live", nats.ReconnectHandler(n.reconnected), nats.ErrorHandler(n.asyncError),
		nats.DisconnectErrHandler(n.disconnected))
	if err != nil {
		return err
	}
	c, err := newCaller(nc)
	if err != nil {
		nc.Close()
		return unavailable(err)
	}
	n.mu.Lock()
	n.c = c
	n.mu.Unlock()
	for _, subject := range []string{n.l.names.changed(), n.l.names.left(), leaderElected + "*"} {
		if _, err := nc.ChanSubscribe(subject, n.signals); err != nil {
			return unavailable(err)
		}
	}
	if err := n.l.retry(ctx, func(ctx context.Context) error {
		return n.barrier(ctx, n.l.names.record())
	}); err != nil {
		return err
	}
	if err := n.incarnate(ctx); err != nil {
		return err
	}
	for _, s := range n.shards {
		n.done.Go(s.run)
	}
	n.done.Go(n.listen)
	n.done.Go(n.resumes)
	n.done.Go(n.keepLease)
	if n.l.o.Recheck > 0 {
		n.done.Go(n.recheck)
	}
	return nil
}

// ID returns the name of the incarnation.
func (n *node) ID() string {
	if id := n.ids.Load(); id != nil {
		return *id
	}
	return ""
}

// Send publishes on the connection that Append uses.
func (n *node) Send(ctx context.Context, topic, origin string, data []byte) error {
	if err := n.begin(ctx); err != nil {
		return err
	}
	m := &nats.Msg{Subject: n.l.names.fleeting(token(topic)), Data: data, Header: nats.Header{headerOwn: {escape(origin)}}}
	if limit := n.c.nc.MaxPayload(); limit > 0 && int64(len(data)+headerRoom+3*len(origin)) > limit {
		return &PayloadError{Size: len(data), Max: limit}
	}
	if err := n.l.pub.nc.PublishMsg(m); err != nil {
		return n.l.failure(err)
	}
	return nil
}

// begin returns ErrClosed if the node is closed, or a context's error if it has ended.
func (n *node) begin(ctx context.Context) error {
	if n.ctx.Err() != nil {
		return lazyrealtime.ErrClosed
	}
	return n.l.begin(ctx)
}

// failure is the error of something that could not be sent.
func (l *Log) failure(err error) error {
	if l.ctx.Err() != nil {
		return lazyrealtime.ErrClosed
	}
	return unavailable(err)
}

// Close gives back the lease, tells the other nodes, and disconnects.
func (n *node) Close(ctx context.Context) error {
	n.mu.Lock()
	was := n.closed
	n.closed = true
	n.mu.Unlock()
	if was {
		return nil
	}
	n.end()
	n.writing.Lock()   // waits for those who enter or leave
	n.writing.Unlock() //nolint:staticcheck // nobody does any more
	err := n.leave(ctx)
	n.l.mu.Lock()
	delete(n.l.nodes, n)
	n.l.mu.Unlock()
	n.stop()
	if err != nil {
		return fmt.Errorf("lazyrealtime/nats: leaving: %w", err)
	}
	return nil
}

// stop ends the goroutines and the connection.
func (n *node) stop() {
	n.end()
	if n.c != nil {
		n.c.nc.Close()
		n.c.disconnected()
	}
	n.done.Wait()
}
