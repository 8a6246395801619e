package lazyrealtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
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

// issued authenticates by an id and the age of the credential.
func issued(r *http.Request) (lazyrealtime.Identity, error) {
	id := lazyrealtime.Identity{ID: r.URL.Query().Get("id")}
	if age := r.URL.Query().Get("age"); age != "" {
		d, err := time.ParseDuration(age)
		if err != nil {
			return id, err
		}
		id.Issued = time.Now().Add(-d)
	}
	return id, nil
}

var revocable = lazyrealtime.Config{Public: true, Authenticate: issued, Authorize: allow}

// deaf is a log whose feeds do not hear of some things.
type deaf struct {
	lazyrealtime.Log
	changes, presence bool
}

type deafFeed struct {
	lazyrealtime.Feed
	deaf deaf
}

func (d deaf) Join(ctx context.Context, feed lazyrealtime.Feed) (lazyrealtime.Node, error) {
	return d.Log.Join(ctx, deafFeed{feed, d})
}

func (f deafFeed) Changed() {
	if !f.deaf.changes {
		f.Feed.Changed()
	}
}

func (f deafFeed) Presence(e lazyrealtime.PresenceEvent) {
	if !f.deaf.presence {
		f.Feed.Presence(e)
	}
}

// withDeaf is within on such a log.
func withDeaf(t *testing.T, d deaf, config lazyrealtime.Config, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d.Log = memory.Open()
		log := enginetest.NewFaulty(d)
		defer log.Close()
		w := open(t, config, log)
		defer w.close()
		f(w)
	})
}

func (w *world) revoke(id string) {
	w.t.Helper()
	if err := w.hub.Revoke(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
}

// All connections of an identity end, of all kinds, on all nodes, and no others.
func TestRevoke(t *testing.T) {
	modes(t, revocable, func(w *world) {
		second := open(w.t, revocable, w.log)
		defer second.close()
		var cables, texts []*client
		var events []io.Reader
		for _, on := range []*world{w, second} {
			cables = append(cables, on.join("a", base), on.join("a", extended), on.join("a&age=1h", extended))
			texts = append(texts, on.dial("/stream?stream=room&id=a"))
			events = append(events, on.request("GET", "/stream?stream=room&id=a", "").Body)
		}
		others := []*client{w.join("b", base), second.join("", extended), w.join("aa", base), w.join("A", base)}
		synctest.Wait()
		time.Sleep(time.Second)
		start := time.Now()
		w.revoke("a")
		w.publish("room", `"for the others"`)
		for _, c := range cables {
			c.wantClose(remote, 1008)
		}
		for i, c := range texts {
			text, err := c.readText()
			if i > 0 && text == "for the others" { // of the other node, which hears of it a moment later
				text, err = c.readText()
			}
			if !lazywebsocket.IsCloseError(err, 1008) {
				w.t.Errorf("a text stream: %s %v", text, err)
			}
		}
		for i, e := range events {
			if text, err := io.ReadAll(e); err != nil || i == 0 && strings.Contains(string(text), "others") {
				w.t.Errorf("an event stream: %q %v", text, err)
			}
		}
		if took := time.Since(start); took != 0 {
			w.t.Errorf("that took %v", took)
		}
		for _, c := range others {
			c.wantNothing()
		}
		w.wantStats(3, 0)
		second.wantStats(1, 0)
	})
}

// readText returns the next message.
func (c *client) readText() (string, error) {
	_, text, err := c.conn.ReadMessage()
	return string(text), err
}

// Credentials that are older are void, those that come later pass, on all nodes.
func TestRevokeVoidsCredentials(t *testing.T) {
	protocols(t, revocable, func(w *world, protocol string) {
		second := open(w.t, revocable, w.log)
		defer second.close()
		time.Sleep(time.Hour)
		w.revoke("a")
		synctest.Wait()
		time.Sleep(time.Minute)
		for _, on := range []*world{w, second} {
			for _, age := range []string{"1m", "61s", "2h"} {
				on.dial("/cable?id=a&age="+age, protocol).wantClose(unauthorized, 1008)
				if status, _ := on.answered("GET", "/stream?stream=room&id=a&age="+age, ""); status != http.StatusUnauthorized {
					w.t.Errorf("an event stream with a credential of %s: %d", age, status)
				}
			}
			on.dial("/cable?id=a&age=59s", protocol).want(welcome)
			on.dial("/cable?id=a", protocol).want(welcome)
			on.dial("/cable?id=b&age=2h", protocol).want(welcome)
			for age, want := range map[time.Duration]error{time.Minute: lazyrealtime.ErrDenied, 59 * time.Second: nil} {
				if err := on.hub.Check(lazyrealtime.Identity{ID: "a", Issued: time.Now().Add(-age)}); !errors.Is(err, want) {
					w.t.Errorf("Check of a credential of %v: %v", age, err)
				}
			}
			if err := on.hub.Check(lazyrealtime.Identity{ID: "a"}); err != nil {
				w.t.Errorf("Check of one that was checked now: %v", err)
			}
		}
		second.revoke("a")          // once more
		time.Sleep(6 * time.Second) // nobody answers the goodbyes
		w.wantStats(1, 0)
		second.wantStats(1, 0)
	})
}

// What is published after Revoke has returned does not reach whom it was about,
// however much still waits for him.
func TestRevokeIsAtOnce(t *testing.T) {
	for _, path := range []string{"/cable?id=a", "/stream?stream=room&id=a"} {
		modes(t, revocable, func(w *world) {
			w.net = wstest.Network{Buffer: 512}.Serve(w.t, w.hub.Handler())
			c := w.dial(path, extended)
			if strings.HasPrefix(path, "/cable") {
				c.want(welcome)
				c.subscribe(roomID)
			}
			synctest.Wait()
			for range 10 {
				w.publish("room", `"`+strings.Repeat("before", 50)+`"`)
			}
			synctest.Wait() // the client has not read them
			w.revoke("a")
			w.publish("room", `"a secret"`)
			if err := w.hub.Broadcast(w.t.Context(), "room", []byte(`"a secret"`)); err != nil {
				w.t.Fatal(err)
			}
			n := 0
			for {
				frame, err := c.readText()
				if err != nil {
					break
				}
				if n++; strings.Contains(frame, "secret") {
					w.t.Fatalf("got %s", frame)
				}
			}
			if n < 10 {
				w.t.Errorf("got %d messages of before", n)
			}
		})
	}
}

// Nor does a subscription begin that was being made, even if the goodbye waits behind
// what the client does not read.
func TestRevokeWhileASubscribeWaits(t *testing.T) {
	modes(t, revocable, func(w *world) {
		w.net = wstest.Network{Buffer: 512}.Serve(w.t, w.hub.Handler())
		c := w.join("a", extended)
		c.subscribe(lobby)
		unblock := w.log.Block(enginetest.OpFollow)
		c.send(command("subscribe", roomID, ""))
		for range 10 {
			w.publish("lobby", `"`+strings.Repeat("before", 50)+`"`)
		}
		synctest.Wait()
		w.revoke("a")
		unblock()
		synctest.Wait()
		w.publish("room", `"a secret"`)
		for {
			frame, err := c.read()
			if err != nil {
				break
			}
			if f := decoded(w.t, frame); f.Identifier == roomID {
				w.t.Errorf("got %s", frame)
			}
		}
		w.wantStats(0, 0)
	})
}

// A replay under way does not go on either.
func TestRevokeDuringAReplay(t *testing.T) {
	for _, path := range []string{"/cable?id=a", "/stream?stream=room&id=a&position="} {
		modes(t, revocable, func(w *world) {
			_, position := w.name("a", "room")
			w.fill("room", 1, 5)
			unblock := w.log.Block(enginetest.OpRead)
			var c *client
			if strings.HasPrefix(path, "/cable") {
				c = w.join("a", extended)
				c.send(command("subscribe", roomID, w.behind(roomID, "room", 0)))
				c.want(answer("confirm_subscription", roomID))
			} else {
				c = w.dial(path + position)
			}
			synctest.Wait()
			w.revoke("a")
			unblock()
			if strings.HasPrefix(path, "/cable") {
				c.want(remote)
			}
			if frame, err := c.read(); !lazywebsocket.IsCloseError(err, 1008) {
				w.t.Errorf("got %s %v", frame, err)
			}
			w.wantStats(0, 0)
		})
	}
}

// A node that does not hear of a revocation reads of it in time.
func TestRevokeUnheard(t *testing.T) {
	for _, within := range []time.Duration{0, time.Second, time.Minute} {
		config := revocable
		config.RevokeWithin = within
		withDeaf(t, deaf{changes: true}, config, func(w *world) {
			second := open(w.t, config, w.log)
			defer second.close()
			for range 5 {
				c := second.script("/cable?id=a", base)
				time.Sleep(1234 * time.Millisecond)
				start := time.Now()
				w.revoke("a")
				for {
					first, payload := c.Next()
					if first&0xf == 9 { // ping
						c.Pong(string(payload))
					}
					if string(payload) == remote {
						break
					}
				}
				if took, most := time.Since(start), max(within, 1); took > most && within > 0 || took > 10*time.Second && within == 0 {
					w.t.Errorf("within %v: %v", within, took)
				}
				c.Conn.Close()
			}
		})
	}
}

// Who has logged in again before a node hears of the revocation stays.
func TestRevokeUnheardAndLoggedInAgain(t *testing.T) {
	withDeaf(t, deaf{changes: true}, revocable, func(w *world) {
		second := open(w.t, revocable, w.log)
		defer second.close()
		before := second.join("a", base)
		time.Sleep(time.Millisecond)
		w.revoke("a")
		time.Sleep(time.Millisecond)
		behind := second.join("a", base)
		before.wantClose(remote, 1008)
		behind.wantNothing()
		second.wantStats(1, 0)
	})
}

// A revocation, and the hub's end, that come while a connection is being made: it is
// authenticated, and not yet there.
func TestRevokeDuringTheHandshake(t *testing.T) {
	for _, path := range []string{"/cable?id=a", "/stream?stream=room&id=a"} {
		for ends, want := range map[bool]string{false: remote, true: restart} {
			var w *world
			var calls atomic.Int32
			config := revocable
			config.Upgrader = &lazywebsocket.Upgrader{CheckOrigin: func(*http.Request) bool {
				switch calls.Add(1) { // a stream's origin is checked twice, the second time when it is upgraded
				case map[bool]int32{true: 1, false: 2}[strings.HasPrefix(path, "/cable")]:
					if !ends {
						w.revoke("a")
					} else if err := w.hub.Shutdown(context.Background()); err != nil {
						w.t.Error(err)
					}
				}
				return true
			}}
			modes(t, config, func(in *world) {
				w = in
				calls.Store(0)
				c := w.dial(path, base)
				if strings.HasPrefix(path, "/cable") {
					c.want(welcome, want)
				}
				codes := map[bool][]int{false: {1008}, true: {1001, 1013}}[ends] // a stream finds no topics at the hub's end
				if text, err := c.readText(); !lazywebsocket.IsCloseError(err, codes...) {
					w.t.Errorf("%s, the hub ends %v: %s %v", path, ends, text, err)
				}
				w.wantStats(0, 0)
			})
		}
	}
}

// A revocation outlives the hubs that knew of it, for as long as credentials may
// live.
func TestRevokeSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := revocable
		config.CredentialLife = time.Hour
		log := enginetest.NewFaulty(memory.Open())
		defer log.Close()
		w := open(t, config, log)
		time.Sleep(time.Second)
		w.revoke("a")
		w.close()
		for _, c := range []struct {
			sleep time.Duration
			age   string
			want  string
		}{
			{time.Second, "1s", unauthorized},
			{0, "999ms", welcome},
			{0, "2h", unauthorized},
			{59 * time.Minute, "2h", unauthorized},
			{time.Minute, "2h", welcome},
		} {
			time.Sleep(c.sleep)
			w := open(t, config, log)
			w.dial("/cable?id=a&age="+c.age, base).want(c.want)
			w.close()
		}
		// And a hub that lives on forgets it then.
		w = open(t, config, log)
		defer w.close()
		w.revoke("b")
		w.dial("/cable?id=b&age=1s", base).want(unauthorized)
		time.Sleep(time.Hour + 10*time.Second)
		w.dial("/cable?id=b&age=2h", base).want(welcome)
	})
}

// A hub that cannot read who was revoked lets nobody in, and nobody stay, when
// RevokeWithin has passed, whether the engine fails or hangs; and goes on when it can.
func TestRevokeUnreadable(t *testing.T) {
	const within = 10 * time.Second
	for _, hangs := range []bool{false, true} {
		for _, phase := range []time.Duration{0, 900 * time.Millisecond, 1700 * time.Millisecond} {
			t.Run(fmt.Sprint(hangs, phase), func(t *testing.T) {
				modes(t, revocable, func(w *world) { unreadable(w, hangs, phase, within) })
			})
		}
	}
}

func unreadable(w *world, hangs bool, phase, within time.Duration) {
	time.Sleep(phase)
	if err := w.log.Control(w.t.Context(), lazyrealtime.Record{Kind: "revoke", Key: "x", Value: "0"}); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait() // the hub has read the log now
	known := time.Now()
	unblock := func() { w.log.Before(nil) }
	if hangs {
		unblock = w.log.Block(enginetest.OpControls)
	} else {
		w.log.Fail(enginetest.OpControls)
	}
	time.Sleep(1100 * time.Millisecond) // a record of which nothing can be known moves nothing
	if err := w.log.Control(w.t.Context(), lazyrealtime.Record{Kind: "revoke", Key: "x", Value: "0"}); err != nil {
		w.t.Fatal(err)
	}
	c, text := w.join("a", extended), w.dial("/stream?stream=room")
	anonymous := w.join("", base)
	events := w.request("GET", "/stream?stream=room", "")
	time.Sleep(time.Until(known.Add(within - time.Millisecond)))
	w.wantStats(4, 0)
	if err := w.hub.Ready(); err != nil {
		w.t.Errorf("not ready before its time: %v", err)
	}
	c.wantClose(restart, 1001)
	if took := time.Since(known); took > within+100*time.Millisecond {
		w.t.Errorf("closed after %v", took)
	}
	anonymous.wantClose(restart, 1001)
	if _, err := text.read(); !lazywebsocket.IsCloseError(err, 1001) {
		w.t.Errorf("a text stream: %v", err)
	}
	if _, err := io.ReadAll(events.Body); err != nil {
		w.t.Errorf("an event stream: %v", err)
	}
	w.wantStats(0, 0)
	if err := w.hub.Ready(); !errors.Is(err, lazyrealtime.ErrUnavailable) {
		w.t.Errorf("ready: %v", err)
	}
	p := w.net.Peer()
	p.Request("/cable", "Sec-WebSocket-Protocol: "+base)
	if resp := p.Response(); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		w.t.Errorf("a WebSocket gets %s", resp.Status)
	}
	w.wantPutOff("/stream?stream=room")
	time.Sleep(time.Minute)
	unblock()
	time.Sleep(within / 2)
	if err := w.hub.Ready(); err != nil {
		w.t.Errorf("not ready again: %v", err)
	}
	w.join("a", base)
}

func TestRevokeFails(t *testing.T) {
	within(t, revocable, func(w *world) {
		c := w.join("a", base)
		if err := w.hub.Revoke(w.t.Context(), ""); err == nil {
			w.t.Error("nobody was revoked")
		}
		w.log.Fail(enginetest.OpControl)
		if err := w.hub.Revoke(w.t.Context(), "a"); !errors.Is(err, lazyrealtime.ErrUnavailable) {
			w.t.Errorf("without an engine: %v", err)
		}
		w.wantStats(1, 0)
		c.wantNothing()
		// An acknowledgement that is lost: it was done.
		w.log.Before(nil)
		w.log.After(func(_ context.Context, call enginetest.Call) error {
			if call.Op == enginetest.OpControl {
				return lazyrealtime.ErrUnavailable
			}
			return nil
		})
		if err := w.hub.Revoke(w.t.Context(), "a"); !errors.Is(err, lazyrealtime.ErrUnavailable) {
			w.t.Errorf("got %v", err)
		}
		c.wantClose(remote, 1008)
	})
	// Revoke does not need to read.
	within(t, revocable, func(w *world) {
		c := w.join("a", base)
		w.log.Fail(enginetest.OpControls)
		w.revoke("a")
		c.wantClose(remote, 1008)
		w.log.Before(nil)
	})
	// Records of another kind, or broken, are no revocations.
	within(t, revocable, func(w *world) {
		c := w.join("a", base)
		later := time.Now().Add(time.Hour)
		for _, r := range []lazyrealtime.Record{
			{Kind: "other", Key: "a", Value: fmt.Sprint(later.UnixNano())},
			{Kind: "revoke", Key: "a", Value: "soon"},
			{Kind: "revoke", Key: "a"},
			{Kind: "revoke", Value: fmt.Sprint(later.UnixNano())},
		} {
			r.Expires = later
			if err := w.log.Control(w.t.Context(), r); err != nil {
				w.t.Fatal(err)
			}
		}
		c.wantNothing()
		w.join("a", base)
		w.join("", base)
	})
}
