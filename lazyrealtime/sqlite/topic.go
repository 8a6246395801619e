package sqlite

import (
	"container/list"
	"sync"
	"sync/atomic"

	"golazy.dev/lazyrealtime"
)

// topic is what is known of a topic in memory. While it is in the heads there is no
// other of its name.
type topic struct {
	name string
	// pins counts who needs the topic to stay in the heads: calls, the writer's
	// transaction, a backlog. heads.mu guards it and what follows.
	pins  int
	place *list.Element // among those without pins
	id    int64         // in heads.byID; 0: it is not there

	// loading is held while head and tail are read from the file; ready is true
	// behind that.
	loading sync.Mutex
	ready   atomic.Bool

	// The writer's goroutine only, from here on. Next is what the topic will be once
	// the transaction is committed; inTx says that it differs.
	next     head
	inTx     bool
	newSeqs  []int64 // of the transaction's messages
	queued   bool    // in the backlog
	counted  int     // how many of seqs the backlog has counted
	tail     run     // its latest run
	nextTail run     // once the transaction is committed
	deadRuns uint64  // head.lower when runs were last deleted

	mu sync.Mutex // guards the fields below
	// head is what is committed.
	head head
	// seqs are those of the messages that no run has, the last of them that of
	// head.last. What is in it is never changed: readers share it.
	seqs []int64
}

// head is the state of a topic's log.
type head struct {
	id    int64  // 0: the file has no row of the topic
	last  uint64 // offset of the latest message
	lower uint64 // offsets up to this are gone, whatever their age
	keep  lazyrealtime.Retention
}

// run is a run of which no message need be known but the last.
type run struct {
	first uint64 // 0: there is none
	count int
	seq   int64 // that of its last message
}

// snapshot returns the committed state.
func (t *topic) snapshot() (head, []int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.head, t.seqs
}

// heads is the topics in memory: all that are in use, and of the others those that
// were used latest. Methods may be called concurrently.
type heads struct {
	limit int

	mu     sync.Mutex // guards the fields below
	topics map[string]*topic
	byID   map[int64]*topic
	idle   *list.List // of *topic without pins, the one used latest in front
}

func newHeads(limit int) *heads {
	return &heads{limit: limit, topics: make(map[string]*topic), byID: make(map[int64]*topic), idle: list.New()}
}

// pin returns the topic, which may not have been loaded, for a user that ends with
// unpin.
func (h *heads) pin(name string) *topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil {
		t = &topic{name: name}
		h.topics[name] = t
	}
	h.hold(t)
	return t
}

// find is pin for a topic that was loaded; otherwise it returns nil.
func (h *heads) find(id int64) *topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.byID[id]
	if t != nil {
		h.hold(t)
	}
	return t
}

// hold adds a pin. h.mu is held.
func (h *heads) hold(t *topic) {
	t.pins++
	if t.place != nil {
		h.idle.Remove(t.place)
		t.place = nil
	}
}

// again adds a pin to a topic that has one.
func (h *heads) again(t *topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.pins++
}

func (h *heads) unpin(t *topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.pins--
	if t.pins > 0 {
		return
	}
	t.place = h.idle.PushFront(t)
	for h.idle.Len() > h.limit {
		old := h.idle.Remove(h.idle.Back()).(*topic)
		delete(h.topics, old.name)
		delete(h.byID, old.id)
	}
}

// setID says which row of the file a topic has, 0 for none. The topic has a pin.
func (h *heads) setID(t *topic, id int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.id == id {
		return
	}
	delete(h.byID, t.id)
	t.id = id
	if id != 0 {
		h.byID[id] = t
	}
}
