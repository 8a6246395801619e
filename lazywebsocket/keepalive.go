package lazywebsocket

import (
	"encoding/binary"
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
	waiting bool   // a ping has been sent, its time has not run out
	number  uint64 // of the latest ping, which is its payload
	sentAt  time.Time
	reads   uint32 // of the reader when the ping was sent

	rtt  atomic.Int64 // nanoseconds, zero before the first pong
	dead atomic.Bool  // the peer was found dead
}

func (c *Conn) startKeepalive(interval, timeout time.Duration) {
	if timeout <= 0 {
		timeout = interval
	}
	k := &keepalive{c: c, interval: interval, timeout: timeout}
	c.keepalive = k
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer = time.AfterFunc(interval, k.step)
}

// RTT returns the time that the latest answered ping of the keepalive took
// there and back; zero if there is none. The time that the application takes
// between two reads counts, because the pong waits for that.
func (c *Conn) RTT() time.Duration {
	if c.keepalive == nil {
		return 0
	}
	return time.Duration(c.keepalive.rtt.Load())
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
	alive := k.c.r.reads.Load() != k.reads
	k.mu.Unlock()
	switch {
	case stopped:
	case !judge:
		k.ping()
	case alive || !k.c.r.gate.occupied():
		// Anything that arrived is life, and where nobody reads, nothing can be
		// seen to arrive: that is the application's slowness, not the peer's death.
		k.arm(max(0, k.interval-k.timeout))
	default:
		k.lose()
	}
}

// ping sends a ping and arms its judgement.
func (k *keepalive) ping() {
	sentAt := time.Now()
	k.mu.Lock()
	k.number++
	k.waiting, k.sentAt, k.reads = true, sentAt, k.c.r.reads.Load()
	payload := binary.BigEndian.AppendUint64(nil, k.number)
	k.mu.Unlock()
	// A stuck writer, or a Close frame that was sent, may keep the ping from
	// leaving. Life is judged by what arrives all the same.
	if deadline := sentAt.Add(k.timeout); k.c.enterWrite(entrant{deadline: deadline}) == nil {
		_ = k.c.writeOwn(wsproto.Ping, payload, deadline)
		k.c.leaveWrite()
	}
	k.arm(max(0, k.timeout-time.Since(sentAt)))
}

// pong notes the answer to the latest ping. Reader goroutine only.
func (k *keepalive) pong(payload []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(payload) == 8 && binary.BigEndian.Uint64(payload) == k.number && !k.sentAt.IsZero() {
		k.rtt.Store(int64(time.Since(k.sentAt)))
		k.sentAt = time.Time{}
	}
}

// lose ends a connection whose peer is dead: there is nobody to say goodbye to.
func (k *keepalive) lose() {
	k.dead.Store(true)
	k.c.abort()
}
