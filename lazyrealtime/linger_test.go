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

// spied is an engine that notes which topics its nodes follow.
type spied struct {
	lazyrealtime.Log
	mu        sync.Mutex
	following map[string]int
	follows   int
	before    func(topic string) // called before the next Unfollow
}

type spiedNode struct {
	lazyrealtime.Node
	log *spied
}

func (s *spied) Join(ctx context.Context, feed lazyrealtime.Feed) (lazyrealtime.Node, error) {
	n, err := s.Log.Join(ctx, feed)
	return spiedNode{n, s}, err
}

func (n spiedNode) Follow(ctx context.Context, topic string) error {
	err := n.Node.Follow(ctx, topic)
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	n.log.follows++
	n.log.following[topic] = 1
	return err
}

func (n spiedNode) Unfollow(topic string) {
	n.log.mu.Lock()
	before := n.log.before
	n.log.before = nil
	n.log.mu.Unlock()
	if before != nil {
		before(topic)
	}
	n.Node.Unfollow(topic)
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	delete(n.log.following, topic)
}

// count returns how many topics are followed, and how often one was.
func (s *spied) count() (now, ever int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.following), s.follows
}

// withSpy is within, with an engine that notes what is followed.
func withSpy(t *testing.T, config lazyrealtime.Config, f func(w *world, s *spied)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &spied{Log: memory.Open(), following: make(map[string]int)}
		w := open(t, config, enginetest.NewFaulty(s))
		f(w, s)
		w.close()
	})
}

// lingering is a hub whose topics stay active for some time.
func lingering(d time.Duration) lazyrealtime.Config {
	return lazyrealtime.Config{Public: true, Linger: d}
}

// follow subscribes an extended client to the room, which stands at an offset.
func (w *world) follow(offset uint64) *client {
	w.t.Helper()
	c := w.join("", extended)
	c.send(command("subscribe", roomID, ""))
	c.want(w.answerAt("confirm_subscription", roomID, "room", offset))
	return c
}

// gone cuts a client's connection, and waits until the hub knows.
func (c *client) gone() {
	c.conn.UnderlyingConn().Close()
	synctest.Wait()
}

// A topic stays active for the time of Linger after its last follower has gone, is
// forgotten then, and begins anew with the next.
func TestLinger(t *testing.T) {
	withSpy(t, lingering(20*time.Second), func(w *world, s *spied) {
		for round := range 3 {
			first := 2*round + 1
			c := w.follow(uint64(first - 1))
			w.fill("room", first, first)
			c.want(w.numbers(roomID, "room", first, first)...)
			c.gone()
			w.fill("room", first+1, first+1)
			time.Sleep(15 * time.Second)
			reads := w.log.Count(enginetest.OpRead)
			back := w.join("", extended)
			back.send(command("subscribe", roomID, w.behind(roomID, "room", uint64(first))))
			back.want(answer("confirm_subscription", roomID))
			back.want(w.numbers(roomID, "room", first+1, first+1)...)
			back.want(w.answerAt("confirm_history", roomID, "room", uint64(first+1)))
			if n := w.log.Count(enginetest.OpRead) - reads; n > 0 {
				t.Errorf("%d reads of the engine while the topic lingered", n)
			}
			back.gone()
			time.Sleep(15 * time.Second)
			if now, ever := s.count(); now != 1 || ever != round+1 {
				t.Errorf("round %d: %d topics are followed, %d were, while one lingers", round, now, ever)
			}
			time.Sleep(10 * time.Second)
			if now, _ := s.count(); now != 0 {
				t.Errorf("round %d: %d topics are followed after that", round, now)
			}
			if stats := w.hub.Stats(); stats.Topics != 0 || stats.RecentBytes != 0 {
				t.Errorf("round %d: %+v", round, stats)
			}
		}
	})
}

// A topic that is forgotten can be used at once, whatever its feed brings meanwhile.
func TestLingerNotAtAll(t *testing.T) {
	withSpy(t, lingering(-1), func(w *world, s *spied) {
		at := 0
		for range 50 {
			c := w.follow(uint64(at))
			at++
			w.fill("room", at, at)
			c.want(w.numbers(roomID, "room", at, at)...)
			c.gone()
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		if now, ever := s.count(); now != 0 || ever < 10 {
			t.Errorf("%d topics are followed, %d were", now, ever)
		}
	})
}

// Who leaves while the engine is still opening a topic takes nothing from those who
// come behind, even if the opening fails in the end.
func TestLingerWhileOpening(t *testing.T) {
	for _, op := range []enginetest.Op{enginetest.OpFollow, enginetest.OpTail} {
		withSpy(t, lingering(-1), func(w *world, s *spied) {
			gate := make(chan struct{})
			first := true
			var mu sync.Mutex
			w.log.Before(func(_ context.Context, c enginetest.Call) error {
				mu.Lock()
				slow := c == (enginetest.Call{Op: op, Topic: "room"}) && first
				first = first && !slow
				mu.Unlock()
				if slow {
					<-gate
					return fmt.Errorf("too late: %w", lazyrealtime.ErrUnavailable)
				}
				return nil
			})
			ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
			if _, err := w.hub.Subscribe(ctx, "room"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the first is told %v", err)
			}
			cancel()
			time.Sleep(3 * time.Second)
			late := w.join("", extended)
			late.send(command("subscribe", roomID, ""))
			synctest.Wait()
			close(gate)
			synctest.Wait()
			if frame, ok := late.maybe(); !ok || decoded(t, frame).Type == "disconnect" {
				late = w.follow(0) // which was told to come back
			}
			w.fill("room", 1, 3)
			late.want(w.numbers(roomID, "room", 1, 3)...)
			late.gone()
			time.Sleep(3 * time.Second)
			if now, _ := s.count(); now != 0 || w.hub.Stats().Topics != 0 {
				t.Errorf("%d topics are followed, %+v", now, w.hub.Stats())
			}
		})
	}
}

// An engine that cannot open a topic, or takes too long, disconnects the client, who
// comes back; a rejection would be final.
func TestLingerOfATopicThatDoesNotOpen(t *testing.T) {
	restart := `{"type":"disconnect","reason":"server_restart","reconnect":true}`
	for _, op := range []enginetest.Op{enginetest.OpFollow, enginetest.OpTail} {
		withSpy(t, lingering(0), func(w *world, s *spied) {
			w.log.Fail(op)
			c := w.join("", extended)
			c.send(command("subscribe", roomID, ""))
			c.wantClose(restart, 1013)
			w.log.Before(nil)
			if now, _ := s.count(); now != 0 || w.hub.Stats().Topics != 0 {
				t.Errorf("%s failed: %d topics are followed, %+v", op, now, w.hub.Stats())
			}
			unblock := w.log.Block(op)
			c = w.join("", base)
			c.send(command("subscribe", roomID, ""))
			start := time.Now()
			c.wantClose(restart, 1013)
			if took := time.Since(start); took != 10*time.Second {
				t.Errorf("%s took %v", op, took)
			}
			unblock()
			w.log.Before(nil)
			w.log.After(func(_ context.Context, c enginetest.Call) error {
				if c.Op == op {
					return lazyrealtime.ErrUnavailable // it was done all the same
				}
				return nil
			})
			c = w.join("", extended)
			c.send(command("subscribe", roomID, ""))
			c.wantClose(restart, 1013)
			w.log.After(nil)
			if now, _ := s.count(); now != 0 || w.hub.Stats().Topics != 0 {
				t.Errorf("%s failed behind its call: %d topics are followed, %+v", op, now, w.hub.Stats())
			}
			c = w.follow(0)
			w.fill("room", 1, 1)
			c.want(w.numbers(roomID, "room", 1, 1)...)
		})
	}
}

// What is published while a topic opens comes at once, whether memory can hold it or
// not.
func TestLingerEarlyMessages(t *testing.T) {
	for _, n := range []int{1, 5, 256, 257, 600} {
		within(t, lazyrealtime.Config{Public: true, RecentMessages: 10}, func(w *world) {
			w.fill("room", 1, 3)
			identifier := `{"channel":"$pubsub","stream_name":"room"}`
			subscribe := command("subscribe", identifier, w.behind(identifier, "room", 2))
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
			w.fill("room", 4, 3+n)
			w.log.After(nil)
			close(gate)
			c.want(answer("confirm_subscription", identifier))
			got := c.collect(t)
			for i, f := range got {
				if f.Type == "" && f.Offset != uint64(3+i) && f.Offset != uint64(2+i) {
					t.Fatalf("%d early: message %d has offset %d", n, i, f.Offset)
				}
			}
			if last := got[len(got)-1]; len(got) != n+2 || last.Offset != uint64(3+n) && last.Type != "confirm_history" {
				t.Errorf("%d early: got %d frames, the last %+v", n, len(got), last)
			}
		})
	}
}

// collect reads all that comes while nothing else is to be done.
func (c *client) collect(t *testing.T) (frames []frameOf) {
	t.Helper()
	for {
		frame, ok := c.maybe()
		if !ok {
			return frames
		}
		frames = append(frames, decoded(t, frame))
	}
}

// A topic that is used all the time for a moment takes one place among the idle, and
// is forgotten a while after its last use.
func TestLingerOfATopicThatIsUsedAgainAndAgain(t *testing.T) {
	withSpy(t, lingering(20*time.Second), func(w *world, s *spied) {
		w.fill("room", 1, 1)
		for range 10 {
			for range 1000 {
				w.everything("room", 1)
			}
			if n := w.hub.IdleEntries(); n != 1 {
				t.Fatalf("%d places", n)
			}
			time.Sleep(7 * time.Second)
		}
		if now, ever := s.count(); now != 1 || ever != 1 {
			t.Errorf("%d topics are followed, %d were", now, ever)
		}
		time.Sleep(14 * time.Second)
		if now, _ := s.count(); now != 0 || w.hub.IdleEntries() != 0 {
			t.Errorf("%d topics are followed, %d idle", now, w.hub.IdleEntries())
		}
		w.everything("room", 1)
		sub := w.subscribe("room")
		time.Sleep(time.Minute)
		if now, _ := s.count(); now != 1 || w.hub.IdleEntries() != 0 {
			t.Errorf("%d topics are followed, %d idle, with a subscription", now, w.hub.IdleEntries())
		}
		sub.Close()
		time.Sleep(22 * time.Second)
		if now, _ := s.count(); now != 0 {
			t.Errorf("%d topics are followed", now)
		}
	})
}

// Every use of a topic ends, however subscriptions end.
func TestLingerCountsUsers(t *testing.T) {
	within(t, lazyrealtime.Config{Public: true, RecentMessages: 1}, func(w *world) {
		w.fill("room", 1, 100)
		clean := func(when string) {
			t.Helper()
			synctest.Wait()
			if n := w.hub.Users(); n != 0 {
				t.Errorf("%s: %d users are left", when, n)
			}
		}
		c := w.follow(100)
		c.send(command("unsubscribe", roomID, ""))
		clean("unsubscribed")
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 5)))
		synctest.Wait()
		c.gone()
		clean("cut behind a replay")
		unblock := w.log.Block(enginetest.OpRead)
		c = w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 5)))
		synctest.Wait()
		c.gone()
		clean("cut in a replay")
		unblock()
		w.log.Fail(enginetest.OpRead)
		c = w.join("", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 5)))
		c.want(answer("confirm_subscription", roomID))
		c.wantClose(`{"type":"disconnect","reason":"server_restart","reconnect":true}`, 1013)
		clean("disconnected")
		w.log.Before(nil)
		other := w.subscribe("room")
		for range 3 {
			sub := w.subscribe("room")
			sub.Close()
			sub.Close()
		}
		synctest.Wait()
		if groups, pulls := w.hub.Listeners("room"); groups != 0 || pulls != 1 {
			t.Errorf("%d groups and %d subscriptions are left", groups, pulls)
		}
		other.Close()
		clean("closed")
		ctx, cancel := context.WithCancel(w.t.Context())
		if _, err := w.hub.Subscribe(ctx, "room"); err != nil {
			t.Error(err)
		}
		cancel()
		clean("cancelled")
		w.log.Fail(enginetest.OpFollow)
		if _, err := w.hub.Subscribe(w.t.Context(), "other"); !errors.Is(err, lazyrealtime.ErrUnavailable) {
			t.Error(err)
		}
		clean("failed")
		w.log.Before(nil)
		c = w.join("", extended)
		c.send(command("subscribe", `{"channel":"$pubsub"}`, ""))
		c.want(answer("reject_subscription", `{"channel":"$pubsub"}`))
		clean("rejected")
	})
}
