package enginetest

import (
	"errors"
	"fmt"
	"time"

	"golazy.dev/lazyrealtime"
)

var retentionCases = []testCase{
	{"Retention/count", testRetentionCount},
	{"Retention/change", testRetentionChange},
	{"Retention/age", testRetentionAge},
	{"Retention/age of some", testRetentionAgeOfSome},
	{"Retention/default", testRetentionDefault},
}

// keepN returns an entry whose topic keeps n messages.
func keepN(topic, data string, n int) lazyrealtime.Entry {
	return lazyrealtime.Entry{Topic: topic, Data: []byte(data), Keep: lazyrealtime.Retention{Messages: n}}
}

// retained returns nil once a topic has just that.
func (e *env) retained(topic string, want ...string) error {
	list, err := readAll(e, e.log, topic, lazyrealtime.Position{}, 100)
	if e.asGap(err) != nil {
		return err // pages that retention has overtaken
	}
	e.must(err)
	return sameData(list, want)
}

// The latest messages are kept, and who is behind them is told.
func testRetentionCount(e *env) {
	const n, keep = 25, 10
	e.appendN("other", 3)
	begin := e.tail("t")
	var at []lazyrealtime.Position
	for i := range n {
		at = append(at, e.appendOne(keepN("t", fmt.Sprint(i), keep)).Position)
	}
	e.eventually(func() error { return e.retained("t", numbers(n-keep, n)...) })
	if got := e.tail("t"); got != at[n-1] {
		e.Errorf("the tail is %+v, want %+v", got, at[n-1])
	}
	e.wantGap("t", begin)
	for i := range n - keep - 1 {
		e.wantGap("t", at[i])
	}
	// Nothing is missing behind the last that is gone; an engine that cannot know
	// that may say otherwise.
	edge, err := readAll(e, e.log, "t", at[n-keep-1], 100)
	if e.asGap(err) == nil {
		e.must(err)
		e.wantMessages(edge, numbers(n-keep, n)...)
	}
	for i := n - keep; i < n; i++ {
		e.wantMessages(e.read("t", at[i]), numbers(i+1, n)...)
	}
	e.wantData("other", "0", "1", "2")
}

// A topic's retention is that of its last message.
func testRetentionChange(e *env) {
	for i := range 12 {
		e.appendOne(keepN("room", fmt.Sprint(i), 100))
	}
	e.wantData("room", numbers(0, 12)...)
	e.appendOne(keepN("room", "12", 4))
	e.eventually(func() error { return e.retained("room", numbers(9, 13)...) })
	for i := 13; i < 20; i++ {
		e.appendOne(keepN("room", fmt.Sprint(i), 8))
	}
	e.eventually(func() error { return e.retained("room", numbers(12, 20)...) })
	e.appendOne(keepN("room", "20", 1))
	e.eventually(func() error { return e.retained("room", "20") })
}

// Messages go when they are old enough, not before, and their topic can be written
// and read as any other.
func testRetentionAge(e *env) {
	age := e.o.MinAge
	aged := func(data string) lazyrealtime.Position {
		return e.appendOne(lazyrealtime.Entry{Topic: "t", Data: []byte(data), Keep: lazyrealtime.Retention{Age: age}}).Position
	}
	before := e.tail("t")
	begin := time.Now()
	first := aged("0")
	aged("1")
	e.append("other", "stays")
	errStill := errors.New("aged messages are there")
	most := age + time.Second // later than that is too late
	if !e.o.Bubble {
		most += e.o.Wait // the machine may be busy
	}
	e.within(most, func() error {
		list, err := readAll(e, e.log, "t", lazyrealtime.Position{}, 100)
		e.must(err)
		// Engines keep milliseconds.
		if young := time.Since(begin) < age-2*time.Millisecond; young && len(list) < 2 {
			e.Fatalf("%d of 2 messages are left before they are %v old", len(list), age)
		}
		if len(list) > 0 {
			return errStill
		}
		return nil
	})
	e.wantGap("t", before)
	e.wantGap("t", first)
	tail := e.tail("t")
	e.wantMessages(e.read("t", tail))
	next := aged("2")
	if next.Offset <= tail.Offset || next.Offset <= first.Offset || next.Epoch != first.Epoch {
		e.Errorf("position %+v is not behind the tail %+v and the first message %+v", next, tail, first)
	}
	e.wantMessages(e.read("t", tail), "2")
	e.wantData("t", "2")
	e.wantData("other", "stays")
}

// A topic that goes on being written loses its old messages, whatever their number.
func testRetentionAgeOfSome(e *env) {
	keep := lazyrealtime.Retention{Messages: 1000, Age: e.o.MinAge}
	e.appendOne(lazyrealtime.Entry{Topic: "t", Data: []byte("old"), Keep: keep})
	i := 0
	e.within(e.o.MinAge+e.o.Wait, func() error {
		i++
		last := fmt.Sprint(i)
		begin := time.Now()
		e.appendOne(lazyrealtime.Entry{Topic: "t", Data: []byte(last), Keep: keep})
		list, err := readAll(e, e.log, "t", lazyrealtime.Position{}, 100)
		if e.asGap(err) != nil {
			return err // pages that retention has overtaken
		}
		e.must(err)
		if len(list) == 0 || string(list[len(list)-1].Data) != last {
			if time.Since(begin) >= e.o.MinAge-2*time.Millisecond { // engines keep milliseconds
				return errors.New("the latest message was too old when it was read")
			}
			e.Fatalf("the latest message, %q, is missing", last)
		}
		if string(list[0].Data) == "old" {
			return errors.New("the old message is there")
		}
		return nil
	})
}

// A zero Retention is 1000 messages, not all and not none.
func testRetentionDefault(e *env) {
	const n = 1010
	var entries []lazyrealtime.Entry
	for i := range n {
		entries = append(entries, entry("t", "", fmt.Sprint(i)))
	}
	for len(entries) > 0 {
		e.appendAll(entries[:n/10]...)
		entries = entries[n/10:]
	}
	e.eventually(func() error { return e.retained("t", numbers(n-1000, n)...) })
}
