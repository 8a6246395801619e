package lazyrealtime_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazywebsocket"
)

const serverFull = `{"type":"disconnect","reason":"server_full","reconnect":true}`

// refusedUpgrade is how a client is answered that asks for a WebSocket.
func (w *world) refusedUpgrade(path string, protocols ...string) *http.Response {
	w.t.Helper()
	d := lazywebsocket.Dialer{NetDialContext: w.net.DialContext, Subprotocols: protocols}
	conn, resp, err := d.DialContext(w.t.Context(), "ws://example.com"+path, nil)
	if err == nil {
		_ = conn.Close()
		w.t.Errorf("%s: connected", path)
		return new(http.Response)
	}
	return resp
}

// All clients of a node together are bounded, whatever they speak and whoever they are.
func TestLimitConnectionsOfAll(t *testing.T) {
	var m meter
	var said bytes.Buffer
	config := limited(lazyrealtime.Limits{Connections: 4})
	config.Metrics, config.Logger = &m, slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))
	within(t, config, func(w *world) {
		m.counts, m.times = nil, nil
		said.Reset()
		first := w.join("", extended)
		w.join("a", base)
		text := w.dial("/stream?stream=room")
		events := w.request("GET", "/stream?stream=room", "")
		m.want(w.t, "four connections", tally{lazyrealtime.CountConnects: 4})
		for range 3 { // what was refused does not count
			for _, resp := range []*http.Response{w.refusedUpgrade("/cable", extended), w.refusedUpgrade("/stream?stream=room")} {
				if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "5" {
					w.t.Errorf("one too many gets %d, %v", resp.StatusCode, resp.Header)
				}
			}
			w.wantPutOff("/stream?stream=room")
		}
		m.want(w.t, "nine refused", tally{lazyrealtime.CountRefused: 9, lazyrealtime.CountLimited: 9, lazyrealtime.CountFull: 9})
		w.wantStats(4, 0)
		if n := strings.Count(said.String(), "the node is full"); n != 1 {
			w.t.Errorf("the operator is told %d times: %s", n, &said)
		}
		for _, leave := range []func() error{first.conn.Close, text.conn.Close, events.Body.Close} {
			_ = leave()
			synctest.Wait()
			w.dial("/stream?stream=room")
			synctest.Wait()
			w.refusedUpgrade("/cable", extended)
		}
		time.Sleep(2 * time.Minute) // of those that do not read the keepalive finds that they are dead
		for range 4 {
			w.join("", extended)
		}
		w.refusedUpgrade("/cable", extended)
		w.refusedUpgrade("/cable", extended)
		if n := strings.Count(said.String(), "the node is full"); n != 2 {
			w.t.Errorf("minutes later the operator was told %d times", n)
		}
	})
}

// Those that come at the same time are counted when they are there; and those that the
// application has upgraded.
func TestLimitConnectionsAtOnce(t *testing.T) {
	config := limited(lazyrealtime.Limits{Connections: 1})
	within(t, config, func(w *world) {
		served := make(chan error, 2)
		w.net = w.own(lazyrealtime.Identity{}, served)
		w.dial("/anything", extended).want(welcome)
		w.dial("/anything", extended).wantClose(serverFull, 1013)
		var limit *lazyrealtime.LimitError
		if err := <-served; !errors.As(err, &limit) || limit.Limit != "Connections" || limit.Value != 1 {
			w.t.Errorf("beyond the limit Serve returned %v", err)
		}
	})
}

func TestLimitConnectionsHasADefault(t *testing.T) {
	for limit, want := range map[int]int{0: 100_000, 7: 7, -1: -1} {
		if got := lazyrealtime.ConnectionsOf(lazyrealtime.Limits{Connections: limit}); got != want {
			t.Errorf("%d is %d, want %d", limit, got, want)
		}
	}
}
