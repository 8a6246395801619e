package lazywebsocket

import (
	"bytes"
	"testing"
)

func TestBorrowSizes(t *testing.T) {
	for n, want := range map[int]int{
		-1: 512, 0: 512, 1: 512, 511: 512, 512: 512, 513: 1024, 1024: 1024, 4096 + 14: 8192,
		32769: 65536, 65536: 65536, 65537: 131072, 1 << 20: 1 << 20, 1 << 30: 1 << 20,
	} {
		p := borrow(n)
		if len(p.b) != want || cap(p.b) != want {
			t.Errorf("borrow(%d) has %d bytes, want %d", n, len(p.b), want)
		}
		giveBack(p)
	}
}

// What is given back is overwritten in builds with the race detector, and only
// there.
func TestGiveBackPoisons(t *testing.T) {
	p := borrow(1000)
	for i := range p.b {
		p.b[i] = 'a'
	}
	kept := p.b // as a bug would keep it
	giveBack(p)
	want := byte('a')
	if raceEnabled {
		want = poison
	}
	if !bytes.Equal(kept, bytes.Repeat([]byte{want}, len(kept))) {
		t.Errorf("what was given back begins % x", kept[:8])
	}
}
