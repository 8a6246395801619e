package lazyrealtime_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazywebsocket"
)

// limited is identified with limits.
func limited(l lazyrealtime.Limits) lazyrealtime.Config {
	config := identified
	config.Limits = l
	return config
}

// Each limit has a default, and negative is none.
func TestLimitMessageBytes(t *testing.T) {
	for limit, most := range map[int]int{0: 64 << 10, 1000: 1000, -1: 1 << 20} {
		config := limited(lazyrealtime.Limits{MessageBytes: limit})
		config.Upgrader = &lazywebsocket.Upgrader{Queue: lazywebsocket.QueueOptions{Bytes: -1}}
		kinds := protocols
		if limit < 0 || raceEnabled && most > 1000 { // large ones take their time
			kinds = func(t *testing.T, config lazyrealtime.Config, f func(*world, string)) {
				within(t, config, func(w *world) { f(w, base) })
			}
		}
		kinds(t, config, func(w *world, protocol string) {
			fits := `"` + strings.Repeat("x", most-2) + `"`
			beyond := `"` + strings.Repeat("x", most-1) + `"`
			var err error
			if _, err = w.hub.Publish(w.t.Context(), "other", []byte(fits)); err != nil {
				w.t.Errorf("Publish of %d: %v", len(fits), err)
			}
			if err = w.hub.Broadcast(w.t.Context(), "other", []byte(fits)); err != nil {
				w.t.Errorf("Broadcast of %d: %v", len(fits), err)
			}
			// Quotes are what escaping makes longest.
			quotes := `"` + strings.Repeat(`\"`, (most-2)/2) + `"`
			c, other := w.join("a", protocol), w.join("b", base)
			c.conn.SetReadLimit(-1)
			other.conn.SetReadLimit(-1)
			c.subscribe(roomID)
			other.subscribe(roomID)
			for _, text := range []string{fits, quotes} {
				c.send(command("message", roomID, `,"data":`+quoted(text)))
				other.want(plain(roomID, text))
				c.send(command("whisper", roomID, `,"data":`+text))
				other.want(plain(roomID, text))
				if _, err := c.read(); err != nil {
					w.t.Fatal(err)
				}
			}
			if limit < 0 {
				return
			}
			var limit *lazyrealtime.LimitError
			if _, err = w.hub.Publish(w.t.Context(), "other", []byte(beyond)); !errors.As(err, &limit) || limit.Limit != "MessageBytes" || limit.Value != most {
				w.t.Errorf("Publish of %d: %v", len(beyond), err)
			}
			if err = w.hub.Broadcast(w.t.Context(), "other", []byte(beyond)); !errors.As(err, &limit) {
				w.t.Errorf("Broadcast of %d: %v", len(beyond), err)
			}
			c.send(command("message", roomID, `,"data":`+quoted(beyond)))
			c.wantClose(invalid, 1008)
			c = w.join("a", protocol)
			c.subscribe(roomID)
			c.send(command("whisper", roomID, `,"data":`+beyond))
			c.wantClose(invalid, 1008)
			c = w.join("a", protocol)
			c.send(strings.Repeat(" ", 2*most+16<<10+1)) // no frame is as large
			if _, err := c.read(); !lazywebsocket.IsCloseError(err, 1009) {
				w.t.Errorf("a frame that is too large: %v", err)
			}
			other.wantNothing()
		})
	}
}

func TestLimitIdentifierBytes(t *testing.T) {
	for limit, most := range map[int]int{0: 2048, 100: 100, -1: 10_000} {
		protocols(t, limited(lazyrealtime.Limits{IdentifierBytes: limit}), func(w *world, protocol string) {
			id := func(n int) string {
				const rest = `{"channel":"$pubsub","stream_name":"room","x":""}`
				return strings.Replace(rest, `x":"`, `x":"`+strings.Repeat("x", n-len(rest)), 1)
			}
			c := w.join("a", protocol)
			if !c.accepts(id(most)) || limit >= 0 && c.accepts(id(most+1)) {
				w.t.Errorf("the limit is not %d", most)
			}
			w.wantStats(1, 0)
		})
	}
}

func TestLimitTopicBytes(t *testing.T) {
	for limit, most := range map[int]int{0: 255, 20: 20, -1: 255, 1000: 255} {
		within(t, limited(lazyrealtime.Limits{TopicBytes: limit, IdentifierBytes: -1}), func(w *world) {
			fits, beyond := strings.Repeat("é", most/2)+strings.Repeat("x", most%2), strings.Repeat("x", most+1)
			c := w.join("a", extended)
			if !c.accepts(`{"channel":"$pubsub","stream_name":"`+fits+`"}`) || c.accepts(`{"channel":"$pubsub","stream_name":"`+beyond+`"}`) {
				w.t.Errorf("the limit of a subscribe is not %d", most)
			}
			w.publish(fits, "1")
			var limit *lazyrealtime.LimitError
			_, err := w.hub.Publish(w.t.Context(), beyond, []byte("1"))
			if !errors.As(err, &limit) || limit.Limit != "TopicBytes" || limit.Value != most {
				w.t.Errorf("Publish: %v", err)
			}
			for what, err := range map[string]error{
				"Broadcast": w.hub.Broadcast(w.t.Context(), beyond, []byte("1")),
				"History":   second(w.hub.History(w.t.Context(), beyond, lazyrealtime.Position{}, 1)),
				"Presence":  first(w.hub.Presence(w.t.Context(), beyond)),
				"Subscribe": first(w.hub.Subscribe(w.t.Context(), beyond)),
			} {
				if !errors.As(err, &limit) {
					w.t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

func first[T any](_ T, err error) error          { return err }
func second[T, U any](_ T, _ U, err error) error { return err }

func TestLimitSubscriptions(t *testing.T) {
	for limit, most := range map[int]int{0: 100, 3: 3, -1: 300} {
		protocols(t, limited(lazyrealtime.Limits{Subscriptions: limit}), func(w *world, protocol string) {
			id := func(i int) string { return fmt.Sprintf(`{"channel":"$pubsub","stream_name":"room","i":%d}`, i) }
			c := w.join("a", protocol)
			for i := range most {
				c.subscribe(id(i))
			}
			c.send(command("subscribe", id(0), "")) // again
			if protocol == base {
				c.want(answer("confirm_subscription", id(0)))
			}
			w.wantStats(1, most)
			if limit >= 0 {
				c.send(command("subscribe", id(most), ""))
				c.want(answer("reject_subscription", id(most)))
				c.send(command("unsubscribe", id(0), ""))
				c.subscribe(id(most))
				w.wantStats(1, most)
			}
		})
	}
}

func TestLimitConnections(t *testing.T) {
	for limit, most := range map[int]int{0: 50, 2: 2, -1: 60} {
		protocols(t, limited(lazyrealtime.Limits{ConnectionsPerIdentity: limit}), func(w *world, protocol string) {
			var first *client
			for i := range most {
				switch {
				case i == 0:
					first = w.join("a", protocol)
				case i%10 == 1: // all kinds count
					w.dial("/stream?stream=room&id=a")
					synctest.Wait()
				case i%10 == 2:
					w.request("GET", "/stream?stream=room&id=a", "")
				default:
					w.join("a", protocol)
				}
			}
			w.join("b", protocol)
			for range most + 1 {
				w.join("", protocol) // the anonymous are not counted
			}
			if limit < 0 {
				return
			}
			w.dial("/cable?id=a", protocol).wantClose(tooMany, 1013)
			if _, err := w.dial("/stream?stream=room&id=a").readText(); !lazywebsocket.IsCloseError(err, 1013) {
				w.t.Errorf("a text stream: %v", err)
			}
			w.wantPutOff("/stream?stream=room&id=a")
			_ = first.conn.Close()
			synctest.Wait()
			first = w.join("a", protocol)
			w.dial("/cable?id=a", protocol).wantClose(tooMany, 1013)
			_ = first.conn.Close()
		})
	}
}

// wantCloseBehind is wantClose behind whatever comes before.
func (c *client) wantCloseBehind(disconnect string, code int) {
	c.t.Helper()
	frame, err := c.read()
	for err == nil && frame != disconnect {
		frame, err = c.read()
	}
	if _, closed := c.read(); err != nil || !lazywebsocket.IsCloseError(closed, code) {
		c.t.Fatalf("got %v and %v", err, closed)
	}
}

// whispers whispers so often, or until it is sent away, and returns how many were
// heard.
func (c *client) whispers(n int, other *client) (heard int) {
	c.t.Helper()
	for i := range n {
		c.send(command("whisper", roomID, fmt.Sprintf(`,"data":"%d"`, i)))
		synctest.Wait()
	}
	for {
		if _, ok := other.maybe(); !ok {
			return heard
		}
		heard++
	}
}

// The bucket: so many at once, and then so many a second, for all connections of an
// identity together.
func TestLimitPublishesPerSecond(t *testing.T) {
	protocols(t, limited(lazyrealtime.Limits{PublishesPerSecond: 5}), func(w *world, protocol string) {
		other := w.join("other", extended)
		other.subscribe(roomID)
		for _, id := range []string{"", "a"} {
			c := w.join(id, protocol)
			c.subscribe(roomID)
			if n := c.whispers(20, other); n != 20 {
				w.t.Errorf("%q: %d of 20 at once", id, n)
			}
			time.Sleep(990 * time.Millisecond) // a little less than five
			if n := c.whispers(4, other); n != 4 {
				w.t.Errorf("%q: %d of 4 in a second", id, n)
			}
			c.send(command("whisper", roomID, `,"data":"one more"`))
			c.wantClose(tooFast, 1008)
			other.wantNothing()
		}

		// Coming back, or having another connection, does not help.
		c := w.join("a", protocol)
		c.subscribe(roomID)
		c.send(command("whisper", roomID, `,"data":"one more"`))
		c.wantClose(tooFast, 1008)
		other.wantNothing()
		time.Sleep(time.Second)
		two := []*client{w.join("a", protocol), w.join("a", protocol)}
		heard := 0
		for i, c := range two {
			c.subscribe(roomID)
			heard += c.whispers(3-i, other)
		}
		if heard != 5 {
			w.t.Errorf("%d of 5 by two connections", heard)
		}
		two[0].send(command("message", roomID, `,"data":"{}"`))
		two[0].wantCloseBehind(tooFast, 1008)
		time.Sleep(10 * time.Second)
		if n := two[1].whispers(20, other); n != 20 { // and no more has come together
			w.t.Errorf("%d of 20 after a while", n)
		}
		two[1].send(command("join", roomID, ""))
		if protocol == base { // for which that is nothing
			two[1].send(command("message", roomID, `,"data":"{}"`))
		}
		two[1].wantCloseBehind(tooFast, 1008)
	})
	within(t, limited(lazyrealtime.Limits{PublishesPerSecond: -1, CommandsPerSecond: -1}), func(w *world) {
		c, other := w.join("a", base), w.join("b", base)
		c.subscribe(roomID)
		other.subscribe(roomID)
		if n := c.whispers(1000, other); n != 1000 {
			w.t.Errorf("%d of 1000 without a limit", n)
		}
	})
	within(t, limited(lazyrealtime.Limits{}), func(w *world) {
		c, other := w.join("a", base), w.join("b", base)
		c.subscribe(roomID)
		other.subscribe(roomID)
		if n := c.whispers(200, other); n != 200 {
			w.t.Errorf("%d of 200", n)
		}
		c.send(command("whisper", roomID, `,"data":"one more"`))
		c.wantClose(tooFast, 1008)
	})
}

// Commands of any kind have a bucket for each connection, with room for as many as a
// client that comes back has subscriptions.
func TestLimitCommandsPerSecond(t *testing.T) {
	for _, c := range []struct {
		limits lazyrealtime.Limits
		burst  int // 0: no limit
	}{
		{lazyrealtime.Limits{}, 400},
		{lazyrealtime.Limits{CommandsPerSecond: 5}, 20},
		{lazyrealtime.Limits{CommandsPerSecond: 5, Subscriptions: 1000}, 20},
		{lazyrealtime.Limits{Subscriptions: 300}, 1200},
		{lazyrealtime.Limits{Subscriptions: 10}, 400},
		{lazyrealtime.Limits{CommandsPerSecond: -1}, 0},
		{lazyrealtime.Limits{Subscriptions: -1}, 0},
	} {
		protocols(t, limited(c.limits), func(w *world, protocol string) {
			a, other := w.join("a", protocol), w.join("a", protocol)
			for i := range max(c.burst, 2000*(1-min(c.burst, 1))) {
				a.send([]string{`{"command":"pong"}`, command("unsubscribe", lobby, ""), command("presence", lobby, "")}[i%3])
			}
			a.subscribeOnce(w, c.burst == 0)
			other.subscribe(roomID)
			if c.burst > 0 {
				time.Sleep(time.Second)
				w.wantStats(1, 1)
				b := w.join("a", protocol)
				b.subscribe(roomID)
			}
		})
	}
	within(t, limited(lazyrealtime.Limits{CommandsPerSecond: 2}), func(w *world) {
		c := w.join("a", base)
		for range 8 {
			c.send(`{"command":"pong"}`)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		c.subscribe(roomID)
		c.send(`{"command":"pong"}`)
		c.send(`{"command":"pong"}`)
		c.wantClose(tooFast, 1008)
	})
}

// subscribeOnce subscribes, and is served or sent away.
func (c *client) subscribeOnce(w *world, served bool) {
	w.t.Helper()
	if served {
		c.subscribe(roomID)
		return
	}
	c.send(command("subscribe", roomID, ""))
	c.wantClose(tooFast, 1008)
}

// An identity is forgotten once its bucket is full again.
func TestLimitForgetsIdentities(t *testing.T) {
	within(t, limited(lazyrealtime.Limits{PublishesPerSecond: 5}), func(w *world) {
		other := w.join("other", base)
		other.subscribe(roomID)
		for i := range 20 {
			c := w.join(fmt.Sprint("id", i), base)
			c.subscribe(roomID)
			c.whispers(i, other)
			_ = c.conn.Close()
		}
		synctest.Wait()
		if n := w.hub.Identities(); n < 20 {
			w.t.Errorf("%d identities: those who have whispered are forgotten at once", n)
		}
		time.Sleep(10 * time.Second)
		if n := w.hub.Identities(); n != 1 {
			w.t.Errorf("%d identities are left", n)
		}
	})
}
