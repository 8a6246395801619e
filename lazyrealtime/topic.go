package lazyrealtime

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golazy.dev/lazywebsocket"
)

// topic is a topic that somebody on this node follows, or did lately. What is
// published arrives in live; whoever follows it reads, with next, until he is
// level, and joins those who get what is live, under the same lock: so that
// nothing comes twice, or not at all, or in another order.
type topic struct {
	hub  *Hub
	name string

	opened chan struct{} // closed when the engine's feed runs and last is known
	failed error         // why not; set before opened is closed

	mu       sync.Mutex
	reads    chan struct{} // has a token: one reading of the engine at a time; nil: there was none
	warm     bool          // last is known
	last     Position      // of what has been delivered
	recent   ring
	keep     Retention
	filled   bool          // the ring has been filled from the engine once
	early    []liveMessage // what came before last was known, or what is before it
	repairs  bool          // a goroutine reads what is missing
	again    bool          // more has been missed meanwhile
	checking bool          // a goroutine compares last with the engine's tail
	hinted   bool          // it should once more
	changed  chan struct{} // closed when last changes; nil: nobody waits
	ended    bool          // the topic is forgotten: another one has its name
	users    int           // followers, subscriptions, members, and calls under way
	idle     time.Time     // since when it has no users; the hub's mu guards this, users and listed
	listed   bool          // it stands in the hub's list of idle topics
	groups   groups        // who gets what is live, by the form of its frames
	pulls    map[*Subscription]struct{}
	presence *presence // nil: nobody is present or looks

	out     lazywebsocket.Group // sends; it has no members
	scratch []byte              // frames are built here
}

type liveMessage struct {
	m    *Message
	prev uint64
}

// earlyMost is how many messages are kept that come too early.
const earlyMost = 256

// live takes a message of the engine's feed. It holds the topic's lock while the
// message goes into queues, which waits for no network.
func (t *topic) live(m *Message, prev uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.ended:
	case !t.warm:
		t.keepEarly(m, prev)
	case t.take(m, prev):
	case t.repairs:
		t.keepEarly(m, prev)
	default:
		t.startRepair()
	}
}

// take delivers a message if it is the next one. It returns false if something is
// missing before it; what was delivered before is nothing to do. mu is held.
func (t *topic) take(m *Message, prev uint64) bool {
	switch {
	case m.Position.Epoch != t.last.Epoch:
		return false
	case m.Position.Offset <= t.last.Offset:
		return true
	case prev > t.last.Offset:
		return false
	}
	t.deliver(m)
	return true
}

// keepEarly keeps a message until what is before it has been read: without that, a
// repair would go on for as long as messages are published. mu is held.
func (t *topic) keepEarly(m *Message, prev uint64) {
	if len(t.early) < earlyMost {
		t.early = append(t.early, liveMessage{m, prev})
	} else {
		t.again = true
	}
}

// deliverEarly delivers what was kept, and notes where it does not join. mu is held.
func (t *topic) deliverEarly() {
	early := t.early
	t.early = nil
	for _, l := range early {
		if !t.take(l.m, l.prev) {
			t.again = true
		}
	}
}

// deliver passes the topic's next message on. mu is held.
func (t *topic) deliver(m *Message) {
	t.last = m.Position
	t.recent.push(m)
	t.hub.recent.Add(int64(cost(m)))
	t.trim(time.Now())
	t.fanout(m)
	t.wake()
}

// empty empties the ring; it begins again behind base. mu is held.
func (t *topic) empty(base uint64) {
	t.hub.recent.Add(int64(-t.recent.bytes))
	t.recent.reset(base, base == 0)
}

// trim bounds the ring. mu is held.
func (t *topic) trim(now time.Time) {
	before := t.recent.bytes
	t.recent.trim(t.hub.recentMessages, t.hub.recentBytes, t.keep, now)
	t.hub.recent.Add(int64(t.recent.bytes - before))
}

// wake wakes who waits for last to change. mu is held.
func (t *topic) wake() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
	for s := range t.pulls {
		s.wake()
	}
}

// open makes the feed run and learns where the topic is. The first user calls it,
// once, in a goroutine of its own.
func (t *topic) open(ctx context.Context) error {
	err := t.hub.node.Follow(ctx, t.name)
	var tail Position
	if err == nil {
		tail, err = t.hub.log.Tail(ctx, t.name)
	}
	if err != nil {
		t.hub.node.Unfollow(t.name) // also where Follow may have been done all the same
		return err
	}
	keep := t.hub.retention(t.name)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last, t.warm, t.keep = tail, true, keep
	t.recent.reset(tail.Offset, tail.Offset == 0)
	if t.deliverEarly(); t.again {
		t.startRepair()
	}
	return nil
}

// next returns messages behind a position: none when it is the topic's last. What
// memory does not have the engine is asked for, by one reader at a time. Errors
// are *GapError, the engine's, and the context's.
func (t *topic) next(ctx context.Context, at Position, limit int) ([]*Message, error) {
	for {
		messages, ahead, ok := t.inMemory(at, limit)
		if ok {
			return messages, t.gapOf(at)
		}
		if ahead {
			if err := t.reach(ctx, at); err != nil {
				return nil, err
			}
			continue
		}
		messages, ok, err := t.readBehind(ctx, at, limit)
		if ok || err != nil {
			return messages, err
		}
	}
}

// inMemory answers what the ring knows. Ahead is a position that this node has
// not seen yet; ok is false there, and where the ring begins too late.
func (t *topic) inMemory(at Position, limit int) (messages []*Message, ahead, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trim(time.Now())
	switch {
	case at.IsZero():
		return t.recent.behind(0, limit), false, t.recent.whole
	case at.Epoch != t.last.Epoch:
		return nil, false, true // a gap: gapOf says so
	case at.Offset > t.last.Offset:
		return nil, true, false
	case at.Offset < t.recent.base:
		return nil, false, false
	}
	return t.recent.behind(at.Offset, limit), false, true
}

// gapOf returns a *GapError for a position of another epoch.
func (t *topic) gapOf(at Position) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.IsZero() || at.Epoch == t.last.Epoch {
		return nil
	}
	return &GapError{Topic: t.name, After: at, Tail: t.last}
}

// turn returns the channel that has a token while nobody reads the engine.
func (t *topic) turn() chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reads == nil {
		t.reads = make(chan struct{}, 1)
		t.reads <- struct{}{}
	}
	return t.reads
}

// readBehind reads the engine. It returns false if memory should be asked again.
func (t *topic) readBehind(ctx context.Context, at Position, limit int) ([]*Message, bool, error) {
	select {
	case <-t.turn():
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
	defer func() { t.reads <- struct{}{} }()
	if _, ahead, ok := t.inMemory(at, 1); ok || ahead {
		return nil, false, nil // who read before has filled the ring
	}
	t.mu.Lock()
	first, last := !t.filled, t.last
	t.mu.Unlock()
	if first {
		// The first who asks fills the ring for all who come back with him. Whether
		// something is missing behind his position is for the engine to say.
		page, err := t.read(ctx, Position{}, t.hub.recentMessages)
		if err == nil {
			t.fill(page, Position{})
		}
		return nil, false, err
	}
	page, err := t.read(ctx, at, limit)
	if err != nil {
		return nil, false, err
	}
	t.fill(page, at)
	if len(page.Messages) == 0 {
		return nil, false, t.nothingBehind(at, page.Tail, last)
	}
	return page.Messages, true, nil
}

// nothingBehind notes that the engine had nothing between a position and its tail,
// when last had been delivered.
func (t *topic) nothingBehind(at, tail, last Position) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case tail.Epoch != last.Epoch || tail.Offset < last.Offset:
		return fmt.Errorf("topic %q: the engine has lost its tail, or lags behind: %w", t.name, ErrUnavailable)
	case tail.Epoch != t.last.Epoch || tail.Offset < t.recent.base:
		return nil // the ring has gone on meanwhile
	case at.IsZero():
		t.recent.whole = true // where it begins stays: what is before it is gone
	default:
		t.recent.base = min(t.recent.base, at.Offset)
	}
	return nil
}

// fill puts what was read behind a position into the ring, if the two join and
// there is room.
func (t *topic) fill(page Page, at Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.filled = true
	n := len(page.Messages)
	if n == 0 || t.ended || page.Tail.Epoch != t.last.Epoch || page.Messages[n-1].Position.Offset < t.recent.base {
		return
	}
	older := page.Messages
	for len(older) > 0 && older[len(older)-1].Position.Offset > t.recent.base {
		older = older[:len(older)-1]
	}
	room, messages := t.hub.recentBytes-t.recent.bytes, t.hub.recentMessages-len(t.recent.messages)
	for _, m := range older {
		room -= cost(m)
	}
	if room < 0 || len(older) > messages {
		return
	}
	base := at.Offset
	if at.IsZero() {
		// What is before the oldest that is retained may have been somebody's
		// position; that nothing lies between is for the engine to say.
		base = min(t.recent.base, page.Messages[0].Position.Offset-1)
	}
	before := t.recent.bytes
	t.recent.prepend(older, base, at.IsZero())
	t.hub.recent.Add(int64(t.recent.bytes - before))
}

// read asks the engine, once.
func (t *topic) read(ctx context.Context, at Position, limit int) (Page, error) {
	t.hub.count(CountEngineReads, 1)
	return t.hub.log.Read(ctx, t.name, at, limit)
}

// reach waits until this node has seen a position, which its engine may have
// before its feed.
func (t *topic) reach(ctx context.Context, at Position) error {
	tail, err := t.hub.log.Tail(ctx, t.name)
	if err != nil {
		return err
	}
	if tail.Epoch != at.Epoch || tail.Offset < at.Offset {
		return &GapError{Topic: t.name, After: at, Tail: tail}
	}
	for {
		t.mu.Lock()
		if t.ended {
			t.mu.Unlock()
			return ErrClosed
		}
		if t.last.Epoch != at.Epoch || t.last.Offset >= at.Offset { // of another epoch it is never reached
			t.mu.Unlock()
			return nil
		}
		t.startRepair()
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		changed := t.changed
		t.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
