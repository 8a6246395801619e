package lazywebsocket

import (
	"errors"
	"sync"
	"time"
)

// QueueOptions bound the outgoing queue of a connection, which Conn.Publish and
// Group.Broadcast fill. The zero value is the default in every field.
type QueueOptions struct {
	// Bytes is the most bytes that wait in the queue, as messages were prepared:
	// before compression. A message that finds nothing waiting is taken whatever
	// its size, and what has begun to leave, 64 KiB or one message, no longer
	// waits. If zero, 1 MiB. If negative, no limit.
	Bytes int

	// Messages is the most messages that wait. If zero, 16384. If negative, no
	// limit.
	Messages int

	// Policy says what happens to a message that does not fit.
	Policy QueuePolicy

	// Patience is how long the peer may take nothing while something is queued,
	// before the connection ends: of the queue, or of a message that is being
	// written in front of it, whatever deadline that has. It may be twice as long
	// until that is noticed. Over TLS and HTTP/2 it is seen only that 64 KiB, or what is left,
	// have left, which they must in that time. If zero, 30 s. If negative, no limit.
	Patience time.Duration
}

// QueuePolicy is what happens to a message that finds a full queue.
type QueuePolicy int

const (
	// QueueClose ends the connection: what waits is dropped, and the peer is told
	// ClosePolicyViolation and "slow reader" if it can be reached within the time
	// that Close takes. Publish returns ErrQueueFull, and so do reads.
	QueueClose QueuePolicy = iota
	// QueueDropOldest drops the messages that have waited longest, none that has
	// begun to leave, until the new one fits. QueueStats counts them.
	QueueDropOldest
	// QueueBlock makes Publish wait for room, until the write deadline or the end
	// of the context. A Group never waits: for it this is QueueClose.
	QueueBlock
)

const (
	defaultQueueBytes    = 1 << 20
	defaultQueueMessages = 16384
	defaultPatience      = 30 * time.Second

	slowReader = "slow reader" // the reason of the Close frame
)

// ErrQueueFull is returned by Publish, and by reads, when a connection has ended
// because its queue was full. It comes within an *OpError.
var ErrQueueFull = errors.New("outgoing queue is full")

// QueueStats says what waits in a connection's outgoing queue.
type QueueStats struct {
	// Messages is how many messages wait, and Bytes their size as they were
	// prepared, with what has begun to leave.
	Messages, Bytes int
	// Dropped is how many messages QueueDropOldest has dropped so far.
	Dropped uint64
}

// queue is the outgoing queue of a connection, made with the first message.
// Guarded by the mu of the write gate; only who is inside the gate takes messages
// out to send them.
//
// A message that leaves at once looks at what stands above options, and at no more
// cache lines than that.
type queue struct {
	scheduled bool          // stands in the list of a group's flusher
	patient   bool          // who is inside the gate does nothing but send it, by flushQueue
	last      bool          // a Close frame follows; only who is inside the gate uses it
	ended     bool          // the connection has
	fate      error         // why it was ended for its slowness
	change    chan struct{} // closed when something has left; nil: nobody waits
	behind    *behind       // counted in the budget; nil: not
	watch     *watch        // nil: nothing waits for somebody who may be stuck
	bytes     int           // of the messages in the ring
	leaving   int           // bytes that were moved to what is held, and may not have left
	moved     uint64        // messages that were taken out, to be sent or dropped
	ring      ring

	options *QueueOptions
	dropped uint64
	groups  []*Group // that the connection is in
}

// openQueue returns the queue, which it makes if there is none.
func (c *Conn) openQueue() *queue {
	if q := c.w.queue.Load(); q != nil {
		return q
	}
	q := &queue{options: &c.bounds().queue}
	c.w.queue.CompareAndSwap(nil, q)
	return c.w.queue.Load()
}

// full reports whether a message of size bytes does not fit. mu is held.
func (q *queue) full(size int) bool {
	if q.ring.n == 0 {
		return false
	}
	most, messages := q.options.Bytes, q.options.Messages
	if most == 0 {
		most = defaultQueueBytes
	}
	if messages == 0 {
		messages = defaultQueueMessages
	}
	return (most > 0 && q.bytes+size > most) || (messages > 0 && q.ring.n >= messages)
}

// patience is how long the peer may take nothing; zero: no limit.
func (q *queue) patience() time.Duration {
	if q.options.Patience == 0 {
		return defaultPatience
	}
	return max(0, q.options.Patience)
}

// deadline is the time by which the peer must have taken something.
func (q *queue) deadline() time.Time {
	if patience := q.patience(); patience > 0 {
		return time.Now().Add(patience)
	}
	return time.Time{}
}

// add puts a message into the queue. mu is held.
func (q *queue) add(pm *PreparedMessage) {
	q.ring.push(pm)
	q.bytes += len(pm.frame)
	q.charge(len(pm.frame))
}

// next takes the first message out. mu is held.
func (q *queue) next() *PreparedMessage {
	pm := q.ring.pop()
	q.bytes -= len(pm.frame)
	q.moved++
	return pm
}

// dropOldest drops the first message. mu is held.
func (c *Conn) dropOldest(q *queue) {
	q.dropped++
	size := len(q.next().frame)
	q.charge(-size)
	c.queued(-1, -size)
	c.dropped()
}

// clearQueue drops all that waits. mu is held.
func (c *Conn) clearQueue(q *queue) {
	c.queued(-q.ring.n, -q.bytes)
	c.discarded(q.ring.n)
	q.clear()
}

// clear is the queue's part of clearQueue. mu is held.
func (q *queue) clear() {
	q.charge(-q.bytes)
	q.moved += uint64(q.ring.n) //nolint:gosec // not negative
	q.bytes = 0
	q.ring.clear()
	if !q.patient {
		q.caughtUp()
	}
	q.changed()
}

// settle notes that what was about to leave has left. mu is held.
func (q *queue) settle() {
	if q.leaving > 0 {
		q.charge(-q.leaving)
		q.leaving = 0
		q.changed()
	}
	if q.ring.n == 0 && !q.patient {
		q.caughtUp()
	}
}

// changed wakes who waits for room, or for the end. mu is held.
func (q *queue) changed() {
	if q.change != nil {
		close(q.change)
		q.change = nil
	}
}

// awaited returns what changed closes. mu is held.
func (q *queue) awaited() <-chan struct{} {
	if q.change == nil {
		q.change = make(chan struct{})
	}
	return q.change
}

// QueueStats returns what waits in the outgoing queue. It may be called from any
// goroutine.
func (c *Conn) QueueStats() QueueStats {
	q := c.w.queue.Load()
	if q == nil {
		return QueueStats{}
	}
	c.w.gate.mu.Lock()
	defer c.w.gate.mu.Unlock()
	return QueueStats{Messages: q.ring.n, Bytes: q.bytes + q.leaving, Dropped: q.dropped}
}

// queueFate says why the connection was ended for its slowness; nil if it was not.
func (c *Conn) queueFate() error {
	q := c.w.queue.Load()
	if q == nil {
		return nil
	}
	c.w.gate.mu.Lock()
	defer c.w.gate.mu.Unlock()
	return q.fate
}

// ring holds messages in order. The first few cost no more memory than the queue
// itself; what more takes is borrowed while they wait.
type ring struct {
	slots   []*PreparedMessage // a power of two; nil while empty
	head, n int
	lent    *slots // what slots were borrowed with; nil: they are few
	few     [4]*PreparedMessage
}

// slots go through the pools of their sizes.
type slots struct{ s []*PreparedMessage }

const (
	minSlotShift = 5
	maxSlotShift = 14
)

var slotPools [maxSlotShift - minSlotShift + 1]sync.Pool

func (r *ring) push(pm *PreparedMessage) {
	if r.n == len(r.slots) {
		r.grow()
	}
	r.slots[(r.head+r.n)&(len(r.slots)-1)] = pm
	r.n++
}

// pop takes out the first message; there is one.
func (r *ring) pop() *PreparedMessage {
	pm := r.slots[r.head]
	r.slots[r.head] = nil
	r.head = (r.head + 1) & (len(r.slots) - 1)
	if r.n--; r.n == 0 {
		r.release()
	}
	return pm
}

func (r *ring) clear() {
	for r.n > 0 {
		r.pop()
	}
}

// grow makes room for one more message.
func (r *ring) grow() {
	if len(r.slots) == 0 {
		r.slots, r.head = r.few[:], 0
		return
	}
	size := max(2*len(r.slots), 1<<minSlotShift)
	lent := borrowSlots(size)
	n := copy(lent.s, r.slots[r.head:])
	copy(lent.s[n:], r.slots[:r.head])
	old, n := r.lent, r.n
	clear(r.slots)
	if old != nil {
		giveBackSlots(old)
	}
	r.slots, r.lent, r.head, r.n = lent.s, lent, 0, n
}

// release gives back what is empty.
func (r *ring) release() {
	if r.lent != nil {
		giveBackSlots(r.lent)
	}
	r.slots, r.lent, r.head = nil, nil, 0
}

// borrowSlots returns size empty slots, a power of two.
func borrowSlots(size int) *slots {
	for shift := range slotPools {
		if size == 1<<(shift+minSlotShift) {
			if s, ok := slotPools[shift].Get().(*slots); ok {
				return s
			}
			break
		}
	}
	return &slots{make([]*PreparedMessage, size)}
}

// giveBackSlots ends the borrowing; the slots are empty.
func giveBackSlots(s *slots) {
	for shift := range slotPools {
		if len(s.s) == 1<<(shift+minSlotShift) {
			slotPools[shift].Put(s)
		}
	}
}
