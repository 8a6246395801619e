package lazyrealtime_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazyrealtime/memory"
)

// fates decides what becomes of live messages by their offsets.
func (w *world) fates(fates map[uint64]enginetest.Fate) {
	w.log.OnLive(func(m *lazyrealtime.Message, _ uint64) enginetest.Fate { return fates[m.Position.Offset] })
}

// What the feed loses comes with the next message that it brings, in order; what it
// repeats, or brings late, comes once.
func TestRepair(t *testing.T) {
	within(t, public, func(w *world) {
		c := w.follow(0)
		w.fates(map[uint64]enginetest.Fate{
			3: enginetest.Drop, 4: enginetest.Drop, 6: enginetest.Repeat, 8: enginetest.Hold, 9: enginetest.Hold, 11: enginetest.Drop,
		})
		w.fill("room", 1, 4)
		c.want(w.numbers(roomID, "room", 1, 2)...)
		c.wantNothing()
		w.fill("room", 5, 5)
		c.want(w.numbers(roomID, "room", 3, 5)...)
		w.fill("room", 6, 9)
		c.want(w.numbers(roomID, "room", 6, 7)...)
		c.wantNothing()
		w.fill("room", 10, 10)
		c.want(w.numbers(roomID, "room", 8, 10)...)
		w.log.Release()
		c.wantNothing()
		w.fill("room", 11, 11)
		w.log.Release()
		c.wantNothing()
		w.fill("room", 12, 13)
		c.want(w.numbers(roomID, "room", 11, 13)...)
		c.wantNothing()
	})
}

// A hint of the engine is followed at once, for a topic or all.
func TestRepairAfterAHint(t *testing.T) {
	for _, topic := range []string{"room", ""} {
		within(t, public, func(w *world) {
			c := w.follow(0)
			w.log.OnLive(func(*lazyrealtime.Message, uint64) enginetest.Fate { return enginetest.Drop })
			for n := 1; n < 10; n += 3 {
				w.fill("room", n, n+2)
				c.wantNothing()
				w.log.Lost("other")
				c.wantNothing()
				w.log.Lost(topic)
				c.want(w.numbers(roomID, "room", n, n+2)...)
			}
			reads := w.log.Count(enginetest.OpRead)
			w.log.Lost(topic) // nothing is
			c.wantNothing()
			if n := w.log.Count(enginetest.OpRead) - reads; n != 0 {
				t.Errorf("%d reads where nothing is missing", n)
			}
		})
	}
}

// Hints that come together, and while the engine is asked, are followed once more.
func TestRepairAfterManyHints(t *testing.T) {
	within(t, public, func(w *world) {
		c := w.follow(0)
		w.log.OnLive(func(*lazyrealtime.Message, uint64) enginetest.Fate { return enginetest.Drop })
		gate, asked := make(chan struct{}), make(chan struct{}, 1000)
		w.log.After(func(_ context.Context, c enginetest.Call) error {
			if c.Op == enginetest.OpTail {
				asked <- struct{}{}
				<-gate
			}
			return nil
		})
		w.log.Lost("")
		<-asked // the answer is that nothing is missing
		w.fill("room", 1, 3)
		for range 100 {
			w.log.Lost("")
		}
		before := w.log.Count(enginetest.OpTail)
		close(gate)
		synctest.Wait()
		if n := w.log.Count(enginetest.OpTail) - before; n > 2 {
			t.Errorf("the tail was read %d times", n)
		}
		c.want(w.numbers(roomID, "room", 1, 3)...)
	})
}

// What the engine cannot tell of one topic does not keep others waiting.
func TestRepairBesideATopicThatCannotBeRead(t *testing.T) {
	within(t, public, func(w *world) {
		var stuck []string
		for n := range 20 {
			topic := fmt.Sprintf("stuck%d", n)
			sub, err := w.hub.Subscribe(w.t.Context(), topic)
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Close()
			stuck = append(stuck, topic)
		}
		c := w.follow(0)
		w.log.OnLive(func(*lazyrealtime.Message, uint64) enginetest.Fate { return enginetest.Drop })
		w.log.Before(func(_ context.Context, c enginetest.Call) error {
			if c.Op == enginetest.OpTail && c.Topic != "room" {
				return lazyrealtime.ErrUnavailable
			}
			return nil
		})
		for n := range 3 {
			w.fill("room", n+1, n+1)
			w.log.Lost("")
			time.Sleep(11 * time.Second)
			c.want(w.numbers(roomID, "room", n+1, n+1)...)
		}
		w.log.Before(nil)
		w.publish(stuck[7], `"lost"`)
		time.Sleep(11 * time.Second)
		if messages, _, err := w.hub.History(w.t.Context(), stuck[7], lazyrealtime.Position{}, 10); err != nil || len(messages) != 1 {
			t.Errorf("%d messages, %v", len(messages), err)
		}
	})
}

// A repair waits for an engine that is unavailable, and loses nothing.
func TestRepairWhenUnavailable(t *testing.T) {
	within(t, public, func(w *world) {
		c := w.follow(0)
		w.fates(map[uint64]enginetest.Fate{1: enginetest.Drop, 600: enginetest.Drop})
		w.log.Fail(enginetest.OpRead)
		w.fill("room", 1, 601)
		c.wantNothingFor(time.Minute)
		if n := w.log.Count(enginetest.OpRead); n < 10 || n > 40 {
			t.Errorf("%d reads in a minute", n)
		}
		w.log.Before(nil)
		c.want(w.numbers(roomID, "room", 1, 601)...)
		c.wantNothing()
	})
}

// A repair ends although messages are published all the time.
func TestRepairOfABusyTopic(t *testing.T) {
	within(t, public, func(w *world) {
		c := w.follow(0)
		w.fates(map[uint64]enginetest.Fate{3: enginetest.Drop})
		w.log.After(func(_ context.Context, c enginetest.Call) error {
			if c.Op == enginetest.OpRead {
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		})
		for n := 1; n <= 1000; n++ {
			w.fill("room", n, n)
			time.Sleep(time.Millisecond)
		}
		c.want(w.numbers(roomID, "room", 1, 1000)...)
		c.wantNothing()
		if n := w.log.Count(enginetest.OpRead); n > 5 {
			t.Errorf("one lost message has cost %d reads", n)
		}
	})
}

// When retention has taken what the feed has lost, everybody is told, once and
// where it is missing, and goes on from there.
func TestRepairTooLate(t *testing.T) {
	config := lazyrealtime.Config{Authenticate: asked, Public: true, Retain: func(string) lazyrealtime.Retention {
		return lazyrealtime.Retention{Messages: 2}
	}}
	within(t, config, func(w *world) {
		sub, err := w.hub.Subscribe(w.t.Context(), "room")
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		name, _ := w.name("anna", "room")
		id := page("Turbo::StreamsChannel", name, "")
		turbo, modern, old := w.join("anna", base), w.join("anna", extended), w.join("anna", base)
		turbo.send(command("subscribe", id, ""))
		turbo.want(answer("confirm_subscription", id))
		modern.send(command("subscribe", roomID, ""))
		modern.want(w.answerAt("confirm_subscription", roomID, "room", 0))
		old.send(command("subscribe", roomID, ""))
		old.want(answer("confirm_subscription", roomID))

		w.fates(map[uint64]enginetest.Fate{2: enginetest.Drop, 3: enginetest.Drop, 4: enginetest.Drop})
		w.fill("room", 1, 6)
		turbo.want(plain(id, `{"n":1}`), plain(id, refresh))
		modern.want(w.numbers(roomID, "room", 1, 1)...)
		frame, _ := modern.read()
		told := decoded(t, frame)
		at := told.Streams[streamOf("room", roomID)].Offset
		if told.Type != "reject_history" || at < 5 {
			t.Errorf("got %s", frame)
		}
		old.want(plain(roomID, `{"n":1}`))
		w.fill("room", 7, 7)
		for n := at + 1; n <= 7; n++ {
			modern.want(w.numbers(roomID, "room", int(n), int(n))...)
			turbo.want(plain(id, fmt.Sprintf(`{"n":%d}`, n)))
			old.want(plain(roomID, fmt.Sprintf(`{"n":%d}`, n)))
		}
		turbo.wantNothing()
		modern.wantNothing()
		old.wantNothing()
		modern.send(command("history", roomID, w.behind(roomID, "room", at))) // it has everything since
		modern.want(w.answerAt("confirm_history", roomID, "room", 7))
		modern.send(command("history", roomID, w.behind(roomID, "room", 1))) // and not that
		modern.want(w.answerAt("reject_history", roomID, "room", 7))

		got := []uint64{}
		var gap *lazyrealtime.GapError
		for m, err := range sub.Messages() {
			if !errors.As(err, &gap) {
				got = append(got, m.Position.Offset)
			}
		}
		if gap == nil || gap.After.Offset != 0 || gap.Tail.Offset != 7 || len(got) != 0 {
			t.Errorf("the subscription got %v and %+v", got, gap) // it had not begun to read
		}
	})
}

// A hint that comes while a repair reads is followed when that has ended.
func TestRepairAfterAHintMeanwhile(t *testing.T) {
	within(t, public, func(w *world) {
		c := w.follow(0)
		w.fates(map[uint64]enginetest.Fate{1: enginetest.Drop, 3: enginetest.Drop})
		release := w.held(1)
		w.fill("room", 1, 2)
		synctest.Wait()
		w.fill("room", 3, 3)
		w.log.Lost("room")
		synctest.Wait()
		release()
		c.want(w.numbers(roomID, "room", 1, 3)...)
	})
}

// broken is an engine that says once, and after a while, that there is a gap.
type broken struct {
	fed
	gate chan struct{} // nil: no longer
}

func (b *broken) Read(ctx context.Context, topic string, after lazyrealtime.Position, limit int) (lazyrealtime.Page, error) {
	if gate := b.gate; gate != nil {
		b.gate = nil
		tail, err := b.Log.Tail(ctx, topic)
		<-gate
		return lazyrealtime.Page{}, errors.Join(err, &lazyrealtime.GapError{Topic: topic, After: after, Tail: tail})
	}
	return b.Log.Read(ctx, topic, after, limit)
}

// A gap that the feed has filled meanwhile is told to nobody.
func TestRepairOfWhatTheFeedBrings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := memory.Open()
		b := &broken{fed: fed{replaced: replaced{Log: log, now: log}}}
		faulty := enginetest.NewFaulty(b)
		w := open(t, public, faulty)
		c := w.follow(0)
		w.fates(map[uint64]enginetest.Fate{2: enginetest.Hold})
		gate := make(chan struct{})
		b.gate = gate
		w.fill("room", 1, 3)
		synctest.Wait()
		faulty.Release()
		close(gate)
		c.want(w.numbers(roomID, "room", 1, 3)...)
		c.wantNothing()
		w.close()
	})
}

// replaced is an engine whose log can be replaced by another one, as by a backup.
type replaced struct {
	lazyrealtime.Log
	mu  sync.Mutex
	now lazyrealtime.Log
}

func (r *replaced) log() lazyrealtime.Log {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *replaced) Append(ctx context.Context, e []lazyrealtime.Entry) ([]lazyrealtime.Appended, error) {
	return r.log().Append(ctx, e)
}

func (r *replaced) Read(ctx context.Context, topic string, after lazyrealtime.Position, limit int) (lazyrealtime.Page, error) {
	return r.log().Read(ctx, topic, after, limit)
}

func (r *replaced) Tail(ctx context.Context, topic string) (lazyrealtime.Position, error) {
	return r.log().Tail(ctx, topic)
}

// When the log is another one, everybody is told and goes on in that.
func TestRepairOfAnotherLog(t *testing.T) {
	for _, n := range []int{0, 2, 9} { // messages of the new log
		synctest.Test(t, func(t *testing.T) {
			first := memory.Open()
			r := &replaced{Log: first, now: first}
			w := open(t, public, enginetest.NewFaulty(r))
			w.fill("room", 1, 5)
			c := w.follow(5)
			before := w.behind(roomID, "room", 5)
			w.fill("room", 6, 6)
			c.want(w.numbers(roomID, "room", 6, 6)...)
			second := memory.Open()
			r.mu.Lock()
			r.now = second
			r.mu.Unlock()
			w.fill("room", 1, n) // which the feed does not bring
			w.log.Lost("")
			c.want(w.answerAt("reject_history", roomID, "room", uint64(n)))
			c.wantNothing()
			back := w.join("", extended)
			back.send(command("subscribe", roomID, before))
			back.want(answer("confirm_subscription", roomID), w.answerAt("reject_history", roomID, "room", uint64(n)))
			w.fill("room", n+1, n+3)
			w.log.Lost("room")
			c.want(w.numbers(roomID, "room", n+1, n+3)...)
			back.want(w.numbers(roomID, "room", n+1, n+3)...)
			back = w.join("", extended)
			back.send(command("subscribe", roomID, w.behind(roomID, "room", uint64(n+1))))
			back.want(answer("confirm_subscription", roomID))
			back.want(w.numbers(roomID, "room", n+2, n+3)...)
			back.want(w.answerAt("confirm_history", roomID, "room", uint64(n+3)))
			w.close()
		})
	}
}

// A client that comes from a node which has seen more waits until this one has.
func TestRepairForAClientFromAhead(t *testing.T) {
	within(t, public, func(w *world) {
		first := w.follow(0)
		w.log.OnLive(func(*lazyrealtime.Message, uint64) enginetest.Fate { return enginetest.Drop })
		w.fill("room", 1, 5)
		first.wantNothing()
		c := w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 4)))
		c.want(answer("confirm_subscription", roomID))
		c.want(w.numbers(roomID, "room", 5, 5)...)
		c.want(w.answerAt("confirm_history", roomID, "room", 5))
		first.want(w.numbers(roomID, "room", 1, 5)...)

		w.fill("room", 6, 400)
		w.log.Block(enginetest.OpRead)
		late := w.join("", extended)
		late.send(command("subscribe", roomID, w.behind(roomID, "room", 398)))
		late.want(answer("confirm_subscription", roomID))
		late.wantNothing()
		late.send(command("unsubscribe", roomID, "")) // it does not wait
		late.gone()
		w.log.Before(nil)
	})
}
