package lazyrealtime_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazywebsocket/wstest"
)

// What is published between the last look of a replay and its joining is neither lost
// nor doubled, whether memory still has it or not, and its end is told once.
func TestFollowJoinsWithoutAHole(t *testing.T) {
	for _, recent := range []int{-1, 1, 3, 0} {
		for _, before := range []int{0, 1, 5} { // messages
			for _, meanwhile := range []int{0, 1, 2, 10} {
				for _, zero := range []bool{true, false} {
					name := fmt.Sprintf("recent=%d/before=%d/meanwhile=%d/zero=%v", recent, before, meanwhile, zero)
					t.Run(name, func(t *testing.T) {
						within(t, lazyrealtime.Config{RecentMessages: recent}, func(w *world) {
							joinsWithoutAHole(w, before, meanwhile, zero)
						})
					})
				}
			}
		}
	}
}

func joinsWithoutAHole(w *world, before, meanwhile int, zero bool) {
	w.fill("room", 1, before)
	at := lazyrealtime.Position{}
	if !zero {
		at = lazyrealtime.Position{Epoch: w.epoch()}
	}
	server, conn := wstest.NewPair(w.t, nil, nil)
	levels := 0
	err := w.hub.CatchUp(w.t.Context(), "room", server, at, func(lazyrealtime.Position) {
		levels++
		w.fill("room", before+1, before+meanwhile)
	})
	if err != nil || levels != 1 {
		w.t.Errorf("it has caught up %d times: %v", levels, err)
	}
	w.fill("room", before+meanwhile+1, before+meanwhile+2)
	c := &client{w.t, conn}
	for n := 1; n <= before+meanwhile+2; n++ {
		frame, err := c.read()
		if f := decoded(w.t, frame); err != nil || f.Offset != uint64(n) {
			w.t.Fatalf("got %s, %v, want %d", frame, err, n)
		}
	}
	c.wantNothing()
}

// Clients that come and go beside a publisher who does not pause get an unbroken
// sequence from the place that they are told.
func TestFollowABusyTopic(t *testing.T) {
	for _, recent := range []int{1, 0} {
		config := lazyrealtime.Config{Public: true, RecentMessages: recent, Limits: lazyrealtime.Limits{CommandsPerSecond: -1}}
		within(t, config, func(w *world) {
			epoch := w.epoch()
			stop := make(chan struct{})
			var all sync.WaitGroup
			for p := range 2 {
				all.Go(func() {
					for n := 1; ; n++ {
						select {
						case <-stop:
							return
						default:
						}
						if w.publish("room", fmt.Sprintf(`{"p":%d}`, p)); n%25 == 0 {
							time.Sleep(time.Millisecond) // until nobody has anything to do
						}
					}
				})
			}
			defer all.Wait()
			defer close(stop)
			for range 2 {
				w.comesAndGoes(epoch, 150)
			}
			for range 20 {
				w.comesAndGoes(epoch, 1)
			}
		})
	}
}

func (w *world) comesAndGoes(epoch string, rounds int) {
	c := w.join("", extended)
	at := uint64(0) // it has got this
	for round := range rounds {
		history := ""
		if round%3 > 0 && at > 0 {
			history = fmt.Sprintf(`,"history":{"streams":{%q:{"epoch":%q,"offset":%d}}}`, streamOf("room", roomID), epoch, at)
		}
		c.send(command("subscribe", roomID, history))
		confirmed := false
		for n := 0; n < 20; {
			frame, err := c.read()
			f := decoded(w.t, frame)
			switch {
			case err != nil:
				w.t.Fatal(err)
			case f.Type == "confirm_subscription":
				confirmed = true
				if history == "" {
					at = f.Streams[streamOf("room", roomID)].Offset
				}
			case f.Type == "confirm_history" && confirmed:
				if p := f.Streams[streamOf("room", roomID)].Offset; p != at {
					w.t.Fatalf("round %d: told %d at %d", round, p, at)
				}
			case f.Type == "" && confirmed:
				if f.Offset != at+1 {
					w.t.Fatalf("round %d: got %d behind %d", round, f.Offset, at)
				}
				at = f.Offset
				n++
			case f.Type == "" && round == 0, f.Type == "reject_history":
				w.t.Fatalf("round %d: got %s", round, frame)
			}
		}
		c.send(command("unsubscribe", roomID, ""))
	}
	c.gone()
}

// lagging is an engine whose reads are some messages late.
type lagging struct {
	lazyrealtime.Log
	mu   sync.Mutex
	late uint64
}

func (l *lagging) Read(ctx context.Context, topic string, after lazyrealtime.Position, limit int) (lazyrealtime.Page, error) {
	page, err := l.Log.Read(ctx, topic, after, limit)
	l.mu.Lock()
	defer l.mu.Unlock()
	page.Tail.Offset -= min(l.late, page.Tail.Offset)
	for n := len(page.Messages); n > 0 && page.Messages[n-1].Position.Offset > page.Tail.Offset; n-- {
		page.Messages = page.Messages[:n-1]
	}
	return page, err
}

// An engine that lags behind its own tail makes clients come back, and no holes.
func TestFollowALaggingEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lagging{Log: memory.Open(), late: 2}
		w := open(t, public, enginetest.NewFaulty(log))
		w.fill("room", 1, 10)
		c := w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 5)))
		c.want(answer("confirm_subscription", roomID))
		c.want(w.numbers(roomID, "room", 6, 8)...)
		c.wantClose(`{"type":"disconnect","reason":"server_restart","reconnect":true}`, 1013)
		c = w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 8)))
		c.want(answer("confirm_subscription", roomID))
		c.wantClose(`{"type":"disconnect","reason":"server_restart","reconnect":true}`, 1013)
		log.mu.Lock()
		log.late = 0
		log.mu.Unlock()
		for _, at := range []int{8, 5, 0} {
			c = w.join("", extended)
			c.send(command("subscribe", roomID, w.behind(roomID, "room", uint64(at))))
			c.want(answer("confirm_subscription", roomID))
			c.want(w.numbers(roomID, "room", at+1, 10)...)
			c.want(w.answerAt("confirm_history", roomID, "room", 10))
		}
		w.close()
	})
}

// held makes the n-th read of the engine from now on wait, once it is done, and
// returns what lets it go on.
func (w *world) held(n int32) (release func()) {
	gate := make(chan struct{})
	var reads atomic.Int32
	w.log.After(func(_ context.Context, c enginetest.Call) error {
		if c.Op == enginetest.OpRead && reads.Add(1) == n {
			<-gate
		}
		return nil
	})
	return func() {
		w.log.After(nil)
		close(gate)
	}
}

// What is published while the engine is read is not hidden by what it has read: not
// by nothing, where memory has gone on meanwhile, and not by all there was.
func TestFollowWhileTheEngineIsRead(t *testing.T) {
	for n, before := range []int{0, 0, 3, 3} {
		config := lazyrealtime.Config{RecentMessages: 2, Retain: func(string) lazyrealtime.Retention { return lazyrealtime.Retention{Age: time.Hour} }}
		within(t, config, func(w *world) {
			if before > 0 {
				w.fill("room", 1, before)
				time.Sleep(2 * time.Hour) // nothing is retained of that
			}
			sub := w.subscribe("room")
			defer sub.Close()
			w.fill("room", before+1, before+3)
			if before > 0 {
				time.Sleep(2 * time.Hour)
			}
			release := w.held(int32(1 + n%2))
			got := make(chan int, 1)
			go func() {
				messages, _, err := w.hub.History(context.Background(), "room", lazyrealtime.Position{}, 100)
				if err != nil {
					t.Error(err)
				}
				got <- len(messages)
			}()
			synctest.Wait()
			w.fill("room", before+4, before+13)
			release()
			want := 13
			if before > 0 {
				want = 10
			}
			if n := <-got; n != want {
				t.Errorf("%d messages, want %d", n, want)
			}
			w.everything("room", want)
		})
	}
}

// fed is an engine that lets the test call the feed.
type fed struct {
	replaced
	feed lazyrealtime.Feed
}

func (f *fed) Join(ctx context.Context, feed lazyrealtime.Feed) (lazyrealtime.Node, error) {
	f.feed = feed
	return f.Log.Join(ctx, feed)
}

// A log that was restored from a backup goes on with the same offsets in another
// epoch: its messages do not continue the old one's, in the feed or in memory.
func TestFollowIntoAnotherEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := memory.Open(), memory.Open()
		f := &fed{replaced: replaced{Log: first, now: first}}
		w := open(t, public, enginetest.NewFaulty(f))
		w.fill("room", 1, 5)
		c := w.follow(5)
		release := w.held(1)
		reader := w.join("", extended)
		reader.send(command("subscribe", roomID, w.behind(roomID, "room", 2)))
		synctest.Wait() // it has read the old log
		f.mu.Lock()
		f.now = second
		f.mu.Unlock()
		w.fill("room", 1, 6)
		page, err := second.Read(t.Context(), "room", lazyrealtime.Position{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		f.feed.Live(page.Messages[5], 5)
		c.want(w.answerAt("reject_history", roomID, "room", 6))
		release()
		reader.want(answer("confirm_subscription", roomID))
		frame, _ := reader.read()
		for decoded(t, frame).Offset > 0 { // what it has got of the old log is no error
			frame, _ = reader.read()
		}
		if want := w.answerAt("reject_history", roomID, "room", 6); frame != want {
			t.Errorf("got %s, want %s", frame, want)
		}
		for at := range 6 {
			late := w.join("", extended)
			late.send(command("subscribe", roomID, w.behind(roomID, "room", uint64(at))))
			late.want(answer("confirm_subscription", roomID))
			late.want(w.numbers(roomID, "room", at+1, 6)...)
			late.want(w.answerAt("confirm_history", roomID, "room", 6))
		}
		w.close()
	})
}

// A page of the old log that comes late does not get into the memory of the new one.
func TestFollowWithAPageOfAnotherEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := memory.Open(), memory.Open()
		r := &replaced{Log: first, now: first}
		w := open(t, public, enginetest.NewFaulty(r))
		for range 5 {
			w.publish("room", `"old"`)
		}
		c := w.follow(5)
		release := w.held(1)
		reader := w.join("", extended)
		reader.send(command("subscribe", roomID, w.behind(roomID, "room", 2)))
		synctest.Wait()
		r.mu.Lock()
		r.now = second
		r.mu.Unlock()
		w.fill("room", 1, 3)
		w.log.Lost("room")
		c.want(w.answerAt("reject_history", roomID, "room", 3))
		release()
		reader.want(answer("confirm_subscription", roomID), w.answerAt("reject_history", roomID, "room", 3))
		late := w.join("", extended)
		late.send(command("subscribe", roomID, w.behind(roomID, "room", 0)))
		late.want(answer("confirm_subscription", roomID))
		late.want(w.numbers(roomID, "room", 1, 3)...)
		w.close()
	})
}

// Messages that the feed brings before a topic is open, with some missing, come in
// order.
func TestFollowWithAHoleAtFirst(t *testing.T) {
	within(t, public, func(w *world) {
		w.fill("room", 1, 3)
		w.fates(map[uint64]enginetest.Fate{5: enginetest.Drop, 7: enginetest.Hold})
		subscribe := command("subscribe", roomID, w.behind(roomID, "room", 3))
		gate := make(chan struct{})
		w.log.After(func(_ context.Context, c enginetest.Call) error {
			if c.Op == enginetest.OpTail {
				<-gate
			}
			return nil
		})
		c := w.join("", extended)
		c.send(subscribe)
		synctest.Wait()
		w.fill("room", 4, 8)
		w.log.After(nil)
		close(gate)
		c.want(answer("confirm_subscription", roomID))
		got := c.collect(t)
		want := uint64(4)
		for _, f := range got {
			if f.Offset > 0 {
				if f.Offset != want {
					t.Errorf("got %d, want %d", f.Offset, want)
				}
				want++
			}
		}
		if want != 9 {
			t.Errorf("it ends before %d", want)
		}
	})
}
