package lazyrealtime_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// Messages in memory are bounded by count and bytes for a topic.
func TestLingerBoundsOfRecent(t *testing.T) {
	config := lazyrealtime.Config{Public: true, RecentMessages: 8, RecentBytes: 4096}
	within(t, config, func(w *world) {
		c := w.follow(0)
		big := make([]byte, 1000)
		for i := range big {
			big[i] = 'x'
		}
		most := int64(0)
		for n := range 50 {
			if n%2 == 0 {
				w.publish("room", `"`+string(big)+`"`)
			} else {
				w.publish("room", `1`)
			}
			most = max(most, w.hub.Stats().RecentBytes)
			if _, err := c.read(); err != nil {
				t.Fatal(err)
			}
		}
		if most > 4096 || most < 2000 {
			t.Errorf("at most %d bytes in memory", most)
		}
		w.publish("room", `"`+string(make64k())+`"`)
		if got := w.hub.Stats().RecentBytes; got < 60_000 || got > 70_000 {
			t.Errorf("%d bytes in memory behind a message that is larger than all that may be", got)
		}
	})
}

func make64k() []byte {
	b := make([]byte, 60_000)
	for i := range b {
		b[i] = 'y'
	}
	return b
}

// Memory of no messages at all is a hub that reads the engine for every replay.
func TestLingerWithoutRecent(t *testing.T) {
	within(t, lazyrealtime.Config{Public: true, RecentMessages: -1, RecentBytes: -1}, func(w *world) {
		first := w.follow(0)
		w.fill("room", 1, 100)
		first.want(w.numbers(roomID, "room", 1, 100)...)
		c := w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 10)))
		c.want(answer("confirm_subscription", roomID))
		c.want(w.numbers(roomID, "room", 11, 100)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 100))
		if n := w.hub.Stats().RecentBytes; n != 0 {
			t.Errorf("%d bytes in memory", n)
		}
	})
}

// Topics that linger are bounded: of too many, those that have lingered longest go.
func TestLingerOfTooManyTopics(t *testing.T) {
	withSpy(t, lingering(0), func(w *world, s *spied) {
		sub := w.subscribe("busy")
		defer sub.Close()
		for n := range 10_100 {
			w.everything(fmt.Sprintf("t%d", n), 0)
		}
		w.everything("t0", 0)
		time.Sleep(2 * time.Second)
		if n := w.hub.Stats().Topics; n != 10_001 {
			now, _ := s.count()
			t.Errorf("%d topics, %d are followed", n, now)
		}
		time.Sleep(time.Minute)
		if now, _ := s.count(); now != 1 || w.hub.Stats().Topics != 1 || w.hub.IdleEntries() != 0 {
			t.Errorf("%d topics are followed, %+v", now, w.hub.Stats())
		}
		w.fill("busy", 1, 1)
		take(t, sub, 1)
	})
}

// All rings together have a budget: the idle topics' go first.
func TestLingerBudget(t *testing.T) {
	config := lazyrealtime.Config{Public: true, RecentMessages: 1 << 20, RecentBytes: math.MaxInt}
	config.Retain = func(string) lazyrealtime.Retention { return lazyrealtime.Retention{Messages: 1 << 20} }
	within(t, config, func(w *world) {
		data := []byte(`"` + string(make64k()) + `"`) // the memory engine and the rings share it
		topics := []string{"idle", "busy"}
		var subs []*lazyrealtime.Subscription
		for _, topic := range topics {
			s, err := w.hub.Subscribe(w.t.Context(), topic)
			if err != nil {
				t.Fatal(err)
			}
			subs = append(subs, s)
			for range 2400 {
				if _, err := w.log.Append(w.t.Context(), []lazyrealtime.Entry{{Topic: topic, Data: data, Keep: config.Retain("")}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		subs[0].Close()
		if n := w.hub.Stats().RecentBytes; n < 280e6 {
			t.Fatalf("only %d bytes in memory", n)
		}
		time.Sleep(2 * time.Second)
		if n := w.hub.Stats().RecentBytes; n > 256<<20 || n < 140e6 {
			t.Errorf("%d bytes in memory after the sweep: only what is idle should have gone", n)
		}
		for i, topic := range topics { // nothing is missing
			sub, err := w.hub.Subscribe(w.t.Context(), topic, lazyrealtime.After(lazyrealtime.Position{}))
			if err != nil {
				t.Fatal(err)
			}
			n := uint64(0)
			for m, err := range sub.Messages() {
				if n++; err != nil || m.Position.Offset != n {
					t.Fatalf("topic %d: message %d: %v, %v", i, n, m, err)
				}
				if n == 2400 {
					break
				}
			}
			sub.Close()
		}
		subs[1].Close()
		time.Sleep(2 * time.Minute)
		if stats := w.hub.Stats(); stats.RecentBytes != 0 || stats.Topics != 0 {
			t.Errorf("in the end %+v", stats)
		}
	})
}
