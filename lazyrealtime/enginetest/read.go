package enginetest

import (
	"errors"
	"fmt"

	"golazy.dev/lazyrealtime"
)

var readCases = []testCase{
	{"Read/pages", testReadPages},
	{"Read/gaps", testReadGaps},
	{"Read/unknown", testReadUnknown},
	{"Read/sparse", testReadSparse},
	{"Read/while written", testReadWhileWritten},
}

// Reading from everywhere, by pages of all sizes, gives the same.
func testReadPages(e *env) {
	const n = 23
	at := e.appendN("t", n)
	e.appendN("u", 5)
	for _, limit := range []int{1, 2, 7, n - 1, n, n + 1, 1000} {
		e.wantMessages(e.readBy(e.log, "t", lazyrealtime.Position{}, limit), numbers(0, n)...)
	}
	for i, p := range at {
		list := e.readBy(e.log, "t", p, 4)
		e.wantMessages(list, numbers(i+1, n)...)
		for j, m := range list {
			if m.Position != at[i+1+j] {
				e.Errorf("message %q is at %+v, Append said %+v", m.Data, m.Position, at[i+1+j])
			}
		}
	}
	page, err := e.log.Read(e.Context(), "t", lazyrealtime.Position{}, 3)
	e.must(err)
	if page.Tail != at[n-1] {
		e.Errorf("the first page's tail is %+v, want the topic's, %+v", page.Tail, at[n-1])
	}
	page, err = e.log.Read(e.Context(), "t", at[n-1], 3)
	if err != nil || len(page.Messages) > 0 || page.Tail != at[n-1] {
		e.Errorf("Read at the tail: %+v, %v; want no messages and tail %+v", page, err, at[n-1])
	}
}

// wantGap checks that a position cannot be read on from.
func (e *env) wantGap(topic string, after lazyrealtime.Position) {
	e.Helper()
	page, err := e.log.Read(e.Context(), topic, after, 10)
	if gap := e.asGap(err); gap == nil {
		e.Errorf("Read of %q behind %+v: %d messages and error %v, want a GapError", topic, after, len(page.Messages), err)
	} else if tail := e.tail(topic); gap.Topic != topic || gap.After != after || gap.Tail != tail {
		e.Errorf("%+v, want topic %q, after %+v, tail %+v", *gap, topic, after, tail)
	}
}

func (e *env) asGap(err error) *lazyrealtime.GapError {
	var gap *lazyrealtime.GapError
	if !errors.As(err, &gap) {
		return nil
	}
	return gap
}

// A position that is not one of this log's is a gap.
func testReadGaps(e *env) {
	at := e.appendN("t", 3)
	tail := at[2]
	for _, offset := range []uint64{tail.Offset + 1, tail.Offset + 2, tail.Offset + 1_000_000, 1 << 62} {
		e.wantGap("t", lazyrealtime.Position{Epoch: tail.Epoch, Offset: offset})
	}
	for _, offset := range []uint64{0, at[0].Offset, tail.Offset, tail.Offset + 1} {
		e.wantGap("t", lazyrealtime.Position{Epoch: "another", Offset: offset})
		e.wantGap("t", lazyrealtime.Position{Epoch: tail.Epoch + "x", Offset: offset})
	}
	for _, p := range at {
		e.wantGap("t", lazyrealtime.Position{Offset: p.Offset})
	}
	e.wantGap("unknown", lazyrealtime.Position{Epoch: "another", Offset: 0})
	e.wantGap("unknown", lazyrealtime.Position{Epoch: tail.Epoch, Offset: tail.Offset + 1_000_000})
	e.wantData("t", "0", "1", "2")
}

// The tail of a topic without messages is a place to go on from.
func testReadUnknown(e *env) {
	tail := e.tail("t")
	if tail.Epoch == "" {
		e.Error("the tail of an unknown topic has no epoch")
	}
	for _, after := range []lazyrealtime.Position{{}, tail} {
		page, err := e.log.Read(e.Context(), "t", after, 10)
		if err != nil || len(page.Messages) > 0 || page.Tail != tail {
			e.Errorf("Read behind %+v: %+v, %v; want no messages and tail %+v", after, page, err, tail)
		}
	}
	first := e.append("t", "first")
	if first.Epoch != tail.Epoch || first.Offset <= tail.Offset {
		e.Errorf("the first message is at %+v, not behind the tail before, %+v", first, tail)
	}
	e.append("t", "second")
	e.wantMessages(e.read("t", tail), "first", "second")
}

// What happens on other topics makes no gap on this one.
func testReadSparse(e *env) {
	const others = 20
	fill := func() {
		var entries []lazyrealtime.Entry
		for i := range others * 5 {
			entries = append(entries, entry(fmt.Sprint("other ", i%others), "", "x"))
		}
		e.appendAll(entries...)
	}
	fill()
	before := e.tail("t")
	fill()
	first := e.append("t", "first")
	fill()
	e.wantMessages(e.read("t", before), "first")
	if got := e.tail("t"); got != first {
		e.Errorf("the tail is %+v, want %+v", got, first)
	}
	e.wantMessages(e.read("t", first))
	e.append("t", "second")
	fill()
	e.wantMessages(e.read("t", first), "second")
	e.wantMessages(e.read("t", before), "first", "second")
}

// A reader that pages while others write misses nothing.
func testReadWhileWritten(e *env) {
	const n = 120
	after := e.tail("t")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range n {
			if _, err := e.log.Append(e.Context(), []lazyrealtime.Entry{entry("t", "", fmt.Sprint(i)), entry("u", "", "x")}); err != nil {
				e.Errorf("Append: %v", err)
				return
			}
		}
	}()
	defer func() { <-done }()
	var list []*lazyrealtime.Message
	e.eventually(func() error {
		more := e.readBy(e.log, "t", after, 3)
		if len(more) > 0 {
			after = more[len(more)-1].Position
		}
		list = append(list, more...)
		if len(list) < n {
			return fmt.Errorf("%d of %d messages read", len(list), n)
		}
		return nil
	})
	e.wantMessages(list, numbers(0, n)...)
}
