package lazyrealtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// allow lets everybody do everything.
func allow(context.Context, lazyrealtime.Identity, lazyrealtime.Op, string) error { return nil }

// asked authenticates by what the request says.
func asked(r *http.Request) (lazyrealtime.Identity, error) {
	return lazyrealtime.Identity{ID: r.URL.Query().Get("id")}, nil
}

// world is a hub on a memory engine, with clients in memory.
type world struct {
	t   *testing.T
	log *enginetest.Faulty
	hub *lazyrealtime.Hub
	net *wstest.Server
}

// within runs a test in a bubble, with a hub.
func within(t *testing.T, config lazyrealtime.Config, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := enginetest.NewFaulty(memory.Open())
		w := open(t, config, log)
		defer func() { // also when the test has failed
			w.close()
			if err := log.Close(); err != nil {
				t.Errorf("close of the log: %v", err)
			}
		}()
		f(w)
	})
}

// open makes a hub on a log.
func open(t *testing.T, config lazyrealtime.Config, log *enginetest.Faulty) *world {
	t.Helper()
	config.Log = log
	config.Drain = -1
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Secret == nil {
		config.Secret = []byte("0123456789abcdef0123456789abcdef")
	}
	hub, err := lazyrealtime.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, log: log, hub: hub, net: wstest.Serve(t, hub.Handler())}
}

// close ends the hub.
func (w *world) close() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.hub.Shutdown(ctx); err != nil {
		w.t.Errorf("shutdown: %v", err)
	}
}

// client is a client that has been welcomed.
type client struct {
	t    *testing.T
	conn *lazywebsocket.Conn
}

const (
	base     = "actioncable-v1-json"
	extended = "actioncable-v1-ext-json"
)

// dial connects without waiting for a welcome.
func (w *world) dial(path string, protocols ...string) *client {
	w.t.Helper()
	d := lazywebsocket.Dialer{NetDialContext: w.net.DialContext, Subprotocols: protocols, HoldLimit: -1} // what is sent has been sent
	conn, resp, err := d.DialContext(w.t.Context(), "ws://example.com"+path, nil)
	if err != nil {
		w.t.Fatalf("dial %s: %v (%v)", path, err, resp)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return &client{w.t, conn}
}

// join connects as an identity.
func (w *world) join(id, protocol string) *client {
	w.t.Helper()
	c := w.dial("/cable?id="+id, protocol)
	c.want(`{"type":"welcome"}`)
	return c
}

// read returns the next frame that is no ping.
func (c *client) read() (string, error) {
	for range 200 { // ten minutes
		_, data, err := c.conn.ReadMessage()
		if err != nil {
			return "", err
		}
		var f struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(data, &f); err != nil || f.Type != "ping" {
			return string(data), err
		}
	}
	return "", errors.New("nothing but pings")
}

func (c *client) want(frames ...string) {
	c.t.Helper()
	for _, frame := range frames {
		got, err := c.read()
		if err != nil || got != frame {
			c.t.Fatalf("got  %s (%v)\nwant %s", got, err, frame)
		}
	}
}

// wantNothing fails if a frame has come that is no ping.
func (c *client) wantNothing() {
	c.t.Helper()
	c.idle(time.Millisecond)
}

// idle is wantNothing for a time, in which the client answers pings.
func (c *client) idle(d time.Duration) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	for {
		_, data, err := c.conn.ReadMessageContext(ctx)
		if err != nil {
			return
		}
		var f struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(data, &f) != nil || f.Type != "ping" {
			c.t.Fatalf("got %s, want nothing", data)
		}
	}
}

// wantClose reads the disconnect frame and the Close frame.
func (c *client) wantClose(disconnect string, code int) {
	c.t.Helper()
	c.want(disconnect)
	if _, err := c.read(); !lazywebsocket.IsCloseError(err, code) {
		c.t.Fatalf("got %v, want a Close frame with %d", err, code)
	}
}

func (c *client) send(frame string) {
	c.t.Helper()
	if err := c.conn.WriteMessage(lazywebsocket.TextMessage, []byte(frame)); err != nil {
		c.t.Fatal(err)
	}
}

// quoted is a text as a JSON string.
func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// publish publishes.
func (w *world) publish(topic, data string, options ...lazyrealtime.PublishOption) lazyrealtime.Position {
	w.t.Helper()
	at, err := w.hub.Publish(w.t.Context(), topic, []byte(data), options...)
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

func (w *world) name(id, topic string) (name, position string) {
	w.t.Helper()
	name, position, err := w.hub.SignedName(w.t.Context(), lazyrealtime.Identity{ID: id}, topic)
	if err != nil {
		w.t.Fatal(err)
	}
	return name, position
}
