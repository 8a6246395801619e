package lazywebsocket

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// keepalive pings the peer and ends the connection when no sign of life comes
// back (RFC 6455, 5.5.2). It owns a timer and no goroutine: each step runs when
// the timer fires and arms it for the next one.
type keepalive struct {
	c        *Conn
	interval time.Duration // from a ping to the next
	timeout  time.Duration // for a sign of life after a ping

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	waiting bool   // a ping has left, its time has not run out
	number  uint64 // of the latest ping, which is its payload
	sentAt  time.Time
	reads   uint32 // of the reader before the ping left

	// The steps' own, which come one after the other.
	stalled int    // pings in a row that could not leave while nothing moved
	writes  uint32 // of the writer, when the latest of those gave up

	rtt  atomic.Int64 // nanoseconds, zero before the first pong
	dead atomic.Bool  // the peer was found dead
}

func (c *Conn) startKeepalive(interval, timeout time.Duration) {
	if timeout <= 0 {
		timeout = interval
	}
	k := &keepalive{c: c, interval: interval, timeout: timeout}
	lazily(&c.rare).keepalive = k
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer = time.AfterFunc(interval, k.step)
}

// keepalive returns the connection's, or nil if it has none.
func (c *Conn) keepalive() *keepalive {
	if r := c.rare.Load(); r != nil {
		return r.keepalive
	}
	return nil
}

// RTT returns the time that the latest answered ping of the keepalive took
// there and back; zero if there is none. The time that the application takes
// between two reads counts, because the pong waits for that.
func (c *Conn) RTT() time.Duration {
	if k := c.keepalive(); k != nil {
		return time.Duration(k.rtt.Load())
	}
	return 0
}

func (k *keepalive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	k.timer.Stop()
}

// arm sets the next step, unless the connection has ended.
func (k *keepalive) arm(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.stopped {
		k.timer.Reset(d)
	}
}

// step judges the ping that is out, or sends one.
func (k *keepalive) step() {
	k.mu.Lock()
	stopped, judge := k.stopped, k.waiting
	k.waiting = false
	reads := k.reads
	k.mu.Unlock()
	switch {
	case stopped:
	case !judge:
		k.ping()
	case k.readInVain(reads):
		k.lose()
	default:
		k.arm(max(0, k.interval-k.timeout))
	}
}

// readInVain reports whether the same read of the network has waited all the
// time since the count was taken. Where nobody reads, nothing can be seen to
// arrive: that is the application's slowness, not the peer's death.
func (k *keepalive) readInVain(reads uint32) bool {
	return reads%2 == 1 && k.c.r.reads.Load() == reads
}

// ping sends a ping and arms its judgement.
func (k *keepalive) ping() {
	reads := k.c.r.reads.Load()
	left, err := k.sendPing(time.Now().Add(k.timeout))
	switch {
	case left:
		k.stalled = 0
		k.arm(k.timeout)
	case errors.Is(err, os.ErrDeadlineExceeded) && k.c.w.failure.Load() == nil:
		k.judgeWriter(reads)
	default:
		// Writing has ended. The peer may go on sending, its Close frame at least.
		k.mu.Lock()
		k.waiting, k.reads = true, reads
		k.mu.Unlock()
		k.arm(k.timeout)
	}
}

// judgeWriter judges by what moves instead, where a message in progress kept the
// ping from leaving: a peer that takes a large message slowly is alive, one that
// takes nothing and sends nothing while two pings in a row wait is dead. What has
// left of a blocked write shows only when that returns, so that it is made to,
// for the next time; TLS cannot go on after that and is seen to move by pieces.
func (k *keepalive) judgeWriter(reads uint32) {
	writes := k.c.w.writes.Load()
	if writes != k.writes || !k.readInVain(reads) {
		k.stalled = 0
	} else {
		k.stalled++
	}
	k.writes = writes
	if k.stalled == 2 {
		k.lose()
		return
	}
	if !k.c.finalDeadlines() {
		k.c.deadlines.probe()
	}
	k.arm(0)
}

// sendPing sends a ping by the deadline and reports whether it has left.
func (k *keepalive) sendPing(deadline time.Time) (left bool, err error) {
	if err := k.c.enterWrite(entrant{deadline: deadline}); err != nil {
		return false, err
	}
	defer k.c.leaveWrite()
	k.mu.Lock()
	k.number++
	k.sentAt = time.Now()
	k.reads = k.c.r.reads.Load() // before the ping leaves: the pong can be quick
	payload := binary.BigEndian.AppendUint64(nil, k.number)
	k.mu.Unlock()
	if err := k.c.writeOwn(wsproto.Ping, payload, deadline); err != nil {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting = true
	return true, nil
}

// pong notes the answer to the latest ping. Reader goroutine only.
func (k *keepalive) pong(payload []byte) {
	if d, ok := k.answered(payload); ok {
		if o := k.c.observed(); o != nil && o.to.RoundTrip != nil {
			o.to.RoundTrip(k.c, d)
		}
	}
}

// answered reports whether a pong answers the latest ping, and how long that took.
func (k *keepalive) answered(payload []byte) (d time.Duration, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ok = len(payload) == 8 && binary.BigEndian.Uint64(payload) == k.number && !k.sentAt.IsZero()
	if ok {
		d = time.Since(k.sentAt)
		k.rtt.Store(int64(d))
		k.sentAt = time.Time{}
	}
	return d, ok
}

// lose ends a connection whose peer is dead: there is nobody to say goodbye to.
func (k *keepalive) lose() {
	k.dead.Store(true)
	k.c.ends(EndKeepalive)
	k.c.abort()
}
