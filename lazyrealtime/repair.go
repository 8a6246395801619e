package lazyrealtime

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	repairPage  = 256                   // messages that a repair reads at a time
	repairFirst = 50 * time.Millisecond // how long a repair waits for an engine that is
	repairMost  = 5 * time.Second       // unavailable, doubled each time, up to this
	checkers    = 8                     // tails that are read at a time
)

// startRepair reads what the feed has missed, unless somebody does already. mu is
// held.
func (t *topic) startRepair() {
	t.again = true
	if t.repairs || !t.warm || t.ended {
		return
	}
	t.repairs = true
	t.hub.goes(t.repair)
}

// repair delivers what the engine has behind the topic's last position, until
// there is nothing more. What the feed brings meanwhile is in the engine, too.
func (t *topic) repair() {
	wait := repairFirst
	for {
		t.mu.Lock()
		at, ended := t.last, t.ended
		t.again = false
		t.mu.Unlock()
		if ended {
			return
		}
		page, err := t.hub.log.Read(t.hub.ctx, t.name, at, repairPage)
		var gap *GapError
		switch {
		case err == nil && t.repaired(page):
			return
		case err == nil && len(page.Messages) > 0:
			wait = repairFirst
		case errors.As(err, &gap) && gap.Tail != at:
			t.broken(at, gap)
		case !t.hub.pause(wait/2 + rand.N(wait)): //nolint:gosec // not a secret
			return // the hub is closed
		default:
			wait = min(2*wait, repairMost)
		}
	}
}

// repaired delivers a page, and reports whether that was all.
func (t *topic) repaired(page Page) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range page.Messages {
		if !t.ended && m.Position.Offset > t.last.Offset {
			t.deliver(m)
			t.hub.count(CountRepairs, 1)
		}
	}
	if !t.ended && page.Tail.Offset <= t.last.Offset {
		t.deliverEarly()
	}
	if t.ended || !t.again && page.Tail.Offset <= t.last.Offset {
		t.repairs = false
		return true
	}
	return false
}

// broken tells everybody who follows the topic that messages behind at are missing,
// and goes on from its tail; unless the feed has brought them meanwhile.
func (t *topic) broken(at Position, gap *GapError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last != at || t.ended {
		return
	}
	t.hub.logger.Warn("messages of a topic are gone before they could be delivered",
		"topic", t.name, "after", gap.After.Offset, "epoch", gap.After.Epoch)
	t.last = gap.Tail
	t.empty(gap.Tail.Offset)
	t.again = true
	t.fanoutGap()
	t.wake() // those who read find out from the engine: they may be further
}

// suspect compares the topic's last position with the engine's. Hints that come while
// that cannot be reached make one goroutine, not one each.
func (t *topic) suspect() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hinted = true
	if !t.checking {
		t.checking = true
		t.hub.goes(t.checks)
	}
}

// checks compares as soon as the engine can be reached, and again if there was a hint
// meanwhile.
func (t *topic) checks() {
	for wait := repairFirst; t.suspected(); {
		if t.check() {
			wait = repairFirst
			continue
		}
		t.mu.Lock()
		t.hinted = true
		t.mu.Unlock()
		if !t.hub.pause(wait) {
			return // the hub is closed
		}
		wait = min(2*wait, repairMost)
	}
}

// suspected takes a hint, or notes that there is no more to be done.
func (t *topic) suspected() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.checking, t.hinted = t.hinted, false
	return t.checking
}

// check is checks that tries it once.
func (t *topic) check() bool {
	tail, err := t.hub.log.Tail(t.hub.ctx, t.name)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil && (tail.Epoch != t.last.Epoch || tail.Offset > t.last.Offset) {
		t.startRepair()
	}
	return err == nil || t.ended
}

// suspect compares all topics with the engine, once more if it is called
// meanwhile.
func (h *Hub) suspect() {
	if h.lost.Add(1) > 1 {
		return
	}
	h.goes(func() {
		for n := int64(0); !h.lost.CompareAndSwap(n, 0) || n == 0; {
			if n = h.lost.Load(); h.ctx.Err() != nil {
				return
			}
			h.checkAll(n)
		}
	})
}

// checkAll compares all topics with the engine, those that it cannot tell of again
// and again; until there is another hint than the n-th.
func (h *Hub) checkAll(n int64) {
	topics := h.openTopics()
	for wait := repairFirst; ; wait = min(2*wait, repairMost) {
		if topics = checkSome(topics); len(topics) == 0 || h.lost.Load() != n || !h.pause(wait) {
			return
		}
	}
}

// checkSome compares topics with the engine, a few at a time, and returns those that
// it could not tell of.
func checkSome(topics []*topic) (rest []*topic) {
	next := make(chan *topic)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range checkers {
		all.Go(func() {
			for t := range next {
				if !t.check() {
					mu.Lock()
					rest = append(rest, t)
					mu.Unlock()
				}
			}
		})
	}
	for _, t := range topics {
		next <- t
	}
	close(next)
	all.Wait()
	return rest
}
