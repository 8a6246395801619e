package enginetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golazy.dev/lazyrealtime"
)

var dedupeCases = []testCase{
	{"Dedupe/same", testDedupeSame},
	{"Dedupe/batch", testDedupeBatch},
	{"Dedupe/concurrent", testDedupeConcurrent},
	{"Dedupe/retention", testDedupeRetention},
}

var windowCases = []testCase{
	{"Dedupe/window", testDedupeWindow},
}

// wantDuplicate checks that an entry is a duplicate of what is at a position.
func (e *env) wantDuplicate(got lazyrealtime.Appended, of lazyrealtime.Position) {
	e.Helper()
	if !got.Duplicate || got.Position != of {
		e.Errorf("got %+v, want a duplicate of %+v", got, of)
	}
}

func testDedupeSame(e *env) {
	first := e.appendOne(entry("t", "id", "first"))
	second := e.appendOne(entry("t", "id-2", "second"))
	if first.Duplicate || second.Duplicate {
		e.Fatalf("new ids are duplicates: %+v, %+v", first, second)
	}
	e.wantDuplicate(e.appendOne(entry("t", "id", "again")), first.Position)
	e.wantDuplicate(e.appendOne(entry("t", "id-2", "again")), second.Position)
	if got := e.tail("t"); got != second.Position {
		e.Errorf("duplicates have moved the tail from %+v to %+v", second.Position, got)
	}
	if other := e.appendOne(entry("u", "id", "other topic")); other.Duplicate {
		e.Error("the same id on another topic is a duplicate")
	}
	for range 3 {
		if got := e.appendOne(entry("t", "", "no id")); got.Duplicate {
			e.Error("a message without an id is a duplicate")
		}
	}
	e.wantData("t", "first", "second", "no id", "no id", "no id")
	e.wantData("u", "other topic")
}

// Duplicates in a batch, of what was there and of each other, beside new messages.
func testDedupeBatch(e *env) {
	first := e.appendOne(entry("t", "a", "a"))
	done := e.appendAll(
		entry("t", "b", "b"),
		entry("t", "a", "again"),
		entry("t", "b", "again"),
		entry("u", "a", "a"),
		entry("t", "c", "c"),
		entry("u", "a", "again"),
	)
	e.wantDuplicate(done[1], first.Position)
	e.wantDuplicate(done[2], done[0].Position)
	e.wantDuplicate(done[5], done[3].Position)
	for _, i := range []int{0, 3, 4} {
		if done[i].Duplicate {
			e.Errorf("entry %d is a duplicate", i)
		}
	}
	list := e.read("t", lazyrealtime.Position{})
	e.wantMessages(list, "a", "b", "c")
	if list[1].Position != done[0].Position || list[2].Position != done[4].Position {
		e.Errorf("messages are at %+v and %+v; Append said %+v and %+v",
			list[1].Position, list[2].Position, done[0].Position, done[4].Position)
	}
	e.wantData("u", "a")
}

// Of concurrent duplicates one is stored, and all are told where.
func testDedupeConcurrent(e *env) {
	const callers, ids = 32, 4
	for i := range ids {
		topic, id := fmt.Sprint("t", i%2), fmt.Sprint("id", i)
		done := make([]lazyrealtime.Appended, callers)
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				got, err := e.log.Append(e.Context(), []lazyrealtime.Entry{entry(topic, id, id)})
				if err != nil {
					e.Errorf("Append: %v", err)
					return
				}
				done[c] = got[0]
			})
		}
		wg.Wait()
		fresh := 0
		for _, d := range done {
			if !d.Duplicate {
				fresh++
			}
			if d.Position != done[0].Position {
				e.Errorf("positions %+v and %+v for one id", d.Position, done[0].Position)
			}
		}
		if fresh != 1 {
			e.Errorf("%d of %d were told that they were first", fresh, callers)
		}
	}
	e.wantData("t0", "id0", "id2")
	e.wantData("t1", "id1", "id3")
}

// The window of ids is one of time: retention does not shorten it.
func testDedupeRetention(e *env) {
	keep := lazyrealtime.Retention{Messages: 2}
	first := e.appendOne(lazyrealtime.Entry{Topic: "t", ID: "id", Data: []byte("first"), Keep: keep})
	for i := range 5 {
		e.appendOne(lazyrealtime.Entry{Topic: "t", Data: fmt.Append(nil, i), Keep: keep})
	}
	e.eventually(func() error { return sameData(e.read("t", lazyrealtime.Position{}), []string{"3", "4"}) })
	e.wantDuplicate(e.appendOne(lazyrealtime.Entry{Topic: "t", ID: "id", Data: []byte("again"), Keep: keep}), first.Position)
	e.wantData("t", "3", "4")
}

func testDedupeWindow(e *env) {
	begin := time.Now()
	first := e.appendOne(entry("t", "id", "first"))
	errStill := errors.New("the id is remembered")
	e.within(e.o.Window+e.o.Wait, func() error {
		got := e.appendOne(entry("t", "id", "again"))
		if got.Duplicate {
			e.wantDuplicate(got, first.Position)
			return errStill
		}
		if past := time.Since(begin); past < e.o.Window {
			e.Errorf("the id was forgotten after %v, before the window of %v had passed", past, e.o.Window)
		}
		return nil
	})
	e.wantData("t", "first", "again")
}
