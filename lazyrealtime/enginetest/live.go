package enginetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"golazy.dev/lazyrealtime"
)

var liveCases = []testCase{
	{"Live/chain", testLiveChain},
	{"Live/from follow", testLiveFromFollow},
	{"Live/batch", testLiveBatch},
	{"Live/merged", testLiveMerged},
	{"Live/unfollow", testLiveUnfollow},
	{"Live/follow twice", testLiveFollowTwice},
	{"Live/nodes", testLiveNodes},
	{"Live/churn", testLiveChurn},
}

// While nothing is wrong Live is called once for each message, in order, with the
// offset before it, and with what Read returns; and Read has it by then.
func testLiveChain(e *env) {
	for _, empty := range []bool{true, false} {
		topic := fmt.Sprint("empty ", empty)
		if !empty {
			e.appendN(topic, 3)
		}
		n, rec := e.join(e.log)
		e.follow(n, topic)
		begin := e.tail(topic)
		last := begin
		for i := range 20 {
			data := fmt.Sprint("live ", i)
			d := e.appendOne(lazyrealtime.Entry{Topic: topic, ID: data, From: "anna", Data: []byte(data)})
			e.eventually(func() error { return rec.hasLive(topic, data) })
			list := e.read(topic, last)
			e.wantMessages(list, data)
			calls := rec.livesOf(topic)
			l := calls[len(calls)-1]
			if err := sameMessage(l.m, list[0]); err != nil {
				e.Errorf("Live and Read differ: %v", err)
			}
			// Before its first message a topic's tail may be any place before it.
			if first := empty && i == 0; l.prev != last.Offset && !first || l.prev > last.Offset {
				e.Errorf("Live of %q: prev is %d, want %d", data, l.prev, last.Offset)
			}
			last = d.Position
		}
		calls := slices.DeleteFunc(rec.livesOf(topic), func(l live) bool {
			return l.m.Position.Offset <= begin.Offset // appended before Follow, and late
		})
		if len(calls) != 20 {
			e.Errorf("Live was called %d times, want 20", len(calls))
		}
	}
}

// What is appended once Follow has returned comes.
func testLiveFromFollow(e *env) {
	n, rec := e.join(e.log)
	for i := range 40 {
		topic := fmt.Sprint("t", i)
		if i%2 == 0 {
			e.append(topic, "before")
		}
		e.follow(n, topic)
		e.append(topic, "after")
	}
	for i := range 40 {
		e.eventually(func() error { return rec.hasLive(fmt.Sprint("t", i), "after") })
	}
}

// A batch, and a duplicate in it, which is not announced.
func testLiveBatch(e *env) {
	n, rec := e.join(e.log)
	e.follow(n, "t", "u")
	done := e.appendAll(entry("t", "a", "0"), entry("u", "a", "u"), entry("t", "", "1"), entry("t", "a", "again"), entry("t", "", "2"))
	e.eventually(func() error { return rec.hasLive("t", "2") })
	e.eventually(func() error { return rec.hasLive("u", "u") })
	if got := rec.data("t"); !slices.Equal(got, numbers(0, 3)) {
		e.Fatalf("Live was called for %q, want %q", got, numbers(0, 3))
	}
	calls := rec.livesOf("t")
	for i, at := range []int{0, 2, 4} {
		if calls[i].m.Position != done[at].Position {
			e.Errorf("Live has %q at %+v, Append said %+v", calls[i].m.Data, calls[i].m.Position, done[at].Position)
		}
		if i > 0 && calls[i].prev != calls[i-1].m.Position.Offset {
			e.Errorf("Live of %q: prev is %d, want %d", calls[i].m.Data, calls[i].prev, calls[i-1].m.Position.Offset)
		}
	}
}

// merger is a subscriber as a hub has it: live calls that join, Read for the rest.
type merger struct {
	log   lazyrealtime.Log
	topic string
	at    lazyrealtime.Position
	seen  []*lazyrealtime.Message
	next  int // the call of Live to look at
	joins int // calls that have joined
}

// step takes what has come in, and returns once the calls of Live are used up.
func (m *merger) step(e *env, rec *recorder) error {
	calls := rec.livesOf(m.topic)
	for _, l := range calls[m.next:] {
		m.next++
		switch {
		case l.m.Position.Offset <= m.at.Offset:
		case l.prev == m.at.Offset:
			m.joins++
			m.take(l.m)
		default:
			if err := m.fill(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill reads what is behind the merger's place.
func (m *merger) fill(e *env) error {
	list, err := readAll(e, m.log, m.topic, m.at, 7)
	for _, msg := range list {
		m.take(msg)
	}
	return err
}

func (m *merger) take(msg *lazyrealtime.Message) {
	m.seen = append(m.seen, msg)
	m.at = msg.Position
}

// A subscriber that puts history and live together sees exactly the log, whoever
// writes meanwhile, wherever it joins.
func testLiveMerged(e *env) {
	const writers, rounds, topic = 4, 40, "t"
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				entries := []lazyrealtime.Entry{entry(topic, "", fmt.Sprint(w, " ", i)), entry("other", "", "x")}
				if _, err := e.log.Append(e.Context(), entries); err != nil {
					e.Errorf("Append: %v", err)
					return
				}
			}
		})
	}
	peer := e.peer()
	var mergers []*merger
	var recs []*recorder
	for i := range 4 {
		log := []lazyrealtime.Log{e.log, peer}[i%2]
		n, rec := e.join(log)
		e.follow(n, topic)
		m := &merger{log: log, topic: topic}
		if err := m.fill(e); err != nil {
			e.Fatal(err)
		}
		mergers, recs = append(mergers, m), append(recs, rec)
	}
	for i, m := range mergers {
		e.eventually(func() error {
			if err := m.step(e, recs[i]); err != nil {
				e.Fatal(err)
			}
			if n := len(m.seen); n < writers*rounds {
				return fmt.Errorf("merger %d has seen %d of %d messages, %d of them live", i, n, writers*rounds, m.joins)
			}
			return nil
		})
	}
	wg.Wait()
	e.wantMerged(topic, mergers)
	if e.o.Exact {
		e.wantExact(topic, recs)
	}
}

// wantExact checks that each call of Live has followed on the one before.
func (e *env) wantExact(topic string, recs []*recorder) {
	e.Helper()
	tail := e.tail(topic).Offset
	for i, rec := range recs {
		e.eventually(func() error {
			calls := rec.livesOf(topic)
			for j, l := range calls[min(1, len(calls)):] {
				if before := calls[j].m.Position.Offset; l.prev != before {
					e.Fatalf("feed %d was called for offset %d with prev %d behind offset %d", i, l.m.Position.Offset, l.prev, before)
				}
			}
			if len(calls) > 0 && calls[len(calls)-1].m.Position.Offset != tail {
				return fmt.Errorf("feed %d has not heard of the tail", i)
			}
			return nil
		})
	}
}

// wantMerged checks that all have seen what Read returns.
func (e *env) wantMerged(topic string, mergers []*merger) {
	e.Helper()
	list := e.read(topic, lazyrealtime.Position{})
	for i, m := range mergers {
		if len(m.seen) != len(list) {
			e.Errorf("merger %d has seen %d messages, the log has %d", i, len(m.seen), len(list))
			continue
		}
		for j, msg := range m.seen {
			if err := sameMessage(msg, list[j]); err != nil {
				e.Errorf("merger %d, message %d: %v", i, j, err)
				break
			}
		}
	}
}

// fence waits until a message of another topic, appended now, has come.
func (e *env) fence(n lazyrealtime.Node, rec *recorder) {
	e.Helper()
	topic := fmt.Sprint("fence ", time.Now().UnixNano())
	e.follow(n, topic)
	e.append(topic, "fence")
	e.eventually(func() error { return rec.hasLive(topic, "fence") })
}

// Unfollow ends everything for the node, and for no other; Follow begins it anew.
func testLiveUnfollow(e *env) {
	ctx := e.Context()
	n, rec := e.join(e.log)
	other, otherRec := e.join(e.log)
	e.follow(n, "t", "u")
	e.follow(other, "t")
	e.append("t", "1")
	e.eventually(func() error { return rec.hasLive("t", "1") })
	n.Unfollow("t")
	n.Unfollow("never followed")
	e.append("t", "2")
	e.must(other.Send(ctx, "t", "", []byte("sent")))
	e.must(other.Enter(ctx, "t", "anna", nil))
	e.append("u", "3")
	e.eventually(func() error { return otherRec.hasLive("t", "2") })
	e.eventually(func() error { return otherRec.hasFleeting(fleeting{"t", "", "sent"}) })
	e.eventually(func() error { return rec.hasLive("u", "3") })
	e.fence(n, rec)
	if got := rec.data("t"); !slices.Equal(got, []string{"1"}) {
		e.Errorf("Live was called for %q, want what was appended before Unfollow", got)
	}
	if got := rec.fleetings("t"); len(got) > 0 {
		e.Errorf("Fleeting was called for %q behind Unfollow", got)
	}
	if got := rec.presenceOf("t"); len(got) > 0 {
		e.Errorf("Presence was called behind Unfollow: %+v", got)
	}
	e.follow(n, "t")
	e.append("t", "4")
	e.eventually(func() error { return rec.hasLive("t", "4") })
}

// Following twice is following once.
func testLiveFollowTwice(e *env) {
	n, rec := e.join(e.log)
	e.follow(n, "t", "t")
	e.append("t", "1")
	e.eventually(func() error { return rec.hasLive("t", "1") })
	e.must(n.Send(e.Context(), "t", "", []byte("sent")))
	e.eventually(func() error { return rec.hasFleeting(fleeting{"t", "", "sent"}) })
	e.fence(n, rec)
	n.Unfollow("t")
	e.append("t", "2")
	e.fence(n, rec)
	if got := rec.data("t"); !slices.Equal(got, []string{"1"}) {
		e.Errorf("Live was called for %q, want one call, before Unfollow", got)
	}
	if got := rec.fleetings("t"); len(got) != 1 {
		e.Errorf("Fleeting was called for %q, want one call", got)
	}
}

// Each node hears of what it follows, wherever it is, and of nothing else.
func testLiveNodes(e *env) {
	peer := e.peer()
	a, recA := e.join(e.log)
	b, recB := e.join(peer)
	e.follow(a, "a", "both")
	e.follow(b, "b", "both")
	for _, topic := range []string{"a", "b", "both", "neither"} {
		for i, log := range []lazyrealtime.Log{e.log, peer} {
			if _, err := log.Append(e.Context(), []lazyrealtime.Entry{entry(topic, "", fmt.Sprint(topic, i))}); err != nil {
				e.Fatal(err)
			}
		}
	}
	for topic, recs := range map[string][]*recorder{"a": {recA}, "b": {recB}, "both": {recA, recB}} {
		for _, rec := range recs {
			e.eventually(func() error { return rec.hasLive(topic, topic+"0") })
			e.eventually(func() error { return rec.hasLive(topic, topic+"1") })
		}
	}
	e.fence(a, recA)
	e.fence(b, recB)
	for topic, rec := range map[string]*recorder{"a": recB, "b": recA, "neither": recA} {
		if got := rec.data(topic); len(got) > 0 {
			e.Errorf("Live was called for %q on topic %q, which the node does not follow", got, topic)
		}
	}
}

// Nodes that follow and unfollow while others write still hear of all that is
// appended once Follow has returned.
func testLiveChurn(e *env) {
	var wg sync.WaitGroup
	for w := range 4 {
		n, rec := e.join(e.log)
		wg.Go(func() {
			for i := range 25 {
				data := fmt.Sprint(w, " ", i)
				if err := n.Follow(e.Context(), "t"); err != nil {
					e.Errorf("Follow: %v", err)
					return
				}
				if _, err := e.log.Append(e.Context(), []lazyrealtime.Entry{entry("t", "", data)}); err != nil {
					e.Errorf("Append: %v", err)
					return
				}
				if err := e.poll(func() error { return rec.hasLive("t", data) }); err != nil {
					e.Errorf("round %d: %v", i, err)
					return
				}
				n.Unfollow("t")
			}
		})
	}
	wg.Wait()
	if n := len(e.read("t", lazyrealtime.Position{})); n != 100 {
		e.Errorf("the topic has %d messages, want 100", n)
	}
}
