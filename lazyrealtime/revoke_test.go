package lazyrealtime_test

import (
	"context"
	"errors"
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

// A credential that seems to be issued later than now, because its issuer's clock is
// ahead, was issued until now: who is connected with it is revoked like anybody.
func TestRevokeIssuedLater(t *testing.T) {
	modes(t, revocable, func(w *world) {
		ahead := lazyrealtime.Identity{ID: "a", Issued: time.Now().Add(5 * time.Second)}
		cables := []*client{w.join("a&age=-5s", extended), w.dial("/cable?jid="+w.ticket(ahead), extended)}
		cables[1].want(welcome)
		events := w.request("GET", "/stream?stream=room&id=a&age=-5s", "").Body
		served := make(chan error, 1)
		cables = append(cables, w.given(ahead, served))
		time.Sleep(time.Second)
		unused := w.ticket(ahead)
		w.revoke("a")
		for _, c := range cables {
			c.wantClose(remote, 1008)
		}
		if text, err := io.ReadAll(events); err != nil {
			w.t.Errorf("an event stream: %q %v", text, err)
		}
		if err := <-served; err != nil {
			w.t.Error(err)
		}
		time.Sleep(time.Millisecond)
		w.dial("/cable?jid="+unused, extended).wantClose(unauthorized, 1008)
		w.wantStats(0, 0)
	})
}

// given is a client whose connection the application gives to the hub, welcomed.
func (w *world) given(id lazyrealtime.Identity, served chan<- error) *client {
	w.t.Helper()
	d := lazywebsocket.Dialer{NetDialContext: w.own(id, served).DialContext, Subprotocols: []string{extended}}
	conn, _, err := d.DialContext(w.t.Context(), "ws://example.com/", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	c := &client{w.t, conn}
	c.want(welcome)
	return c
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
// Who has logged in again before a node hears of the revocation stays.
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
// A hub that cannot read who was revoked lets nobody in, and nobody stay, when
// RevokeWithin has passed, whether the engine fails or hangs; and goes on when it can.
