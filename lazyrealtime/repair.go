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
		at := t.last
		t.again = false
		t.mu.Unlock()
		page, err := t.hub.log.Read(t.hub.ctx, t.name, at, repairPage)
		var gap *GapError
		switch {
		case err == nil && t.repaired(page):
			return
		case err == nil && len(page.Messages) > 0:
			wait = repairFirst
		case errors.As(err, &gap) && gap.Tail != at:
			t.broken(gap)
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
	if t.ended || !t.again && page.Tail.Offset <= t.last.Offset {
		t.repairs = false
		return true
	}
	return false
}

// broken tells everybody who follows the topic that messages are missing, and
// goes on from its tail.
func (t *topic) broken(gap *GapError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hub.logger.Warn("messages of a topic are gone before they could be delivered",
		"topic", t.name, "after", gap.After.Offset, "epoch", gap.After.Epoch)
	t.hub.recent.Add(int64(-t.recent.bytes))
	t.last = gap.Tail
	t.recent.reset(gap.Tail.Offset, gap.Tail.Offset == 0)
	t.again = true
	t.fanoutGap()
	t.wake() // those who read find out from the engine: they may be further
}

// check compares the topic's last position with the engine's, as soon as that can
// be reached.
func (t *topic) check() {
	for wait := repairFirst; ; wait = min(2*wait, repairMost) {
		tail, err := t.hub.log.Tail(t.hub.ctx, t.name)
		if err == nil {
			t.mu.Lock()
			defer t.mu.Unlock()
			if tail.Epoch != t.last.Epoch || tail.Offset > t.last.Offset {
				t.startRepair()
			}
			return
		}
		if !t.hub.pause(wait) {
			return // the hub is closed
		}
	}
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
			h.checkAll()
		}
	})
}

// checkAll compares all topics with the engine, a few at a time.
func (h *Hub) checkAll() {
	topics := make(chan *topic)
	var all sync.WaitGroup
	for range checkers {
		all.Go(func() {
			for t := range topics {
				t.check()
			}
		})
	}
	for _, t := range h.openTopics() {
		topics <- t
	}
	close(topics)
	all.Wait()
}
