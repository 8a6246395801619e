package lazywebsocket

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Held returns how many bytes are held. Nobody may be writing.
func (c *Conn) Held() int { return len(c.w.hold.bytes()) }

// Hold switches holding on, as the reader does. Nobody may be reading.
func (c *Conn) Hold() { c.w.hold.on.Store(true) }

// AtRest reports whether nobody is inside the write gate or waits for it, nothing
// is held, and nothing is owed.
func (c *Conn) AtRest() bool {
	g := &c.w.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.busy && !g.owed && g.first == nil && g.last == nil && c.Held() == 0
}

// BeginEnd and Goodbye are what Close does first, and then.
func (c *Conn) BeginEnd() { c.deadlines.end(time.Now().Add(goodbyeWait)) }

// EndQueue is what Close does when it has said goodbye, or could not.
func (c *Conn) EndQueue() { c.closeQueue() }

// Goodbye sends the Close frame.
func (c *Conn) Goodbye() bool {
	return c.sayGoodbye(CloseNormalClosure, "", time.Now().Add(goodbyeWait))
}

// GuardTick is how often the guard looks.
const GuardTick = guardTick

// Guarding returns how many connections the guard of the process looks after,
// and whether it ticks.
func Guarding() (conns int, ticking bool) {
	guard.mu.Lock()
	defer guard.mu.Unlock()
	return len(guard.fresh) + len(guard.due), guard.ticking
}

// Guarded reports whether it looks after this connection.
func (c *Conn) Guarded() bool {
	guard.mu.Lock()
	defer guard.mu.Unlock()
	return slices.Contains(guard.fresh, c) || slices.Contains(guard.due, c)
}

func TestGateOwes(t *testing.T) {
	var g gate
	if !g.tryEnterOrOwe() || !g.occupied() {
		t.Fatal("nobody is inside, and it did not enter")
	}
	if g.leave() || g.occupied() {
		t.Error("who entered owes")
	}
	_ = g.enter(entrant{})
	for range 3 { // is one debt
		if g.tryEnterOrOwe() {
			t.Fatal("two are inside")
		}
	}
	if !g.leave() || !g.occupied() {
		t.Error("the debt is forgotten, or it left with it")
	}
	if g.tryEnterOrOwe() || !g.leave() {
		t.Error("a debt that came while the first was paid is forgotten")
	}
	if g.leave() || g.occupied() {
		t.Error("it owes still, or is inside")
	}
	if !g.tryEnter() || g.leave() {
		t.Error("the next one owes")
	}
}

// Who waits is let in when the debt is paid, not before, and owes nothing.
func TestGateOwesBeforeHandingOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		_ = g.enter(entrant{})
		in := false
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = g.enter(entrant{})
			in = true
			if g.leave() {
				t.Error("the second one owes")
			}
		})
		synctest.Wait()
		g.tryEnterOrOwe()
		if !g.leave() {
			t.Error("nothing owed")
		}
		synctest.Wait()
		if in {
			t.Fatal("two are inside")
		}
		if g.leave() {
			t.Error("owed twice")
		}
		wg.Wait()
		if g.occupied() {
			t.Error("the gate is not open")
		}
	})
}

// What is owed is done, however the debt, the leaving and the handing over fall:
// each call ends inside, or with somebody who is told.
func TestGateOwesUnderPressure(t *testing.T) {
	var g gate
	var wg sync.WaitGroup
	work, done := 0, 0 // inside the gate
	leave := func() {
		for g.leave() {
			done = work
		}
	}
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				_ = g.enter(entrant{})
				work++
				leave()
			}
		})
		wg.Go(func() {
			for range 2000 {
				if g.tryEnterOrOwe() {
					done = work
					leave()
				}
			}
		})
	}
	wg.Wait()
	if g.tryEnterOrOwe() {
		done = work
		leave()
	}
	if g.occupied() || g.owed || done != 8000 {
		t.Errorf("occupied %v, owed %v, %d done", g.occupied(), g.owed, done)
	}
}
