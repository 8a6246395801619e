package lazyrealtime_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// later is a hub's configuration for what a later version may add.
var later = lazyrealtime.Config{Authorize: allow, Authenticate: asked, Public: true}

// What a page of a later version says that is not known costs it nothing else.
func TestLaterClient(t *testing.T) {
	modes(t, later, func(w *world) {
		c := w.join("alice", extended)
		const id = `"identifier":"{\"channel\":\"$pubsub\",\"stream_name\":\"room\",\"later\":[1]}"`
		c.send(`{"command":"later",` + id + `}`)
		c.send(`{"command":"later"}`)
		c.send(`{"command":"subscribe",` + id + `,"later":{"x":1},"history":{"later":1,"streams":{}},"presence":{"later":1}}`)
		if frame, err := c.read(); err != nil || !strings.HasPrefix(frame, `{"type":"confirm_subscription"`) {
			w.t.Fatalf("%s, %v", frame, err)
		}
	})
}

// But it is no way to say more than a client may.
func TestLaterClientTooFast(t *testing.T) {
	config := later
	config.Limits.CommandsPerSecond = 3
	within(t, config, func(w *world) {
		c := w.join("alice", extended)
		for range 13 { // four seconds' worth, and one
			c.send(`{"command":"later"}`)
		}
		c.wantClose(tooFast, 1008)
	})
}

// A revocation whose time is not understood is one of everything until it is read; of
// other records nothing is known.
func TestLaterControls(t *testing.T) {
	within(t, later, func(w *world) {
		alice, bob := w.join("alice", extended), w.join("bob", extended)
		expires := time.Now().Add(time.Hour)
		for _, r := range []lazyrealtime.Record{
			{Kind: "later", Key: "bob", Value: "1", Expires: expires},
			{Kind: "", Key: "bob", Value: "946688400000000000", Expires: expires},
			{Kind: "revoke", Key: "alice", Value: "946684800.5 only here", Expires: expires},
		} {
			if err := w.log.Control(w.t.Context(), r); err != nil {
				w.t.Fatal(err)
			}
		}
		alice.wantClose(remote, 1008)
		bob.wantNothing()
		time.Sleep(time.Second)
		w.join("alice", extended) // who has logged in again
		w.join("bob", extended)
	})
}

// What is signed may have more members. What a later version has signed for another
// purpose is nothing.
func TestLaterSigned(t *testing.T) {
	within(t, later, func(w *world) {
		expires := time.Now().Add(time.Hour).Unix()
		name := map[string]any{"t": "room", "i": "alice", "x": expires, "later": []int{1}}
		if topic, err := w.hub.OpenName("alice", w.hub.Seal("stream name", name)); topic != "room" || err != nil {
			w.t.Errorf("the name is one of %q, %v", topic, err)
		}
		position := map[string]any{"t": "room", "p": map[string]any{"epoch": "e", "offset": 7, "later": 1}, "n": "n", "x": expires, "later": 1}
		if at, err := w.hub.OpenPosition("room", w.hub.Seal("position", position)); at != (lazyrealtime.Position{Epoch: "e", Offset: 7}) || err != nil {
			w.t.Errorf("the position is %v, %v", at, err)
		}
		for _, sealed := range []string{w.hub.Seal("stream name, to read", name), w.hub.Seal("position", name), "v2." + w.hub.Seal("stream name", name)} {
			if _, err := w.hub.OpenName("alice", sealed); !errors.Is(err, lazyrealtime.ErrDenied) {
				w.t.Errorf("%s: %v", sealed, err)
			}
		}
	})
}

// A client's position of a form that is not known is one that cannot be gone on from:
// it is told so, and never taken for another one.
func TestLaterPositions(t *testing.T) {
	within(t, later, func(w *world) {
		w.publish("room", `1`)
		for _, streams := range []string{
			`{"room":{"epoch":"2:another form","offset":1}}`, `{"room":{"epoch":"2","offset":0,"later":[]}}`,
		} {
			c := w.join("alice", extended)
			c.send(`{"command":"subscribe","identifier":"{\"channel\":\"$pubsub\",\"stream_name\":\"room\"}","history":{"streams":` + streams + `}}`)
			if frame, err := c.read(); err != nil || !strings.HasPrefix(frame, `{"type":"confirm_subscription"`) {
				w.t.Fatalf("%s: %s, %v", streams, frame, err)
			}
			if frame, err := c.read(); err != nil || !strings.HasPrefix(frame, `{"type":"reject_history"`) {
				w.t.Errorf("%s: %s, %v", streams, frame, err)
			}
		}
		for _, id := range []string{"v2;1", "another:1", "1", ":", "another:1:2"} {
			s := w.source("/stream?stream=room", id)
			if data, err := s.event(); data != turboRefresh || err != nil {
				w.t.Errorf("Last-Event-ID %q: %q, %v", id, data, err)
			}
			s.body.Close()
		}
	})
}
