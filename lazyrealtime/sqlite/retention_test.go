package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

const (
	countMessages = "SELECT count(*) FROM messages"
	countRuns     = "SELECT count(*) FROM runs"
	countTopics   = "SELECT count(*) FROM topics"
)

func openClock(t *testing.T, o Options) (*Log, *clock) {
	t.Helper()
	c := newClock()
	return openAt(t, filepath.Join(testDir(t), "log"), o, c), c
}

// What is published pays for the removal of what retention has taken: the file has
// no more than about twice what is kept, and the index not more than that either.
func TestSweepPaid(t *testing.T) {
	l, _ := openClock(t, Options{Backlog: 500})
	const topics, keep = 50, 40
	rounds := 200
	if raced {
		rounds = 40
	}
	for i := range rounds {
		entries := make([]lazyrealtime.Entry, 100)
		for j := range entries {
			entries[j] = lazyrealtime.Entry{Topic: fmt.Sprint("t", (i+j*j)%topics), Keep: lazyrealtime.Retention{Messages: keep}}
		}
		if _, err := l.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, func() bool { return l.sweeper.credits.Load() < sweepRows })
	// What lives, as much again, and what has no run yet.
	if n, most := count(t, l, countMessages), 2*topics*keep+2*500+sweepRows; n > most {
		t.Errorf("%d messages in the file, want %d at most", n, most)
	}
	if n := count(t, l, countRuns); n > topics*4 {
		t.Errorf("%d runs of %d topics", n, topics)
	}
}

// waitFor waits for what comes about in another goroutine.
func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come about")
		}
	}
}

// Where nothing is published what has become too old is deleted, and not before its
// id may be forgotten.
func TestSweepAged(t *testing.T) {
	l, c := openClock(t, Options{DedupeWindow: time.Minute})
	e := lazyrealtime.Entry{Topic: "t", Keep: lazyrealtime.Retention{Age: time.Second}}
	mustAppend(t, l, e)
	e.ID = "id"
	mustAppend(t, l, e)
	mustAppend(t, l, lazyrealtime.Entry{Topic: "kept"})
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{500 * time.Millisecond, 3}, {time.Second, 2}, {57 * time.Second, 2}, {2 * time.Second, 1}, {24 * time.Hour, 0}} {
		c.advance(step.wait)
		upkeep(t, l)
		if n := count(t, l, countMessages); n != step.want {
			t.Errorf("behind %v more: %d messages, want %d", step.wait, n, step.want)
		}
	}
}

// An id is known for its window to the millisecond, through retention and reopening.
func TestDedupeWindow(t *testing.T) {
	c := newClock()
	o := Options{DedupeWindow: time.Minute, Backlog: 2}
	path := filepath.Join(testDir(t), "log")
	l := openAt(t, path, o, c)
	e := lazyrealtime.Entry{Topic: "t", ID: "id", Keep: lazyrealtime.Retention{Messages: 1}}
	for round := range 3 {
		first := mustAppend(t, l, e)
		if first.Duplicate {
			t.Fatalf("round %d: %+v", round, first)
		}
		for range 10 { // takes it out of what is kept
			mustAppend(t, l, lazyrealtime.Entry{Topic: "t", Keep: e.Keep})
		}
		for _, wait := range []time.Duration{0, time.Second, 59*time.Second - time.Millisecond} {
			c.advance(wait)
			upkeep(t, l)
			if got := mustAppend(t, l, e); !got.Duplicate || got.Position != first.Position {
				t.Fatalf("round %d, behind %v: %+v, want %+v", round, wait, got, first)
			}
			if wait == time.Second {
				_ = l.Close()
				l = openAt(t, path, o, c)
			}
		}
		c.advance(time.Millisecond)
	}
}

// Topics with no messages go, from the file and not from those who follow them; one
// that comes again goes on behind all offsets that there were.
func TestReap(t *testing.T) {
	c := newClock()
	o := Options{ReapAfter: time.Hour, Topics: 1}
	path := filepath.Join(testDir(t), "log")
	l := openAt(t, path, o, c)
	short := lazyrealtime.Retention{Age: time.Minute}
	for range 5 {
		mustAppend(t, l, lazyrealtime.Entry{Topic: "a", Keep: short})
	}
	mustAppend(t, l, lazyrealtime.Entry{Topic: "b", Keep: short})
	followed := mustAppend(t, l, lazyrealtime.Entry{Topic: "followed", Keep: short})
	mustAppend(t, l, lazyrealtime.Entry{Topic: "living", Keep: lazyrealtime.Retention{Age: 1000 * time.Hour}})
	n, err := l.Join(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Follow(t.Context(), "followed"); err != nil {
		t.Fatal(err)
	}
	wantTopics := func(topics, runs int) {
		t.Helper()
		upkeep(t, l)
		if n := count(t, l, countTopics); n != topics {
			t.Errorf("%d topics, want %d", n, topics)
		}
		if n := count(t, l, countRuns); n != runs {
			t.Errorf("%d runs, want %d", n, runs)
		}
	}
	wantTopics(4, 4)
	c.advance(time.Minute)
	wantTopics(4, 1) // empty, for a moment now
	c.advance(59 * time.Minute)
	wantTopics(4, 1)
	mustAppend(t, l, lazyrealtime.Entry{Topic: "b", Keep: short}) // is not empty any more
	c.advance(time.Minute)
	wantTopics(3, 1) // a has gone, and b's message with its run
	_ = l.Close()
	l = openAt(t, path, o, c)
	for _, want := range []struct {
		topic string
		off   uint64
	}{{"a", 6}, {"new", 6}, {"b", 3}, {"followed", followed.Position.Offset + 1}, {"living", 2}} {
		if tail, err := l.Tail(t.Context(), want.topic); err != nil || tail.Offset != want.off-1 {
			t.Errorf("%s: tail %+v, %v, want %d", want.topic, tail, err, want.off-1)
		}
		got := mustAppend(t, l, lazyrealtime.Entry{Topic: want.topic})
		if got.Position.Offset != want.off {
			t.Errorf("%s: %+v, want offset %d", want.topic, got, want.off)
		}
		var gap *lazyrealtime.GapError
		if _, err := l.Read(t.Context(), want.topic, l.position(0), 10); !errors.As(err, &gap) && want.topic != "living" {
			t.Errorf("%s: reading from the beginning: %v, want a gap", want.topic, err)
		}
	}
}

// A topic in memory whose row went is the same topic: its offsets go on, and it gets
// a row again.
func TestReapInMemory(t *testing.T) {
	c := newClock()
	path := filepath.Join(testDir(t), "log")
	l := openAt(t, path, Options{ReapAfter: time.Hour}, c)
	e := lazyrealtime.Entry{Topic: "t", Keep: lazyrealtime.Retention{Age: time.Second}}
	mustAppend(t, l, e)
	for range 3 {
		c.advance(time.Hour)
		upkeep(t, l)
	}
	if n := count(t, l, countTopics); n != 0 {
		t.Fatalf("%d topics", n)
	}
	for want := uint64(2); want < 4; want++ {
		if got := mustAppend(t, l, e); got.Position.Offset != want {
			t.Fatalf("%+v, want offset %d", got, want)
		}
		_ = l.Close()
		l = openAt(t, path, Options{}, c)
	}
	if list := readAll(t, l, "t"); len(list) != 2 {
		t.Fatalf("%d messages", len(list))
	}
}

// Records and claims leave the file when they have expired.
func TestExpire(t *testing.T) {
	l, c := openClock(t, Options{})
	for i := range 3 {
		expires := c.now().Add(time.Duration(i+1) * time.Minute)
		if err := l.Control(t.Context(), lazyrealtime.Record{Kind: "k", Expires: expires}); err != nil {
			t.Fatal(err)
		}
		if first, err := l.Claim(t.Context(), fmt.Sprint(i), expires); err != nil || !first {
			t.Fatal(first, err)
		}
	}
	for want := 2; want >= 0; want-- {
		c.advance(time.Minute)
		upkeep(t, l)
		if n, m := count(t, l, "SELECT count(*) FROM controls"), count(t, l, "SELECT count(*) FROM claims"); n != want || m != want {
			t.Errorf("%d records and %d claims, want %d", n, m, want)
		}
	}
	// Numbers rise although no record is left.
	if err := l.Control(t.Context(), lazyrealtime.Record{Kind: "k", Expires: c.now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if list, next, err := l.Controls(t.Context(), 3); err != nil || len(list) != 1 || next != 4 {
		t.Errorf("%+v, %d, %v", list, next, err)
	}
}

// The time of messages never falls, so that it stays ahead when the clock was ahead for a
// while. What is claimed then is claimed all the same, and what the control log has does
// not expire before its time.
func TestExpireBehindAClockThatWasAhead(t *testing.T) {
	ctx := t.Context()
	l, c := openClock(t, Options{})
	c.advance(24 * time.Hour)
	mustAppend(t, l, lazyrealtime.Entry{Topic: "t"})
	c.advance(-24 * time.Hour)
	for _, want := range []bool{true, false} {
		if first, err := l.Claim(ctx, "ticket", c.now().Add(time.Minute)); err != nil || first != want {
			t.Fatalf("Claim: %v %v, want %v", first, err, want)
		}
	}
	if err := l.Control(ctx, lazyrealtime.Record{Kind: "revoke", Key: "anna", Expires: c.now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	upkeep(t, l)
	if first, err := l.Claim(ctx, "ticket", c.now().Add(time.Minute)); err != nil || first {
		t.Errorf("Claim behind an upkeep: %v %v, want false", first, err)
	}
	if list, _, err := l.Controls(ctx, 0); err != nil || len(list) != 1 {
		t.Errorf("Controls behind an upkeep: %v %v, want one record", list, err)
	}
	c.advance(time.Minute)
	if first, err := l.Claim(ctx, "ticket", c.now().Add(time.Minute)); err != nil || !first {
		t.Errorf("Claim of what has expired: %v %v, want true", first, err)
	}
}

// The WAL begins anew again and again although the writer never rests and there are
// always readers.
func TestWALBounded(t *testing.T) {
	const limit = 400
	l, _ := openClock(t, Options{Relaxed: true, walLimit: limit})
	stop := make(chan struct{})
	mustAppend(t, l, lazyrealtime.Entry{Topic: "t0"})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = l.Read(t.Context(), "t0", lazyrealtime.Position{}, 10)
				}
			}
		})
	}
	data := make([]byte, 64<<10)
	for i := range 400 { // 26 MB
		mustAppend(t, l, lazyrealtime.Entry{Topic: fmt.Sprint("t", i%10), Data: data, Keep: lazyrealtime.Retention{Messages: 10}})
	}
	close(stop)
	readers.Wait()
	info, err := os.Stat(l.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the WAL has %d bytes", info.Size())
	if most := int64(4 * limit * pageSize); info.Size() > most {
		t.Errorf("the WAL has %d bytes, want %d at most", info.Size(), most)
	}
}
