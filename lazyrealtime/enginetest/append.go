package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golazy.dev/lazyrealtime"
)

var appendCases = []testCase{
	{"Append/one", testAppendOne},
	{"Append/batch", testAppendBatch},
	{"Append/nothing", testAppendNothing},
	{"Append/sizes", testAppendSizes},
	{"Append/strings", testAppendStrings},
	{"Append/topics", testAppendTopics},
	{"Append/writers", testAppendWriters},
	{"Append/first", testAppendFirst},
	{"Append/cancelled", testAppendCancelled},
}

// oddNames are topics, identities and keys that an engine might stumble over.
var oddNames = []string{
	"a", "A", "a b", " ", "a.b", "a.b.c", "a..b", ".", "..", "a.*", "a.>", "*", ">", "a/b", "/", "a\\b",
	"a:b", "a,b", "a;b", "a=b", "a_b", "a%b", "%2e", "a%2eb", "$a", "$SYS.a", "'", "\"", "--", "{}", "<turbo>",
	"a\tb", "a\r\nb", "a\x00b", "\u00fc", "u\u0308", "\u65e5\u672c\u8a9e \U0001f389",
	strings.Repeat("x", 255), strings.Repeat("\u65e5", 85), strings.Repeat(".", 255),
}

func testAppendOne(e *env) {
	before := time.Now().Truncate(time.Millisecond)
	tail := e.tail("t")
	got := e.appendOne(lazyrealtime.Entry{Topic: "t", ID: "id-1", From: "anna", Data: []byte("hello")})
	after := time.Now()
	if got.Duplicate {
		e.Error("the first message is a duplicate")
	}
	if got.Position.Epoch != tail.Epoch || got.Position.Offset <= tail.Offset {
		e.Errorf("position %+v is not behind the tail before, %+v", got.Position, tail)
	}
	if now := e.tail("t"); now != got.Position {
		e.Errorf("the tail is %+v, want the message's position, %+v", now, got.Position)
	}
	list := e.read("t", lazyrealtime.Position{})
	e.wantMessages(list, "hello")
	m := *list[0]
	// Another machine's clock may be a little off.
	if m.Time.Before(before.Add(-time.Second)) || m.Time.After(after.Add(time.Second)) {
		e.Errorf("time %v, want one between %v and %v", m.Time, before, after)
	}
	if m.Time.Nanosecond()%int(time.Millisecond) != 0 {
		e.Errorf("time %v is not in milliseconds", m.Time)
	}
	want := lazyrealtime.Message{Topic: "t", Position: got.Position, ID: "id-1", From: "anna", Time: m.Time, Data: []byte("hello")}
	if err := sameMessage(&m, &want); err != nil {
		e.Error(err)
	}
}

// A batch keeps its order, and its results belong to its entries.
func testAppendBatch(e *env) {
	topics := []string{"a", "b", "a", "c", "a", "b", "a"}
	last := make(map[string]lazyrealtime.Position)
	want := make(map[string][]string)
	at := make(map[lazyrealtime.Position]string)
	for round := range 5 {
		entries := make([]lazyrealtime.Entry, len(topics))
		for i, topic := range topics {
			entries[i] = entry(topic, "", fmt.Sprint(round, "/", i))
		}
		for i, done := range e.appendAll(entries...) {
			topic, data := topics[i], string(entries[i].Data)
			if done.Duplicate {
				e.Errorf("%q is a duplicate", data)
			}
			if p := last[topic]; !p.IsZero() && (done.Position.Offset <= p.Offset || done.Position.Epoch != p.Epoch) {
				e.Errorf("topic %q: position %+v comes behind %+v", topic, done.Position, p)
			}
			last[topic] = done.Position
			want[topic] = append(want[topic], data)
			at[done.Position] = topic + data
			at[lazyrealtime.Position{Epoch: topic, Offset: done.Position.Offset}] = data
		}
	}
	for topic, data := range want {
		list := e.read(topic, lazyrealtime.Position{})
		e.wantMessages(list, data...)
		for _, m := range list {
			if got := at[lazyrealtime.Position{Epoch: topic, Offset: m.Position.Offset}]; got != string(m.Data) {
				e.Errorf("topic %q: Append has said that offset %d is %q, Read says %q", topic, m.Position.Offset, got, m.Data)
			}
		}
	}
}

func testAppendNothing(e *env) {
	done, err := e.log.Append(e.Context(), nil)
	if err != nil || len(done) != 0 {
		e.Errorf("Append of no entries: %v, %v", done, err)
	}
}

func testAppendSizes(e *env) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	want := []string{"", "x", string(every)}
	for size := 4096; size < e.o.MaxData; size *= 16 {
		want = append(want, strings.Repeat("0123456789abcdef", size/16))
	}
	want = append(want, string(bytes.Repeat([]byte{0}, e.o.MaxData)))
	n, rec := e.join(e.log)
	e.follow(n, "t")
	for _, data := range want {
		e.append("t", data)
		e.eventually(func() error { return rec.hasLive("t", data) })
	}
	e.wantData("t", want...)
	e.wantMessages(e.readBy(e.log, "t", lazyrealtime.Position{}, 1), want...)
}

// Ids and identities are any strings.
func testAppendStrings(e *env) {
	for _, s := range oddNames {
		topic := "t"
		first := e.appendOne(lazyrealtime.Entry{Topic: topic, ID: s, From: s, Data: []byte(s)})
		if first.Duplicate {
			e.Fatalf("id %q: the first message is a duplicate", s)
		}
		list := e.read(topic, lazyrealtime.Position{})
		if m := list[len(list)-1]; m.ID != s || m.From != s || string(m.Data) != s {
			e.Errorf("id %q, from %q, data %q, want each to be %q", m.ID, m.From, m.Data, s)
		}
		if again := e.appendOne(entry(topic, s, "again")); !again.Duplicate || again.Position != first.Position {
			e.Errorf("id %q again: %+v, want a duplicate of %+v", s, again, first.Position)
		}
	}
}

// Topics are any strings, and do not touch each other.
func testAppendTopics(e *env) {
	n, rec := e.join(e.log)
	ctx := e.Context()
	for i, topic := range oddNames {
		if tail := e.tail(topic); tail.Epoch == "" {
			e.Fatalf("the tail of topic %q has no epoch", topic)
		}
		e.follow(n, topic)
		e.must(n.Enter(ctx, topic, topic, nil))
		e.append(topic, fmt.Sprint("first ", i))
		e.must(n.Send(ctx, topic, topic, []byte("sent")))
	}
	for i, topic := range oddNames {
		e.append(topic, fmt.Sprint("second ", i))
	}
	for i, topic := range oddNames {
		want := []string{fmt.Sprint("first ", i), fmt.Sprint("second ", i)}
		list := e.read(topic, lazyrealtime.Position{})
		if err := sameData(list, want); err != nil {
			e.Errorf("topic %q: %v", topic, err)
			continue
		}
		if err := sameData(e.read(topic, list[0].Position), want[1:]); err != nil {
			e.Errorf("topic %q behind its first message: %v", topic, err)
		}
		e.eventually(func() error { return rec.hasLive(topic, want[1]) })
		e.eventually(func() error { return rec.hasFleeting(fleeting{topic, topic, "sent"}) })
		e.eventually(func() error { return rec.hasPresence(topic, n.ID(), topic, "", false) })
		e.wantMembers(n, topic, present{n.ID(), topic, ""})
		if got := rec.data(topic); len(got) != 2 {
			e.Errorf("topic %q: Live was called for %q", topic, got)
		}
	}
}

// Many writers: no offset twice, nothing lost, and each writer's messages in order.
func testAppendWriters(e *env) {
	const writers, topics, rounds = 64, 16, 6
	var wg sync.WaitGroup
	var mu sync.Mutex
	at := make(map[string]map[uint64]string) // data by topic and offset, as Append has said
	for t := range topics {
		at[fmt.Sprint("t", t)] = make(map[uint64]string)
	}
	for w := range writers {
		wg.Go(func() {
			topic := fmt.Sprint("t", w%topics)
			for r := range rounds {
				entries := []lazyrealtime.Entry{entry(topic, fmt.Sprint(w, "-", r), fmt.Sprintf("%d %d", w, 2*r))}
				if w%3 == 0 { // some in batches, some without an id
					entries = append(entries, entry(topic, "", fmt.Sprintf("%d %d", w, 2*r+1)))
				}
				done, err := e.log.Append(e.Context(), entries)
				if err != nil {
					e.Errorf("writer %d: %v", w, err)
					return
				}
				mu.Lock()
				for i, d := range done {
					if other, twice := at[topic][d.Position.Offset]; twice {
						e.Errorf("topic %q: offset %d was given to %q and %q", topic, d.Position.Offset, other, entries[i].Data)
					}
					at[topic][d.Position.Offset] = string(entries[i].Data)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for topic, want := range at {
		e.wantWritten(topic, want)
	}
}

// wantWritten checks that a topic has what writers have been told, and that each
// one's messages rise.
func (e *env) wantWritten(topic string, want map[uint64]string) {
	e.Helper()
	last := make(map[int]int)
	list := e.read(topic, lazyrealtime.Position{})
	for _, m := range list {
		if want[m.Position.Offset] != string(m.Data) {
			e.Errorf("topic %q: Append has said that offset %d is %q, Read says %q", topic, m.Position.Offset, want[m.Position.Offset], m.Data)
		}
		var w, n int
		if _, err := fmt.Sscanf(string(m.Data), "%d %d", &w, &n); err != nil {
			e.Fatalf("topic %q has %q: %v", topic, brief(m.Data), err)
		}
		if before, ok := last[w]; ok && n <= before {
			e.Errorf("topic %q: writer %d's message %d comes behind its %d", topic, w, n, before)
		}
		last[w] = n
	}
	if len(list) != len(want) {
		e.Errorf("topic %q has %d messages, want %d", topic, len(list), len(want))
	}
}

// Many write the first message of a topic at once.
func testAppendFirst(e *env) {
	const topics, writers = 40, 6
	var wg sync.WaitGroup
	ready := make([]sync.WaitGroup, topics)
	for t := range ready {
		ready[t].Add(writers)
	}
	for w := range writers {
		wg.Go(func() {
			for t := range topics {
				ready[t].Done()
				ready[t].Wait()
				if _, err := e.log.Append(e.Context(), []lazyrealtime.Entry{entry(fmt.Sprint("t", t), "", fmt.Sprint(w))}); err != nil {
					e.Errorf("Append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for t := range topics {
		topic := fmt.Sprint("t", t)
		got := make(map[string]int)
		for _, m := range e.read(topic, lazyrealtime.Position{}) {
			got[string(m.Data)]++
		}
		for w := range writers {
			if n := got[fmt.Sprint(w)]; n != 1 {
				e.Errorf("topic %q has the first message of writer %d %d times", topic, w, n)
			}
		}
	}
}

// A cancelled Append may or may not have happened, but not by halves, and can be
// repeated.
func testAppendCancelled(e *env) {
	const calls = 60
	body := strings.Repeat("0123456789abcdef", 256)
	batch := func(i int) []lazyrealtime.Entry {
		var list []lazyrealtime.Entry
		for j := range 3 {
			id := fmt.Sprint(i, ".", j)
			list = append(list, entry(fmt.Sprint("t", i%4), id, id+" "+body))
		}
		return list
	}
	var wg sync.WaitGroup
	acked := make([][]lazyrealtime.Appended, calls)
	for i := range calls {
		ctx, cancel := context.WithCancel(e.Context())
		if i%4 == 0 {
			cancel()
		}
		wg.Go(func() {
			if done, err := e.log.Append(ctx, batch(i)); err == nil {
				acked[i] = done
			}
		})
		wg.Go(func() { cancel() })
	}
	wg.Wait()
	for i := range calls {
		done := e.appendAll(batch(i)...)
		for j, d := range acked[i] {
			if !done[j].Duplicate || done[j].Position != d.Position {
				e.Errorf("message %d.%d was acknowledged at %+v; repeated, it is %+v", i, j, d.Position, done[j])
			}
		}
	}
	for t := range 4 {
		topic := fmt.Sprint("t", t)
		seen := make(map[string]bool)
		for _, m := range e.read(topic, lazyrealtime.Position{}) {
			if string(m.Data) != m.ID+" "+body {
				e.Errorf("topic %q: message %q is torn: %q", topic, m.ID, brief(m.Data))
			}
			if seen[m.ID] {
				e.Errorf("topic %q: message %q is there twice", topic, m.ID)
			}
			seen[m.ID] = true
		}
		if len(seen) != calls/4*3 {
			e.Errorf("topic %q has %d messages, want %d", topic, len(seen), calls/4*3)
		}
	}
}
