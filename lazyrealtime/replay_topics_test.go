package lazyrealtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"golazy.dev/lazyrealtime"
)

// The topic's own name is as good as the stream's in a history, for clients that keep
// positions by topic.
func TestReplayByTopic(t *testing.T) {
	within(t, public, func(w *world) {
		w.fill("room", 1, 3)
		c := w.join("", extended)
		c.send(command("subscribe", roomID, fmt.Sprintf(`,"history":{"streams":{"room":{"epoch":%q,"offset":1}}}`, w.epoch())))
		c.want(answer("confirm_subscription", roomID))
		c.want(w.numbers(roomID, "room", 2, 3)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 3))
	})
}

// A channel that follows several topics replays each, and answers once.
func TestReplayOfSeveralTopics(t *testing.T) {
	config := lazyrealtime.Config{Channels: map[string]lazyrealtime.Channel{
		"Rooms": {Subscribe: func(_ context.Context, s *lazyrealtime.Subscriber) error {
			for _, topic := range []string{"a", "b", "a"} {
				if err := s.Follow(topic); err != nil {
					return err
				}
			}
			return nil
		}},
		"Backwards": {Subscribe: func(_ context.Context, s *lazyrealtime.Subscriber) error {
			return errors.Join(s.Follow("b"), s.Follow("a"))
		}},
		"None": {Subscribe: func(context.Context, *lazyrealtime.Subscriber) error { return nil }},
	}, Retain: func(topic string) lazyrealtime.Retention {
		if topic == "b" {
			return lazyrealtime.Retention{Messages: 1}
		}
		return lazyrealtime.Retention{}
	}}
	within(t, config, func(w *world) {
		const id = `{"channel":"Rooms"}`
		w.fill("a", 1, 3)
		w.fill("b", 1, 3)
		c := w.join("", extended)
		c.send(command("subscribe", id, `,"history":{"streams":{`+w.place("a", id, 1)+`,`+w.place("b", id, 2)+`}}`))
		c.want(answer("confirm_subscription", id))
		c.want(w.numbers(id, "a", 2, 3)...)
		c.want(w.answerAt("confirm_history", id, "a", 3))
		c.want(w.numbers(id, "b", 3, 3)...)
		c.want(w.answerAt("confirm_history", id, "b", 3), answer("confirm_history", id))
		w.fill("a", 4, 4)
		c.want(w.numbers(id, "a", 4, 4)...)
		c.wantNothing()

		c = w.join("", extended)
		c.send(command("subscribe", id, `,"history":{"streams":{`+w.place("a", id, 3)+`,`+w.place("b", id, 1)+`}}`))
		c.want(answer("confirm_subscription", id))
		c.want(w.numbers(id, "a", 4, 4)...)
		c.want(w.answerAt("confirm_history", id, "a", 4))
		c.want(w.answerAt("reject_history", id, "b", 3))
		c.wantNothing()

		const backwards = `{"channel":"Backwards"}`
		c = w.join("", extended) // one answer, whatever is behind it
		c.send(command("subscribe", backwards, `,"history":{"streams":{`+w.place("a", backwards, 3)+`,`+w.place("b", backwards, 1)+`}}`))
		c.want(answer("confirm_subscription", backwards), w.answerAt("reject_history", backwards, "b", 3))
		c.want(w.numbers(backwards, "a", 4, 4)...)
		c.want(w.answerAt("confirm_history", backwards, "a", 4))
		c.wantNothing()

		c = w.join("", extended)
		c.send(command("subscribe", id, `,"history":{}`))
		c.want(answer("confirm_subscription", id), answer("confirm_history", id))
		c.want(w.answerAt("confirm_history", id, "a", 4), w.answerAt("confirm_history", id, "b", 3))
		c.send(command("subscribe", `{"channel":"None"}`, `,"history":{}`))
		c.want(answer("confirm_subscription", `{"channel":"None"}`), answer("confirm_history", `{"channel":"None"}`))
		c.wantNothing()
	})
}

// Messages that are published while a replay waits for the engine come behind it,
// and once.
func TestReplayBesidePublishing(t *testing.T) {
	within(t, lazyrealtime.Config{Public: true, RecentMessages: 3}, func(w *world) {
		w.fill("room", 1, 10)
		unblock := w.log.Block("Read")
		c := w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 1)))
		c.want(answer("confirm_subscription", roomID))
		synctest.Wait()
		w.fill("room", 11, 30)
		c.wantNothing()
		unblock()
		c.want(w.numbers(roomID, "room", 2, 30)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 30))
		c.wantNothing()
	})
}

// What is published while the command history replays comes behind it.
func TestReplayHistoryCommandBesidePublishing(t *testing.T) {
	within(t, lazyrealtime.Config{Public: true, RecentMessages: 3}, func(w *world) {
		w.fill("room", 1, 10)
		c := w.follow(10)
		unblock := w.log.Block("Read")
		c.send(command("history", roomID, w.behind(roomID, "room", 2)))
		c.send(command("history", roomID, w.behind(roomID, "room", 2)))
		synctest.Wait()
		w.fill("room", 11, 12)
		c.wantNothing()
		unblock()
		c.want(w.numbers(roomID, "room", 3, 12)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 12))
		w.fill("room", 13, 13)
		c.want(w.numbers(roomID, "room", 13, 13)...)
		c.wantNothing()
	})
}

// Who may follow may not see what was before, unless Authorize says so.
func TestReplayAuthorized(t *testing.T) {
	may := false
	config := lazyrealtime.Config{Authenticate: asked, Authorize: func(_ context.Context, _ lazyrealtime.Identity, op lazyrealtime.Op, _ string) error {
		if op == lazyrealtime.OpReplay && !may {
			return lazyrealtime.ErrDenied
		}
		return nil
	}}
	within(t, config, func(w *world) {
		w.fill("room", 1, 3)
		name, position := w.name("anna", "room")
		w.fill("room", 4, 4)
		id := page("$pubsub", name, "")
		c := w.join("anna", extended)
		c.send(command("subscribe", id, w.behind(id, "room", 1)))
		c.want(answer("confirm_subscription", id), w.answerAt("reject_history", id, "room", 4))
		c.send(command("history", id, w.behind(id, "room", 1)))
		c.want(w.answerAt("reject_history", id, "room", 4))
		c = w.join("anna", extended)
		c.send(command("subscribe", id, `,"history":{"since":1}`))
		c.want(w.answerAt("confirm_subscription", id, "room", 4), answer("confirm_history", id))
		c = w.join("anna", extended) // a page that was rendered for her vouches for its position
		c.send(command("subscribe", id, `,"position":`+quoted(position)))
		c.want(answer("confirm_subscription", id))
		c.want(w.numbers(id, "room", 4, 4)...)
		c.want(w.answerAt("confirm_history", id, "room", 4))
		may = true
		c = w.join("anna", extended)
		c.send(command("subscribe", id, w.behind(id, "room", 2)))
		c.want(answer("confirm_subscription", id))
		c.want(w.numbers(id, "room", 3, 4)...)
		c.want(w.answerAt("confirm_history", id, "room", 4))
	})
}

// Identifiers are echoed byte for byte, whatever they look like.
func TestReplayEchoesIdentifiers(t *testing.T) {
	for _, id := range []string{
		`{"channel":"$pubsub","stream_name":"room"}`,
		"{ \"stream_name\" : \"room\",\t\"channel\":\"$pubsub\" }",
		`{"channel":"$pubsub","stream_name":"ro\u006fm","x":"\u2028 <b>&amp;</b> \"\\ \/ \ud83d\ude00"}`,
		`{"channel":"$pubsub","stream_name":"room","x":"` + "\u2028\U0001F600é" + `"}`,
	} {
		within(t, public, func(w *world) {
			for _, protocol := range []string{base, extended} {
				c := w.join("", protocol)
				c.send(command("subscribe", id, ""))
				frame, _ := c.read()
				w.publish("room", `1`)
				message, _ := c.read()
				for _, f := range []frameOf{decoded(t, frame), decoded(t, message)} {
					if f.Identifier != id {
						t.Errorf("got %q, want %q", f.Identifier, id)
					}
				}
				if !json.Valid([]byte(message)) {
					t.Error(message)
				}
			}
		})
	}
}
