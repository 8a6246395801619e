package lazywebsocket

import (
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Budget bounds what all connections together may take. Upgraders and Dialers
// name the one that their connections count in; those that name none share
// DefaultBudget. The zero value has the documented defaults. The fields must not
// change once the budget is used, and a Budget must not be copied.
type Budget struct {
	// QueuedBytes is the most bytes that wait in the queues of connections which
	// do not take them as fast as they come (see Conn.Publish), or have waited for
	// a second behind a message that somebody writes. A prepared message
	// counts for each connection that it waits for. Beyond it, those end that have
	// been behind for longest, and at least a second: what waits for them is
	// dropped, and the peer is told CloseTryAgainLater if it can be reached. If
	// zero, 256 MiB. If negative, no limit.
	QueuedBytes int64

	// InflatedBytes is the most bytes that messages in progress may have inflated
	// to, beside the first 4 KiB of each. The message that exceeds it ends its
	// connection: the peer is told CloseTryAgainLater, and reads return a
	// *BudgetError. If zero, 256 MiB. If negative, no limit.
	InflatedBytes int64

	// Handshakes is the most requests that are being upgraded at a time. Others
	// are answered 503 Service Unavailable, with Retry-After. If zero, 16384. If
	// negative, no limit. Dialers do not count.
	Handshakes int

	// ConnectionsPerAddress is the most upgraded connections from one address, the
	// one in Request.RemoteAddr: of IPv6, a network of 64 bits. Others are answered
	// 429 Too Many Requests, with Retry-After. A connection counts until it is
	// closed; see Admit for what is no WebSocket. If zero or negative, no limit: behind
	// a proxy, or one router, many users have the same address.
	ConnectionsPerAddress int

	queued     atomic.Int64
	inflated   atomic.Int64
	handshakes atomic.Int64

	mu        sync.Mutex
	addresses map[netip.Addr]int
	oldest    *behind // in the order in which they fell behind
	newest    *behind
}

// DefaultBudget is the budget of the Upgraders and Dialers that name none. It may
// be replaced, or its fields set, before the first connection is made.
var DefaultBudget = new(Budget)

const (
	defaultQueuedBudget   = 256 << 20
	defaultInflatedBudget = 256 << 20
	defaultHandshakes     = 16384

	// slowAfter is how long a connection has been behind before the budget ends it:
	// in less, a fast one takes what it got at once.
	slowAfter = time.Second
	// inflateFree is what a message may inflate to without being counted, and
	// inflateStep how it is counted then.
	inflateFree = 4 << 10
	inflateStep = 16 << 10
)

// BudgetError says that a process-wide budget was used up. Refused handshakes
// return it, and within an *OpError, reads and Publish of a connection that was
// ended for it.
type BudgetError struct {
	// Budget is the name of the field of Budget.
	Budget string
	// Limit is its value.
	Limit int64
}

func (e *BudgetError) Error() string {
	return "lazywebsocket: the budget Budget." + e.Budget + " of " + strconv.FormatInt(e.Limit, 10) + " is used up"
}

// orDefault returns b, or the default one.
func (b *Budget) orDefault() *Budget {
	if b == nil {
		return DefaultBudget
	}
	return b
}

// limit returns v, or def when v is zero; negative is no limit.
func limit(v, def int64) int64 {
	if v == 0 {
		return def
	}
	return v
}

// behind is a connection whose queue a goroutine sends, because the peer does not
// take it at once, or whose queue waits for somebody who may be stuck. Its queue
// points to it. Guarded by the budget's mu.
type behind struct {
	c          *Conn
	since      time.Time
	prev, next *behind
}

// fallBehind counts what waits in the budget, until catchUp. Inside the write
// gate.
func (c *Conn) fallBehind(q *queue) {
	c.w.gate.mu.Lock()
	q.patient = true
	c.startBehind(q)
	c.w.gate.mu.Unlock()
	if b := c.budget(); b.beyond() {
		b.relieve()
	}
}

// startBehind is fallBehind when the gate's mu is held, for who calls relieve.
func (c *Conn) startBehind(q *queue) {
	if q.behind == nil && !q.ended {
		q.behind = &behind{c: c, since: time.Now()}
		q.charge(q.bytes + q.leaving)
		c.budget().append(q.behind)
	}
}

// catchUp ends fallBehind where nothing waits any more: a queue that is never empty
// has been behind since it fell behind. What waits somebody else sends.
func (c *Conn) catchUp(q *queue) {
	c.w.gate.mu.Lock()
	defer c.w.gate.mu.Unlock()
	q.patient = false
	if q.ring.n == 0 {
		q.caughtUp()
	} else {
		c.watchQueue(q)
	}
}

// caughtUp ends startBehind. The gate's mu is held.
func (q *queue) caughtUp() {
	if q.behind != nil {
		q.charge(-q.bytes - q.leaving)
		q.behind.c.budget().remove(q.behind)
		q.behind = nil
	}
}

// charge counts n bytes, if the connection is behind. The gate's mu is held.
func (q *queue) charge(n int) {
	if q.behind != nil {
		q.behind.c.budget().queued.Add(int64(n))
	}
}

func (b *Budget) append(e *behind) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.prev = b.newest; e.prev == nil {
		b.oldest = e
	} else {
		e.prev.next = e
	}
	b.newest = e
}

// remove takes e out of the list, if it is there.
func (b *Budget) remove(e *behind) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.prev == nil && b.oldest != e {
		return
	}
	if e.prev == nil {
		b.oldest = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		b.newest = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
}

// beyond reports whether more bytes are queued than may be.
func (b *Budget) beyond() bool {
	most := limit(b.QueuedBytes, defaultQueuedBudget)
	return most > 0 && b.queued.Load() > most
}

// relieve ends the slowest connections until the budget holds.
func (b *Budget) relieve() {
	for b.beyond() {
		e := b.slowest()
		if e == nil {
			return
		}
		e.endSlow(&BudgetError{"QueuedBytes", limit(b.QueuedBytes, defaultQueuedBudget)})
	}
}

// slowest takes the connection out of the list that has been behind for longest;
// nil if none has for long.
func (b *Budget) slowest() *behind {
	b.mu.Lock()
	e := b.oldest
	b.mu.Unlock()
	if e == nil || time.Since(e.since) < slowAfter {
		return nil
	}
	b.remove(e)
	return e
}

// endSlow ends a connection, unless it has caught up meanwhile.
func (e *behind) endSlow(fate error) {
	c := e.c
	c.w.gate.mu.Lock()
	q := c.w.queue.Load()
	if q.behind != e {
		c.w.gate.mu.Unlock()
		return
	}
	if q.fate == nil {
		q.fate = fate
		c.ends(EndBudget)
	}
	c.clearQueue(q)
	q.caughtUp()
	c.w.gate.mu.Unlock()
	go c.end(CloseTryAgainLater, slowReader) //nolint:errcheck // nobody is left to be told
}

// charge counts what the open message has inflated to. It returns false when the
// budget is used up. Inside the read gate.
func (f *inflate) charge(b *Budget, n int) bool {
	f.plain += int64(n)
	more := f.plain - f.charged.Load() - inflateFree
	if more <= 0 {
		return true
	}
	step := (more + inflateStep - 1) / inflateStep * inflateStep
	f.charged.Add(step)
	most := limit(b.InflatedBytes, defaultInflatedBudget)
	return b.inflated.Add(step) <= most || most < 0
}

// discharge ends charge with the message, or, outside of the gate, with the
// connection.
func (f *inflate) discharge(b *Budget) {
	if n := f.charged.Load(); n != 0 {
		b.inflated.Add(-f.charged.Swap(0))
	}
}

// beginHandshake returns nil, or why the request has to wait; endHandshake
// follows in either case.
func (b *Budget) beginHandshake() *fault {
	most := limit(int64(b.Handshakes), defaultHandshakes)
	if b.handshakes.Add(1) <= most || most < 0 {
		return nil
	}
	return overBudget(RefusedHandshakes, http.StatusServiceUnavailable, &BudgetError{"Handshakes", most})
}

func (b *Budget) endHandshake() { b.handshakes.Add(-1) }

// takeAddress counts a connection from an address, until releaseAddress. It
// returns the zero address where it is not counted.
func (b *Budget) takeAddress(remote string) (netip.Addr, *fault) {
	most := b.ConnectionsPerAddress
	if most <= 0 {
		return netip.Addr{}, nil
	}
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}, nil // a Unix socket, or a connection in memory
	}
	a := ap.Addr().Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64) // not too long
		a = p.Addr()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.addresses[a] >= most {
		return netip.Addr{}, overBudget(RefusedAddress, http.StatusTooManyRequests, &BudgetError{"ConnectionsPerAddress", int64(most)})
	}
	if b.addresses == nil {
		b.addresses = make(map[netip.Addr]int)
	}
	b.addresses[a]++
	return a, nil
}

// Admit counts something in ConnectionsPerAddress that is no WebSocket but holds a
// connection as one does, a stream of events for example, until release is called, which
// may be called more than once. Remote is a Request.RemoteAddr. The error is a
// *BudgetError, without a release: there are as many from the address as there may be.
func (b *Budget) Admit(remote string) (release func(), err error) {
	a, full := b.takeAddress(remote)
	if full != nil {
		return nil, full.err
	}
	return sync.OnceFunc(func() { b.releaseAddress(a) }), nil
}

func (b *Budget) releaseAddress(a netip.Addr) {
	if !a.IsValid() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.addresses[a]--; b.addresses[a] <= 0 {
		delete(b.addresses, a)
	}
}

// releaseAddress counts the connection no more: it is closed. Later calls do
// nothing.
func (c *Conn) releaseAddress() {
	if b := c.bounds(); b.address.IsValid() && !c.rare.Load().released.Swap(true) {
		c.budget().releaseAddress(b.address)
	}
}

// overBudget is the fault of a request for which there is no room now.
func overBudget(why Refusal, status int, err *BudgetError) *fault {
	return &fault{why: why, status: status, reason: err.Error(), err: err}
}
