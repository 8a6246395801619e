package lazyrealtime_test

import (
	"math"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// Settings that are as small or as large as can be are what they say, as far as can be.
func TestExtremeSettings(t *testing.T) {
	for _, bytes := range []int{math.MaxInt, math.MaxInt / 2} {
		config := public
		config.PublishKey = "key"
		config.Limits.MessageBytes = bytes
		within(t, config, func(w *world) {
			c := w.join("", base)
			c.subscribe(roomID)
			c.send(command("whisper", roomID, `,"data":`+quoted(string(make([]byte, 100<<10)))))
			c.wantNothing()
			w.wantStats(1, 1)
		})
	}
	within(t, lazyrealtime.Config{Public: true, PingInterval: 1}, func(w *world) {
		c := w.dial("/cable", base)
		c.want(welcome)
		time.Sleep(time.Second)
		w.wantStats(1, 0)
	})
}
