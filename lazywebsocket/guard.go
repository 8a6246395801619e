package lazywebsocket

import (
	"runtime"
	"sync"
	"time"
)

// guardTick is how often the guard looks. What is held waits for one to two.
const guardTick = time.Millisecond

// guard sends what readers have not come back to send: because the application
// takes its time, or reads no more. There is one for the process, and it ticks
// only while something is held: a timer for each message, or each connection,
// would cost more than holding gains.
type guardian struct {
	mu      sync.Mutex
	timer   *time.Timer
	ticking bool
	armed   time.Time // when the timer was set
	fresh   []*Conn   // held something since the latest tick
	due     []*Conn   // before that
	spare   []*Conn   // empty, for the next tick
}

var guard *guardian

func init() { guard = newGuardian() } // what it does refers to it

// newGuardian makes the timer, which belongs to no bubble of testing/synctest
// then, whoever holds something first.
func newGuardian() *guardian {
	g := new(guardian)
	g.timer = time.AfterFunc(time.Hour, g.tick)
	g.timer.Stop()
	return g
}

// callGuard makes sure that what is held leaves within two ticks.
func (c *Conn) callGuard() {
	if k := c.w.hold.kept; !c.w.hold.own {
		guard.add(c)
	} else if k.timer == nil {
		k.timer = time.AfterFunc(guardTick, c.guardCame)
	} else {
		k.timer.Reset(guardTick)
	}
}

func (g *guardian) add(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fresh = append(g.fresh, c)
	// A socket in a bubble of testing/synctest has set the timer by the bubble's
	// clock, by which it never fires.
	if !g.ticking || time.Since(g.armed) > lostTick {
		g.ticking = true
		g.arm()
	}
}

// lostTick is how late a tick is that will not come.
const lostTick = time.Second

// arm sets the next tick. mu is held.
func (g *guardian) arm() {
	g.armed = time.Now()
	g.timer.Reset(guardTick)
}

// tick flushes what was held before the latest tick. It blocks in no write.
func (g *guardian) tick() {
	g.mu.Lock()
	due := g.due
	g.due, g.fresh, g.spare = g.fresh, g.spare, nil
	if g.ticking = len(due)+len(g.due) > 0; g.ticking {
		g.arm()
	}
	g.mu.Unlock()
	for _, c := range due {
		c.guardCame()
	}
	clear(due)
	g.mu.Lock()
	g.spare = due[:0]
	g.mu.Unlock()
}

// guardCame ends the hold: the application evidently takes its time.
func (c *Conn) guardCame() {
	c.w.hold.guarded.Store(false)
	c.flushSoon()
}

// beforeWait sends what is held, because the reader is about to wait. Where
// another goroutine writes the answers, it gets the chance to write them first.
// Reader goroutine only.
func (c *Conn) beforeWait() {
	h := &c.w.hold
	if !h.on.Load() {
		return
	}
	if h.frames.Load() < h.messages {
		runtime.Gosched()
	}
	c.flushSoon()
}

// flushSoon ends the hold and sends what was held, without waiting: neither for
// who is inside the write gate, who does it on the way out, nor for the network.
// A reader that waited for a peer that waits for the reader would wait for ever.
func (c *Conn) flushSoon() {
	c.w.hold.on.Store(false)
	if !c.w.gate.tryEnterOrOwe() {
		return
	}
	c.flushEntered()
}
