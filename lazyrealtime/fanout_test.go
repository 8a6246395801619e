package lazyrealtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// counters counts what a hub does.
type counters struct {
	mu     sync.Mutex
	counts map[lazyrealtime.Counter]int64
}

func (c *counters) Add(name lazyrealtime.Counter, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[lazyrealtime.Counter]int64)
	}
	c.counts[name] += n
}

func (*counters) Record(lazyrealtime.Histogram, float64) {}

func (c *counters) get(name lazyrealtime.Counter) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[name]
}

// A client that does not read is closed when its queue is full, and nobody waits for
// it: publishing takes no time, and the others get everything.
func TestFanoutBesideASlowClient(t *testing.T) {
	count := new(counters)
	within(t, lazyrealtime.Config{Public: true, Metrics: count}, func(w *world) {
		slow, quick := w.follow(0), w.follow(0)
		data := bytes.Repeat([]byte("x"), 60_000)
		start := time.Now()
		for n := 1; n <= 60; n++ {
			w.publish("room", `"`+string(data)+`"`)
			frame, err := quick.read()
			if err != nil || decoded(t, frame).Offset != uint64(n) {
				t.Fatalf("message %d: %v", n, err)
			}
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("publishing waited for %v", took)
		}
		time.Sleep(time.Second)
		if n := count.get(lazyrealtime.CountSlow); n != 1 || w.hub.Stats().Subscriptions != 1 {
			t.Errorf("%d slow clients, %+v", n, w.hub.Stats())
		}
		n := uint64(0)
		for {
			frame, err := slow.read()
			if err != nil {
				break
			}
			if n++; decoded(t, frame).Offset != n {
				t.Errorf("the slow client gets %d behind %d", decoded(t, frame).Offset, n-1)
			}
		}
		if n == 0 || n > 40 {
			t.Errorf("the slow client has got %d", n)
		}
	})
}

// Followers come and go in any order; everybody who is there gets everything once.
func TestFanoutToThoseWhoAreThere(t *testing.T) {
	within(t, public, func(w *world) {
		r := rand.New(rand.NewPCG(1, 2))
		const topics = 12 // of one connection, in as many groups
		var clients [6]*client
		subscribed := map[[2]int]bool{}
		id := func(n int) string { return fmt.Sprintf(`{"channel":"$pubsub","stream_name":"room","copy":%d}`, n) }
		for i := range clients {
			clients[i] = w.join("", base)
		}
		for round := range 200 {
			at := [2]int{r.IntN(len(clients)), r.IntN(topics)}
			c := clients[at[0]]
			if subscribed[at] {
				c.send(command("unsubscribe", id(at[1]), ""))
				delete(subscribed, at)
				synctest.Wait()
			} else {
				c.send(command("subscribe", id(at[1]), ""))
				c.want(answer("confirm_subscription", id(at[1])))
				subscribed[at] = true
			}
			w.fill("room", round, round)
			got := map[[2]int]int{}
			for i, c := range clients {
				for range len(subscribed) {
					frame, ok := c.maybe()
					if !ok {
						break
					}
					f := decoded(t, frame)
					for n := range topics {
						if f.Identifier == id(n) && string(f.Message) == fmt.Sprintf(`{"n":%d}`, round) {
							got[[2]int{i, n}]++
						}
					}
				}
				c.wantNothing()
			}
			for at := range subscribed {
				if got[at] != 1 {
					t.Fatalf("round %d: %v gets it %d times", round, at, got[at])
				}
			}
			if len(got) != len(subscribed) {
				t.Fatalf("round %d: %d get it, %d should", round, len(got), len(subscribed))
			}
			forms := map[int]bool{}
			for at := range subscribed {
				forms[at[1]] = true
			}
			if n, _ := w.hub.Listeners("room"); n != len(forms) {
				t.Fatalf("round %d: %d groups for %d forms", round, n, len(forms))
			}
		}
	})
}

// served is a client whose connection on the server's side the test can look at.
func (w *world) served() (server *lazywebsocket.Conn, c *client, ended <-chan error) {
	u := &lazywebsocket.Upgrader{Subprotocols: []string{extended}}
	d := &lazywebsocket.Dialer{Subprotocols: []string{extended}, HoldLimit: -1}
	server, conn := wstest.NewPair(w.t, u, d)
	why := make(chan error, 1)
	go func() { why <- w.hub.Serve(server, lazyrealtime.Identity{}) }()
	c = &client{w.t, conn}
	c.want(`{"type":"welcome"}`)
	return server, c, why
}

// many puts messages of 60 kB into a log, which shares their memory.
func (w *world) many(n int) {
	w.t.Helper()
	data := []byte(`"` + string(bytes.Repeat([]byte("x"), 60_000)) + `"`)
	for range n {
		if _, err := w.log.Append(w.t.Context(), []lazyrealtime.Entry{{Topic: "room", Data: data}}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A replay of 64 MiB to a slow reader fills no queue, and all of it arrives.
func TestReplayToASlowReader(t *testing.T) {
	config := public
	config.Retain = func(string) lazyrealtime.Retention { return lazyrealtime.Retention{Messages: 10_000} }
	within(t, config, func(w *world) {
		const last = 1120 // 64 MiB
		data := []byte(`"` + string(bytes.Repeat([]byte("x"), 60_000)) + `"`)
		for range last {
			if _, err := w.log.Append(w.t.Context(), []lazyrealtime.Entry{{Topic: "room", Data: data, Keep: config.Retain("")}}); err != nil {
				t.Fatal(err)
			}
		}
		server, c, _ := w.served()
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 0)))
		c.want(answer("confirm_subscription", roomID))
		most, before, grown := 0, heapNow(), uint64(0)
		for n := uint64(1); n <= last; n++ {
			if n%300 == 0 {
				time.Sleep(5 * time.Second)
				grown = max(grown, heapNow())
			}
			most = max(most, server.QueueStats().Bytes)
			_, frame, err := c.conn.ReadMessage()
			for err == nil && offsetOf(frame) == 0 { // a ping
				_, frame, err = c.conn.ReadMessage()
			}
			if err != nil || offsetOf(frame) != n {
				t.Fatalf("message %d: %v", n, err)
			}
		}
		c.want(w.answerAt("confirm_history", roomID, "room", last))
		if most > 256<<10 || most == 0 {
			t.Errorf("%d bytes were queued", most)
		}
		if grown > before+16<<20 {
			t.Errorf("the heap has grown from %d to %d bytes", before, grown)
		}
	})
}

func heapNow() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A replay to a reader that reads nothing ends, with its connection.
func TestReplayToADeadReader(t *testing.T) {
	var log bytes.Buffer
	config := public
	config.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	within(t, config, func(w *world) {
		w.many(100)
		_, c, ended := w.served()
		c.send(command("subscribe", roomID, w.behind(roomID, "room", 0)))
		start := time.Now()
		if err := <-ended; err != nil {
			t.Logf("the connection ends with %v", err)
		}
		if took := time.Since(start); took > 2*time.Minute {
			t.Errorf("it took %v", took)
		}
		synctest.Wait()
		if stats := w.hub.Stats(); stats.Connections != 0 || stats.Subscriptions != 0 {
			t.Errorf("%+v", stats)
		}
	})
	if log.Len() > 0 {
		t.Errorf("an operator is told: %s", log.String())
	}
}

// What is published while a slow reader replays reaches the others at once.
func TestReplayDelaysNobody(t *testing.T) {
	within(t, public, func(w *world) {
		w.many(100)
		quick := w.follow(100)
		slow := w.join("", extended)
		slow.send(command("subscribe", roomID, w.behind(roomID, "room", 0)))
		synctest.Wait()
		start := time.Now()
		w.fill("room", 101, 130)
		quick.want(w.numbers(roomID, "room", 101, 130)...)
		if time.Since(start) > 0 {
			t.Errorf("the others wait for %v", time.Since(start))
		}
		slow.want(answer("confirm_subscription", roomID))
		for n := uint64(1); n <= 130; {
			frame, err := slow.read()
			f := decoded(t, frame)
			if err != nil || f.Type == "" && f.Offset != n {
				t.Fatalf("message %d: %v, %d", n, err, f.Offset)
			}
			if f.Type == "" {
				n++
			}
		}
	})
}

// A thousand clients of a hundred topics come back to a hub that has just started:
// the engine is read twice per topic at most, and nothing is missing.
func TestReplayStorm(t *testing.T) {
	const clients, topics, messages = 1000, 100, 100
	within(t, public, func(w *world) {
		for n := 1; n <= messages; n++ {
			for topic := range topics {
				w.fill(fmt.Sprintf("t%d", topic), n, n)
			}
		}
		epoch := w.epoch()
		w.log.After(func(_ context.Context, c enginetest.Call) error {
			if c.Op == enginetest.OpRead {
				time.Sleep(time.Millisecond) // in which all come
			}
			return nil
		})
		var all sync.WaitGroup
		errs := make(chan error, clients)
		for i := range clients {
			all.Go(func() { errs <- w.comesBack(epoch, fmt.Sprintf("t%d", i%topics), uint64(i/topics*7), messages) })
		}
		all.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := w.log.Count("Read"); n > 2*topics || n < topics {
			t.Errorf("%d reads of the engine for %d topics", n, topics)
		}
		if n := w.log.Count("Follow"); n != topics {
			t.Errorf("%d topics were followed %d times", topics, n)
		}
	})
}

// comesBack is a client that replays what is behind an offset.
func (w *world) comesBack(epoch, topic string, at, last uint64) error {
	d := lazywebsocket.Dialer{NetDialContext: w.net.DialContext, Subprotocols: []string{extended}, HoldLimit: -1}
	conn, _, err := d.DialContext(context.Background(), "ws://example.com/cable", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	id := fmt.Sprintf(`{"channel":"$pubsub","stream_name":%q}`, topic)
	frame := command("subscribe", id, fmt.Sprintf(`,"history":{"streams":{%q:{"epoch":%q,"offset":%d}}}`, streamOf(topic, id), epoch, at))
	if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte(frame)); err != nil {
		return err
	}
	for at < last {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		offset := offsetOf(data)
		if bytes.Contains(data, []byte("reject_history")) || offset > 0 && offset != at+1 {
			return fmt.Errorf("%s gets %s behind %d", topic, data, at)
		}
		at = max(at, offset)
	}
	return nil
}

// offsetOf returns the offset of a message, zero for any other frame.
func offsetOf(frame []byte) uint64 {
	i := bytes.LastIndex(frame, []byte(`,"offset":`))
	if i < 0 || bytes.HasPrefix(frame, []byte(`{"type"`)) {
		return 0
	}
	n, _ := strconv.ParseUint(string(bytes.TrimSuffix(frame[i+10:], []byte("}"))), 10, 64)
	return n
}

// Clients that come back to a topic with a long log read its end, not all of it.
func TestReplayOfALongLog(t *testing.T) {
	config := public
	config.Retain = func(string) lazyrealtime.Retention { return lazyrealtime.Retention{Messages: 10_000} }
	within(t, config, func(w *world) {
		w.fill("t", 1, 2000)
		for range 50 {
			if err := w.comesBack(w.epoch(), "t", 1950, 2000); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.log.Count("Read"); n > 3 {
			t.Errorf("%d reads", n)
		}
		if err := w.comesBack(w.epoch(), "t", 1000, 2000); err != nil {
			t.Fatal(err)
		}
		if n := w.log.Count("Read"); n > 3+1000/64+1 {
			t.Errorf("%d reads", n)
		}
	})
}

// Clients that take turns at subscribing while the engine does not answer leave no
// work behind.
func TestReplayLeavesNothingBehind(t *testing.T) {
	config := lazyrealtime.Config{Public: true, RecentMessages: 1, Limits: lazyrealtime.Limits{CommandsPerSecond: -1}}
	within(t, config, func(w *world) {
		w.fill("room", 1, 100)
		c := w.follow(100)
		unblock := w.log.Block("Read")
		before := runtime.NumGoroutine()
		for range 500 {
			c.send(command("unsubscribe", roomID, ""))
			c.send(command("subscribe", roomID, w.behind(roomID, "room", 3)))
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 10 || w.hub.Stats().Subscriptions != 1 {
			t.Errorf("%d goroutines wait for the engine, for one subscription; %+v", n, w.hub.Stats())
		}
		unblock()
	})
}

// The error of a connection that was closed for its slowness says so.
func TestFanoutEndsASlowReader(t *testing.T) {
	within(t, public, func(w *world) {
		server, c, ended := w.served()
		c.send(command("subscribe", roomID, ""))
		c.want(w.answerAt("confirm_subscription", roomID, "room", 0))
		w.many(60)
		if n := server.QueueStats().Bytes; n > 2<<20 {
			t.Errorf("%d bytes are queued", n)
		}
		if err := <-ended; err != nil && !errors.Is(err, lazywebsocket.ErrQueueFull) {
			t.Errorf("it ends with %v", err)
		}
	})
}
