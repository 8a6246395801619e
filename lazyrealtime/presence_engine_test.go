package lazyrealtime_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
)

func (w *world) node(id string) string {
	w.t.Helper()
	node, err := w.log.Join(w.t.Context(), new(noFeed))
	if err != nil {
		w.t.Fatal(err)
	}
	defer node.Close(w.t.Context())
	list, err := node.Members(w.t.Context(), "room")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range list {
		if m.ID == id {
			return m.Node
		}
	}
	w.t.Fatalf("%s is nowhere", id)
	return ""
}

type noFeed struct{}

func (noFeed) Live(*lazyrealtime.Message, uint64)  {}
func (noFeed) Fleeting(string, string, []byte)     {}
func (noFeed) Lost(string)                         {}
func (noFeed) Presence(lazyrealtime.PresenceEvent) {}
func (noFeed) Gone(string)                         {}
func (noFeed) Changed()                            {}

func TestPresenceOfANodeThatIsGone(t *testing.T) {
	within(t, identified, func(w *world) {
		second := open(w.t, identified, w.log)
		defer second.close()
		watcher := w.looks("watcher", members())
		second.arrives("a")
		watcher.want(joined("a", "null"))
		w.arrives("b")
		watcher.want(joined("b", "null"))
		w.log.Gone(w.node("a"))
		watcher.want(left("a"))
		watcher.wantNothing()
		start := time.Now()
		watcher.want(joined("a", "null"))
		if took := time.Since(start); took > 15*time.Second {
			w.t.Errorf("back after %v", took)
		}
	})
	// While the members are being read.
	within(t, identified, func(w *world) {
		second := open(w.t, identified, w.log)
		defer second.close()
		second.arrives("a")
		w.arrives("b")
		node := w.node("a")
		watcher := w.join("watcher", extended)
		watcher.subscribe(roomID)
		_ = watcher
		w.log.After(func(_ context.Context, c enginetest.Call) error {
			if c.Op == enginetest.OpMembers {
				w.log.Gone(node)
			}
			return nil
		})
		third := open(w.t, identified, w.log)
		defer third.close()
		late := third.looks("late", members("b"))
		w.log.After(nil)
		late.want(joined("a", "null")) // reconciled
	})
}

func TestPresenceUnheard(t *testing.T) {
	withDeaf(t, deaf{presence: true}, identified, func(w *world) {
		watcher := w.looks("watcher", members())
		a := w.join("a", extended)
		a.subscribe(roomID)
		a.enter()
		synctest.Wait()
		start := time.Now()
		watcher.want(joined("a", "null"))
		_ = a.conn.Close()
		watcher.want(left("a"))
		if took := time.Since(start); took > 30*time.Second {
			w.t.Errorf("that took %v", took)
		}
		watcher.wantNothing()
	})
}

func TestPresenceIsNotReadForNobody(t *testing.T) {
	modes(t, identified, func(w *world) {
		watcher, other := w.looks("watcher", members()), w.join("other", extended)
		other.subscribe(roomID)
		before := w.log.Count(enginetest.OpMembers)
		time.Sleep(16 * time.Second)
		if w.log.Count(enginetest.OpMembers) == before {
			w.t.Error("the engine is not asked although somebody looks")
		}
		watcher.send(command("unsubscribe", roomID, ""))
		synctest.Wait()
		before = w.log.Count(enginetest.OpMembers)
		time.Sleep(32 * time.Second)
		if n := w.log.Count(enginetest.OpMembers) - before; n > 0 {
			w.t.Errorf("the engine was asked %d times for nobody", n)
		}
	})
}

func TestPresenceFails(t *testing.T) {
	modes(t, identified, func(w *world) {
		w.log.Fail(enginetest.OpMembers)
		w.looks("b", noPresence)
		c := w.join("a", extended)
		c.subscribe(roomID)
		c.enter()
		c.want(noPresence)
		w.log.Fail(enginetest.OpEnter)
		c.enter()
		c.want(noPresence)
		w.log.Before(nil)
		w.wantPresent()
		c.enter()
		c.want(joined("a", "null"))
	})
	modes(t, identified, func(w *world) {
		watcher := w.looks("watcher", members())
		c := w.join("a", extended)
		c.subscribe(roomID)
		w.log.After(func(_ context.Context, call enginetest.Call) error {
			if call.Op == enginetest.OpEnter {
				return lazyrealtime.ErrUnavailable
			}
			return nil
		})
		c.enter()
		c.want(joined("a", "null"), noPresence) // it was done, and nobody knows
		watcher.want(joined("a", "null"))
		w.log.After(nil)
		w.log.Fail(enginetest.OpExit)
		time.Sleep(40 * time.Second)
		w.wantPresent("a")
		w.log.Before(nil)
		watcher.want(left("a"))
		c.want(left("a"))

		// A leave that fails is made up for, also when all have gone; but not if
		// somebody has come back.
		c.enter()
		c.want(joined("a", "null"))
		watcher.want(joined("a", "null"))
		w.log.Fail(enginetest.OpExit)
		_ = c.conn.Close()
		w.wantPresent("a")
		back := w.join("a", extended)
		back.subscribe(roomID)
		back.enter()
		synctest.Wait()
		w.log.Before(nil)
		time.Sleep(40 * time.Second)
		w.wantPresent("a")
		w.log.Fail(enginetest.OpExit)
		_, _ = back.conn.Close(), watcher.conn.Close()
		synctest.Wait()
		time.Sleep(2 * time.Minute) // longer than a topic lingers
		w.wantPresent("a")
		w.log.Before(nil)
		time.Sleep(15 * time.Second)
		w.wantPresent()
		time.Sleep(2 * time.Minute)
		if n := w.hub.Stats().Topics; n != 0 {
			w.t.Errorf("%d topics are left", n)
		}
	})
}

func TestPresenceHangs(t *testing.T) {
	modes(t, identified, func(w *world) {
		c := w.join("a", extended)
		for i := range 5 {
			id := fmt.Sprintf(`{"channel":"$pubsub","stream_name":"room%d"}`, i)
			c.subscribe(id)
			c.send(command("join", id, ""))
			c.want(presenceOf(id, `"type":"join","id":"a","info":null`))
		}
		unblock := w.log.Block(enginetest.OpExit)
		_ = c.conn.Close()
		w.wantStats(0, 0)
		unblock()
		synctest.Wait()
		for i := range 5 {
			if who, err := w.hub.Presence(w.t.Context(), fmt.Sprint("room", i)); err != nil || len(who) > 0 {
				w.t.Errorf("present: %v %v", who, err)
			}
		}
	})
}

func TestPresenceRaces(t *testing.T) {
	config := identified
	config.Limits.PublishesPerSecond = -1
	modes(t, config, func(w *world) {
		second := open(w.t, config, w.log)
		defer second.close()
		watcher := w.looks("watcher", members())
		var mu sync.Mutex
		present := map[string]int{}
		var all sync.WaitGroup
		for i := range 24 {
			id := fmt.Sprint("id", i%5)
			r := rand.New(rand.NewPCG(1, uint64(i)))
			on := []*world{w, second}[i%2]
			c := on.join(id, extended)
			all.Go(func() {
				stays := c.wanders(r)
				mu.Lock()
				defer mu.Unlock()
				if stays {
					present[id]++
				}
			})
		}
		all.Wait()
		synctest.Wait()
		var want []string
		for id := range present {
			want = append(want, id)
		}
		slices.Sort(want)
		w.wantPresent(want...)
		second.wantPresent(want...)
		// What the watcher was told comes to the same.
		seen := map[string]bool{}
		for {
			frame, ok := watcher.maybe()
			if !ok {
				break
			}
			var m struct{ Type, ID string }
			if unmarshal(w.t, decoded(w.t, frame).Message, &m); seen[m.ID] == (m.Type == "join") {
				w.t.Errorf("%s of %s, who is present: %v", m.Type, m.ID, seen[m.ID])
			}
			seen[m.ID] = m.Type == "join"
		}
		for id, is := range seen {
			if is != (present[id] > 0) {
				w.t.Errorf("the watcher takes %s for present: %v", id, is)
			}
		}
	})
}

func (c *client) wanders(r *rand.Rand) (stays bool) {
	go func() { // nothing waits for who does not read
		for {
			if _, _, err := c.conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	subscribed := false
	for range 30 {
		switch r.IntN(5) {
		case 0, 1:
			subscribed = true
			c.send(command("subscribe", roomID, ""))
			c.send(command("join", roomID, ""))
			stays = true
		case 2, 3:
			c.send(command("leave", roomID, ""))
			stays = false
		default:
			c.send(command("unsubscribe", roomID, ""))
			subscribed, stays = false, false
		}
	}
	if r.IntN(4) == 0 {
		_ = c.conn.Close()
		return false
	}
	return stays && subscribed
}

func TestPresenceOfBadTopics(t *testing.T) {
	within(t, identified, func(w *world) {
		if _, err := w.hub.Presence(w.t.Context(), ""); err == nil {
			w.t.Error("the presence of no topic")
		}
		w.log.Fail(enginetest.OpMembers)
		if _, err := w.hub.Presence(w.t.Context(), "room"); !errors.Is(err, lazyrealtime.ErrUnavailable) {
			w.t.Errorf("without an engine: %v", err)
		}
	})
}
