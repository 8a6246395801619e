package lazyrealtime_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// meter is a Metrics that keeps what it gets.
type meter struct {
	mu     sync.Mutex
	counts map[lazyrealtime.Counter]int64
	times  map[lazyrealtime.Histogram][]float64
}

func (c *meter) Add(name lazyrealtime.Counter, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[lazyrealtime.Counter]int64)
	}
	c.counts[name] += n
}

func (c *meter) Record(name lazyrealtime.Histogram, value float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times == nil {
		c.times = make(map[lazyrealtime.Histogram][]float64)
	}
	c.times[name] = append(c.times[name], value)
}

type tally = map[lazyrealtime.Counter]int64

// want fails if other things were counted since it was called last.
func (c *meter) want(t *testing.T, what string, want tally) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !maps.Equal(c.counts, want) && len(c.counts)+len(want) > 0 {
		t.Errorf("%s: counted %v, want %v", what, c.counts, want)
	}
	c.counts = nil
}

// of returns what was counted of something.
func (c *meter) of(name lazyrealtime.Counter) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[name]
}

func TestMetrics(t *testing.T) {
	var m meter
	config := limited(lazyrealtime.Limits{ConnectionsPerIdentity: 2, Subscriptions: 2, PublishesPerSecond: 1, MessageBytes: 100})
	config.Metrics, config.PublishKey = &m, publishKey
	config.Authenticate = func(r *http.Request) (lazyrealtime.Identity, error) {
		if r.URL.Query().Get("id") == "denied" {
			return lazyrealtime.Identity{}, errors.New("denied")
		}
		return asked(r)
	}
	modes(t, config, func(w *world) {
		m.counts, m.times = nil, nil
		a, b := w.join("a", extended), w.join("b", base)
		m.want(w.t, "two connections", tally{lazyrealtime.CountConnects: 2})
		a.subscribe(roomID)
		b.subscribe(roomID)
		b.subscribe(roomID) // which is there
		m.want(w.t, "two subscriptions", tally{lazyrealtime.CountSubscribes: 2})
		w.publish("room", `"1"`, lazyrealtime.MessageID("x"))
		m.want(w.t, "a message", tally{lazyrealtime.CountPublishes: 1, lazyrealtime.CountDeliveries: 2})
		w.publish("room", `"1"`, lazyrealtime.MessageID("x"))
		m.want(w.t, "a duplicate", tally{lazyrealtime.CountDuplicates: 1})
		w.publish("nobody's", `"1"`)
		m.want(w.t, "a message for nobody", tally{lazyrealtime.CountPublishes: 1})
		if err := w.hub.Broadcast(w.t.Context(), "room", []byte(`"2"`)); err != nil {
			w.t.Fatal(err)
		}
		m.want(w.t, "one that is not stored", tally{lazyrealtime.CountBroadcasts: 1})
		a.send(command("whisper", roomID, `,"data":1`))
		m.want(w.t, "a whisper", tally{lazyrealtime.CountBroadcasts: 1})
		w.log.Fail(enginetest.OpSend)
		a.send(command("whisper", roomID, `,"data":1`))
		m.want(w.t, "a whisper without an engine", nil)
		w.log.Before(nil)
		w.posted(`[{"stream":"room","data":"1"},{"stream":"room","data":"2"}]`)
		m.want(w.t, "two by HTTP", tally{lazyrealtime.CountPublishes: 2, lazyrealtime.CountDeliveries: 4})

		b.send(command("subscribe", `{}`, ""))
		m.want(w.t, "a rejection", tally{lazyrealtime.CountRejects: 1})
		b.send(command("subscribe", lobby, ""))
		b.send(command("subscribe", `{"channel":"$pubsub","stream_name":"third"}`, ""))
		m.want(w.t, "beyond a limit", tally{lazyrealtime.CountSubscribes: 1, lazyrealtime.CountRejects: 1, lazyrealtime.CountLimited: 1})
		b.send(command("unsubscribe", lobby, ""))
		b.send(command("unsubscribe", lobby, ""))
		m.want(w.t, "an end", tally{lazyrealtime.CountUnsubscribes: 1})
		if _, err := w.hub.Publish(w.t.Context(), "room", []byte(`"`+strings.Repeat("x", 100)+`"`)); err == nil {
			w.t.Error("published")
		}
		m.want(w.t, "a large message", tally{lazyrealtime.CountLimited: 1})

		c := w.join("a", extended)
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 0)))
		m.want(w.t, "a replay", tally{lazyrealtime.CountConnects: 1, lazyrealtime.CountSubscribes: 1, lazyrealtime.CountReplayed: 3})
		c.send(command("subscribe", lobby, w.behind(lobby, "lobby", 7)))
		m.want(w.t, "a gap", tally{lazyrealtime.CountSubscribes: 1, lazyrealtime.CountGaps: 1})
		w.dial("/cable?id=a", base).wantClose(tooMany, 1013)
		m.want(w.t, "one too many", tally{lazyrealtime.CountLimited: 1, lazyrealtime.CountRefused: 1})
		w.wantPutOff("/stream?stream=room&id=a")
		m.want(w.t, "an event stream too many", tally{lazyrealtime.CountLimited: 1, lazyrealtime.CountRefused: 1})
		w.dial("/cable?id=denied", base).wantClose(unauthorized, 1008)
		w.answered("GET", "/stream?stream=room&id=denied", "")
		m.want(w.t, "two refused", tally{lazyrealtime.CountRefused: 2})
		p := w.net.Peer()
		p.Request("/cable", "Origin: https://other.example", "Sec-WebSocket-Protocol: "+base)
		p.Response()
		m.want(w.t, "a foreign origin", tally{lazyrealtime.CountRefused: 1})
		_ = c.conn.Close()
		m.want(w.t, "the end of a connection", tally{lazyrealtime.CountDisconnects: 1, lazyrealtime.CountUnsubscribes: 2})
		for range 5 {
			b.send(command("whisper", roomID, `,"data":1`))
		}
		b.wantCloseBehind(tooFast, 1008)
		m.want(w.t, "too fast", tally{
			lazyrealtime.CountBroadcasts: 4, lazyrealtime.CountLimited: 1, lazyrealtime.CountDisconnects: 1, lazyrealtime.CountUnsubscribes: 1,
		})
		w.revoke("a")
		w.revoke("a")
		a.wantCloseBehind(remote, 1008)
		m.want(w.t, "revoked", tally{lazyrealtime.CountRevoked: 1, lazyrealtime.CountDisconnects: 1, lazyrealtime.CountUnsubscribes: 1})
		for name, n := range map[lazyrealtime.Histogram]int{lazyrealtime.TimePublish: 4, lazyrealtime.TimeReplay: 1, lazyrealtime.TimeFanout: 3} {
			if got := m.times[name]; len(got) != n {
				w.t.Errorf("%s was measured %d times, want %d", name, len(got), n)
			}
		}
	})
}

// What was opened has been closed in the end, however it ended.
func TestMetricsBalance(t *testing.T) {
	var m meter
	config := identified
	config.Metrics = &m
	config.Upgrader = &lazywebsocket.Upgrader{Queue: lazywebsocket.QueueOptions{Messages: 10}}
	modes(t, config, func(w *world) {
		m.counts = nil
		w.net = wstest.Network{Buffer: 512}.Serve(w.t, w.hub.Handler())
		slow := w.join("slow", extended)
		slow.subscribe(roomID)
		for i := range 6 {
			c := w.join("a", []string{base, extended}[i%2])
			c.subscribe(roomID)
			switch i {
			case 0, 1:
				_ = c.conn.Close()
			case 2, 3:
				_ = c.conn.UnderlyingConn().Close()
			case 4:
				c.send("nonsense")
			}
		}
		text, events := w.dial("/stream?stream=room"), w.source("/stream?stream=room", "").started()
		slowText := w.dial("/stream?stream=room")
		synctest.Wait()
		_, _ = text.conn.Close(), events.body.Close()
		synctest.Wait() // the hub has noticed: they are gone, not slow
		for range 100 {
			w.publish("room", `"`+strings.Repeat("x", 1000)+`"`)
		}
		_, _ = slow, slowText
		time.Sleep(10 * time.Second)
		if n := m.of(lazyrealtime.CountSlow); n != 3 { // and the one that does nothing
			w.t.Errorf("%d were slow", n)
		}
		if n := w.hub.Stats().Connections; n != 0 {
			w.t.Errorf("%d are left", n)
		}
		if n := m.of(lazyrealtime.CountConnects); n != 10 || n != m.of(lazyrealtime.CountDisconnects) {
			w.t.Errorf("opened %d, closed %d", n, m.of(lazyrealtime.CountDisconnects))
		}
		if n := m.of(lazyrealtime.CountSubscribes); n != 7 || n != m.of(lazyrealtime.CountUnsubscribes) {
			w.t.Errorf("subscribed %d, ended %d", n, m.of(lazyrealtime.CountUnsubscribes))
		}
	})
}

// Who does not count pays nothing for it: a message to a topic that nobody follows
// takes the allocations of its entry and its position.
func TestMetricsCostNothing(t *testing.T) {
	allocs := func(m lazyrealtime.Metrics) float64 {
		hub, err := lazyrealtime.Open(t.Context(), lazyrealtime.Config{Log: constant{noLog{}}, Metrics: m, Drain: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer hub.Shutdown(context.Background())
		data := []byte(`{"n":1}`)
		return testing.AllocsPerRun(1000, func() { _, _ = hub.Publish(context.Background(), "room", data) })
	}
	without, with := allocs(nil), allocs(silent{})
	t.Logf("%v allocations, %v with metrics", without, with)
	if without > 4 || with > without {
		t.Errorf("%v allocations, %v with metrics", without, with)
	}
}

type silent struct{}

func (silent) Add(lazyrealtime.Counter, int64)        {}
func (silent) Record(lazyrealtime.Histogram, float64) {}

// constant is a log that keeps nothing and allocates nothing.
type constant struct{ lazyrealtime.Log }

var appended = []lazyrealtime.Appended{{}}

func (constant) Append(context.Context, []lazyrealtime.Entry) ([]lazyrealtime.Appended, error) {
	return appended, nil
}

func (constant) Controls(context.Context, uint64) ([]lazyrealtime.Record, uint64, error) {
	return nil, 0, nil
}

func (constant) Join(context.Context, lazyrealtime.Feed) (lazyrealtime.Node, error) {
	return constantNode{}, nil
}

type constantNode struct{ lazyrealtime.Node }

func (constantNode) Close(context.Context) error { return nil }
