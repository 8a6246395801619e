package lazyrealtime_test

import (
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
)

// Who comes while a topic is being forgotten gets a new one, whose feed does not end
// with the old one's; who has come just before keeps it.
func TestLingerWhileForgetting(t *testing.T) {
	withSpy(t, lingering(-1), func(w *world, s *spied) {
		for _, topic := range []string{"a", "b"} {
			sub := w.subscribe(topic)
			w.fill(topic, 1, 1)
			sub.Close()
		}
		got := make(chan []string, 2)
		s.mu.Lock()
		s.before = func(string) { // of the first; the second one's turn comes
			for _, topic := range []string{"a", "b"} {
				go func() {
					sub := w.subscribe(topic)
					got <- take(t, sub, 3)
					sub.Close()
				}()
			}
			time.Sleep(time.Millisecond)
		}
		s.mu.Unlock()
		time.Sleep(2 * time.Second)
		for _, topic := range []string{"a", "b"} {
			w.fill(topic, 2, 2)
			synctest.Wait()
			w.fill(topic, 3, 4)
		}
		for range 2 {
			if messages := <-got; messages[0] != `{"n":2}` || messages[2] != `{"n":4}` {
				t.Errorf("got %q", messages)
			}
		}
		time.Sleep(3 * time.Second)
		if now, _ := s.count(); now != 0 || w.hub.Stats().Topics != 0 || w.hub.Stats().RecentBytes != 0 {
			t.Errorf("%d topics are followed, %+v", now, w.hub.Stats())
		}
	})
}

// A repair that ends behind its topic leaves nothing, also if there is a gap.
func TestLingerOfATopicInRepair(t *testing.T) {
	for _, keep := range []int{1, 100} {
		config := lingering(-1)
		config.Retain = func(string) lazyrealtime.Retention { return lazyrealtime.Retention{Messages: keep} }
		inRepair(t, config)
	}
}

func inRepair(t *testing.T, config lazyrealtime.Config) {
	withSpy(t, config, func(w *world, s *spied) {
		sub := w.subscribe("room")
		w.fates(map[uint64]enginetest.Fate{1: enginetest.Drop})
		unblock := w.log.Block(enginetest.OpRead)
		w.fill("room", 1, 3)
		synctest.Wait()
		sub.Close()
		time.Sleep(3 * time.Second)
		if now, _ := s.count(); now != 0 {
			t.Errorf("%d topics are followed", now)
		}
		unblock()
		synctest.Wait()
		if stats := w.hub.Stats(); stats.Topics != 0 || stats.RecentBytes != 0 {
			t.Errorf("%+v", stats)
		}
	})
}
