package lazyrealtime_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
)

// An engine that is away, and says again and again that something may be lost, costs no
// goroutine each time; when it is there again it is asked, behind the last hint.
func TestHintsWhileTheEngineIsAway(t *testing.T) {
	within(t, public, func(w *world) {
		c := w.join("", extended)
		c.subscribe(roomID)
		synctest.Wait()
		w.log.OnLive(func(*lazyrealtime.Message, uint64) enginetest.Fate { return enginetest.Drop })
		w.publish("room", `"lost"`)
		w.log.Fail(enginetest.OpTail)
		before := runtime.NumGoroutine()
		for range 1000 {
			w.log.Lost("room")
			time.Sleep(10 * time.Millisecond)
		}
		if n := runtime.NumGoroutine() - before; n > 10 {
			t.Errorf("%d goroutines more", n)
		}
		asked := w.log.Count(enginetest.OpTail)
		w.log.Before(nil)
		time.Sleep(10 * time.Second)
		if n := w.log.Count(enginetest.OpTail) - asked; n == 0 || n > 10 {
			t.Errorf("the engine was asked %d times", n)
		}
		f, err := c.read()
		if err != nil || string(decoded(t, f).Message) != `"lost"` {
			t.Errorf("got %s %v", f, err)
		}
	})
}
