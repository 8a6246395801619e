package lazywebsocket

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// enterAll starts one goroutine after the other that enters, notes its name and
// leaves.
func enterAll(t *testing.T, g *gate, order *[]string, entrants map[string]entrant, names ...string) *sync.WaitGroup {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		*order = append(*order, s)
	}
	for _, name := range names {
		wg.Go(func() {
			if err := g.enter(entrants[name]); err != nil {
				note(name + " gave up")
				return
			}
			note(name)
			g.leave()
		})
		synctest.Wait()
	}
	return &wg
}

func TestGateLetsInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		var order []string
		if err := g.enter(entrant{}); err != nil || !g.occupied() || g.tryEnter() {
			t.Fatalf("%v, occupied %v", err, g.occupied())
		}
		entrants := map[string]entrant{"impatient": {deadline: time.Now().Add(time.Second)}, "message": {message: true}}
		wg := enterAll(t, &g, &order, entrants, "1", "impatient", "2", "message", "3")
		time.Sleep(2 * time.Second)
		g.leave()
		wg.Wait()
		if got := strings.Join(order, ", "); got != "impatient gave up, 1, 2, message, 3" {
			t.Errorf("order: %s", got)
		}
		if g.occupied() || !g.tryEnter() {
			t.Error("the gate is not open")
		}
	})
}

// While a message is open others wait, and frames do not.
func TestGateStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, end := range []func(g *gate){
			func(g *gate) { g.endStream() },
			func(g *gate) {
				_ = g.enter(entrant{})
				g.setStream(false)
				g.leave()
			},
		} {
			var g gate
			var order []string
			_ = g.enter(entrant{message: true})
			g.setStream(true)
			entrants := map[string]entrant{"message": {message: true}, "second": {message: true}}
			wg := enterAll(t, &g, &order, entrants, "message", "frame", "second")
			g.leave()
			synctest.Wait()
			if got := fmt.Sprint(order); got != "[frame]" {
				t.Errorf("order: %s", got)
			}
			end(&g)
			wg.Wait()
			if got := fmt.Sprint(order); got != "[frame message second]" {
				t.Errorf("order: %s", got)
			}
			if g.occupied() {
				t.Error("the gate is not open")
			}
		}
	})
}

func TestGateGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		_ = g.enter(entrant{})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.enter(entrant{ctx: ctx}); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("context: %v after %v", err, time.Since(start))
		}
		if err := g.enter(entrant{deadline: start.Add(2 * time.Second)}); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("deadline: %v after %v", err, time.Since(start))
		}
		if err := g.enter(entrant{deadline: start}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline that has passed: %v", err)
		}
		g.setStream(true)
		if err := g.enter(entrant{message: true}); !errors.Is(err, errWriterOpen) || time.Since(start) != 12*time.Second {
			t.Errorf("open message: %v after %v", err, time.Since(start))
		}
		if g.first != nil || g.last != nil {
			t.Error("somebody stands in the queue")
		}
		g.leave()
		if g.occupied() {
			t.Error("the gate is not open")
		}
	})
}

// Who is let in and cancelled at the same time either has the gate or has handed
// it on.
func TestGateLetInWhileCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		won := 0
		for i := range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			_ = g.enter(entrant{})
			entered := make(chan error, 1)
			go func() { entered <- g.enter(entrant{ctx: ctx}) }()
			synctest.Wait()
			cancel()
			g.leave()
			if <-entered == nil {
				won++
				g.leave()
			}
			if g.occupied() {
				t.Fatalf("after %d rounds nobody is inside and the gate is shut", i)
			}
		}
		if won == 0 {
			t.Error("the gate was never handed over: the test tests nothing")
		}
	})
}

// Whoever gives up in the moment in which he is let in hands the gate on.
func TestGateUnderPressure(t *testing.T) {
	var g gate
	var wg sync.WaitGroup
	inside, entered := 0, 0
	for i := range 8 {
		wg.Go(func() {
			for range 500 {
				ctx, cancel := context.WithCancel(context.Background())
				if i%2 == 0 {
					go cancel()
				}
				if g.enter(entrant{ctx: ctx, message: i%3 == 0}) == nil {
					if inside++; inside != 1 {
						t.Error("two are inside")
					}
					entered++
					inside--
					g.leave()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if g.occupied() || g.first != nil || entered < 2000 {
		t.Errorf("occupied %v, queue %v, %d entered", g.occupied(), g.first, entered)
	}
}
