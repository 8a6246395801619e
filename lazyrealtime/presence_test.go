package lazyrealtime_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"golazy.dev/lazyrealtime"
)

// presenceOf is a frame about who is present.
func presenceOf(identifier, message string) string {
	return `{"type":"presence","identifier":` + echoed(identifier) + `,"message":{` + message + `}}`
}

func joined(id, info string) string {
	return presenceOf(roomID, `"type":"join","id":"`+id+`","info":`+info)
}

func left(id string) string { return presenceOf(roomID, `"type":"leave","id":"`+id+`"`) }

var noPresence = presenceOf(roomID, `"type":"error"`)

// members is the answer to the command presence; each is an id, or an id and its info.
func members(list ...string) string {
	records := make([]string, len(list))
	for i, m := range list {
		id, info, ok := strings.Cut(m, " ")
		if !ok {
			info = "null"
		}
		records[i] = `{"id":"` + id + `","info":` + info + `}`
	}
	return presenceOf(roomID, fmt.Sprintf(`"type":"info","total":%d,"records":[%s]`, len(list), strings.Join(records, ",")))
}

// enter joins a client, which is subscribed already.
func (c *client) enter() { c.send(command("join", roomID, "")) }

// arrives connects, subscribes and joins.
func (w *world) arrives(id string) *client {
	w.t.Helper()
	c := w.join(id, extended)
	c.subscribe(roomID)
	c.enter()
	c.want(joined(strings.Split(id, "&")[0], "null"))
	return c
}

// looks connects, subscribes and asks who is there.
func (w *world) looks(id string, want string) *client {
	w.t.Helper()
	c := w.join(id, extended)
	c.subscribe(roomID)
	c.send(command("presence", roomID, ""))
	c.want(want)
	return c
}

// wantPresent fails if others are present.
func (w *world) wantPresent(want ...string) {
	w.t.Helper()
	synctest.Wait()
	who, err := w.hub.Presence(w.t.Context(), "room")
	if err != nil {
		w.t.Fatal(err)
	}
	ids := make([]string, len(who))
	for i, p := range who {
		ids[i] = p.ID
	}
	if !slices.Equal(ids, want) {
		w.t.Errorf("present: %v, want %v", ids, want)
	}
}

// Several connections of an identity count once; the last to go ends it, however it
// goes.
func TestPresence(t *testing.T) {
	modes(t, identified, func(w *world) {
		watcher := w.looks("watcher", members())
		a1, a2 := w.arrives("a"), w.join("a", extended)
		watcher.want(joined("a", "null"))
		a2.subscribe(roomID)
		a2.enter()
		a2.enter() // again
		synctest.Wait()
		a2.send(command("presence", roomID, ""))
		a2.want(members("a"))
		a2.send(command("presence", roomID, `,"data":{"return_records":false}`))
		a2.want(presenceOf(roomID, `"type":"info","total":1`))
		w.wantPresent("a")
		a2.send(command("leave", roomID, ""))
		a2.send(command("leave", roomID, ""))
		watcher.wantNothing()
		w.wantPresent("a")
		a2.enter()
		synctest.Wait()
		for _, gone := range []func(){
			func() { a1.send(command("leave", roomID, "")) },
			func() { _ = a2.conn.Close() },
		} {
			watcher.wantNothing()
			gone()
		}
		watcher.want(left("a"))
		b := w.arrives("b")
		watcher.want(joined("b", "null"))
		b.send(command("unsubscribe", roomID, ""))
		watcher.want(left("b"))
		b.subscribe(roomID)
		b.enter()
		b.want(joined("b", "null"))
		watcher.want(joined("b", "null"))
		w.revoke("b")
		watcher.want(left("b"))
		w.wantPresent()
		watcher.wantNothing()
	})
}

// Nodes see each other's members.
func TestPresenceOnTwoHubs(t *testing.T) {
	modes(t, identified, func(w *world) {
		second := open(w.t, identified, w.log)
		one := w.looks("one", members())
		two := second.looks("two", members())
		a := w.arrives("a")
		one.want(joined("a", "null"))
		two.want(joined("a", "null"))
		b := second.join("a", extended) // the same identity
		b.subscribe(roomID)
		b.enter()
		b.send(command("presence", roomID, ""))
		b.want(members("a"))
		_ = a.conn.Close()
		one.wantNothing()
		two.wantNothing()
		w.wantPresent("a")
		second.arrives("b")
		one.want(joined("b", "null"))
		two.want(joined("b", "null"))
		b.want(joined("b", "null"))
		second.close() // and its members are gone
		left1, _ := one.read()
		left2, _ := one.read()
		if got := []string{left1, left2}; !slices.Contains(got, left("a")) || !slices.Contains(got, left("b")) {
			w.t.Errorf("got %v", got)
		}
		w.wantPresent()
	})
}

// node returns the name of the node on which an identity is present.
// noFeed hears nothing.
// A node that the engine calls gone has no members, and when it was an error they
// come back.
// Events are hints: what they have not told comes with the next look at the engine.
// The identity says who somebody is; what the client says of itself counts only for
// what the identity leaves open.
func TestPresenceInfo(t *testing.T) {
	config := identified
	config.Limits.InfoBytes = 32
	config.Authenticate = func(r *http.Request) (lazyrealtime.Identity, error) {
		id, err := asked(r)
		if info := r.URL.Query().Get("info"); info != "" {
			id.Info = []byte(info)
		}
		return id, err
	}
	modes(t, config, func(w *world) {
		const forged = `,"presence":{"id":"somebody else","info":{"role":"admin"}}`
		c := w.join(`a&info={"name":"A"}`, extended)
		c.subscribe(roomID)
		c.send(command("join", roomID, forged))
		c.want(joined("a", `{"name":"A"}`))
		b := w.join("b", extended)
		b.subscribe(roomID)
		b.send(command("join", roomID, `,"presence":{"id":"a","info":{"role":"guest"}}`))
		b.want(joined("b", `{"role":"guest"}`))
		b.send(command("presence", roomID, ""))
		b.want(members(`a {"name":"A"}`, `b {"role":"guest"}`))

		for _, query := range []string{"", "anonymous"} {
			c := w.join(query, extended)
			c.subscribe(roomID)
			info := `,"presence":{"id":"a"}`
			if query != "" {
				info = `,"presence":{"id":"x","info":"` + strings.Repeat("x", 31) + `"}` // 33 with its quotes
			}
			c.send(command("join", roomID, info))
			c.want(noPresence)
			c.send(command("presence", roomID, ""))
			c.want(members(`a {"name":"A"}`, `b {"role":"guest"}`)) // looking is another matter
		}
		for _, info := range []string{"bob", "{", `"` + "\xff" + `"`, "1,2", strings.Repeat("1", 33)} {
			c := w.dial("/cable?id=c&info="+urlQuery(info), extended)
			c.want(welcome)
			c.subscribe(roomID)
			c.enter()
			c.want(noPresence)
		}
		w.wantPresent("a", "b")
	})
}

func urlQuery(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

func TestPresenceMembersLimit(t *testing.T) {
	config := identified
	config.Limits.Members = 2
	within(t, config, func(w *world) {
		second := open(w.t, config, w.log)
		defer second.close()
		w.arrives("a")
		second.arrives("b")
		c := w.join("c", extended)
		c.subscribe(roomID)
		c.enter()
		c.want(noPresence)
		again := w.join("b", extended) // is present already
		again.subscribe(roomID)
		again.enter()
		again.wantNothing()
		w.wantPresent("a", "b")
		w.revoke("a")
		c.want(left("a"))
		c.enter()
		c.want(joined("c", "null"))
		w.wantPresent("b", "c")
	})
}

// Who has unsubscribed is told nothing more, and a base client never is.
func TestPresenceWatchersLeave(t *testing.T) {
	modes(t, identified, func(w *world) {
		watcher, old := w.looks("watcher", members()), w.join("old", base)
		old.subscribe(roomID)
		for _, name := range []string{"join", "presence", "leave", "history"} {
			old.send(command(name, roomID, ""))
		}
		w.wantPresent()
		w.arrives("a")
		watcher.want(joined("a", "null"))
		watcher.send(command("unsubscribe", roomID, ""))
		synctest.Wait()
		w.arrives("b")
		watcher.wantNothing()
		watcher.subscribe(roomID) // without looking
		w.arrives("c")
		watcher.wantNothing()
		old.wantNothing()
	})
}

// Where nobody looks any more the engine is not asked any more.
// Where a channel, or nobody's authority, allows presence there is an error.
func TestPresenceWithoutAChannels(t *testing.T) {
	const with, without = `{"channel":"Room","room":"1"}`, `{"channel":"Quiet"}`
	config := identified
	config.Channels = map[string]lazyrealtime.Channel{
		"Room":  rooms["Room"],
		"Quiet": {Subscribe: func(_ context.Context, s *lazyrealtime.Subscriber) error { return s.Follow("room") }},
		"None":  {Subscribe: func(context.Context, *lazyrealtime.Subscriber) error { return nil }, Presence: true},
	}
	within(t, config, func(w *world) {
		c := w.join("a", extended)
		for _, id := range []string{without, `{"channel":"None"}`, `{"channel":"Turbo::StreamsChannel"}`, with} {
			c.send(command("subscribe", id, ""))
			frame, _ := c.read()
			c.send(command("join", id, ""))
			c.send(command("presence", id, ""))
			switch {
			case id == with:
				c.want(presenceOf(id, `"type":"join","id":"a","info":null`), presenceOf(id, `"type":"info","total":1,"records":[{"id":"a","info":null}]`))
			case decoded(w.t, frame).Type == "confirm_subscription":
				c.want(presenceOf(id, `"type":"error"`), presenceOf(id, `"type":"error"`))
			}
			c.wantNothing()
		}
	})
}

// An engine that fails leaves nobody present who is not, even if it has done what it
// did not answer.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// The end of a connection does not wait for an engine that hangs.
// Joins and leaves from everywhere at once end with those present who have not left.
// wanders joins and leaves, and reports whether it is there at the end.
