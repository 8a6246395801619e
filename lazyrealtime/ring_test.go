package lazyrealtime

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// at makes a message of some size.
func numbered(offset uint64, size int, when time.Time) *Message {
	return &Message{Position: Position{Epoch: "e", Offset: offset}, Time: when, Data: make([]byte, size)}
}

// A ring beside the whole log: whatever it answers is what the log has.
func TestRingModel(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		most, size := r.IntN(8), 200+r.IntN(3000)
		keep := Retention{Messages: 1 + r.IntN(12), Age: time.Duration(1+r.IntN(50)) * time.Second}
		now := time.Unix(1000, 0)
		var log []*Message // all that ever was
		var ring ring
		ring.reset(0, true)
		next := uint64(0)
		for step := range 200 {
			switch r.IntN(10) {
			case 0:
				now = now.Add(time.Duration(r.IntN(20)) * time.Second)
			case 1:
				if r.IntN(5) == 0 { // the memory is needed
					ring.reset(next, next == 0)
				}
			case 2:
				if older := olderThan(log, ring.base, r.IntN(4)); len(older) > 0 && len(older)+len(ring.messages) <= most {
					ring.prepend(older, older[0].Position.Offset-1-uint64(r.IntN(2))*0, false)
				}
			default:
				next += 1 + uint64(r.IntN(3)) // only the order of offsets has a meaning
				m := numbered(next, r.IntN(900), now)
				log = append(log, m)
				ring.push(m)
			}
			before := ring.bytes
			if freed := ring.trim(most, size, keep, now); freed != before-ring.bytes {
				t.Fatalf("seed %d, step %d: %d bytes freed, and said %d", seed, step, before-ring.bytes, freed)
			}
			if err := checkRing(&ring, log, next, most, size, keep, now); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
		}
	}
}

// olderThan returns up to n messages that end where a ring begins.
func olderThan(log []*Message, base uint64, n int) []*Message {
	end := 0
	for end < len(log) && log[end].Position.Offset <= base {
		end++
	}
	return log[max(0, end-n):end]
}

func checkRing(r *ring, log []*Message, last uint64, most, size int, keep Retention, now time.Time) error {
	var want []*Message
	bytes, retained := 0, 0
	for i, m := range log {
		if m.Position.Offset > r.base {
			want = append(want, m)
		}
		if len(log)-i <= keep.Messages && !m.Time.Before(now.Add(-keep.Age)) {
			retained++
		}
	}
	for _, m := range r.messages {
		bytes += cost(m)
	}
	switch {
	case !slices.Equal(r.messages, want):
		return fmt.Errorf("it holds %d messages behind %d, want %d", len(r.messages), r.base, len(want))
	case r.bytes != bytes:
		return fmt.Errorf("it counts %d bytes of %d", r.bytes, bytes)
	case len(r.messages) > most || len(r.messages) > keep.Messages || len(r.messages) > 1 && bytes > size:
		return fmt.Errorf("it holds %d messages and %d bytes of %d and %d", len(r.messages), bytes, most, size)
	case r.whole && len(r.messages) < retained:
		return fmt.Errorf("it is whole with %d of %d messages", len(r.messages), retained)
	case len(r.messages) > 0 && r.messages[0].Time.Before(now.Add(-keep.Age)):
		return fmt.Errorf("it holds a message that is too old")
	}
	for offset := r.base; offset <= last; offset++ {
		for _, limit := range []int{0, 1, 3, 100} {
			i := 0
			for i < len(want) && want[i].Position.Offset <= offset {
				i++
			}
			if got := r.behind(offset, limit); !slices.Equal(got, want[i:min(len(want), i+limit)]) {
				return fmt.Errorf("behind %d it has %d messages", offset, len(got))
			}
		}
	}
	return nil
}

// What was handed out stays as it is.
func TestRingKeepsNoHandOnWhatItGave(t *testing.T) {
	var r ring
	keep := Retention{}.OrDefault()
	for n := range uint64(4) {
		r.push(numbered(n+1, 10, time.Now()))
	}
	got := r.behind(0, 4)
	want := slices.Clone(got)
	r.trim(1, 1<<20, keep, time.Now())
	r.push(numbered(5, 10, time.Now()))
	r.reset(9, false)
	if !slices.Equal(got, want) || got[0] == nil {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The memory of what has left the ring is free.
func TestRingMovesOn(t *testing.T) {
	var r ring
	keep := Retention{}.OrDefault()
	for n := range uint64(10_000) {
		r.push(numbered(n+1, 1, time.Now()))
		r.trim(8, 1<<20, keep, time.Now())
		if cap(r.messages) > 64 {
			t.Fatalf("room for %d messages", cap(r.messages))
		}
	}
	if len(r.messages) != 8 || r.base != 9992 {
		t.Errorf("%d messages behind %d", len(r.messages), r.base)
	}
}
