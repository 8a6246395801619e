package enginetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golazy.dev/lazyrealtime"
)

var controlCases = []testCase{
	{"Control/order", testControlOrder},
	{"Control/changed", testControlChanged},
	{"Control/expired", testControlExpired},
	{"Control/concurrent", testControlConcurrent},
}

var claimCases = []testCase{
	{"Claim/one wins", testClaimOneWins},
	{"Claim/keys", testClaimKeys},
	{"Claim/expired", testClaimExpired},
}

// later returns a time that a test does not live to see.
func later() time.Time { return time.Now().Add(time.Hour).Truncate(time.Millisecond) }

func (e *env) control(r lazyrealtime.Record) {
	e.Helper()
	if err := e.log.Control(e.Context(), r); err != nil {
		e.Fatalf("Control: %v", err)
	}
}

// controls returns the records behind a number, checked, and the number to go on from.
func (e *env) controls(log lazyrealtime.Log, after uint64) ([]lazyrealtime.Record, uint64) {
	e.Helper()
	list, next, err := log.Controls(e.Context(), after)
	if err != nil {
		e.Fatalf("Controls behind %d: %v", after, err)
	}
	last := after
	for _, r := range list {
		if r.Seq <= last {
			e.Errorf("Controls behind %d: record %q has number %d, behind %d", after, r.Key, r.Seq, last)
		}
		last = r.Seq
	}
	if next < last {
		e.Errorf("Controls behind %d: go on from %d, and the last record is %d", after, next, last)
	}
	return list, next
}

func testControlOrder(e *env) {
	list, next := e.controls(e.log, 0)
	if len(list) != 0 {
		e.Errorf("a new log has records: %+v", list)
	}
	var want []lazyrealtime.Record
	for i, s := range append([]string{""}, oddNames...) {
		want = append(want, lazyrealtime.Record{Kind: fmt.Sprint("kind ", i%3), Key: s, Value: s + s, Expires: later()})
		r := want[i]
		r.Seq = 12345 // is ignored
		e.control(r)
	}
	for _, after := range []uint64{0, next} {
		list, _ = e.controls(e.log, after)
		e.wantRecords(list, want)
	}
	for i, r := range list {
		rest, _ := e.controls(e.log, r.Seq)
		e.wantRecords(rest, want[i+1:])
	}
	_, next = e.controls(e.log, 0)
	rest, again := e.controls(e.log, next)
	if len(rest) != 0 || again < next {
		e.Errorf("behind number %d to go on from there are %d records, and the next is %d", next, len(rest), again)
	}
	last := lazyrealtime.Record{Kind: "kind", Key: "last", Expires: later()}
	e.control(last)
	rest, _ = e.controls(e.log, next)
	e.wantRecords(rest, []lazyrealtime.Record{last})
}

func (e *env) wantRecords(got, want []lazyrealtime.Record) {
	e.Helper()
	if len(got) != len(want) {
		e.Fatalf("%d records, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		r := got[i]
		if r.Kind != w.Kind || r.Key != w.Key || r.Value != w.Value || !r.Expires.Equal(w.Expires) {
			e.Errorf("record %d is %+v, want %+v", i, r, w)
		}
	}
}

// All nodes are told, whatever they follow; by then the record is there. They may
// be told more than once.
func testControlChanged(e *env) {
	peer := e.peer()
	logs := []lazyrealtime.Log{e.log, peer}
	var recs []*recorder
	for _, log := range logs {
		_, rec := e.join(log)
		recs = append(recs, rec)
	}
	changes, next := make([]int, 2), make([]uint64, 2)
	for i := range 5 {
		key := fmt.Sprint(i)
		e.control(lazyrealtime.Record{Kind: "revoke", Key: key, Expires: later()})
		for j, rec := range recs {
			e.eventually(func() error {
				if err := rec.hasChanged(changes[j]); err != nil {
					return err
				}
				changes[j] = rec.changes()
				var list []lazyrealtime.Record
				list, next[j] = e.controls(logs[j], next[j])
				if len(list) != 1 || list[0].Key != key {
					return fmt.Errorf("Changed was called, and Controls has %+v, want key %q", list, key)
				}
				return nil
			})
		}
	}
}

// A record that has expired is left out, and does not hold up the reading.
func testControlExpired(e *env) {
	expires := time.Now().Add(e.o.MinAge).Truncate(time.Millisecond)
	e.control(lazyrealtime.Record{Kind: "k", Key: "stays", Expires: later()})
	e.control(lazyrealtime.Record{Kind: "k", Key: "past", Expires: time.Now().Add(-time.Hour)})
	e.control(lazyrealtime.Record{Kind: "k", Key: "soon", Expires: expires})
	errStill := errors.New("a record is there that has expired")
	e.within(e.o.MinAge+e.o.Wait, func() error {
		list, _ := e.controls(e.log, 0)
		soon := false
		for _, r := range list {
			soon = soon || r.Key == "soon"
			if r.Key == "past" {
				e.Fatal("Controls returns a record that had expired when it was written")
			}
		}
		if !soon && time.Now().Before(expires) {
			e.Fatal("a record is missing that has not expired")
		}
		if soon {
			return errStill
		}
		return nil
	})
	list, next := e.controls(e.log, 0)
	if len(list) != 1 || list[0].Key != "stays" {
		e.Fatalf("records %+v, want the one that has not expired", list)
	}
	e.control(lazyrealtime.Record{Kind: "k", Key: "last", Expires: later()})
	for _, after := range []uint64{next, list[0].Seq} {
		if list, _ := e.controls(e.log, after); len(list) != 1 || list[0].Key != "last" {
			e.Errorf("records behind %d: %+v, want the last one", after, list)
		}
	}
}

func testControlConcurrent(e *env) {
	const writers, rounds = 16, 5
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				r := lazyrealtime.Record{Kind: "k", Key: fmt.Sprint(w, " ", i), Expires: later()}
				if err := e.log.Control(e.Context(), r); err != nil {
					e.Errorf("Control: %v", err)
				}
			}
		})
	}
	// A reader that goes on from where it was sees each once.
	seen := make(map[string]int)
	next := uint64(0)
	e.eventually(func() error {
		var list []lazyrealtime.Record
		list, next = e.controls(e.log, next)
		for _, r := range list {
			seen[r.Key]++
		}
		if len(seen) < writers*rounds {
			return fmt.Errorf("%d of %d records read", len(seen), writers*rounds)
		}
		return nil
	})
	wg.Wait()
	for key, n := range seen {
		if n != 1 {
			e.Errorf("record %q was read %d times", key, n)
		}
	}
	if list, _ := e.controls(e.log, 0); len(list) != writers*rounds {
		e.Errorf("%d records, want %d", len(list), writers*rounds)
	}
}

func (e *env) claim(key string, then time.Time) bool {
	e.Helper()
	first, err := e.log.Claim(e.Context(), key, then)
	if err != nil {
		e.Fatalf("Claim of %q: %v", key, err)
	}
	return first
}

// winners returns how many of many concurrent claims win, on two logs.
func (e *env) winners(peer lazyrealtime.Log, key string, then time.Time) int {
	logs := []lazyrealtime.Log{e.log, peer}
	var wg sync.WaitGroup
	var n atomic.Int32
	for i := range 32 {
		wg.Go(func() {
			first, err := logs[i%2].Claim(e.Context(), key, then)
			if err != nil {
				e.Errorf("Claim: %v", err)
			}
			if first {
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return int(n.Load())
}

func testClaimOneWins(e *env) {
	peer := e.peer()
	for _, key := range []string{"a", "b"} {
		if n := e.winners(peer, key, later()); n != 1 {
			e.Errorf("%d of 32 have claimed key %q", n, key)
		}
		if e.claim(key, later()) {
			e.Errorf("key %q was claimed again", key)
		}
	}
}

func testClaimKeys(e *env) {
	for _, key := range oddNames {
		if !e.claim(key, later()) {
			e.Errorf("key %q is not claimed, and could not be", key)
		}
	}
	for _, key := range oddNames {
		if e.claim(key, later()) {
			e.Errorf("key %q was claimed twice", key)
		}
	}
}

// A claim lasts until its time, however often others try, and is then free for one.
func testClaimExpired(e *env) {
	then := time.Now().Add(e.o.MinAge)
	if !e.claim("a", then) {
		e.Fatal("the first claim has failed")
	}
	errStill := errors.New("the claim has not expired")
	e.within(e.o.MinAge+e.o.Wait, func() error {
		first := e.claim("a", time.Now().Add(e.o.MinAge))
		if now := time.Now(); first && now.Before(then.Truncate(time.Millisecond)) {
			e.Fatalf("claimed again %v before its time", then.Sub(now))
		}
		if !first {
			return errStill
		}
		return nil
	})
	then = time.Now().Add(e.o.MinAge)
	if !e.claim("b", then) {
		e.Fatal("the first claim of another key has failed")
	}
	peer := e.peer()
	// When that has passed, one of many wins.
	e.within(e.o.MinAge+e.o.Wait, func() error {
		switch n := e.winners(peer, "b", later()); n {
		case 0:
			return errStill
		case 1:
			return nil
		default:
			e.Fatalf("%d have claimed a key whose time had passed", n)
			return nil
		}
	})
}
