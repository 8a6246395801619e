package enginetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

var reopenCases = []testCase{
	{"Reopen/clean", func(e *env) { testReopen(e, e.o.Reopen) }},
	{"Reopen/retention", testReopenRetention},
}

var crashCases = []testCase{
	{"Crash/idle", func(e *env) { testReopen(e, e.o.Crash) }},
	{"Crash/writers", testCrashWriters},
}

type reopen = func(t *testing.T, log lazyrealtime.Log) lazyrealtime.Log

// reopenBy makes the env's log another one with the same contents.
func (e *env) reopenBy(again reopen) {
	e.Helper()
	e.log = again(e.T, e.log)
	e.closeLater(e.log)
}

// Everything is there again: messages, ids, the control log, claims; positions
// mean what they did, and offsets go on rising. Presence is not: its node is gone.
func testReopen(e *env, again reopen) {
	ctx := e.Context()
	var at []lazyrealtime.Position
	for i := range 10 {
		at = append(at, e.appendOne(lazyrealtime.Entry{Topic: "t", ID: fmt.Sprint("id", i), From: "anna", Data: fmt.Append(nil, i)}).Position)
	}
	u := e.append("u", "u")
	unknown := e.tail("unknown")
	before := e.read("t", lazyrealtime.Position{})
	n, _ := e.join(e.log)
	e.follow(n, "t")
	e.must(n.Enter(ctx, "t", "anna", nil))
	e.control(lazyrealtime.Record{Kind: "revoke", Key: "anna", Value: "all", Expires: later()})
	records, next := e.controls(e.log, 0)
	e.claim("key", later())

	for round := range 2 {
		e.reopenBy(again)
		after := e.read("t", lazyrealtime.Position{})
		e.wantMessages(after, numbers(0, 10+round)...)
		for i, m := range before {
			if err := sameMessage(after[i], m); err != nil {
				e.Errorf("message %d differs: %v", i, err)
			}
		}
		e.wantMessages(e.read("t", at[3]), numbers(4, 10+round)...)
		for i, p := range at {
			e.wantDuplicate(e.appendOne(entry("t", fmt.Sprint("id", i), "again")), p)
		}
		last := e.append("t", fmt.Sprint(10+round))
		if tail := after[len(after)-1].Position; last.Epoch != tail.Epoch || last.Offset <= tail.Offset {
			e.Errorf("a new message is at %+v, not behind %+v", last, tail)
		}
		if got := e.tail("u"); got != u {
			e.Errorf("the tail of a topic is %+v, want %+v", got, u)
		}
		if got := e.tail("unknown"); got.Epoch != unknown.Epoch {
			e.Errorf("the epoch is %q, want %q", got.Epoch, unknown.Epoch)
		}
		list, nextNow := e.controls(e.log, 0)
		e.wantRecords(list, records)
		if nextNow < next || list[0].Seq != records[0].Seq {
			e.Errorf("the control log was at %d with record %d, and is at %d with record %d", next, records[0].Seq, nextNow, list[0].Seq)
		}
		if e.claim("key", later()) {
			e.Error("a key was claimed twice")
		}
		e.reopenedNode(n.ID(), "t")
	}
	e.append("unknown", "first")
	e.wantMessages(e.read("unknown", unknown), "first")
}

// reopenedNode checks that nodes work, that the members of the one before go, and
// that the feed's chain goes on where the log was.
func (e *env) reopenedNode(before, topic string) {
	e.Helper()
	n, rec := e.join(e.log)
	if n.ID() == before {
		e.Error("a new node has the id of the one before")
	}
	e.within(e.o.Lease+e.o.Wait, func() error { return e.hasMembers(n, topic) })
	e.follow(n, "chain")
	tail := e.tail("chain")
	e.append("chain", fmt.Sprint(tail.Offset))
	e.eventually(func() error { return rec.hasLive("chain", fmt.Sprint(tail.Offset)) })
	if l := rec.livesOf("chain")[0]; l.prev != tail.Offset && len(e.read("chain", lazyrealtime.Position{})) > 1 {
		e.Errorf("the first Live has prev %d, the tail was %d", l.prev, tail.Offset)
	}
	e.must(n.Close(e.Context()))
}

// What retention has removed stays so, and its places are known.
func testReopenRetention(e *env) {
	var at []lazyrealtime.Position
	for i := range 10 {
		at = append(at, e.appendOne(keepN("t", fmt.Sprint(i), 3)).Position)
	}
	aged := lazyrealtime.Entry{Topic: "aged", Data: []byte("x"), Keep: lazyrealtime.Retention{Age: e.o.MinAge}}
	old := e.appendOne(aged).Position
	e.reopenBy(e.o.Reopen)
	e.eventually(func() error { return e.retained("t", numbers(7, 10)...) })
	e.wantGap("t", at[4])
	e.within(e.o.MinAge+e.o.Wait, func() error { return e.retained("aged") })
	e.reopenBy(e.o.Reopen)
	if next := e.appendOne(aged).Position; next.Epoch != old.Epoch || next.Offset <= old.Offset {
		e.Errorf("a topic whose messages are all gone goes on at %+v, and was at %+v", next, old)
	}
	e.wantGap("t", at[4])
	e.wantMessages(e.read("t", at[8]), "9")
}

// crashWarm is how many acknowledgements a writer has at least before the crash.
const crashWarm = 5

// crashWriter writes one message at a time until the log fails it.
type crashWriter struct {
	mu     sync.Mutex // guards the fields below
	acked  []lazyrealtime.Position
	frozen int // how many had been acknowledged when the log was killed
}

func (w *crashWriter) entry(id, i int) lazyrealtime.Entry {
	en := entry(fmt.Sprint("t", id%4), fmt.Sprint(id, ".", i), fmt.Sprint(id, ".", i))
	en.Keep.Messages = 1 << 20
	return en
}

// write calls warm once it has some acknowledgements, or will get no more.
func (w *crashWriter) write(e *env, log lazyrealtime.Log, id int, warm func()) {
	defer warm()
	for i := range 5000 {
		if i == crashWarm {
			warm()
		}
		done, err := log.Append(e.Context(), []lazyrealtime.Entry{w.entry(id, i)})
		if err != nil || len(done) != 1 {
			return
		}
		w.mu.Lock()
		w.acked = append(w.acked, done[0].Position)
		w.mu.Unlock()
	}
}

// freeze counts what has been acknowledged by now.
func (w *crashWriter) freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = len(w.acked)
}

// at returns the position of an acknowledged message.
func (w *crashWriter) at(i int) lazyrealtime.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked[i]
}

// A crash beside writers: what was acknowledged is there, once, at its place; what
// was not can be appended again without being there twice.
func testCrashWriters(e *env) {
	const writers = 16
	list := make([]*crashWriter, writers)
	var wg, warm sync.WaitGroup
	warm.Add(writers)
	log := e.log
	for id := range list {
		list[id] = new(crashWriter)
		wg.Go(func() { list[id].write(e, log, id, sync.OnceFunc(warm.Done)) })
	}
	warm.Wait()
	for id, w := range list {
		if w.freeze(); w.frozen < crashWarm {
			e.Fatalf("writer %d has %d acknowledgements before the crash, want %d", id, w.frozen, crashWarm)
		}
	}
	e.reopenBy(e.o.Crash)
	for id, w := range list {
		for i := range w.frozen + 2 {
			done := e.appendOne(w.entry(id, i))
			if i < w.frozen {
				e.wantDuplicate(done, w.at(i))
			}
		}
	}
	_ = log.Close() // ends the writers, where the crash has not
	e.waitFor(&wg)
	for t := range 4 {
		e.wantOnce(fmt.Sprint("t", t), list)
	}
}

// wantOnce checks that a topic has each message once, all that were acknowledged
// before the crash, at their places.
func (e *env) wantOnce(topic string, list []*crashWriter) {
	e.Helper()
	at := make(map[string]lazyrealtime.Position)
	after := lazyrealtime.Position{}
	for {
		page, err := e.log.Read(e.Context(), topic, after, 500)
		e.must(err)
		for _, m := range page.Messages {
			if p, twice := at[m.ID]; twice {
				e.Errorf("topic %q: message %q is there twice, at %d and %d", topic, m.ID, p.Offset, m.Position.Offset)
			}
			if m.ID != string(m.Data) {
				e.Errorf("topic %q: message %q is torn: %q", topic, m.ID, brief(m.Data))
			}
			at[m.ID] = m.Position
			after = m.Position
		}
		if len(page.Messages) == 0 {
			break
		}
	}
	for id, w := range list {
		for i := range w.frozen + 2 {
			en := w.entry(id, i)
			p, ok := at[en.ID]
			switch {
			case en.Topic != topic:
			case !ok:
				e.Errorf("topic %q: message %q is lost", topic, en.ID)
			case i < w.frozen && p != w.at(i):
				e.Errorf("topic %q: message %q is at %+v, acknowledged at %+v", topic, en.ID, p, w.at(i))
			}
		}
	}
}

// waitFor waits for goroutines, and fails if they do not end.
func (e *env) waitFor(wg *sync.WaitGroup) {
	e.Helper()
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(e.o.Wait):
		e.Fatal("calls of the log that was killed do not return")
	}
}
