package nats

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
)

// A shard calls the feed for some of the topics. What arrives for them waits in one
// channel, in order; what does not fit in is dropped by the client library, which
// says so: see dropped.
type shard struct {
	n       *node
	arrived chan *nats.Msg
	slow    chan *followed // topics of which something was dropped
}

// How many shards a node has at most, and how many messages may wait in each.
const (
	maxShards = 4
	shardRoom = 16 << 10
	slowRoom  = 256
)

func newShard(n *node) *shard {
	return &shard{n: n, arrived: make(chan *nats.Msg, shardRoom), slow: make(chan *followed, slowRoom)}
}

// shardOf returns the shard of a topic, always the same.
func (n *node) shardOf(topic string) *shard {
	return n.shards[partitionOf(topic, len(n.shards))]
}

// run calls the feed until the node ends.
func (s *shard) run() {
	slow := make(map[*followed]int) // how many messages of each had been dropped
	ticker := time.NewTicker(slowEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.n.ctx.Done():
			return
		case m := <-s.arrived:
			s.dispatch(m)
		case f := <-s.slow:
			slow[f] = -1
		case <-ticker.C:
			s.dropped(slow)
		}
	}
}

// slowEvery is how often it is looked at how much was dropped, while something was.
const slowEvery = 250 * time.Millisecond

// dropped tells the feed of topics of which messages were dropped since it was told
// last. The library only says so once, until the next message has gone through: until
// then it is counted.
func (s *shard) dropped(slow map[*followed]int) {
	for f, before := range slow {
		now, err := f.sub.Dropped()
		switch {
		case err != nil: // no longer followed
			delete(slow, f)
		case now == before && len(s.arrived) < cap(s.arrived)/2:
			delete(slow, f)
			s.n.feed.Lost(f.topic) // what was dropped in the meantime, if anything
		case now != before:
			slow[f] = now
			s.n.feed.Lost(f.topic)
		}
	}
}

// dispatch calls the feed for one message.
func (s *shard) dispatch(m *nats.Msg) {
	tok, kind := s.n.l.names.topicOf(m.Subject)
	s.n.mu.RLock()
	f := s.n.follows[tok]
	closed := s.n.closed
	s.n.mu.RUnlock()
	if f == nil || closed {
		return
	}
	var err error
	switch kind {
	case 'm':
		err = s.live(f.topic, m)
	case 'f':
		err = s.fleeting(f.topic, m)
	case 'e':
		err = s.presence(f.topic, m)
	default: // of a later version, and nothing that this one has to know
		return
	}
	if err != nil {
		s.n.l.log.Warn("a message on the live feed is not understood", "subject", m.Subject, "err", err)
		s.n.feed.Lost(f.topic)
	}
}

func (s *shard) live(topic string, m *nats.Msg) error {
	msg, err := decode(s.n.l.names, topic, m)
	if err != nil {
		return err
	}
	prev, err := number(m, headerLast)
	if err != nil {
		return err
	}
	s.n.feed.Live(msg.Message, prev)
	return nil
}

func (s *shard) fleeting(topic string, m *nats.Msg) error {
	own, _, _ := strings.Cut(m.Header.Get(headerOwn), ",")
	origin, err := url.QueryUnescape(own)
	if err != nil {
		return err
	}
	s.n.feed.Fleeting(topic, origin, m.Data)
	return nil
}

// event is a presence event on its way.
type event struct {
	Node string `json:"node"`
	ID   []byte `json:"id"` // any bytes
	Info []byte `json:"info,omitempty"`
	Left bool   `json:"left,omitempty"`
}

func (s *shard) presence(topic string, m *nats.Msg) error {
	var e event
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return err
	}
	s.n.feed.Presence(lazyrealtime.PresenceEvent{
		Topic: topic, Left: e.Left,
		Member: lazyrealtime.Member{Node: e.Node, ID: string(e.ID), Info: e.Info},
	})
	return nil
}

func escape(s string) string { return url.QueryEscape(s) }

// leaderElected begins the subjects on which servers say that a stream has another
// leader.
const leaderElected = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."

// listen works off the signals.
func (n *node) listen() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case m := <-n.signals:
			n.signal(m)
		}
	}
}

func (n *node) signal(m *nats.Msg) {
	stream, elected := strings.CutPrefix(m.Subject, leaderElected)
	switch {
	case elected:
		n.elected(stream)
	case m.Subject == n.l.names.changed():
		n.feed.Changed()
	case m.Subject == n.l.names.left():
		if id := string(m.Data); id != n.ID() {
			n.feed.Gone(id)
		}
	}
}

// afterElections is when the feed is told that a leader has changed: at once; when the
// one before has learnt it in all likelihood; and when one that is cut off has, which
// looks every ten seconds whether it has heard of the others for ten seconds.
var afterElections = []time.Duration{0, time.Second, 22 * time.Second}

// elected tells the feed that a leader has changed: what the old one had stored and
// not yet sent on, the new one does not send. Whoever looks may be answered by the old
// one, hence more than once.
func (n *node) elected(stream string) {
	tell := n.feed.Changed
	if stream != n.l.names.controlStream() {
		i := slices.IndexFunc(n.l.parts, func(p *partition) bool { return p.stream == stream })
		if i < 0 {
			return
		}
		n.l.log.Info("a partition has another leader", "stream", stream)
		tell = func() { n.lost(i) }
	}
	n.done.Go(func() {
		begin := time.Now()
		for _, at := range afterElections {
			if n.l.wait(n.ctx, at-time.Since(begin)) != nil {
				return
			}
			tell()
		}
	})
}

// lost tells the feed that messages of a partition's topics may have been lost.
func (n *node) lost(partition int) {
	for _, topic := range n.topics() {
		if partitionOf(topic, len(n.l.parts)) == partition {
			n.feed.Lost(topic)
		}
	}
}

// topics returns what is followed.
func (n *node) topics() []string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	list := make([]string, 0, len(n.follows))
	for _, f := range n.follows {
		list = append(list, f.topic)
	}
	return list
}

// lost tells all nodes that messages of a partition's topics may have been lost.
func (l *Log) lost(partition int) {
	l.mu.Lock()
	nodes := make([]*node, 0, len(l.nodes))
	for n := range l.nodes {
		nodes = append(nodes, n)
	}
	l.mu.Unlock()
	for _, n := range nodes {
		n.lost(partition)
	}
}

// asyncError is the connection's handler of errors.
func (n *node) asyncError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrSlowConsumer) || sub == nil {
		n.l.log.Warn("NATS", "err", err)
		return
	}
	tok, _ := n.l.names.topicOf(sub.Subject)
	n.mu.Lock()
	f := n.follows[tok]
	n.mu.Unlock()
	if f == nil { // a signal, or one of a topic that has just been left
		n.suspect()
		return
	}
	select {
	case n.shardOf(f.topic).slow <- f:
	case <-n.ctx.Done():
	default:
		n.suspect()
	}
}

func (n *node) disconnected(_ *nats.Conn, err error) {
	n.l.log.Warn("the live connection was lost", "err", err)
	if c := n.caller(); c != nil {
		c.disconnected()
	}
}

// caller returns nil while the node is not open.
func (n *node) caller() *caller {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.c
}

// reconnected is called when the connection is there again, with its subscriptions.
func (n *node) reconnected(*nats.Conn) {
	if n.caller() != nil {
		n.suspect()
	}
}
