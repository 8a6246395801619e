package enginetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golazy.dev/lazyrealtime"
)

var presenceCases = []testCase{
	{"Presence/members", testPresenceMembers},
	{"Presence/info", testPresenceInfo},
	{"Presence/nodes", testPresenceNodes},
	{"Presence/events", testPresenceEvents},
	{"Presence/close", testPresenceClose},
	{"Presence/strings", testPresenceStrings},
	{"Presence/many", testPresenceMany},
	{"Presence/ids", testPresenceIDs},
}

var killCases = []testCase{
	{"Kill/members", testKillMembers},
}

// present is a Member that can be compared.
type present struct{ node, id, info string }

// members returns who is present in a topic, as a node says.
func (e *env) members(n lazyrealtime.Node, topic string) []present {
	e.Helper()
	list, err := n.Members(e.Context(), topic)
	if err != nil {
		e.Fatalf("Members of %q: %v", topic, err)
	}
	got := make([]present, len(list))
	for i, m := range list {
		got[i] = present{m.Node, m.ID, string(m.Info)}
	}
	return got
}

// hasMembers returns nil if just those are present.
func (e *env) hasMembers(n lazyrealtime.Node, topic string, want ...present) error {
	e.Helper()
	got := e.members(n, topic)
	counts := make(map[present]int)
	for _, p := range got {
		counts[p]++
	}
	same := len(got) == len(want)
	for _, p := range want {
		same = same && counts[p] == 1
	}
	if !same {
		return fmt.Errorf("members of %q: %q, want %q", topic, got, want)
	}
	return nil
}

func (e *env) wantMembers(n lazyrealtime.Node, topic string, want ...present) {
	e.Helper()
	e.eventually(func() error { return e.hasMembers(n, topic, want...) })
}

func testPresenceMembers(e *env) {
	ctx := e.Context()
	n, _ := e.join(e.log)
	e.wantMembers(n, "t")
	e.must(n.Exit(ctx, "t", "nobody"))
	e.must(n.Enter(ctx, "t", "anna", []byte(`{"name":"Anna"}`)))
	anna := present{n.ID(), "anna", `{"name":"Anna"}`}
	e.wantMembers(n, "t", anna)
	e.must(n.Enter(ctx, "t", "anna", []byte(`{"name":"Anna"}`)))
	e.wantMembers(n, "t", anna)
	e.must(n.Enter(ctx, "t", "bert", nil))
	e.must(n.Enter(ctx, "u", "anna", nil))
	e.wantMembers(n, "t", anna, present{n.ID(), "bert", ""})
	e.wantMembers(n, "u", present{n.ID(), "anna", ""})
	e.must(n.Exit(ctx, "t", "anna"))
	e.wantMembers(n, "t", present{n.ID(), "bert", ""})
	e.wantMembers(n, "u", present{n.ID(), "anna", ""})
	e.must(n.Exit(ctx, "t", "anna"))
	e.must(n.Exit(ctx, "t", "bert"))
	e.wantMembers(n, "t")
	e.must(n.Enter(ctx, "t", "anna", nil))
	e.wantMembers(n, "t", present{n.ID(), "anna", ""})
}

// The last info counts; Enter does not keep the caller's memory.
func testPresenceInfo(e *env) {
	n, _ := e.join(e.log)
	for _, info := range []string{`{"a":1}`, "", `"` + strings.Repeat("\u65e5", 1300) + `"`, "[]", `{"a":1}`} {
		var data []byte
		if info != "" {
			data = []byte(info)
		}
		e.must(n.Enter(e.Context(), "t", "anna", data))
		clear(data)
		e.wantMembers(n, "t", present{n.ID(), "anna", info})
	}
}

// An identity on two nodes is there twice, until it has left both.
func testPresenceNodes(e *env) {
	ctx := e.Context()
	peer := e.peer()
	a, _ := e.join(e.log)
	b, _ := e.join(peer)
	e.must(a.Enter(ctx, "t", "anna", []byte(`"a"`)))
	e.must(b.Enter(ctx, "t", "anna", []byte(`"b"`)))
	e.must(b.Enter(ctx, "t", "bert", nil))
	onA, onB, bert := present{a.ID(), "anna", `"a"`}, present{b.ID(), "anna", `"b"`}, present{b.ID(), "bert", ""}
	for _, n := range []lazyrealtime.Node{a, b} {
		e.wantMembers(n, "t", onA, onB, bert)
	}
	e.must(a.Exit(ctx, "t", "bert")) // who is on b only
	e.must(b.Exit(ctx, "t", "anna"))
	for _, n := range []lazyrealtime.Node{a, b} {
		e.wantMembers(n, "t", onA, bert)
	}
	late, _ := e.join(peer)
	e.wantMembers(late, "t", onA, bert)
}

// Followers hear of those who enter, change and leave; others do not.
func testPresenceEvents(e *env) {
	ctx := e.Context()
	peer := e.peer()
	n, own := e.join(e.log)
	far, recFar := e.join(peer)
	deaf, recDeaf := e.join(e.log)
	e.follow(n, "room")
	e.follow(far, "room")
	e.follow(deaf, "u")
	heard := func(id, info string, left bool) {
		e.Helper()
		for _, rec := range []*recorder{own, recFar} {
			e.eventually(func() error { return rec.hasPresence("room", n.ID(), id, info, left) })
		}
	}
	e.must(n.Enter(ctx, "room", "anna", []byte("1")))
	heard("anna", "1", false)
	e.must(n.Enter(ctx, "room", "anna", []byte("2")))
	heard("anna", "2", false)
	e.must(n.Enter(ctx, "room", "bert", nil))
	heard("bert", "", false)
	e.must(n.Exit(ctx, "room", "anna"))
	heard("anna", "", true)
	e.fence(deaf, recDeaf)
	if got := recDeaf.presenceOf("room"); len(got) > 0 {
		e.Errorf("a node that does not follow heard %+v", got)
	}
	for _, rec := range []*recorder{own, recFar} {
		if slices.ContainsFunc(rec.presenceOf("room"), func(p lazyrealtime.PresenceEvent) bool { return p.ID == "bert" && p.Left }) {
			e.Error("bert is said to have left, and is there")
		}
	}
	e.wantMembers(far, "room", present{n.ID(), "bert", ""})
}

// A node that is closed takes its members away, and only those.
func testPresenceClose(e *env) {
	ctx := e.Context()
	peer := e.peer()
	a, recA := e.join(e.log)
	b, recB := e.join(peer)
	c, _ := e.join(e.log)
	e.follow(b, "t")
	for _, n := range []lazyrealtime.Node{a, b, c} {
		e.must(n.Enter(ctx, "t", "anna", nil))
		e.must(n.Enter(ctx, "u", "anna", nil))
	}
	e.must(c.Close(ctx))
	gone := c.ID()
	for _, rec := range []*recorder{recA, recB} { // whatever they follow
		e.eventually(func() error { return rec.hasGone(gone) })
	}
	for _, topic := range []string{"t", "u"} {
		for _, n := range []lazyrealtime.Node{a, b} {
			e.wantMembers(n, topic, present{a.ID(), "anna", ""}, present{b.ID(), "anna", ""})
		}
	}
	again, rec := e.join(e.log)
	e.follow(again, "t")
	e.must(again.Enter(ctx, "t", "carl", nil))
	e.eventually(func() error { return rec.hasPresence("t", again.ID(), "carl", "", false) })
	e.wantMembers(b, "t", present{a.ID(), "anna", ""}, present{b.ID(), "anna", ""}, present{again.ID(), "carl", ""})
	e.wantClosedNode(c)
}

// wantClosedNode checks that a node's methods say that it is closed.
func (e *env) wantClosedNode(n lazyrealtime.Node) {
	e.Helper()
	ctx := e.Context()
	_, membersErr := n.Members(ctx, "t")
	for method, err := range map[string]error{
		"Follow":  n.Follow(ctx, "t"),
		"Send":    n.Send(ctx, "t", "", nil),
		"Enter":   n.Enter(ctx, "t", "id", nil),
		"Exit":    n.Exit(ctx, "t", "id"),
		"Members": membersErr,
	} {
		if !errors.Is(err, lazyrealtime.ErrClosed) {
			e.Errorf("%s of a closed node: error %v, want ErrClosed", method, err)
		}
	}
	n.Unfollow("t")
	_ = n.Close(ctx) // it has to return; what, is the engine's business
}

// Identities are any strings.
func testPresenceStrings(e *env) {
	ctx := e.Context()
	n, rec := e.join(e.log)
	e.follow(n, "t")
	var want []present
	for _, id := range oddNames {
		e.must(n.Enter(ctx, "t", id, []byte(`"x"`)))
		want = append(want, present{n.ID(), id, `"x"`})
		e.eventually(func() error { return rec.hasPresence("t", n.ID(), id, `"x"`, false) })
	}
	e.wantMembers(n, "t", want...)
	for _, id := range oddNames {
		e.must(n.Exit(ctx, "t", id))
		e.eventually(func() error { return rec.hasPresence("t", n.ID(), id, "", true) })
	}
	e.wantMembers(n, "t")
}

// Many enter and leave at once.
func testPresenceMany(e *env) {
	const nodes, each = 4, 40
	ctx := e.Context()
	peer := e.peer()
	var wg sync.WaitGroup
	var list []lazyrealtime.Node
	var want []present
	for i := range nodes {
		n, _ := e.join([]lazyrealtime.Log{e.log, peer}[i%2])
		list = append(list, n)
		for j := range each {
			id := fmt.Sprint(j)
			if j%2 == 0 {
				want = append(want, present{n.ID(), id, id})
			}
			wg.Go(func() {
				err := n.Enter(ctx, "t", id, []byte(id))
				if err == nil && j%2 != 0 {
					err = n.Exit(ctx, "t", id)
				}
				if err != nil {
					e.Errorf("identity %s: %v", id, err)
				}
			})
		}
	}
	wg.Wait()
	for _, n := range list {
		e.wantMembers(n, "t", want...)
	}
}

// No two incarnations have the same id.
func testPresenceIDs(e *env) {
	seen := make(map[string]bool)
	logs := []lazyrealtime.Log{e.log, e.peer()}
	for i := range 20 {
		n, _ := e.join(logs[i%2])
		if n.ID() == "" || seen[n.ID()] {
			e.Fatalf("node %d has id %q, as another has or none", i, n.ID())
		}
		seen[n.ID()] = true
		if i%3 == 0 {
			e.must(n.Close(e.Context()))
		}
	}
}

// The members of a process that dies go with its lease, and nobody else's.
func testKillMembers(e *env) {
	ctx := e.Context()
	peer := e.peer()
	n, rec := e.join(e.log)
	dead, _ := e.join(peer)
	e.follow(n, "t")
	e.must(n.Enter(ctx, "t", "anna", nil))
	e.must(dead.Enter(ctx, "t", "anna", nil))
	e.must(dead.Enter(ctx, "t", "bert", nil))
	id := dead.ID()
	anna := present{n.ID(), "anna", ""}
	e.wantMembers(n, "t", anna, present{id, "anna", ""}, present{id, "bert", ""})
	e.o.KillPeer(e.T, peer)
	e.within(e.o.Lease+e.o.Wait, func() error { return e.hasMembers(n, "t", anna) })
	e.within(e.o.Lease+e.o.Wait, func() error { return rec.hasGone(id) })
	late, _ := e.join(e.log)
	e.wantMembers(late, "t", anna)
}
