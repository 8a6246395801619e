package enginetest

import (
	"context"
	"sync"

	"golazy.dev/lazyrealtime"
)

// Fate is what becomes of a call of Feed.Live.
type Fate int

// What can become of a call of Feed.Live.
const (
	Deliver Fate = iota // it is made
	Drop                // it is not made
	Repeat              // it is made twice
	Hold                // it is made by Release, behind those that come meanwhile
)

// OnLive makes hook decide what becomes of each call of Live, for each feed. A nil
// hook delivers.
func (f *Faulty) OnLive(hook func(m *lazyrealtime.Message, prev uint64) Fate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fate = hook
}

// Release makes the calls of Live that were held, oldest first, also for topics
// that are no longer followed: what is late is late.
func (f *Faulty) Release() {
	for _, feed := range f.all() {
		feed.release()
	}
}

// Lost calls Feed.Lost of all feeds: for all topics if topic is empty.
func (f *Faulty) Lost(topic string) {
	for _, feed := range f.all() {
		feed.Lost(topic)
	}
}

// Gone calls Feed.Gone of all feeds.
func (f *Faulty) Gone(node string) {
	for _, feed := range f.all() {
		feed.Gone(node)
	}
}

// Nodes returns how many nodes have joined and are not closed.
func (f *Faulty) Nodes() int { return len(f.all()) }

func (f *Faulty) all() []*faultyFeed {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]*faultyFeed, 0, len(f.feeds))
	for feed := range f.feeds {
		list = append(list, feed)
	}
	return list
}

func (f *Faulty) fateOf(m *lazyrealtime.Message, prev uint64) Fate {
	f.mu.Lock()
	hook := f.fate
	f.mu.Unlock()
	if hook == nil {
		return Deliver
	}
	return hook(m, prev)
}

// Join implements lazyrealtime.Log.
func (f *Faulty) Join(ctx context.Context, feed lazyrealtime.Feed) (lazyrealtime.Node, error) {
	ff := &faultyFeed{Feed: feed, faults: f}
	n := &faultyNode{faults: f, feed: ff}
	err := f.call(ctx, Call{Op: OpJoin}, func() (err error) {
		n.Node, err = f.log.Join(ctx, ff)
		return err
	})
	if err != nil {
		if n.Node != nil {
			_ = n.Node.Close(ctx) // the caller knows nothing of it
		}
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.feeds[ff] = struct{}{}
	return n, nil
}

// faultyFeed is between a log and a feed. Calls of Live and Fleeting come one at a
// time, those of Release too.
type faultyFeed struct {
	lazyrealtime.Feed
	faults *Faulty

	order sync.Mutex // held during Live and Fleeting
	held  []live     // guarded by order
}

func (f *faultyFeed) Live(m *lazyrealtime.Message, prev uint64) {
	fate := f.faults.fateOf(m, prev)
	f.order.Lock()
	defer f.order.Unlock()
	switch fate {
	case Drop:
	case Hold:
		f.held = append(f.held, live{m, prev})
	case Repeat:
		f.Feed.Live(m, prev)
		f.Feed.Live(m, prev)
	default:
		f.Feed.Live(m, prev)
	}
}

func (f *faultyFeed) Fleeting(topic, origin string, data []byte) {
	f.order.Lock()
	defer f.order.Unlock()
	f.Feed.Fleeting(topic, origin, data)
}

func (f *faultyFeed) release() {
	f.order.Lock()
	defer f.order.Unlock()
	for _, l := range f.held {
		f.Feed.Live(l.m, l.prev)
	}
	f.held = nil
}

// faultyNode is a node of the log beneath.
type faultyNode struct {
	lazyrealtime.Node
	faults *Faulty
	feed   *faultyFeed
}

func (n *faultyNode) Follow(ctx context.Context, topic string) error {
	return n.faults.call(ctx, Call{OpFollow, topic}, func() error { return n.Node.Follow(ctx, topic) })
}

func (n *faultyNode) Send(ctx context.Context, topic, origin string, data []byte) error {
	return n.faults.call(ctx, Call{OpSend, topic}, func() error { return n.Node.Send(ctx, topic, origin, data) })
}

func (n *faultyNode) Enter(ctx context.Context, topic, id string, info []byte) error {
	return n.faults.call(ctx, Call{OpEnter, topic}, func() error { return n.Node.Enter(ctx, topic, id, info) })
}

func (n *faultyNode) Exit(ctx context.Context, topic, id string) error {
	return n.faults.call(ctx, Call{OpExit, topic}, func() error { return n.Node.Exit(ctx, topic, id) })
}

func (n *faultyNode) Members(ctx context.Context, topic string) (list []lazyrealtime.Member, err error) {
	err = n.faults.call(ctx, Call{OpMembers, topic}, func() (err error) {
		list, err = n.Node.Members(ctx, topic)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (n *faultyNode) Close(ctx context.Context) error {
	n.faults.mu.Lock()
	delete(n.faults.feeds, n.feed)
	n.faults.mu.Unlock()
	return n.Node.Close(ctx)
}
