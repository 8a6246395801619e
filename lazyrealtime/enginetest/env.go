package enginetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// pollEvery is how often what comes about by itself is looked for.
const pollEvery = 5 * time.Millisecond

// env is what a test has.
type env struct {
	*testing.T
	o   Options
	log lazyrealtime.Log
}

func newEnv(t *testing.T, open func(t *testing.T) lazyrealtime.Log, o Options) *env {
	e := &env{T: t, o: o, log: open(t)}
	e.closeLater(e.log)
	return e
}

// closeLater closes a log when the test ends. The error is not looked at: the test
// may have closed or killed it.
func (e *env) closeLater(log lazyrealtime.Log) {
	e.Cleanup(func() { _ = log.Close() })
}

// peer returns another process's log, or this one where the engine has no such.
func (e *env) peer() lazyrealtime.Log {
	e.Helper()
	if e.o.Peer == nil {
		return e.log
	}
	log := e.o.Peer(e.T, e.log)
	e.closeLater(log)
	return log
}

// must ends the test if err is not nil.
func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// eventually calls probe until it returns nil.
func (e *env) eventually(probe func() error) {
	e.Helper()
	e.within(e.o.Wait, probe)
}

// within is eventually with another bound.
func (e *env) within(d time.Duration, probe func() error) {
	e.Helper()
	if err := pollFor(d, probe); err != nil {
		e.Fatal(err)
	}
}

// poll is eventually for goroutines that are not the test's own.
func (e *env) poll(probe func() error) error { return pollFor(e.o.Wait, probe) }

// pollFor calls probe until it returns nil, and returns its error when it has not
// by then.
func pollFor(d time.Duration, probe func() error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for end := time.Now().Add(d); ; <-ticker.C {
		err := probe()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("after %v still: %w", d, err)
		}
	}
}

// entry returns one with the default retention.
func entry(topic, id, data string) lazyrealtime.Entry {
	return lazyrealtime.Entry{Topic: topic, ID: id, Data: []byte(data)}
}

// append appends a message without id.
func (e *env) append(topic, data string) lazyrealtime.Position {
	e.Helper()
	return e.appendOne(entry(topic, "", data)).Position
}

func (e *env) appendOne(entry lazyrealtime.Entry) lazyrealtime.Appended {
	e.Helper()
	return e.appendAll(entry)[0]
}

func (e *env) appendAll(entries ...lazyrealtime.Entry) []lazyrealtime.Appended {
	e.Helper()
	done, err := e.log.Append(e.Context(), entries)
	if err != nil {
		e.Fatalf("Append of %d entries: %v", len(entries), err)
	}
	if len(done) != len(entries) {
		e.Fatalf("Append of %d entries has %d results", len(entries), len(done))
	}
	return done
}

// appendN appends messages "0", "1" and so on, one at a time.
func (e *env) appendN(topic string, n int) []lazyrealtime.Position {
	e.Helper()
	list := make([]lazyrealtime.Position, n)
	for i := range list {
		list[i] = e.append(topic, fmt.Sprint(i))
	}
	return list
}

func (e *env) tail(topic string) lazyrealtime.Position {
	e.Helper()
	tail, err := e.log.Tail(e.Context(), topic)
	if err != nil {
		e.Fatalf("Tail of %q: %v", topic, err)
	}
	return tail
}

// read returns everything behind a position, in pages.
func (e *env) read(topic string, after lazyrealtime.Position) []*lazyrealtime.Message {
	e.Helper()
	return e.readBy(e.log, topic, after, 100)
}

func (e *env) readBy(log lazyrealtime.Log, topic string, after lazyrealtime.Position, limit int) []*lazyrealtime.Message {
	e.Helper()
	list, err := readAll(e, log, topic, after, limit)
	if err != nil {
		e.Fatal(err)
	}
	return list
}

// readAll reads until the tail, and checks each page.
func readAll(e *env, log lazyrealtime.Log, topic string, after lazyrealtime.Position, limit int) ([]*lazyrealtime.Message, error) {
	var list []*lazyrealtime.Message
	for {
		page, err := log.Read(e.Context(), topic, after, limit)
		if err != nil {
			return list, fmt.Errorf("reading topic %q behind offset %d, limit %d: %w", topic, after.Offset, limit, err)
		}
		if err := checkPage(page, topic, after, limit); err != nil {
			return list, fmt.Errorf("page of topic %q behind offset %d, limit %d: %w", topic, after.Offset, limit, err)
		}
		list = append(list, page.Messages...)
		if len(page.Messages) == 0 {
			return list, nil
		}
		after = page.Messages[len(page.Messages)-1].Position
		if after == page.Tail {
			return list, nil
		}
	}
}

// checkPage checks what holds for every page.
func checkPage(page lazyrealtime.Page, topic string, after lazyrealtime.Position, limit int) error {
	if page.Tail.Epoch == "" {
		return fmt.Errorf("its tail has no epoch: %+v", page.Tail)
	}
	if len(page.Messages) > limit {
		return fmt.Errorf("%d messages", len(page.Messages))
	}
	last := after.Offset
	for i, m := range page.Messages {
		if m.Topic != topic {
			return fmt.Errorf("message %d is of topic %q", i, m.Topic)
		}
		if m.Position.Epoch != page.Tail.Epoch {
			return fmt.Errorf("message %d has epoch %q, the tail %q", i, m.Position.Epoch, page.Tail.Epoch)
		}
		if m.Position.Offset <= last && (i > 0 || !after.IsZero()) {
			return fmt.Errorf("message %d has offset %d, which is not behind %d", i, m.Position.Offset, last)
		}
		last = m.Position.Offset
	}
	if len(page.Messages) == 0 && !after.IsZero() && page.Tail != after {
		return fmt.Errorf("it is empty, and the tail is %d", page.Tail.Offset)
	}
	if last > page.Tail.Offset {
		return fmt.Errorf("a message has offset %d, the tail %d", last, page.Tail.Offset)
	}
	return nil
}

// wantData checks what a topic has.
func (e *env) wantData(topic string, want ...string) {
	e.Helper()
	e.wantMessages(e.read(topic, lazyrealtime.Position{}), want...)
}

func (e *env) wantMessages(got []*lazyrealtime.Message, want ...string) {
	e.Helper()
	if err := sameData(got, want); err != nil {
		e.Fatal(err)
	}
}

func sameData(got []*lazyrealtime.Message, want []string) error {
	for i, m := range got {
		if i >= len(want) {
			return fmt.Errorf("%d messages, want %d: %q and what follows is too much", len(got), len(want), brief(m.Data))
		}
		if string(m.Data) != want[i] {
			return fmt.Errorf("message %d of topic %q is %q, want %q", i, m.Topic, brief(m.Data), brief([]byte(want[i])))
		}
	}
	if n := len(got); n < len(want) {
		return fmt.Errorf("%d messages, want %d: %q and what follows is missing", n, len(want), brief([]byte(want[n])))
	}
	return nil
}

// sameMessage says how two messages differ.
func sameMessage(got, want *lazyrealtime.Message) error {
	switch {
	case got.Topic != want.Topic:
		return fmt.Errorf("topic %q, want %q", got.Topic, want.Topic)
	case got.Position != want.Position:
		return fmt.Errorf("position %+v, want %+v", got.Position, want.Position)
	case got.ID != want.ID:
		return fmt.Errorf("id %q, want %q", got.ID, want.ID)
	case got.From != want.From:
		return fmt.Errorf("from %q, want %q", got.From, want.From)
	case !got.Time.Equal(want.Time):
		return fmt.Errorf("time %v, want %v", got.Time, want.Time)
	case !bytes.Equal(got.Data, want.Data):
		return fmt.Errorf("data %q, want %q", brief(got.Data), brief(want.Data))
	}
	return nil
}

// brief returns the beginning of data.
func brief(data []byte) string {
	if len(data) > 40 {
		return fmt.Sprintf("%s... (%d bytes)", data[:40], len(data))
	}
	return string(data)
}

// numbers returns "from" to "to-1".
func numbers(from, to int) []string {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}
