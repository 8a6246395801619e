package lazyrealtime_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
)

// public is a hub without secrets.
var public = lazyrealtime.Config{Public: true}

// The order of the answers: confirmed, history, history confirmed, live.
func TestReplayOrder(t *testing.T) {
	within(t, public, func(w *world) {
		w.fill("room", 1, 5)
		c := w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 2)))
		c.want(answer("confirm_subscription", roomID))
		c.want(w.numbers(roomID, "room", 3, 5)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 5))
		w.fill("room", 6, 7)
		c.want(w.numbers(roomID, "room", 6, 7)...)
		c.wantNothing()
	})
}

// A client without a history is told where it starts, so that it can go on from
// there although it has got nothing.
func TestReplayStartsNow(t *testing.T) {
	within(t, public, func(w *world) {
		w.fill("room", 1, 3)
		c := w.join("", extended)
		c.send(command("subscribe", roomID, ""))
		c.want(w.answerAt("confirm_subscription", roomID, "room", 3))
		w.fill("room", 4, 4)
		c.want(w.numbers(roomID, "room", 4, 4)...)

		c = w.join("", extended) // comes back from where it started
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 3)))
		c.want(answer("confirm_subscription", roomID))
		c.want(w.numbers(roomID, "room", 4, 4)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 4))

		c = w.join("", extended) // has everything
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 4)))
		c.want(answer("confirm_subscription", roomID), w.answerAt("confirm_history", roomID, "room", 4))
		c.wantNothing()

		empty := `{"channel":"$pubsub","stream_name":"empty"}`
		c = w.join("", extended)
		c.send(command("subscribe", empty, ""))
		c.want(w.answerAt("confirm_subscription", empty, "empty", 0))
		c = w.join("", extended)
		w.fill("empty", 1, 2)
		c.send(command("subscribe", empty, w.behind(empty, "empty", 0)))
		c.want(answer("confirm_subscription", empty))
		c.want(w.numbers(empty, "empty", 1, 2)...)
		c.want(w.answerAt("confirm_history", empty, "empty", 2))
	})
}

// A history that is asked for and names nothing is confirmed, before anything live.
func TestReplayOfNothing(t *testing.T) {
	for _, history := range []string{`{}`, `{"since":false}`, `{"streams":{}}`, `{"streams":{"other":{"epoch":"e","offset":1}}}`} {
		within(t, public, func(w *world) {
			w.fill("room", 1, 3)
			c := w.join("", extended)
			c.send(command("subscribe", roomID, `,"history":`+history))
			c.want(w.answerAt("confirm_subscription", roomID, "room", 3), answer("confirm_history", roomID))
			w.fill("room", 4, 4)
			c.want(w.numbers(roomID, "room", 4, 4)...)
		})
	}
}

// A second subscribe brings nothing a second time, whenever it comes. It is confirmed
// again; to extended clients only when they must have given up the first: @anycable/core
// takes a second confirmation for one that it does not want any more.
func TestReplayOfADuplicateSubscribe(t *testing.T) {
	within(t, public, func(w *world) {
		w.fill("room", 1, 3)
		subscribe := command("subscribe", roomID, w.behind(roomID, "room", 1))
		c := w.join("", extended)
		c.send(subscribe)
		c.want(answer("confirm_subscription", roomID))
		c.want(w.numbers(roomID, "room", 2, 3)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 3))
		for range 3 {
			c.send(subscribe)
			c.wantNothing()
			time.Sleep(3 * time.Second)
		}
		w.fill("room", 4, 4)
		c.want(w.numbers(roomID, "room", 4, 4)...)
		c.wantNothing()
		time.Sleep(time.Second)
		c.send(subscribe)
		c.want(answer("confirm_subscription", roomID))
		c.wantNothing()

		b := w.join("", base)
		b.send(command("subscribe", roomID, ""))
		b.send(command("subscribe", roomID, ""))
		b.want(answer("confirm_subscription", roomID), answer("confirm_subscription", roomID))
		w.fill("room", 5, 5)
		b.want(plain(roomID, `{"n":5}`))
		b.wantNothing()
	})
}

// A history and a duplicate subscribe that come with the subscribe, in any order, are
// one replay.
func TestReplayTogether(t *testing.T) {
	for _, slow := range []bool{false, true} {
		for order := range 3 {
			t.Run(fmt.Sprintf("slow=%v/%d", slow, order), func(t *testing.T) {
				within(t, public, func(w *world) {
					w.fill("room", 1, 4)
					together(t, w, slow, order)
				})
			})
		}
	}
}

func together(t *testing.T, w *world, slow bool, order int) {
	history := w.behind(roomID, "room", 2)
	frames := [][]string{
		{command("subscribe", roomID, history), command("history", roomID, history), command("subscribe", roomID, history)},
		{command("subscribe", roomID, history), command("subscribe", roomID, history), command("history", roomID, history)},
		{command("subscribe", roomID, history), command("history", roomID, history), command("history", roomID, history)},
	}[order]
	unblock := func() {}
	if slow {
		unblock = w.log.Block("Read")
	}
	c := w.join("", extended)
	for _, frame := range frames {
		c.send(frame)
		if !slow {
			synctest.Wait() // the replay before has ended
		}
	}
	synctest.Wait()
	unblock()
	got := map[string]int{}
	last := uint64(2)
	for range 20 {
		frame, ok := c.maybe()
		if !ok {
			break
		}
		got[frame]++
		if f := decoded(t, frame); f.Offset > 0 {
			if f.Offset != last+1 {
				t.Errorf("offset %d behind %d", f.Offset, last)
			}
			last = f.Offset
		}
	}
	if last != 4 || got[w.answerAt("confirm_history", roomID, "room", 4)] == 0 {
		t.Errorf("the client stands at %d, and got %v", last, got)
	}
	w.fill("room", 5, 5)
	c.want(w.numbers(roomID, "room", 5, 5)...)
	c.wantNothing()
}

// Unsubscribe and subscribe in quick succession end subscribed, and nothing comes
// from the first subscription behind the second's answer.
func TestReplayAfterUnsubscribe(t *testing.T) {
	within(t, public, func(w *world) {
		w.fill("room", 1, 3)
		unblock := w.log.Block("Read")
		c := w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 1)))
		c.send(command("unsubscribe", roomID, ""))
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 2)))
		c.send(command("unsubscribe", roomID, ""))
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 2)))
		c.want(answer("confirm_subscription", roomID), answer("confirm_subscription", roomID), answer("confirm_subscription", roomID))
		c.wantNothing()
		unblock()
		c.want(w.numbers(roomID, "room", 3, 3)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 3))
		w.fill("room", 4, 4)
		c.want(w.numbers(roomID, "room", 4, 4)...)
		c.send(command("unsubscribe", roomID, ""))
		synctest.Wait()
		w.fill("room", 5, 5)
		c.wantNothing()
		if n := w.hub.Stats().Subscriptions; n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
	})
}

// What is not stored has no offset, and does not come to who whispers it.
func TestReplayAndFleeting(t *testing.T) {
	config := lazyrealtime.Config{Public: true, Authorize: allow}
	within(t, config, func(w *world) {
		a, b := w.join("a", extended), w.join("b", extended)
		old := w.join("c", base)
		for _, c := range []*client{a, b} {
			c.send(command("subscribe", roomID, ""))
			c.want(w.answerAt("confirm_subscription", roomID, "room", 0))
		}
		old.send(command("subscribe", roomID, ""))
		old.want(answer("confirm_subscription", roomID))
		a.send(command("whisper", roomID, `,"data":{"typing":true}`))
		b.want(plain(roomID, `{"typing":true}`))
		old.want(plain(roomID, `{"typing":true}`))
		a.wantNothing()
		if err := w.hub.Broadcast(t.Context(), "room", []byte(`"cursor"`)); err != nil {
			t.Fatal(err)
		}
		w.fill("room", 1, 1)
		for _, c := range []*client{a, b} {
			c.want(plain(roomID, `"cursor"`), w.stored(roomID, "room", `{"n":1}`, 1))
		}
		old.want(plain(roomID, `"cursor"`), plain(roomID, `{"n":1}`))
	})
}

// Two identifiers of one topic are two subscriptions, each with a stream of its own:
// a client keeps one position per stream and connection.
func TestReplayOfTwoIdentifiers(t *testing.T) {
	const other = `{"channel":"$pubsub","stream_name":"room","copy":2}`
	within(t, public, func(w *world) {
		w.fill("room", 1, 4)
		c := w.join("", extended)
		c.send(command("subscribe", roomID, ""))
		c.want(w.answerAt("confirm_subscription", roomID, "room", 4))
		c.send(command("subscribe", other, w.behind(other, "room", 2)))
		c.want(answer("confirm_subscription", other))
		c.want(w.numbers(other, "room", 3, 4)...)
		c.want(w.answerAt("confirm_history", other, "room", 4))
		w.fill("room", 5, 5)
		one, two := w.numbers(roomID, "room", 5, 5)[0], w.numbers(other, "room", 5, 5)[0]
		first, _ := c.read()
		second, _ := c.read()
		if (first != one || second != two) && (first != two || second != one) {
			t.Errorf("got %s and %s", first, second)
		}
		c.send(command("unsubscribe", roomID, ""))
		synctest.Wait()
		w.fill("room", 6, 6)
		c.want(w.numbers(other, "room", 6, 6)...)
		c.wantNothing()
	})
}

// A position that retention has passed is a gap, and one that it has just not
// passed is none; whether memory or the engine answers.
func TestReplayBehindRetention(t *testing.T) {
	keep := lazyrealtime.Retention{Messages: 3}
	config := lazyrealtime.Config{Public: true, Retain: func(string) lazyrealtime.Retention { return keep }}
	for _, warm := range []bool{false, true} {
		within(t, config, func(w *world) {
			if warm {
				first := w.join("", extended)
				first.send(command("subscribe", roomID, ""))
				first.want(w.answerAt("confirm_subscription", roomID, "room", 0))
			}
			w.fill("room", 1, 10)
			c := w.join("", extended)
			c.send(command("subscribe", roomID, w.behind(roomID, "room", 6)))
			c.want(answer("confirm_subscription", roomID), w.answerAt("reject_history", roomID, "room", 10))
			w.fill("room", 11, 11)
			c.want(w.numbers(roomID, "room", 11, 11)...)
			c = w.join("", extended)
			c.send(command("subscribe", roomID, w.behind(roomID, "room", 8)))
			c.want(answer("confirm_subscription", roomID))
			c.want(w.numbers(roomID, "room", 9, 11)...)
			c.want(w.answerAt("confirm_history", roomID, "room", 11))
		})
	}
}

// What retention by age has taken is a gap, also when the topic was opened behind it
// and has got messages since, and when somebody else has asked for all there is.
func TestReplayBehindAge(t *testing.T) {
	keep := lazyrealtime.Retention{Age: time.Hour}
	config := lazyrealtime.Config{Public: true, Retain: func(string) lazyrealtime.Retention { return keep }}
	for _, all := range []string{"nobody", "before", "behind"} {
		t.Run(all, func(t *testing.T) {
			within(t, config, func(w *world) {
				w.fill("room", 1, 5)
				time.Sleep(2 * time.Hour)
				if all == "before" {
					w.everything("room", 0)
				}
				c := w.join("", extended)
				c.send(command("subscribe", roomID, ""))
				c.want(w.answerAt("confirm_subscription", roomID, "room", 5))
				w.fill("room", 6, 6)
				c.want(w.numbers(roomID, "room", 6, 6)...)
				if all == "behind" {
					w.everything("room", 1)
				}
				for range 2 {
					c = w.join("", extended)
					c.send(command("subscribe", roomID, w.behind(roomID, "room", 3)))
					c.want(answer("confirm_subscription", roomID), w.answerAt("reject_history", roomID, "room", 6))
				}
				c = w.join("", extended)
				c.send(command("subscribe", roomID, w.behind(roomID, "room", 5)))
				c.want(answer("confirm_subscription", roomID))
				c.want(w.numbers(roomID, "room", 6, 6)...)
				c.want(w.answerAt("confirm_history", roomID, "room", 6))
			})
		})
	}
}

// everything reads all that is retained of a topic, in the process.
func (w *world) everything(topic string, want int) {
	w.t.Helper()
	messages, _, err := w.hub.History(w.t.Context(), topic, lazyrealtime.Position{}, 1000)
	if err != nil || len(messages) != want {
		w.t.Fatalf("%d messages (%v), want %d", len(messages), err, want)
	}
}

// Positions of another epoch, and ahead of the log, as behind a restored backup, are
// gaps; the client goes on from the tail that it is told.
func TestReplayOfAnotherLog(t *testing.T) {
	within(t, public, func(w *world) {
		w.fill("room", 1, 3)
		for _, at := range []string{
			`{"epoch":"another","offset":2}`, `{"epoch":"another","offset":0}`, `{"epoch":"","offset":2}`, `{"offset":1}`,
			fmt.Sprintf(`{"epoch":%q,"offset":4}`, w.epoch()), fmt.Sprintf(`{"epoch":%q,"offset":9007199254740992}`, w.epoch()),
		} {
			c := w.join("", extended)
			c.send(command("subscribe", roomID, `,"history":{"streams":{"`+streamOf("room", roomID)+`":`+at+`}}`))
			c.want(answer("confirm_subscription", roomID), w.answerAt("reject_history", roomID, "room", 3))
			c.wantNothing()
		}
		c := w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 3)))
		c.want(answer("confirm_subscription", roomID), w.answerAt("confirm_history", roomID, "room", 3))
	})
}

// Since is a time in whole seconds: everything from that second on.
func TestReplaySince(t *testing.T) {
	within(t, public, func(w *world) {
		start := time.Now()
		for n := 1; n <= 5; n++ {
			w.fill("room", n, n)
			time.Sleep(10 * time.Second)
		}
		for since, first := range map[int64]int{-100: 1, 0: 1, 1: 2, 10: 2, 11: 3, 40: 5, 41: 6, 1000: 6} {
			c := w.join("", extended)
			c.send(command("subscribe", roomID, fmt.Sprintf(`,"history":{"since":%d}`, start.Unix()+since)))
			c.want(answer("confirm_subscription", roomID))
			c.want(w.numbers(roomID, "room", first, 5)...)
			c.want(w.answerAt("confirm_history", roomID, "room", 5))
			c.wantNothing()
		}
	})
}

// A replay stops at its limit, and says so.
func TestReplayLimit(t *testing.T) {
	config := lazyrealtime.Config{Public: true, Limits: lazyrealtime.Limits{ReplayMessages: 100}}
	within(t, config, func(w *world) { // a part of it comes before
		w.fill("room", 1, 200)
		c := w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 10)))
		c.want(answer("confirm_subscription", roomID))
		c.want(w.numbers(roomID, "room", 11, 74)...)
		c.want(w.answerAt("reject_history", roomID, "room", 200))
		c.send(command("history", roomID, w.behind(roomID, "room", 10))) // and not twice
		c.want(w.answerAt("reject_history", roomID, "room", 200))
		c.wantNothing()
	})
	config.Limits.ReplayMessages = 3
	within(t, config, func(w *world) {
		w.fill("room", 1, 10)
		c := w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 7)))
		c.want(answer("confirm_subscription", roomID))
		c.want(w.numbers(roomID, "room", 8, 10)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 10))
		c = w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 6)))
		c.want(answer("confirm_subscription", roomID), w.answerAt("reject_history", roomID, "room", 10))
		w.fill("room", 11, 11)
		c.want(w.numbers(roomID, "room", 11, 11)...)
	})
}
