package sqlite

import "testing"

// Nothing within the window is forgotten while there is room, and what is behind it
// is, a part of the window later.
func TestDedupeGenerations(t *testing.T) {
	d := newDedupe(1000, 1<<20)
	for at := int64(1); at <= 10_000; at += 7 {
		d.add(uint64(at), at, at)
		for _, back := range []int64{0, 7, 497, 994} {
			if was := at - back; was > 0 && d.seq(uint64(was)) != was {
				t.Fatalf("at %d that of %d is forgotten", at, was)
			}
		}
		if was := at - 1750; was > 0 && d.seq(uint64(was)) != 0 {
			t.Fatalf("at %d that of %d is remembered", at, was)
		}
		if d.count > 1750/7+1 {
			t.Fatalf("%d are counted", d.count)
		}
	}
}

// The number of ids is bounded; the latest are those that are known.
func TestDedupeBounded(t *testing.T) {
	const limit = 100
	d := newDedupe(1000, limit)
	for i := int64(1); i <= 10_000; i++ {
		d.add(uint64(i), i, 1)
		n := 0
		for _, g := range d.gens {
			n += len(g)
		}
		if n != d.count || n > limit+limit/generations {
			t.Fatalf("%d ids, %d counted", n, d.count)
		}
		if was := i - limit/2; was > 0 && d.seq(uint64(was)) != was {
			t.Fatalf("that of %d is forgotten at %d", was, i)
		}
	}
}
