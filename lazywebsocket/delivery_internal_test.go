package lazywebsocket

import (
	"runtime"
	"testing"
	"unsafe"
)

// What a delivery looks at is not in the processor's cache: it is to be few lines of it.
func TestDeliveryLooksAtFewLines(t *testing.T) {
	const line = 64
	var c Conn
	var q queue
	if hot := unsafe.Sizeof(c) - unsafe.Offsetof(c.src); hot > 168 {
		t.Errorf("of a Conn %d bytes", hot)
	}
	if hot := unsafe.Offsetof(q.ring) + unsafe.Offsetof(q.ring.few) + unsafe.Sizeof(q.ring.few[0]); hot > 2*line {
		t.Errorf("of a queue %d bytes", hot)
	}
}

// A flusher that something keeps does not keep more connections than it is enough for,
// where there is a processor.
func TestFlushersShareMany(*testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	g := new(Group)
	stuck := new(Conn)
	for range flushAlone + 1 {
		c := stuck
		if len(g.due) > 0 {
			c = new(Conn)
		}
		c.openQueue().scheduled = true
		g.due = append(g.due, c)
	}
	last := g.due[flushAlone]
	stuck.w.gate.mu.Lock()
	g.mu.Lock()
	g.startFlusher()
	g.mu.Unlock()
	for done := false; !done; runtime.Gosched() {
		last.w.gate.mu.Lock()
		done = !last.w.queue.Load().scheduled
		last.w.gate.mu.Unlock()
	}
	stuck.w.gate.mu.Unlock()
	for held := -1; held != 0; runtime.Gosched() {
		held = g.Held()
	}
}
