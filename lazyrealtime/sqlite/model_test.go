package sqlite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// clock is a time that the test says.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(1_700_000_000_000)
	return c
}

func (c *clock) now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

func openAt(t *testing.T, path string, o Options, c *clock) *Log {
	t.Helper()
	l, err := openWith(t.Context(), path, o, c.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// upkeep has the sweeper do what it does every minute.
func upkeep(t *testing.T, l *Log) {
	t.Helper()
	answer := make(chan error)
	l.sweeper.demand <- answer
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
}

// count asks the file.
func count(t *testing.T, l *Log, query string) (n int) {
	t.Helper()
	err := l.reading(t.Context(), func(q *queries) error {
		row, err := q.one(query)
		if err == nil && row != nil {
			n = int(number(row[0]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustAppend(t *testing.T, l *Log, e lazyrealtime.Entry) lazyrealtime.Appended {
	t.Helper()
	done, err := l.Append(t.Context(), []lazyrealtime.Entry{e})
	if err != nil {
		t.Fatal(err)
	}
	return done[0]
}

// model is a log as the contract has it, slow and simple.
type model struct {
	topics map[string]*modelTopic
	ids    map[[2]string]modelID
	window time.Duration
}

type modelTopic struct {
	keep  lazyrealtime.Retention
	lower uint64
	list  []modelMessage // offset i+1
}

type modelMessage struct {
	data string
	at   time.Time
}

type modelID struct {
	off uint64
	at  time.Time
}

func (m *model) append(e lazyrealtime.Entry, now time.Time) (uint64, bool) {
	if id, ok := m.ids[[2]string{e.Topic, e.ID}]; ok && now.Sub(id.at) < m.window {
		return id.off, true
	}
	t := m.topics[e.Topic]
	if t == nil {
		t = &modelTopic{}
		m.topics[e.Topic] = t
	}
	t.keep = e.Keep
	t.list = append(t.list, modelMessage{string(e.Data), now})
	last := uint64(len(t.list))
	if n := uint64(e.Keep.Messages); last > n {
		t.lower = max(t.lower, last-n)
	}
	if e.ID != "" {
		m.ids[[2]string{e.Topic, e.ID}] = modelID{last, now}
	}
	return last, false
}

// from returns the offset of the first message that is there, behind the last one
// if none is.
func (t *modelTopic) from(now time.Time) uint64 {
	off := t.lower + 1
	for off <= uint64(len(t.list)) && now.Sub(t.list[off-1].at) >= t.keep.Age {
		off++
	}
	return off
}

// A log does what a simple model of one does, through appends, indexing, sweeping,
// upkeep, eviction, and reopening with and without a crash.
func TestModel(t *testing.T) {
	seeds := uint64(6)
	if raced {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			testModel(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func testModel(t *testing.T, rnd *rand.Rand) {
	c := newClock()
	o := Options{
		DedupeWindow: time.Second, Topics: 1 + rnd.IntN(20), Backlog: 1 + rnd.IntN(400), ReapAfter: -1,
	}
	path := filepath.Join(testDir(t), "log")
	l := openAt(t, path, o, c)
	m := &model{topics: map[string]*modelTopic{}, ids: map[[2]string]modelID{}, window: time.Second}
	steps := 1500
	if raced {
		steps = 400
	}
	for range steps {
		switch n := rnd.IntN(1000); {
		case n < 600:
			modelAppend(t, l, m, rnd, c)
		case n < 960:
			modelRead(t, l, m, rnd, c)
		case n < 980:
			c.advance(time.Duration(rnd.IntN(700)) * time.Millisecond)
		case n < 990:
			upkeep(t, l)
		default:
			if rnd.IntN(2) == 0 {
				_ = l.Close()
			} else {
				abandon(l)
			}
			l = openAt(t, path, o, c)
		}
	}
}

func modelAppend(t *testing.T, l *Log, m *model, rnd *rand.Rand, c *clock) {
	t.Helper()
	entries := make([]lazyrealtime.Entry, 1+rnd.IntN(40))
	for i := range entries {
		e := lazyrealtime.Entry{
			Topic: fmt.Sprint("t", rnd.IntN(5)*rnd.IntN(6)), Data: fmt.Append(nil, rnd.Uint64()),
			Keep: lazyrealtime.Retention{Messages: 150, Age: 3 * time.Second},
		}
		if rnd.IntN(100) == 0 {
			e.Keep.Messages = 1 + rnd.IntN(300)
		}
		if rnd.IntN(3) == 0 {
			e.ID = fmt.Sprint(rnd.IntN(300))
		}
		entries[i] = e
	}
	done, err := l.Append(t.Context(), entries)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		off, dup := m.append(e, c.now())
		if got := done[i]; got.Position.Offset != off || got.Duplicate != dup {
			t.Fatalf("Append to %s, id %q: %+v, want offset %d, duplicate %v", e.Topic, e.ID, got, off, dup)
		}
	}
}

func modelRead(t *testing.T, l *Log, m *model, rnd *rand.Rand, c *clock) {
	t.Helper()
	name := fmt.Sprint("t", rnd.IntN(5)*rnd.IntN(6))
	mt := m.topics[name]
	if mt == nil {
		mt = &modelTopic{}
	}
	last, from := uint64(len(mt.list)), mt.from(c.now())
	after := lazyrealtime.Position{Epoch: l.epoch, Offset: uint64(rnd.IntN(int(last) + 2))}
	if rnd.IntN(3) == 0 {
		after.Offset = min(last, from+uint64(rnd.IntN(20)))
	}
	if rnd.IntN(5) == 0 {
		after = lazyrealtime.Position{}
	}
	limit := 1 + rnd.IntN(200)
	page, err := l.Read(t.Context(), name, after, limit)
	if page.Tail != l.position(last) {
		t.Fatalf("Read of %s: tail %+v, want %d", name, page.Tail, last)
	}
	first := after.Offset + 1
	if after.IsZero() {
		first = from
	}
	if gap := first < from || after.Offset > last; gap || err != nil {
		if !gap || !errors.As(err, new(*lazyrealtime.GapError)) {
			t.Fatalf("Read of %s behind %d: error %v, want a gap: %v; %d to %d are there", name, after.Offset, err, gap, from, last)
		}
		return
	}
	n := len(page.Messages)
	if n > limit || (n == 0) != (first > last) {
		t.Fatalf("Read of %s behind %d: %d messages of at most %d; %d to %d are there", name, after.Offset, n, limit, from, last)
	}
	for i, msg := range page.Messages {
		want := mt.list[first-1+uint64(i)]
		if msg.Position.Offset != first+uint64(i) || string(msg.Data) != want.data || !msg.Time.Equal(want.at) {
			t.Fatalf("Read of %s: message %d is %+v, want offset %d, %+v", name, i, msg, first+uint64(i), want)
		}
	}
}
