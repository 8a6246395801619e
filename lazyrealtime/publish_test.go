package lazyrealtime_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
)

// What is published has a position that can be read behind at once, although the
// node's feed may be late.
func TestPublish(t *testing.T) {
	within(t, lazyrealtime.Config{}, func(w *world) {
		w.log.OnLive(func(*lazyrealtime.Message, uint64) enginetest.Fate { return enginetest.Drop })
		w.subscribe("room") // the node follows the topic
		var at [4]lazyrealtime.Position
		for n := uint64(1); n <= 3; n++ {
			at[n] = w.publish("room", counted(int(n), int(n))[0], lazyrealtime.From("anna"))
			if at[n].Offset != n || at[n].Epoch != w.epoch() {
				t.Errorf("published at %+v", at[n])
			}
		}
		for m, err := range w.subscribe("room", lazyrealtime.After(at[2])).Messages() {
			if err != nil || m.From != "anna" || m.Topic != "room" || m.Position != at[3] || m.Time.IsZero() {
				t.Errorf("got %+v, %v", m, err)
			}
			break
		}
	})
}

// A message with an id that was there is not published again, and has its position.
func TestPublishDuplicate(t *testing.T) {
	count := new(counters)
	within(t, lazyrealtime.Config{Public: true, Metrics: count}, func(w *world) {
		c := w.follow(0)
		first := w.publish("room", `"a"`, lazyrealtime.MessageID("1"))
		if again := w.publish("room", `"b"`, lazyrealtime.MessageID("1")); again != first {
			t.Errorf("%+v and %+v", first, again)
		}
		other := w.publish("other", `"a"`, lazyrealtime.MessageID("1"))
		w.publish("room", `"c"`)
		w.publish("room", `"c"`)
		c.want(w.stored(roomID, "room", `"a"`, 1), w.stored(roomID, "room", `"c"`, 2), w.stored(roomID, "room", `"c"`, 3))
		c.wantNothing()
		if other.Offset != 1 || count.get(lazyrealtime.CountPublishes) != 4 || count.get(lazyrealtime.CountDuplicates) != 1 {
			t.Errorf("%+v, %v", other, count.counts)
		}
	})
}

// When the answer of the engine is lost the same id publishes once.
func TestPublishAgain(t *testing.T) {
	within(t, public, func(w *world) {
		c := w.follow(0)
		w.log.After(func(_ context.Context, c enginetest.Call) error {
			if c.Op == enginetest.OpAppend {
				return lazyrealtime.ErrUnavailable
			}
			return nil
		})
		for range 2 {
			_, err := w.hub.Publish(w.t.Context(), "room", []byte(`"a"`), lazyrealtime.MessageID("1"))
			if !errors.Is(err, lazyrealtime.ErrUnavailable) || !strings.Contains(err.Error(), "room") {
				t.Errorf("got %v", err)
			}
		}
		w.log.After(nil)
		if at := w.publish("room", `"a"`, lazyrealtime.MessageID("1")); at.Offset != 1 {
			t.Errorf("published at %+v", at)
		}
		c.want(w.stored(roomID, "room", `"a"`, 1))
		c.wantNothing()
		ctx, cancel := context.WithCancel(w.t.Context())
		cancel()
		if _, err := w.hub.Publish(ctx, "room", []byte(`1`)); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that is over: %v", err)
		}
	})
}

// Nothing is published that a browser would drop, or could not read.
func TestPublishRefuses(t *testing.T) {
	within(t, public, func(w *world) {
		c := w.follow(0)
		var data *lazyrealtime.DataError
		var limit *lazyrealtime.LimitError
		for _, text := range []string{``, ` `, `null`, `false`, `0`, `-0`, `0.0`, `""`, `{`, `{}{}`, `{"a":}`, "\"\xff\"", "\"\n\"", `nul`, ` 0 `} {
			_, err := w.hub.Publish(w.t.Context(), "room", []byte(text))
			if !errors.As(err, &data) {
				t.Errorf("publish of %q: %v", text, err)
			}
			if err := w.hub.Broadcast(w.t.Context(), "room", []byte(text)); !errors.As(err, &data) {
				t.Errorf("broadcast of %q: %v", text, err)
			}
		}
		long := []byte(`"` + strings.Repeat("x", 64<<10) + `"`)
		if _, err := w.hub.Publish(w.t.Context(), "room", long); !errors.As(err, &limit) || limit.Limit != "MessageBytes" {
			t.Errorf("publish of too much: %v", err)
		}
		for _, topic := range []string{"", strings.Repeat("t", 256), "\xff"} {
			if _, err := w.hub.Publish(w.t.Context(), topic, []byte(`1`)); err == nil {
				t.Errorf("publish to %q", topic)
			}
		}
		if _, err := w.hub.PublishHTML(w.t.Context(), "room", ""); !errors.As(err, &data) {
			t.Errorf("publish of no HTML: %v", err)
		}
		c.wantNothing()
		for _, text := range []string{`1`, `"0"`, `[]`, `{}`, `true`, ` {"a":1} `, `1e-5`} {
			w.publish("room", text)
		}
		if _, err := w.hub.PublishHTML(w.t.Context(), "room", "<p class=\"é\">\u2028</p>\n"); err != nil {
			t.Error(err)
		}
		var last frameOf
		for range 8 {
			frame, _ := c.read()
			last = decoded(t, frame)
		}
		if got := string(last.Message); !strings.Contains(got, "class=") || last.Offset != 8 {
			t.Errorf("got %+v", last)
		}
		w.close()
		if _, err := w.hub.Publish(w.t.Context(), "room", []byte(`1`)); !errors.Is(err, lazyrealtime.ErrClosed) {
			t.Errorf("publish behind the end: %v", err)
		}
		if err := w.hub.Broadcast(w.t.Context(), "room", []byte(`1`)); !errors.Is(err, lazyrealtime.ErrClosed) {
			t.Errorf("broadcast behind the end: %v", err)
		}
		if _, _, err := w.hub.History(w.t.Context(), "room", lazyrealtime.Position{}, 1); !errors.Is(err, lazyrealtime.ErrClosed) {
			t.Errorf("history behind the end: %v", err)
		}
	})
}

// History is the latest messages, or those behind a position, and where they end.
func TestPublishAndHistory(t *testing.T) {
	for _, recent := range []int{-1, 5, 0} {
		within(t, lazyrealtime.Config{RecentMessages: recent}, func(w *world) {
			want := func(after uint64, limit, first, last int, at uint64) {
				t.Helper()
				p := lazyrealtime.Position{}
				if after > 0 {
					p = lazyrealtime.Position{Epoch: w.epoch(), Offset: after - 1}
				}
				messages, end, err := w.hub.History(w.t.Context(), "room", p, limit)
				var got []string
				for _, m := range messages {
					got = append(got, string(m.Data))
				}
				if err != nil || !slices.Equal(got, counted(first, last)) || end != (lazyrealtime.Position{Epoch: w.epoch(), Offset: at}) {
					t.Errorf("recent %d, after %d, limit %d: %q up to %+v, %v", recent, after, limit, got, end, err)
				}
			}
			want(0, 10, 1, 0, 0)
			want(1, 10, 1, 0, 0)
			w.fill("room", 1, 200)
			want(0, 10, 191, 200, 200)
			want(0, 1000, 1, 200, 200)
			want(0, 1, 200, 200, 200)
			want(0, 0, 200, 200, 200)
			want(0, -5, 200, 200, 200)
			want(1, 1, 1, 1, 1)
			want(1, -1, 1, 1, 1)
			want(198, 10, 198, 200, 200)
			want(201, 10, 1, 0, 200)
			var gap *lazyrealtime.GapError
			if _, _, err := w.hub.History(w.t.Context(), "room", lazyrealtime.Position{Epoch: "other", Offset: 1}, 1); !errors.As(err, &gap) {
				t.Errorf("another epoch: %v", err)
			}
			w.log.Fail(enginetest.OpRead)
			if _, _, err := w.hub.History(w.t.Context(), "room", lazyrealtime.Position{Epoch: w.epoch(), Offset: 1}, 1); recent != 0 && !errors.Is(err, lazyrealtime.ErrUnavailable) {
				t.Errorf("unavailable: %v", err)
			}
			w.log.Before(nil)
		})
	}
}

// Pages that show the latest messages of a busy topic are not told of gaps.
func TestPublishBesideHistory(t *testing.T) {
	config := lazyrealtime.Config{RecentMessages: -1, Retain: func(string) lazyrealtime.Retention { return lazyrealtime.Retention{Messages: 3} }}
	within(t, config, func(w *world) {
		w.log.After(func(_ context.Context, c enginetest.Call) error {
			if c.Op == enginetest.OpRead {
				time.Sleep(time.Millisecond)
			}
			return nil
		})
		w.fill("room", 1, 5)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for n := 6; n <= 500; n++ {
				w.fill("room", n, n)
				time.Sleep(100 * time.Microsecond)
			}
		}()
		for range 20 {
			messages, at, err := w.hub.History(w.t.Context(), "room", lazyrealtime.Position{}, 50)
			if err != nil || len(messages) > 0 && messages[len(messages)-1].Position != at {
				t.Errorf("%d messages up to %+v, %v", len(messages), at, err)
			}
		}
		<-done
	})
}

// A topic that nobody follows costs a publisher nothing but the engine's Append.
func TestPublishToNobody(t *testing.T) {
	within(t, public, func(w *world) {
		w.fill("room", 1, 10)
		synctest.Wait()
		if n := w.log.Count(enginetest.OpFollow) + w.log.Count(enginetest.OpTail) + w.log.Count(enginetest.OpRead); n != 0 || w.hub.Stats().Topics != 0 {
			t.Errorf("%d calls of the engine, %+v", n, w.hub.Stats())
		}
	})
}
