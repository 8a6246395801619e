package lazyrealtime_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
)

// refresh is the message that tells a page of Turbo to fetch itself again.
const refresh = `"<turbo-stream action=\"refresh\"></turbo-stream>"`

// signed is a hub that follows what it has signed, and nothing else.
var signed = lazyrealtime.Config{Authenticate: asked}

// page is the identifier of an element on a page.
func page(channel, name, position string) string {
	members := fmt.Sprintf(`"channel":%q,"signed_stream_name":%q`, channel, name)
	if position != "" {
		members += fmt.Sprintf(`,"position":%q`, position)
	}
	return `{` + members + `}`
}

// The position of a page replays what was published between rendering and
// subscribing, once. Later uses come from a page that has seen more, nobody knows
// what: a gap.
func TestReplayFromAPage(t *testing.T) {
	for _, protocol := range []string{base, extended} {
		for _, channel := range []string{"$pubsub", "Turbo::StreamsChannel"} {
			t.Run(protocol+"/"+channel, func(t *testing.T) {
				within(t, signed, func(w *world) { fromAPage(w, protocol, channel) })
			})
		}
	}
}

func fromAPage(w *world, protocol, channel string) {
	w.fill("room", 1, 3)
	name, position := w.name("anna", "room")
	w.fill("room", 4, 5)
	id := page(channel, name, position)
	c := w.join("anna", protocol)
	c.send(command("subscribe", id, ""))
	c.want(answer("confirm_subscription", id))
	if protocol == extended {
		c.want(w.numbers(id, "room", 4, 5)...)
		c.want(w.answerAt("confirm_history", id, "room", 5))
	} else {
		c.want(plain(id, `{"n":4}`), plain(id, `{"n":5}`))
	}
	c.wantNothing()
	w.fill("room", 6, 6)
	if _, ok := c.maybe(); !ok {
		w.t.Error("nothing is live")
	}

	for round := range 3 { // the element reconnects, or the page comes out of a cache
		if round > 0 {
			c.gone()
			c = w.join("anna", protocol)
		} else {
			c.send(command("unsubscribe", id, ""))
		}
		c.send(command("subscribe", id, ""))
		c.want(answer("confirm_subscription", id))
		if protocol == extended {
			c.want(w.answerAt("reject_history", id, "room", uint64(6+round)))
		}
		if channel == "Turbo::StreamsChannel" {
			c.want(plain(id, refresh))
		}
		c.wantNothing()
		w.fill("room", 7+round, 7+round)
		if _, ok := c.maybe(); !ok {
			w.t.Error("nothing is live behind a gap")
		}
	}
	if protocol == base {
		return
	}
	c = w.join("anna", protocol) // a position of its own is better than the page's
	c.send(command("subscribe", id, w.behind(id, "room", 7)))
	c.want(answer("confirm_subscription", id))
	c.want(w.numbers(id, "room", 8, 9)...)
	c.want(w.answerAt("confirm_history", id, "room", 9))
}

// Without a position a page's element is live from now on.
func TestReplayFromAPageWithoutPosition(t *testing.T) {
	within(t, signed, func(w *world) {
		name, _ := w.name("anna", "room")
		id := page("Turbo::StreamsChannel", name, "")
		w.fill("room", 1, 2)
		c := w.join("anna", base)
		c.send(command("subscribe", id, ""))
		c.want(answer("confirm_subscription", id))
		w.fill("room", 3, 3)
		c.want(plain(id, `{"n":3}`))
		c.wantNothing()
	})
}

// cable.js sends the position beside the identifier, again and again until it has
// one of its own.
func TestReplayFromCableJS(t *testing.T) {
	config := signed
	config.PingInterval = time.Hour // a day passes
	config.Retain = func(string) lazyrealtime.Retention { return lazyrealtime.Retention{Age: 48 * time.Hour} }
	within(t, config, func(w *world) {
		w.fill("room", 1, 3)
		name, position := w.name("anna", "room")
		w.fill("room", 4, 5)
		id := page("$pubsub", name, "")
		for range 3 {
			c := w.join("anna", extended)
			c.send(command("subscribe", id, `,"position":`+quoted(position)))
			c.want(answer("confirm_subscription", id))
			c.want(w.numbers(id, "room", 4, 5)...)
			c.want(w.answerAt("confirm_history", id, "room", 5))
		}
		c := w.join("anna", extended)
		c.send(command("subscribe", id, w.behind(id, "room", 5)+`,"position":`+quoted(position)))
		c.want(answer("confirm_subscription", id), w.answerAt("confirm_history", id, "room", 5))

		w.fill("other", 1, 1)
		_, wrong := w.name("anna", "other")
		for _, bad := range []string{wrong, "x", position + "0", position[1:]} {
			c := w.join("anna", extended)
			c.send(command("subscribe", id, `,"position":`+quoted(bad)))
			c.want(answer("confirm_subscription", id), w.answerAt("reject_history", id, "room", 5))
			c.wantNothing()
		}
		time.Sleep(23 * time.Hour)
		c = w.join("anna", extended)
		c.send(command("subscribe", id, `,"position":`+quoted(position)))
		c.want(answer("confirm_subscription", id))
		c.want(w.numbers(id, "room", 4, 5)...)
		c.want(w.answerAt("confirm_history", id, "room", 5))
		time.Sleep(61 * time.Minute)
		c = w.join("anna", extended)
		c.send(command("subscribe", id, `,"position":`+quoted(position)))
		c.want(answer("confirm_subscription", id), w.answerAt("reject_history", id, "room", 5))
	})
}

// Two elements of one page, or two that come at the same moment, share a position:
// one replays, the other is told to refresh.
func TestReplayFirstUseIsOnce(t *testing.T) {
	within(t, signed, func(w *world) {
		w.fill("room", 1, 1)
		name, position := w.name("anna", "room")
		w.fill("room", 2, 2)
		id := page("Turbo::StreamsChannel", name, position)
		var clients []*client
		for range 5 {
			c := w.join("anna", extended)
			c.send(command("subscribe", id, ""))
			clients = append(clients, c)
		}
		got := map[string]int{}
		for _, c := range clients {
			c.want(answer("confirm_subscription", id))
			frame, _ := c.read()
			got[frame]++
		}
		if got[w.numbers(id, "room", 2, 2)[0]] != 1 || got[w.answerAt("reject_history", id, "room", 2)] != 4 {
			t.Errorf("got %v", got)
		}
	})
}

// The position of what a page shows, that History has given, is that of its last
// message.
func TestReplayBehindHistory(t *testing.T) {
	within(t, signed, func(w *world) {
		w.fill("room", 1, 7)
		messages, at, err := w.hub.History(w.t.Context(), "room", lazyrealtime.Position{}, 3)
		if err != nil || len(messages) != 3 || messages[0].Position.Offset != 5 || at.Offset != 7 {
			t.Fatalf("%d messages up to %v: %v", len(messages), at, err)
		}
		w.fill("room", 8, 8)
		name, _ := w.name("anna", "room")
		id := page("Turbo::StreamsChannel", name, w.hub.SignPosition("room", at))
		c := w.join("anna", base)
		c.send(command("subscribe", id, ""))
		c.want(answer("confirm_subscription", id), plain(id, `{"n":8}`))
		c.wantNothing()
	})
}

// An engine that does not answer whether a position was used lets the client come
// back, which is told to refresh then: nobody knows.
func TestReplayFirstUseUnavailable(t *testing.T) {
	within(t, signed, func(w *world) {
		w.fill("room", 1, 1)
		name, position := w.name("anna", "room")
		id := page("Turbo::StreamsChannel", name, position)
		w.log.Fail("Claim")
		c := w.join("anna", base)
		c.send(command("subscribe", id, ""))
		c.wantClose(`{"type":"disconnect","reason":"server_restart","reconnect":true}`, 1013)
		w.log.Before(nil)
		w.fill("room", 2, 2)
		c = w.join("anna", base)
		c.send(command("subscribe", id, ""))
		c.want(answer("confirm_subscription", id), plain(id, `{"n":2}`))
	})
}

// A replay that the engine does not answer ends the connection with a reason to come
// back; nothing that was sent comes again.
func TestReplayUnavailable(t *testing.T) {
	config := lazyrealtime.Config{Public: true, RecentMessages: 2}
	within(t, config, func(w *world) {
		w.fill("room", 1, 100)
		reads := 0
		w.log.Before(func(_ context.Context, c enginetest.Call) error {
			if c.Op != "Read" {
				return nil
			}
			if reads++; reads < 3 { // the first fills the memory
				return nil
			}
			return fmt.Errorf("gone: %w", lazyrealtime.ErrUnavailable)
		})
		c := w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 10)))
		c.want(answer("confirm_subscription", roomID))
		c.want(w.numbers(roomID, "room", 11, 74)...)
		c.wantClose(`{"type":"disconnect","reason":"server_restart","reconnect":true}`, 1013)
		w.log.Before(nil)
		c = w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 74)))
		c.want(answer("confirm_subscription", roomID))
		c.want(w.numbers(roomID, "room", 75, 100)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 100))
	})
}

// Rules of the command history: it replays as long as nothing was sent behind the
// position that was told.
func TestReplayHistoryCommand(t *testing.T) {
	within(t, public, func(w *world) {
		w.fill("room", 1, 5)
		ask := func(c *client, at uint64) { c.send(command("history", roomID, w.behind(roomID, "room", at))) }
		c := w.follow(5)
		ask(c, 3)
		c.want(w.numbers(roomID, "room", 4, 5)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 5))
		ask(c, 3) // it has that
		c.want(w.answerAt("confirm_history", roomID, "room", 5))
		ask(c, 5)
		c.want(w.answerAt("confirm_history", roomID, "room", 5))
		w.fill("room", 6, 6)
		c.want(w.numbers(roomID, "room", 6, 6)...)
		ask(c, 3) // it still has
		c.want(w.answerAt("confirm_history", roomID, "room", 6))
		ask(c, 2) // what is behind that would come out of order
		c.want(w.answerAt("reject_history", roomID, "room", 6))
		w.fill("room", 7, 7)
		c.want(w.numbers(roomID, "room", 7, 7)...)

		c = w.follow(7)
		w.fill("room", 8, 8)
		c.want(w.numbers(roomID, "room", 8, 8)...)
		ask(c, 7)
		c.want(w.answerAt("confirm_history", roomID, "room", 8))
		ask(c, 6)
		c.want(w.answerAt("reject_history", roomID, "room", 8))

		c = w.follow(8)
		for _, history := range []string{"", `,"history":null`, `,"history":{}`, `,"history":{"since":1}`} {
			c.send(command("history", roomID, history))
			c.want(w.answerAt("confirm_history", roomID, "room", 8))
		}
		c.send(command("history", roomID, `,"history":{"streams":{"`+streamOf("room", roomID)+`":{"epoch":"other","offset":1}}}`))
		c.want(w.answerAt("reject_history", roomID, "room", 8))
		c.send(command("history", `{"channel":"unknown"}`, ""))
		c.wantNothing()

		c = w.join("", extended) // everything that is retained
		c.send(command("subscribe", roomID, `,"history":{"since":1}`))
		c.want(answer("confirm_subscription", roomID))
		c.want(w.numbers(roomID, "room", 1, 8)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 8))
		for _, at := range []uint64{8, 3, 0} {
			ask(c, at)
			c.want(w.answerAt("confirm_history", roomID, "room", 8))
		}

		b := w.join("", base)
		b.send(command("subscribe", roomID, w.behind(roomID, "room", 3)))
		b.want(answer("confirm_subscription", roomID))
		b.send(command("history", roomID, w.behind(roomID, "room", 3)))
		b.wantNothing() // extended types are not for it
		w.fill("room", 9, 9)
		b.want(plain(roomID, `{"n":9}`))
	})
}
