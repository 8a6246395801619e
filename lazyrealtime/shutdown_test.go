package lazyrealtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// draining is within for a hub with a Drain, which the test shuts down itself. No
// goroutine may be left then.
func draining(t *testing.T, config lazyrealtime.Config, f func(w *world)) {
	t.Helper()
	run := func(t *testing.T, poller *lazywebsocket.Poller) {
		synctest.Test(t, func(t *testing.T) {
			log := enginetest.NewFaulty(memory.Open())
			defer log.Close()
			config.Log, config.Logger, config.Poller = log, slog.New(slog.DiscardHandler), poller
			hub, err := lazyrealtime.Open(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			w := &world{t: t, log: log, hub: hub, net: wstest.Serve(t, hub.Handler())}
			defer hub.Shutdown(canceled()) // of a test that has failed
			f(w)
			synctest.Wait()
			if log.Nodes() != 0 {
				t.Error("the hub is still a node")
			}
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			for _, stack := range strings.Split(string(stacks), "\n\n") {
				if strings.Contains(stack, "lazyrealtime.(*") && !strings.Contains(stack, "lazyrealtime_test.") {
					t.Errorf("a goroutine is left:\n%s", stack)
				}
			}
		})
	}
	t.Run("goroutine", func(t *testing.T) { run(t, nil) })
	t.Run("poller", func(t *testing.T) { run(t, new(lazywebsocket.Poller)) })
}

// The goodbyes are spread over Drain; every client is told to come back.
func TestShutdownIsPaced(t *testing.T) {
	for drain, want := range map[time.Duration]time.Duration{0: 5 * time.Second, 20 * time.Second: 20 * time.Second, -1: 0} {
		config := identified
		config.Drain = drain
		draining(t, config, func(w *world) { paced(w, want) })
	}
}

func paced(w *world, drain time.Duration) {
	const n = 20
	ends := make(chan time.Duration, n+2)
	var start time.Time
	for i := range n {
		c := w.join(fmt.Sprint("id", i), []string{base, extended}[i%2])
		c.subscribe(roomID)
		go func() {
			c.wantClose(restart, 1001)
			ends <- time.Since(start)
		}()
	}
	text := w.dial("/stream?stream=room")
	events := w.source("/stream?stream=room", "").started()
	go func() {
		if _, err := text.readText(); !lazywebsocket.IsCloseError(err, 1001) {
			w.t.Errorf("a text stream: %v", err)
		}
		ends <- time.Since(start)
	}()
	go func() {
		if _, err := events.event(); !errors.Is(err, io.EOF) {
			w.t.Errorf("an event stream: %v", err)
		}
		ends <- time.Since(start)
	}()
	synctest.Wait()
	start = time.Now()
	if err := w.hub.Shutdown(w.t.Context()); err != nil {
		w.t.Errorf("Shutdown: %v", err)
	}
	took := time.Since(start)
	var all []time.Duration
	for range n + 2 {
		all = append(all, <-ends)
	}
	slices.Sort(all)
	step := drain / (n + 2)
	for i, at := range all {
		if at != time.Duration(i)*step {
			w.t.Errorf("drain %v: the goodbye %d came after %v", drain, i, at)
		}
	}
	if took != step*(n+1) {
		w.t.Errorf("drain %v took %v", drain, took)
	}
	if s := w.hub.Stats(); s.Connections != 0 || s.Subscriptions != 0 {
		w.t.Errorf("left: %+v", s)
	}
}

// First the hub is not ready, then the connections go; nobody gets in meanwhile, and
// those who wait for their turn are served.
func TestShutdownRefuses(t *testing.T) {
	config := identified
	config.Drain = 10 * time.Second
	draining(t, config, func(w *world) {
		a, b := w.join("a", extended), w.join("b", extended)
		a.subscribe(roomID)
		b.subscribe(roomID)
		if err := w.hub.Ready(); err != nil {
			w.t.Errorf("not ready: %v", err)
		}
		done := make(chan error)
		go func() { done <- w.hub.Shutdown(w.t.Context()) }()
		synctest.Wait()
		if err := w.hub.Ready(); !errors.Is(err, lazyrealtime.ErrClosed) {
			w.t.Errorf("ready: %v", err)
		}
		p := w.net.Peer()
		p.Request("/cable", "Sec-WebSocket-Protocol: "+base)
		if resp := p.Response(); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			w.t.Errorf("a WebSocket gets %s", resp.Status)
		}
		w.wantPutOff("/stream?stream=room")
		if err := w.hub.Shutdown(w.t.Context()); err != nil { // once more
			w.t.Errorf("a second Shutdown: %v", err)
		}
		w.publish("room", `"meanwhile"`)
		heard := 0
		for _, c := range []*client{a, b} {
			if frame, err := c.read(); err == nil && decoded(w.t, frame).Type != "disconnect" {
				heard++
			}
			go func() {
				for {
					if _, _, err := c.conn.ReadMessage(); err != nil {
						return
					}
				}
			}()
		}
		if heard != 1 {
			w.t.Errorf("%d of the two were served while they waited", heard)
		}
		if err := <-done; err != nil {
			w.t.Errorf("Shutdown: %v", err)
		}
		for what, err := range map[string]error{
			"Publish":   first(w.hub.Publish(w.t.Context(), "room", []byte("1"))),
			"Broadcast": w.hub.Broadcast(w.t.Context(), "room", []byte("1")),
			"Subscribe": first(w.hub.Subscribe(w.t.Context(), "room")),
			"History":   second(w.hub.History(w.t.Context(), "room", lazyrealtime.Position{}, 1)),
			"Presence":  first(w.hub.Presence(w.t.Context(), "room")),
		} {
			if !errors.Is(err, lazyrealtime.ErrClosed) {
				w.t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// Clients that do not answer the goodbye end when the closing handshake has had its
// time, or with the context.
func TestShutdownOfTheDead(t *testing.T) {
	for _, patience := range []time.Duration{0, 2 * time.Second} {
		config := identified
		config.Drain = -1
		draining(t, config, func(w *world) {
			for i := range 3 {
				w.script(fmt.Sprint("/cable?id=", i), base)
			}
			w.dial("/stream?stream=room")
			slow := w.source("/stream?stream=room", "")
			_ = slow
			synctest.Wait()
			ctx, cancel := context.WithCancel(w.t.Context())
			defer cancel()
			want, limit := 5*time.Second, error(nil)
			if patience > 0 {
				want, limit = patience, context.Canceled
				time.AfterFunc(patience, cancel)
			}
			start := time.Now()
			if err := w.hub.Shutdown(ctx); !errors.Is(err, limit) {
				w.t.Errorf("Shutdown: %v", err)
			}
			if took := time.Since(start); took > want+300*time.Millisecond {
				w.t.Errorf("patience %v: it took %v", patience, took)
			}
			if n := w.hub.Stats().Connections; n != 0 {
				w.t.Errorf("%d connections are left", n)
			}
			time.Sleep(5 * time.Second) // what lingers of the connections
		})
	}
}

// A context that has ended ends everything at once, however long Drain is.
func TestShutdownAtOnce(t *testing.T) {
	config := identified
	config.Drain = time.Hour
	draining(t, config, func(w *world) {
		var all sync.WaitGroup
		for i := range 10 {
			c := w.join(fmt.Sprint(i), extended)
			c.subscribe(roomID)
			c.enter()
			all.Go(func() {
				for {
					if _, _, err := c.conn.ReadMessage(); err != nil {
						return
					}
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		if err := w.hub.Shutdown(canceled()); !errors.Is(err, context.Canceled) {
			w.t.Errorf("Shutdown: %v", err)
		}
		if took := time.Since(start); took > time.Second {
			w.t.Errorf("it took %v", took)
		}
		all.Wait()
		time.Sleep(5 * time.Second)
	})
}

// Shutdown waits for what it has called of the application's, for a while.
func TestShutdownWaitsForTheApplication(t *testing.T) {
	for _, work := range []time.Duration{time.Second, time.Hour} {
		var done atomic.Bool
		config := lazyrealtime.Config{Authenticate: asked, Drain: -1, Channels: map[string]lazyrealtime.Channel{"C": {
			Subscribe: func(context.Context, *lazyrealtime.Subscriber) error { return nil },
			Message: func(context.Context, *lazyrealtime.Subscriber, string, json.RawMessage) error {
				time.Sleep(work)
				done.Store(true)
				return nil
			},
		}}}
		draining(t, config, func(w *world) {
			done.Store(false)
			c := w.join("a", base)
			c.subscribe(`{"channel":"C"}`)
			c.send(command("message", `{"channel":"C"}`, `,"data":"{}"`))
			synctest.Wait()
			go func() {
				for {
					if _, _, err := c.conn.ReadMessage(); err != nil {
						return
					}
				}
			}()
			start := time.Now()
			if err := w.hub.Shutdown(w.t.Context()); err != nil {
				w.t.Errorf("Shutdown: %v", err)
			}
			if took := time.Since(start); took > 11*time.Second || done.Load() != (work == time.Second) {
				w.t.Errorf("it took %v, and the application was done: %v", took, done.Load())
			}
			time.Sleep(work)
		})
	}
}

// An engine that hangs keeps nobody.
func TestShutdownWithoutAnEngine(t *testing.T) {
	config := identified
	config.Drain = -1
	draining(t, config, func(w *world) {
		a := w.arrives("a")
		c := w.join("b", extended)
		unblock := w.log.Block()
		c.send(command("subscribe", lobby, ""))
		synctest.Wait()
		for _, c := range []*client{a, c} {
			go func() {
				for {
					if _, _, err := c.conn.ReadMessage(); err != nil {
						return
					}
				}
			}()
		}
		start := time.Now()
		if err := w.hub.Shutdown(w.t.Context()); err != nil {
			w.t.Errorf("Shutdown: %v", err)
		}
		if took := time.Since(start); took > 15*time.Second {
			w.t.Errorf("it took %v", took)
		}
		unblock()
	})
}
