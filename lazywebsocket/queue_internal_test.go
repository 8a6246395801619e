package lazywebsocket

import (
	"math/rand/v2"
	"testing"
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

func TestSizeofQueue(t *testing.T) {
	if SizeofQueue > 240 {
		t.Errorf("a queue has %d bytes", SizeofQueue)
	}
	t.Logf("a queue has %d bytes", SizeofQueue)
}
