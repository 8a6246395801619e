package lazyrealtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
)

// pings reads until a time, and returns when pings came. Nothing else may come.
func (c *client) pings(until time.Time) (at []time.Time) {
	c.t.Helper()
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	for {
		_, data, err := c.conn.ReadMessageContext(ctx)
		if err != nil {
			if ctx.Err() == nil {
				c.t.Errorf("the connection has ended: %v", err)
			}
			return at
		}
		var ping struct {
			Type    string
			Message int64
		}
		if json.Unmarshal(data, &ping) != nil || ping.Type != "ping" || ping.Message != time.Now().Unix() {
			c.t.Errorf("got %s at %d", data, time.Now().Unix())
		}
		at = append(at, time.Now())
	}
}

// Every connection gets a ping in each interval, and not all at the same moment.
func TestPings(t *testing.T) {
	modes(t, public, func(w *world) {
		const n, seconds = 64, 30
		type ticks struct {
			client int
			at     []time.Time
		}
		all := make(chan ticks, n)
		end := time.Now().Add(seconds*time.Second + time.Millisecond)
		for i := range n {
			c := w.join("", []string{base, extended}[i%2])
			go func() { all <- ticks{i, c.pings(end)} }()
		}
		moments := map[time.Time]int{}
		for range n {
			p := <-all
			if len(p.at) != seconds/3 {
				w.t.Errorf("connection %d got %d pings", p.client, len(p.at))
			}
			for k, at := range p.at {
				moments[at]++
				if k > 0 && at.Sub(p.at[k-1]) != 3*time.Second {
					w.t.Errorf("connection %d: %v between two pings", p.client, at.Sub(p.at[k-1]))
				}
			}
		}
		for at, together := range moments {
			if together > n/32 {
				w.t.Errorf("%d at once at %v", together, at)
			}
		}
	})
}

// A client may choose a longer interval, in seconds.
func TestPingInterval(t *testing.T) {
	for pi, want := range map[string]time.Duration{
		"": 3, "1": 3, "0": 3, "-5": 3, "3": 3, "4": 4, "4.9": 4, "30": 30, "60": 60, "61": 60, "86400": 60,
		"99999999999999999999": 3, "NaN": 3, "x": 3, "1m": 3, "3s": 3, "1e3": 3, " 9": 3,
	} {
		t.Run(pi, func(t *testing.T) {
			within(t, public, func(w *world) {
				c := w.dial("/cable?pi="+urlQuery(pi), base)
				c.want(welcome)
				start := time.Now()
				at := c.pings(start.Add(200 * time.Second))
				interval := at[2].Sub(at[1])
				if want *= time.Second; interval != want || at[0].Sub(start) > want {
					t.Errorf("pi=%s: %v after %v", pi, interval, at[0].Sub(start))
				}
			})
		})
	}
	config := public
	config.PingInterval = 20 * time.Second
	within(t, config, func(w *world) {
		c := w.dial("/cable?pi=5", base)
		c.want(welcome)
		if at := c.pings(time.Now().Add(50 * time.Second)); at[1].Sub(at[0]) != 20*time.Second {
			w.t.Errorf("%v between two pings", at[1].Sub(at[0]))
		}
	})
}

// However many intervals clients think of, they cost little, and no ping goes to
// streams of text.
func TestPingsAreBounded(t *testing.T) {
	within(t, public, func(w *world) {
		before := runtime.NumGoroutine()
		for i := range 200 {
			c := w.dial(fmt.Sprintf("/cable?pi=%d.%d", i, i), base)
			c.want(welcome)
			_ = c.conn.Close()
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 60 {
			w.t.Errorf("%d goroutines", n)
		}
		c := w.dial("/stream?stream=room")
		time.Sleep(10 * time.Second)
		w.publish("room", `"text"`)
		if text, err := c.readText(); text != "text" {
			w.t.Errorf("got %s %v", text, err)
		}
	})
}

// Intervals that cannot be are not accepted.
func TestNegativeIntervals(t *testing.T) {
	for _, config := range []lazyrealtime.Config{{PingInterval: -1}, {RevokeWithin: -1}, {CredentialLife: -1}} {
		config.Log = noLog{}
		if _, err := lazyrealtime.Open(t.Context(), config); err == nil {
			t.Errorf("opened with %+v", config)
		}
	}
}

// noLog is never used.
type noLog struct{ lazyrealtime.Log }
