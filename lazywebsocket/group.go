package lazywebsocket

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Group is a set of connections that get the same messages: a room. The zero
// value is ready. Its methods may be called from any goroutine at any time; a
// Group must not be copied.
//
// A connection may be in any number of groups. It leaves them when it ends:
// when Close or Shutdown was called, or when it ended itself; and when a
// broadcast finds that it cannot be written to any more.
type Group struct {
	// Closing says how Shutdown ends the members. It must not change once the group
	// is used.
	Closing ClosingOptions

	// Observer is told what the group does. If nil, nobody is. It must not change once
	// the group is used.
	Observer *GroupObserver

	mu      sync.Mutex
	members []*Conn       // in no order
	places  map[*Conn]int // in members

	// due are connections in whose queues a broadcast has put something, until a
	// flusher takes it on. due[:taken] it has.
	due      []*Conn
	taken    int
	flushers int

	leaving *leaving // nil until Shutdown
}

// Add makes a connection a member: it gets what is broadcast from now on. One
// that is a member already, or has ended, is left as it is. When Shutdown has
// begun none becomes a member: the connection is sent away as the members are.
func (g *Group) Add(c *Conn) {
	q := c.openQueue()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.leaving != nil {
		if _, ok := g.places[c]; !ok && g.leaving.comesLate(c) {
			go g.sendOneAway(g.leaving, c)
		}
		return
	}
	if _, ok := g.places[c]; ok || !c.joined(q, g) {
		return
	}
	if g.places == nil {
		g.places = make(map[*Conn]int)
	}
	g.places[c] = len(g.members)
	g.members = append(g.members, c)
}

// joined notes that the connection is in g, unless it has ended.
func (c *Conn) joined(q *queue, g *Group) bool {
	c.w.gate.mu.Lock()
	defer c.w.gate.mu.Unlock()
	if q.ended || c.deadlines.ended() {
		return false
	}
	q.groups = append(q.groups, g)
	return true
}

// Remove ends a connection's membership. What was broadcast before is sent.
func (g *Group) Remove(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropLocked(c)
	if q := c.w.queue.Load(); q != nil {
		c.w.gate.mu.Lock()
		defer c.w.gate.mu.Unlock()
		if i := slices.Index(q.groups, g); i >= 0 {
			q.groups = slices.Delete(q.groups, i, i+1)
		}
	}
}

// drop takes a connection out of the group, which it may not be in.
func (g *Group) drop(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropLocked(c)
}

func (g *Group) dropLocked(c *Conn) {
	i, ok := g.places[c]
	if !ok {
		return
	}
	last := len(g.members) - 1
	moved := g.members[last]
	g.members[i], g.members[last] = moved, nil
	g.members = g.members[:last]
	g.places[moved] = i
	delete(g.places, c)
}

// Len returns the number of members.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.members)
}

// All returns the members at the time of the call, in no order. The loop may add
// and remove members.
func (g *Group) All() iter.Seq[*Conn] {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Values(slices.Clone(g.members))
}

// Broadcast puts a prepared text or binary message into the outgoing queue of
// every member, as Conn.Publish does, and returns: it waits for no member and no
// network. A goroutine that exists only while there is something to send then
// sends what has queued, so that messages that are broadcast in a row leave a
// connection in few writes. A member that does not take them gets a goroutine of
// its own, and delays nobody.
//
// All members get the group's messages in the same order, and in order with what
// the caller writes to them. A member whose queue is full gets what its
// QueuePolicy says, QueueBlock being QueueClose here.
//
// The only error is that of a message that is neither text nor binary.
func (g *Group) Broadcast(pm *PreparedMessage) error {
	if !isData(pm.messageType) {
		return publishError(errNotData)
	}
	if o := g.Observer; o != nil && o.Broadcast != nil {
		e, begun := BroadcastEvent{}, time.Now()
		g.broadcast(pm, &e)
		e.Duration = time.Since(begun)
		o.Broadcast(e)
		return nil
	}
	g.broadcast(pm, nil)
	return nil
}

// broadcast is Broadcast of a data message. It counts in e, which may be nil.
func (g *Group) broadcast(pm *PreparedMessage, e *BroadcastEvent) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := 0; i < len(g.members); {
		c := g.members[i]
		p := c.push(c.w.queue.Load(), pm, true)
		if e != nil {
			e.count(p.err)
		}
		if p.err != nil && !p.lives {
			g.dropLocked(c) // its end comes by here again, and finds nothing
		} else {
			i++
		}
		if p.listed {
			g.due = append(g.due, c)
		}
		if p.ends || p.beyond {
			c.pushed(p)
		}
	}
	g.startFlusher()
}

// Send puts messages into the outgoing queues of connections, members or not, as
// Broadcast puts one into all: for messages that are not the same for everybody.
// They leave each connection in the order in which the sequence has them. The
// sequence is run under the group's lock and must call none of its methods; nil
// messages are skipped, and connections that have ended.
//
// The only error is that of a message that is neither text nor binary, which
// stops it.
func (g *Group) Send(messages iter.Seq2[*Conn, *PreparedMessage]) error {
	o := g.Observer
	if o == nil || o.Broadcast == nil {
		return g.send(messages, nil)
	}
	e, begun := BroadcastEvent{}, time.Now()
	err := g.send(messages, &e)
	if err == nil {
		e.Duration = time.Since(begun)
		o.Broadcast(e)
	}
	return err
}

// send is Send. It counts in e, which may be nil.
func (g *Group) send(messages iter.Seq2[*Conn, *PreparedMessage], e *BroadcastEvent) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.startFlusher()
	for c, pm := range messages {
		if pm == nil {
			continue
		}
		if !isData(pm.messageType) {
			return publishError(errNotData)
		}
		p := c.push(c.openQueue(), pm, true)
		if e != nil {
			e.count(p.err)
		}
		if p.listed {
			g.due = append(g.due, c)
		}
		if p.ends || p.beyond {
			c.pushed(p)
		}
	}
	return nil
}

// startFlusher makes sure that what is due is sent. mu is held.
func (g *Group) startFlusher() {
	if g.flushers == 0 && g.taken < len(g.due) {
		g.flushers++
		go g.flush()
	}
}

// BroadcastMessage is Broadcast of a message that is prepared for it; data is
// copied.
func (g *Group) BroadcastMessage(messageType int, data []byte) error {
	pm, err := NewPreparedMessage(messageType, data)
	if err != nil {
		return err
	}
	return g.Broadcast(pm)
}

// Drain waits until all that was queued for the members of now has left, or they
// have ended. It returns the context's error if that ends first.
func (g *Group) Drain(ctx context.Context) error {
	for c := range g.All() {
		if err := c.awaitEmpty(ctx); err != nil {
			return &OpError{Op: "drain", Err: err}
		}
	}
	return nil
}

const (
	// flushPiece is how many connections a flusher takes on at a time. They are on
	// its stack: a goroutine that is there for a few connections is not to grow its own.
	flushPiece = 32
	// flushAlone is for how many connections one flusher is enough. More than that
	// are worth another one, where a processor is free.
	flushAlone = 256
)

// flush sends what waits in the queues of due connections, until there are none.
// It waits for no connection and holds no lock meanwhile.
func (g *Group) flush() {
	var piece [flushPiece]*Conn
	for {
		n := g.take(piece[:])
		if n == 0 {
			return
		}
		for _, c := range piece[:n] {
			c.flushScheduled()
		}
		clear(piece[:n])
	}
}

// take hands due connections to a flusher, which ends when there are none.
func (g *Group) take(piece []*Conn) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := copy(piece, g.due[g.taken:])
	clear(g.due[g.taken : g.taken+n])
	g.taken += n
	switch {
	case n == 0:
		g.flushers--
	case g.taken < len(g.due):
		if n+len(g.due)-g.taken > flushAlone && g.flushers < runtime.GOMAXPROCS(0) {
			g.flushers++
			go g.flush()
		}
	case len(g.due) > 2*len(g.members)+flushAlone:
		g.due, g.taken = nil, 0 // of a group that was larger once
	default:
		g.due, g.taken = g.due[:0], 0
	}
	return n
}
