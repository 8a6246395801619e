package lazyrealtime_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
)

func (w *world) subscribe(topic string, options ...lazyrealtime.SubscribeOption) *lazyrealtime.Subscription {
	w.t.Helper()
	sub, err := w.hub.Subscribe(w.t.Context(), topic, options...)
	if err != nil {
		w.t.Fatal(err)
	}
	return sub
}

// take reads n messages, and returns their data.
func take(t *testing.T, sub *lazyrealtime.Subscription, n int) (got []string) {
	t.Helper()
	for m, err := range sub.Messages() {
		if err != nil {
			t.Fatalf("behind %q: %v", got, err)
		}
		if got = append(got, string(m.Data)); len(got) == n {
			break
		}
	}
	return got
}

func counted(first, last int) (list []string) {
	for n := first; n <= last; n++ {
		list = append(list, fmt.Sprintf(`{"n":%d}`, n))
	}
	return list
}

func (w *world) at(offset uint64) lazyrealtime.SubscribeOption {
	return lazyrealtime.After(lazyrealtime.Position{Epoch: w.epoch(), Offset: offset})
}

func TestSubscription(t *testing.T) {
	for _, recent := range []int{-1, 3, 0} {
		within(t, lazyrealtime.Config{RecentMessages: recent}, func(w *world) {
			w.fill("room", 1, 200)
			now, some, all := w.subscribe("room"), w.subscribe("room", w.at(150)), w.subscribe("room", lazyrealtime.After(lazyrealtime.Position{}))
			if at := now.Position(); at.Offset != 200 || at.Epoch != w.epoch() {
				t.Errorf("it begins at %+v", at)
			}
			w.fill("room", 201, 300)
			for sub, first := range map[*lazyrealtime.Subscription]int{now: 201, some: 151, all: 1} {
				for first <= 300 { // a loop that is left goes on
					n := min(37, 301-first)
					if got, want := take(t, sub, n), counted(first, first+n-1); !slices.Equal(got, want) {
						t.Errorf("got %q, want %q", got, want)
					}
					first += n
				}
				if sub.Position().Offset != 300 {
					t.Errorf("it ends at %+v", sub.Position())
				}
			}
			got := make(chan []string)
			go func() { got <- take(t, now, 2) }()
			synctest.Wait()
			w.fill("room", 301, 301)
			synctest.Wait()
			w.fill("room", 302, 302)
			if got := <-got; !slices.Equal(got, counted(301, 302)) {
				t.Errorf("live: %q", got)
			}
		})
	}
}

// ended reads until the end, and returns why.
func ended(sub *lazyrealtime.Subscription) (err error) {
	for _, why := range sub.Messages() {
		err = why
	}
	return err
}

// A subscription ends with its Close, its context and its hub; and says which.
func TestSubscriptionEnds(t *testing.T) {
	within(t, public, func(w *world) {
		ctx, cancel := context.WithCancel(w.t.Context())
		cancelled, err := w.hub.Subscribe(ctx, "room")
		if err != nil {
			t.Fatal(err)
		}
		closed, left := w.subscribe("room"), w.subscribe("other")
		errs := map[string]chan error{}
		for name, sub := range map[string]*lazyrealtime.Subscription{"cancelled": cancelled, "closed": closed, "left": left} {
			why := make(chan error, 1)
			errs[name] = why
			go func() { why <- ended(sub) }()
		}
		synctest.Wait()
		cancel()
		closed.Close()
		closed.Close()
		if err := <-errs["cancelled"]; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if err := <-errs["closed"]; !errors.Is(err, lazyrealtime.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		w.fill("room", 1, 1)
		if err := ended(closed); !errors.Is(err, lazyrealtime.ErrClosed) {
			t.Errorf("closed, again: %v", err)
		}
		if sub, err := w.hub.Subscribe(ctx, "room"); err == nil && !errors.Is(ended(sub), context.Canceled) || err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("subscribe with a context that is over: %v", err)
		}
		w.close()
		if err := <-errs["left"]; !errors.Is(err, lazyrealtime.ErrClosed) {
			t.Errorf("the hub has ended: %v", err)
		}
		if _, err := w.hub.Subscribe(w.t.Context(), "room"); !errors.Is(err, lazyrealtime.ErrClosed) {
			t.Errorf("subscribe behind the end: %v", err)
		}
		if _, err := w.hub.Subscribe(w.t.Context(), ""); err == nil || errors.Is(err, lazyrealtime.ErrClosed) {
			t.Errorf("a topic without a name: %v", err)
		}
	})
}

// A gap ends it for good, at the place where something is missing.
func TestSubscriptionGap(t *testing.T) {
	config := lazyrealtime.Config{Retain: func(string) lazyrealtime.Retention { return lazyrealtime.Retention{Messages: 5} }}
	within(t, config, func(w *world) {
		w.fill("room", 1, 4)
		sub := w.subscribe("room", w.at(0))
		take(t, sub, 2)
		w.fill("room", 5, 20)
		var gap *lazyrealtime.GapError
		err := ended(sub) // it may have read up to 4
		if !errors.As(err, &gap) || gap.After != sub.Position() || gap.Tail.Offset != 20 || gap.Topic != "room" || gap.After.Offset > 4 {
			t.Errorf("%+v at %+v", err, sub.Position())
		}
		w.fill("room", 21, 21)
		if again := ended(sub); !errors.Is(again, err) {
			t.Errorf("and then %v", again)
		}
		sub.Close()
		if err := ended(sub); !errors.Is(err, lazyrealtime.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		next := w.subscribe("room", lazyrealtime.After(gap.Tail))
		if got := take(t, next, 1); got[0] != `{"n":21}` {
			t.Errorf("behind the gap: %q", got)
		}
		for _, at := range []lazyrealtime.Position{{Epoch: "other", Offset: 20}, {Epoch: w.epoch(), Offset: 22}, {Epoch: w.epoch(), Offset: 1}} {
			if err := ended(w.subscribe("room", lazyrealtime.After(at))); !errors.As(err, &gap) || gap.After != at {
				t.Errorf("at %+v: %v", at, err)
			}
		}
	})
}

// An engine that is unavailable interrupts it; the next loop goes on.
func TestSubscriptionUnavailable(t *testing.T) {
	within(t, lazyrealtime.Config{RecentMessages: 1}, func(w *world) {
		w.fill("room", 1, 100)
		sub := w.subscribe("room", w.at(10))
		take(t, sub, 1)
		take(t, sub, 63) // the page that was read
		w.log.Fail(enginetest.OpRead)
		for range 2 {
			if err := ended(sub); !errors.Is(err, lazyrealtime.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		}
		w.log.Before(nil)
		if got := take(t, sub, 26); !slices.Equal(got, counted(75, 100)) {
			t.Errorf("got %q", got)
		}
	})
}

// What is not stored has no position, and a slow loop loses the oldest of it.
func TestSubscriptionFleeting(t *testing.T) {
	within(t, public, func(w *world) {
		sub := w.subscribe("room")
		for n := range 300 {
			if err := w.hub.Broadcast(w.t.Context(), "room", fmt.Appendf(nil, `{"n":%d}`, n)); err != nil {
				t.Fatal(err)
			}
		}
		n := 300 - 256
		for m, err := range sub.Messages() {
			if want := fmt.Sprintf(`{"n":%d}`, n); err != nil || string(m.Data) != want || !m.Position.IsZero() || m.Topic != "room" {
				t.Fatalf("got %+v, %v, want %s", m, err, want)
			}
			if n++; n == 300 {
				break
			}
		}
		if at := sub.Position(); at.Offset != 0 || at.Epoch == "" {
			t.Errorf("at %+v", at)
		}
		w.fill("room", 1, 1)
		if got := take(t, sub, 1); got[0] != `{"n":1}` {
			t.Errorf("got %q", got)
		}
		if err := w.hub.Broadcast(w.t.Context(), "nobody's", []byte(`1`)); err != nil {
			t.Error(err)
		}
	})
}

// Many loops beside a publisher see the same sequence, from wherever they begin.
func TestSubscriptionsBesidePublishing(t *testing.T) {
	within(t, lazyrealtime.Config{RecentMessages: 7}, func(w *world) {
		const last = 500
		done := make(chan error, 20)
		for i := range 20 {
			go func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				sub := w.subscribe("room", w.at(0))
				want := uint64(1)
				for m, err := range sub.Messages() {
					if err == nil && m.Position.IsZero() {
						continue // it is not stored
					}
					if err != nil || m.Position.Offset != want {
						done <- fmt.Errorf("loop %d: got %v, %w, want %d", i, m, err, want)
						return
					}
					if want++; want > last {
						break
					}
				}
				sub.Close()
				done <- nil
			}()
		}
		for n := 1; n <= last; n++ {
			w.fill("room", n, n)
			if n%5 == 0 {
				go w.hub.Broadcast(context.Background(), "room", []byte(`"fleeting"`))
				time.Sleep(time.Millisecond)
			}
		}
		for range 20 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}
