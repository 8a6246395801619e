package nats

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
)

// followed is a topic that a node follows.
type followed struct {
	topic string
	token string

	ready chan struct{} // closed when the servers know of it, or err is set
	err   error         // read only after ready
	sub   *nats.Subscription

	waiters int // calls that wait for ready; guarded by the node's mu
}

// followQueue is the topics of a partition that somebody begins to follow.
type followQueue struct {
	waiting []*followed
	running bool // a goroutine works it off
}

// Follow subscribes to the topic, and waits until the server that leads its partition
// knows of it. Topics that are followed at the same time wait together.
func (n *node) Follow(ctx context.Context, topic string) error {
	if err := n.begin(ctx); err != nil {
		return err
	}
	tok := token(topic)
	n.mu.Lock()
	f := n.follows[tok]
	if f == nil {
		f = &followed{topic: topic, token: tok, ready: make(chan struct{})}
		n.follows[tok] = f
		n.enqueue(f)
	}
	f.waiters++
	n.mu.Unlock()
	defer n.waited(f)
	select {
	case <-f.ready:
		return f.err
	case <-ctx.Done():
		return ended(ctx, nil)
	case <-n.ctx.Done():
		return lazyrealtime.ErrClosed
	}
}

// waited notes that a call of Follow does not wait any more. If it was the last and has
// given up, the topic is not followed.
func (n *node) waited(f *followed) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f.waiters--
	select {
	case <-f.ready:
		if f.err != nil && n.follows[f.token] == f {
			delete(n.follows, f.token)
		}
	default:
		if f.waiters == 0 && n.follows[f.token] == f {
			delete(n.follows, f.token) // the queue ends the subscription
		}
	}
}

// enqueue has a topic subscribed to. mu is held.
func (n *node) enqueue(f *followed) {
	partition := partitionOf(f.topic, len(n.queues))
	q := &n.queues[partition]
	q.waiting = append(q.waiting, f)
	if !q.running {
		q.running = true
		go n.subscribe(partition)
	}
}

// subscribe works off a queue: all that is in it with one round trip.
func (n *node) subscribe(partition int) {
	q := &n.queues[partition]
	for {
		n.mu.Lock()
		list := q.waiting
		q.waiting = nil
		if len(list) == 0 {
			q.running = false
			n.mu.Unlock()
			return
		}
		n.mu.Unlock()
		err := n.subscribeAll(list)
		if err == nil {
			err = n.settle(n.ctx, partition)
		}
		if err == nil {
			err = n.near(n.ctx)
		}
		n.mu.Lock()
		for _, f := range list {
			if f.err = err; err != nil || n.follows[f.token] != f {
				f.unsubscribe()
			}
			close(f.ready)
		}
		n.mu.Unlock()
	}
}

func (n *node) subscribeAll(list []*followed) error {
	for _, f := range list {
		sub, err := n.c.nc.ChanSubscribe(n.l.names.live(f.token), n.shardOf(f.topic).arrived)
		if err != nil {
			return n.l.failure(err)
		}
		f.sub = sub
	}
	return nil
}

func (f *followed) unsubscribe() {
	if f.sub != nil {
		_ = f.sub.Unsubscribe() // it is gone with the connection, if not now
	}
}

// Unfollow ends the subscription.
func (n *node) Unfollow(topic string) {
	tok := token(topic)
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.follows[tok]
	if f == nil {
		return
	}
	delete(n.follows, tok)
	select {
	case <-f.ready:
		f.unsubscribe()
	default: // the queue ends it
	}
}

// settle waits until the leader of a partition knows of the subscriptions so far.
func (n *node) settle(ctx context.Context, partition int) error {
	return n.l.retry(ctx, func(ctx context.Context) error {
		return n.l.barrierAt(ctx, n.c, n.l.parts[partition])
	})
}

// near waits until the server that this process publishes to knows of the subscriptions
// so far, or what it sends itself, and who enters here, would not come: with a message
// from the one connection to the other, which goes the way of the subscriptions behind
// them.
func (n *node) near(ctx context.Context) error {
	return n.l.retry(ctx, func(ctx context.Context) error {
		came := make(chan *nats.Msg, 1)
		id := n.l.pub.expect(func(m *nats.Msg) bool {
			came <- m
			return true
		})
		if err := n.c.nc.Publish(n.l.pub.inbox(id), nil); err != nil {
			n.l.pub.forget(id)
			return err
		}
		_, err := n.l.answer(ctx, n.l.pub, id, came)
		return err
	})
}

// barrierToken is no topic's.
const barrierToken = "%b"

// barrier makes a round trip to the leader of the stream that a subject belongs to, on
// the connection for what is live: with a message that the leader refuses. What it
// refuses it has got, behind the subscriptions before it: servers pass both on to each
// other in their order.
func (n *node) barrier(ctx context.Context, subject string) error {
	return n.l.barrier(ctx, n.c, subject)
}

func (l *Log) barrier(ctx context.Context, c *caller, subject string) error {
	m, err := l.once(ctx, c, &nats.Msg{Subject: subject, Header: nats.Header{headerExpect: {"-"}}})
	if err != nil {
		return err
	}
	var a ack
	err = parse(m, &a)
	if api := (*APIError)(nil); errors.As(err, &api) && api.ErrorCode == codeStreamNotMatch {
		return nil
	}
	return err
}

// barrierAt is a barrier of a partition. If nobody answers it may be that the stream was
// made anew by another process, which is not seen but by looking.
func (l *Log) barrierAt(ctx context.Context, c *caller, p *partition) error {
	err := l.barrier(ctx, c, l.names.message(p.now.Load().epoch, barrierToken))
	if errors.Is(err, errNobody) {
		l.look(ctx, p)
	}
	return err
}

// suspect has the feed told that anything may have been lost up to now.
func (n *node) suspect() {
	select {
	case n.suspicion <- struct{}{}:
	default: // it will be, and has not been yet
	}
}

// resumes tells the feed, as often as somebody suspects it.
func (n *node) resumes() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.suspicion:
			n.resume()
		}
	}
}

// resume is what is done when anything may have been lost: when the connection is
// there again, and the leaders know of its subscriptions, the feed is told.
func (n *node) resume() {
	ctx, cancel := context.WithTimeout(n.ctx, attemptWait)
	defer cancel()
	var wg sync.WaitGroup
	for p := range n.l.parts {
		wg.Go(func() {
			if err := n.settle(ctx, p); err != nil {
				// When it has a leader, there will be a signal.
				n.l.log.Debug("a partition does not answer", "partition", p, "err", err)
			}
		})
	}
	wg.Wait()
	if n.ctx.Err() != nil {
		return
	}
	n.feed.Lost("")
	n.feed.Changed()
	n.look()
}

// recheckSteps is over how many steps the topics are spread that the feed is told of.
const recheckSteps = 60

// recheck tells the feed of each followed topic once in a while that messages may have
// been lost: a loss behind which nothing comes shows in no other way.
func (n *node) recheck() {
	ticker := time.NewTicker(max(n.l.o.Recheck/recheckSteps, time.Millisecond))
	defer ticker.Stop()
	for step := 0; ; step++ {
		select {
		case <-n.ctx.Done():
			return
		case <-ticker.C:
		}
		for _, topic := range n.topics() {
			if partitionOf(topic, recheckSteps) == step%recheckSteps {
				n.feed.Lost(topic)
			}
		}
		if step%recheckSteps == 0 {
			n.feed.Changed()
		}
	}
}
