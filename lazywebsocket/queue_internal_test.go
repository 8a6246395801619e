package lazywebsocket

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// SizeofQueue is what a connection costs more that was published to once.
const SizeofQueue = unsafe.Sizeof(queue{})

// Held returns how many connections the group refers to.
func (g *Group) Held() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	held := len(g.places)
	for _, list := range [][]*Conn{g.members[:cap(g.members)], g.due[:cap(g.due)]} {
		for _, c := range list {
			if c != nil {
				held++
			}
		}
	}
	return held + g.flushers
}

// Queued, Behind and Inflated are what the budget counts.
func (b *Budget) Counted() (queued, inflated, handshakes int64, behind int, addresses int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for e := b.oldest; e != nil; e = e.next {
		behind++
	}
	return b.queued.Load(), b.inflated.Load(), b.handshakes.Load(), behind, len(b.addresses)
}

func TestRing(t *testing.T) {
	var r ring
	var model []*PreparedMessage
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		grows := i/5000%2 == 0
		if push := rnd.IntN(10) < 7; push == grows {
			pm := new(PreparedMessage)
			r.push(pm)
			model = append(model, pm)
		} else if len(model) > 0 {
			if r.pop() != model[0] {
				t.Fatal("wrong order")
			}
			model = model[1:]
		}
		if r.n != len(model) {
			t.Fatalf("%d of %d", r.n, len(model))
		}
		if r.n == 0 && (r.slots != nil || r.lent != nil) {
			t.Fatal("an empty ring keeps memory")
		}
	}
	r.push(new(PreparedMessage))
	r.clear()
	if r.n != 0 || r.slots != nil {
		t.Error("not empty")
	}
	for i := range slotPools {
		if s, ok := slotPools[i].Get().(*slots); ok {
			for _, pm := range s.s {
				if pm != nil {
					t.Fatal("a pool refers to a message")
				}
			}
		}
	}
}

// Who may be taken along, and who ends the company.
func TestTakeAlong(t *testing.T) {
	now := time.Now()
	pm, _ := NewPreparedMessage(TextMessage, nil)
	small, large := frame{payload: make([]byte, 10)}, frame{payload: make([]byte, 1000)}
	by := func(f frame, t time.Time) frame { f.deadline = t; return f }
	for name, tc := range map[string]struct {
		line     []waiter
		deadline time.Time
		stream   bool
		queued   bool
		want     int
	}{
		"nobody":             {},
		"all":                {line: []waiter{{frame: small, along: true}, {frame: small, along: true}}, want: 2},
		"not everybody":      {line: []waiter{{frame: small, along: true}, {}, {frame: small, along: true}}, want: 1},
		"room":               {line: []waiter{{frame: large, along: true}, {frame: large, along: true}, {frame: small, along: true}}, want: 1},
		"stream":             {line: []waiter{{frame: small, along: true}}, stream: true},
		"queue":              {line: []waiter{{frame: small, along: true}}, queued: true},
		"less time":          {line: []waiter{{frame: by(small, now), along: true}}, deadline: now.Add(1)},
		"less than no limit": {line: []waiter{{frame: by(small, now), along: true}}},
		"as much time":       {line: []waiter{{frame: by(small, now), along: true}, {frame: small, along: true}}, deadline: now, want: 2},
	} {
		g := gate{busy: true, stream: tc.stream}
		for i := range tc.line {
			w := &tc.line[i]
			w.ready = make(chan struct{})
			if g.last == nil {
				g.first = w
			} else {
				g.last.next = w
			}
			g.last = w
		}
		q := new(queue)
		if tc.queued {
			q.add(pm)
		}
		n := 0
		var held atomic.Pointer[queue]
		held.Store(q)
		company := g.takeAlong(&held, 1500, tc.deadline)
		for w := company; w != nil; w = w.next {
			if w != &tc.line[n] || !w.taken {
				t.Errorf("%s: number %d is another", name, n)
			}
			n++
		}
		left := 0
		for w := g.first; w != nil; w = w.next {
			left++
		}
		if n != tc.want || left != len(tc.line)-n {
			t.Errorf("%s: %d were taken along, and %d are left", name, n, left)
		}
		company.tell(ErrCloseSent)
		for i := range n {
			if <-tc.line[i].ready; tc.line[i].err != ErrCloseSent { //nolint:errorlint // told so
				t.Errorf("%s: %v", name, tc.line[i].err)
			}
		}
	}
}

func TestSizeofQueue(t *testing.T) {
	if SizeofQueue > 240 {
		t.Errorf("a queue has %d bytes", SizeofQueue)
	}
	t.Logf("a queue has %d bytes", SizeofQueue)
}

// Connections count in different tallies, so that processors do not fight for one.
func TestTrafficSpreads(t *testing.T) {
	tr, used := new(Traffic), map[*tally]bool{}
	for range trafficTallies {
		used[tr.pick()] = true
	}
	if len(used) != trafficTallies {
		t.Errorf("%d tallies are used", len(used))
	}
}
