package lazyrealtime_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// What is no command ends its connection, with a reason, and hurts nobody else.
func TestAttackMalformed(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 500) + "1" + strings.Repeat("}", 500)
	id := quoted(roomID)
	frames := []string{
		``, ` `, `{`, `[]`, `null`, `"subscribe"`, `{}`, `{"command":1}`, `{"command":null}`,
		`{"command":"subscribe"}`, `{"command":"subscribe","identifier":""}`, `{"command":"subscribe","identifier":{}}`,
		`{"command":"subscribe","identifier":"\ud800"}`, `{"command":"subscribe","identifier":` + id + `}{}`,
		`{"command":"subscribe","identifier":` + id + `,"history":1}`, `{"command":"subscribe","identifier":` + id + `,"history":{"since":"x"}}`,
		`{"command":"subscribe","identifier":` + id + `,"history":{"streams":{"s":{"epoch":"e","offset":-1}}}}`,
		`{"command":"subscribe","identifier":` + id + `,"history":{"streams":{"s":{"epoch":"e","offset":1e99}}}}`,
		`{"command":"subscribe","identifier":` + id + `,"position":{}}`, `{"command":"join","identifier":` + id + `,"presence":[]}`,
		`{"command":"message","identifier":` + id + `}`, `{"command":"message","identifier":` + id + `,"data":{}}`,
		`{"command":"message","identifier":` + id + `,"data":"{"}`, `{"command":"message","identifier":` + id + `,"data":""}`,
		`{"command":"message","identifier":` + id + `,"data":"null"}`, `{"command":"message","identifier":` + id + `,"data":"{} {}"}`,
		`{"command":"message","identifier":` + id + `,"data":` + quoted(deep) + `}`,
		`{"command":"message","identifier":` + id + `,"data":"{}","request":""}`, `{"command":"message","identifier":` + id + `,"data":"{}","request":1}`,
		`{"command":"message","identifier":` + id + `,"data":"{}","request":"r","behind":[]}`,
		`{"command":"message","identifier":` + id + `,"data":{},"request":"r"}`,
		`{"command":"whisper","identifier":` + id + `}`, `{"command":"whisper","identifier":` + id + `,"data":0}`,
		`{"command":"whisper","identifier":` + id + `,"data":` + deep + `}`, `{"type":"ping"}`, deep,
	}
	protocols(t, identified, func(w *world, protocol string) {
		other := w.join("other", extended)
		other.subscribe(roomID)
		for _, frame := range frames {
			c := w.join("a", protocol)
			c.subscribe(roomID)
			c.send(frame)
			c.wantClose(invalid, 1008)
		}
		for _, frame := range []string{`{"command":"pong"}`, command("subscribe", lobby, "")} { // in binary
			c := w.join("a", protocol)
			if err := c.conn.WriteMessage(lazywebsocket.BinaryMessage, []byte(frame)); err != nil {
				w.t.Fatal(err)
			}
			c.wantClose(invalid, 1008)
		}
		p := w.script("/cable", protocol)
		p.Frame(0x81, []byte("{\"command\":\"pong\",\"x\":\"\xff\"}"))
		p.WantClose(1007)
		c := w.join("a", protocol) // what is allowed
		c.send(`{"command":"pong"}`)
		c.send(`{"command":"unsubscribe","identifier":"no"}`)
		c.send(`{"command":"message","identifier":"no","data":"{}"}`)
		c.send(`{"unknown":1,"command":"subscribe","identifier":` + id + `}`)
		if frame, err := c.read(); err != nil || decoded(w.t, frame).Type != "confirm_subscription" {
			w.t.Errorf("got %s %v", frame, err)
		}
		other.wantNothing()
		_ = c.conn.Close()
		w.wantStats(1, 1)
	})
}

// Any bytes at all: nothing panics, nothing is left.
func TestAttackGarbage(t *testing.T) {
	parts := []string{
		`{"command":"`, `subscribe`, `unsubscribe`, `message`, `whisper`, `history`, `join`, `leave`, `presence`, `"`, `,"identifier":`, quoted(roomID),
		quoted(lobby), `,"data":`, `"{}"`, `1`, `,"history":{"since":1,"streams":{}}`, `,"presence":{"id":"x","info":{}}`, `}`, "\x00", `\`,
		`,"data":"{}","request":"r"`, `,"data":"{}","request":"s","behind":"r"`,
	}
	config := identified
	config.Limits.PublishesPerSecond = -1
	protocols(t, config, func(w *world, protocol string) {
		r := rand.New(rand.NewPCG(7, 7))
		for range 60 {
			c := w.dial("/cable?id=a", protocol)
			go func() {
				for {
					if _, _, err := c.conn.ReadMessage(); err != nil {
						return
					}
				}
			}()
			for range 20 {
				var frame string
				if r.IntN(3) > 0 {
					frame = command(parts[1+r.IntN(8)], []string{roomID, lobby}[r.IntN(2)], []string{"", parts[16], parts[17], `,"data":"{}"`, parts[21], parts[22]}[r.IntN(6)])
				} else {
					for range r.IntN(8) {
						frame += parts[r.IntN(len(parts))]
					}
				}
				if c.conn.WriteMessage(lazywebsocket.TextMessage, []byte(frame)) != nil {
					break
				}
			}
			_ = c.conn.Close()
		}
		w.wantStats(0, 0)
		w.wantPresent()
	})
}

// Subscribing and unsubscribing as fast as possible ends as the last command says,
// and leaves nothing.
func TestAttackFlood(t *testing.T) {
	protocols(t, limited(lazyrealtime.Limits{CommandsPerSecond: -1}), func(w *world, protocol string) {
		c := w.join("a", protocol)
		confirmed := make(chan int, 1)
		go func() {
			n := 0
			for {
				frame, err := c.read()
				if err != nil || decoded(w.t, frame).Type == "reject_subscription" {
					confirmed <- n
					return
				}
				if decoded(w.t, frame).Type == "confirm_subscription" {
					n++
				}
			}
		}()
		const n = 300
		for range n {
			c.send(command("subscribe", roomID, ""))
			c.send(command("unsubscribe", roomID, ""))
		}
		c.send(command("subscribe", roomID, ""))
		w.wantStats(1, 1)
		c.send(command("unsubscribe", roomID, ""))
		c.send(command("subscribe", "{}", ""))
		if got := <-confirmed; got != n+1 {
			w.t.Errorf("%d of %d subscribes were confirmed", got, n+1)
		}
		w.wantStats(1, 0)
		if topics := w.hub.Stats().Topics; topics != 1 {
			w.t.Errorf("%d topics", topics)
		}
	})
}

// Thousands of rejected subscribes are forgotten at once.
func TestAttackRejectedSubscribes(t *testing.T) {
	config := lazyrealtime.Config{Authenticate: asked, Limits: lazyrealtime.Limits{IdentifierBytes: 300, CommandsPerSecond: -1}}
	modes(t, config, func(w *world) {
		c := w.join("a", base)
		name, _ := w.name("b", "room")
		reject := func(n int) {
			for i := range n {
				id := fmt.Sprintf(`{"channel":"$pubsub","stream_name":"room%d"}`, i)
				switch i % 3 {
				case 1:
					id = bySigned("$pubsub", name+fmt.Sprint(i))
				case 2:
					id += strings.Repeat(" ", 300)
				}
				c.send(command("subscribe", id, ""))
				c.want(answer("reject_subscription", id))
			}
			synctest.Wait() // who has answered the last has done with it
		}
		reject(300) // what is made once exists then
		before, goroutines := heap(), runtime.NumGoroutine()
		reject(1500)
		if after := heap(); after > before+100<<10 {
			w.t.Errorf("%d bytes are left", after-before)
		}
		if n := runtime.NumGoroutine(); n > goroutines {
			w.t.Errorf("%d goroutines are left", n-goroutines)
		}
		w.wantStats(1, 0)
		if topics := w.hub.Stats().Topics; topics != 0 {
			w.t.Errorf("%d topics", topics)
		}
	})
}

// Topics that nobody follows any more linger, but not any number of them.
func TestAttackTopics(t *testing.T) {
	if raceEnabled {
		t.Skip("so many take too long with the race detector")
	}
	config := limited(lazyrealtime.Limits{CommandsPerSecond: -1})
	within(t, config, func(w *world) {
		c := w.join("a", base)
		kept := w.join("b", base)
		kept.subscribe(roomID)
		for i := range 10_500 {
			id := fmt.Sprintf(`{"channel":"$pubsub","stream_name":"%d"}`, i)
			c.subscribe(id)
			c.send(command("unsubscribe", id, ""))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := w.hub.Stats().Topics; n > 10_001 {
			w.t.Errorf("%d topics", n)
		}
		w.publish("room", `"on"`)
		kept.want(plain(roomID, `"on"`))
		time.Sleep(62 * time.Second)
		if n := w.hub.Stats().Topics; n != 1 {
			w.t.Errorf("%d topics are left", n)
		}
	})
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A client that never reads delays nobody, and ends: it costs no more than its queue.
func TestAttackNeverReads(t *testing.T) {
	config := identified
	config.Upgrader = &lazywebsocket.Upgrader{Queue: lazywebsocket.QueueOptions{Bytes: 32 << 10}}
	protocols(t, config, func(w *world, protocol string) {
		w.net = wstest.Network{Buffer: 1 << 10}.Serve(w.t, w.hub.Handler())
		stuck := w.join("stuck", protocol)
		stuck.subscribe(roomID)
		fine := w.join("fine", extended)
		fine.subscribe(roomID)
		text := `"` + strings.Repeat("x", 1000) + `"`
		for n := 1; n <= 100; n++ {
			start := time.Now()
			w.publish("room", text)
			fine.want(w.stored(roomID, "room", text, uint64(n)))
			if took := time.Since(start); took > 0 {
				w.t.Errorf("message %d took %v", n, took)
			}
		}
		time.Sleep(5 * time.Second)
		w.wantStats(1, 1)
		// One that sends and does not read what is answered.
		loud := w.join("loud", protocol)
		for i := range 5000 {
			if loud.conn.WriteMessage(lazywebsocket.TextMessage, []byte(command("subscribe", fmt.Sprintf(`{"channel":"no","i":%d}`, i), ""))) != nil {
				break
			}
		}
		time.Sleep(time.Minute)
		w.wantStats(0, 0) // nor does the other read any more
	})
}

// The commands of a session that is being ended by others, at any moment.
func TestAttackEndsAtAnyMoment(t *testing.T) {
	config := identified
	config.Limits.PublishesPerSecond = -1
	modes(t, config, func(w *world) {
		r := rand.New(rand.NewPCG(3, 3))
		for round := range 40 {
			id := fmt.Sprint("id", round)
			c := w.dial("/cable?id="+id, extended)
			var all sync.WaitGroup
			all.Go(func() {
				for {
					if _, _, err := c.conn.ReadMessage(); err != nil {
						return
					}
				}
			})
			all.Go(func() {
				for _, name := range []string{"subscribe", "join", "whisper", "message", "presence", "history", "leave", "unsubscribe", "subscribe", "join"} {
					_ = c.conn.WriteMessage(lazywebsocket.TextMessage, []byte(command(name, roomID, `,"data":"{}","request":"r"`)))
				}
			})
			all.Go(func() {
				for range r.IntN(2000) {
					runtime.Gosched()
				}
				if round%2 == 0 {
					w.revoke(id)
				} else {
					_ = c.conn.Close()
				}
			})
			all.Wait()
		}
		w.wantStats(0, 0)
		w.wantPresent()
		time.Sleep(2 * time.Minute)
		if s := w.hub.Stats(); s.Topics != 0 || s.RecentBytes != 0 {
			w.t.Errorf("left: %+v", s)
		}
	})
}

// What an idle client costs, with one subscription: a budget, over loopback, both
// ends in this process.
func TestIdleBudget(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has a memory of its own")
	}
	const n = 200
	for _, polled := range []bool{false, true} {
		config := lazyrealtime.Config{Log: memory.Open(), Public: true, Drain: -1, Logger: slog.New(slog.DiscardHandler)}
		if polled {
			config.Poller = new(lazywebsocket.Poller)
		}
		hub, err := lazyrealtime.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: hub.Handler(), ReadHeaderTimeout: time.Minute}
		go server.Serve(l) // until Close
		clients := make([]net.Conn, 0, 2*n)
		connect := func(each func(c *lazywebsocket.Conn)) {
			for range n {
				d := lazywebsocket.Dialer{Subprotocols: []string{extended}}
				c, _, err := d.DialContext(t.Context(), "ws://"+l.Addr().String()+"/cable", nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.ReadMessage(); err != nil {
					t.Fatal(err)
				}
				each(c)
				clients = append(clients, c.NetConn()) // the client's own memory goes
			}
		}
		connect(func(*lazywebsocket.Conn) {})
		settled := func() (uint64, int) { time.Sleep(50 * time.Millisecond); return heap(), runtime.NumGoroutine() }
		before, goroutines := settled()
		connect(func(*lazywebsocket.Conn) {})
		idle, idleGoroutines := settled()
		connect(func(c *lazywebsocket.Conn) {
			must(t, c.WriteMessage(lazywebsocket.TextMessage, []byte(command("subscribe", roomID, ""))))
			_, _, err := c.ReadMessage()
			must(t, err)
		})
		subscribed, subscribedGoroutines := settled()
		connection, both := float64(idle-before)/n, float64(subscribed-idle)/n
		t.Logf("polled %v: %.0f bytes of heap and %.2f goroutines for a connection; %.0f and %.2f with a subscription",
			polled, connection, float64(idleGoroutines-goroutines)/n, both, float64(subscribedGoroutines-idleGoroutines)/n)
		most := 1.1
		if polled {
			most = 0.1
		}
		if both > 8<<10 || float64(subscribedGoroutines-idleGoroutines)/n > most {
			t.Errorf("polled %v: %.0f bytes, %d goroutines", polled, both, subscribedGoroutines-idleGoroutines)
		}
		for _, c := range clients {
			_ = c.Close()
		}
		_ = server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := hub.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		if config.Poller != nil {
			_ = config.Poller.Close()
		}
	}
}
