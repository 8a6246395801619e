package proxies_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// idle is the idle time-out that the proxies get, and alive how long sockets
// have to live with it.
const (
	idle  = 2 * time.Second
	alive = 3 * idle
)

// shortIdle are the changes that give a proxy that time-out. haproxy's time-outs of
// requests are shorter still: they have no say in a tunnel.
var shortIdle = map[string][]string{
	"nginx":   {"proxy_read_timeout 60s", "proxy_read_timeout 2s", "proxy_send_timeout 60s", "proxy_send_timeout 2s"},
	"haproxy": {"timeout tunnel 60s", "timeout tunnel 2s", "timeout client 30s", "timeout client 1s", "timeout server 30s", "timeout server 1s"},
}

// survives reads for a while, and reports whether the connection is there afterwards.
func survives(t *testing.T, conn *lazywebsocket.Conn) (bool, time.Duration) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), alive)
	defer cancel()
	for {
		if _, _, err := conn.ReadMessageContext(ctx); err != nil {
			return errors.Is(err, context.DeadlineExceeded), time.Since(began)
		}
	}
}

// A socket on which nothing is said ends with the proxy's idle time-out, and pings
// from either side keep it.
func TestIdle(t *testing.T) {
	pinging := &lazywebsocket.Dialer{PingInterval: idle / 4}
	for kind, changes := range shortIdle {
		b := startBackend(t)
		p := startProxy(t, kind, []string{b.address()}, changes...)
		for _, test := range []struct {
			name, path string
			dialer     *lazywebsocket.Dialer
			lives      bool
		}{
			{"silence", "/echo", lazywebsocket.DefaultDialer, false},
			{"pings that are too rare", "/echo?ping=3s", lazywebsocket.DefaultDialer, false},
			{"the server pings", "/echo?ping=500ms", lazywebsocket.DefaultDialer, true},
			{"the server pings, just in time", "/echo?ping=1500ms", lazywebsocket.DefaultDialer, true},
			{"the client pings", "/echo", pinging, true},
			{"the server talks", "/talk", lazywebsocket.DefaultDialer, true},
		} {
			t.Run(label(kind, test.name), func(t *testing.T) {
				t.Parallel()
				conn := dial(t, test.dialer, p.socket(test.path))
				lives, after := survives(t, conn)
				switch {
				case lives != test.lives:
					t.Errorf("alive: %v, after %v", lives, after)
				case lives && test.path != "/talk":
					wantEcho(t, conn, "hello")
				case !lives && (after < idle*3/4 || after > idle*2):
					t.Errorf("it ended after %v", after)
				}
			})
		}
	}
}

// A client that talks and gets no answer: the time-out that counts is of both
// directions together.
func TestOneWay(t *testing.T) {
	for kind, changes := range shortIdle {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := startBackend(t)
			p := startProxy(t, kind, []string{b.address()}, changes...)
			conn := dial(t, lazywebsocket.DefaultDialer, p.socket("/echo"))
			tick := time.NewTicker(idle / 4)
			defer tick.Stop()
			for end := time.Now().Add(alive); time.Now().Before(end); <-tick.C {
				// A pong that nobody asked for is not answered (RFC 6455, 5.5.3).
				if err := conn.WriteControl(lazywebsocket.PongMessage, nil, time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
			}
			wantEcho(t, conn, "hello")
		})
	}
}

// Caddy has no such time-out: a socket lives without a word.
func TestIdleCaddy(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	p := startProxy(t, "caddy", []string{b.address()})
	conn := dial(t, lazywebsocket.DefaultDialer, p.socket("/echo"))
	if lives, after := survives(t, conn); !lives {
		t.Fatalf("it ended after %v", after)
	}
	wantEcho(t, conn, "hello")
}

// The hub's pings are what counts behind a proxy that is quicker than its keepalive:
// they have to come within the time-out.
func TestIdleHub(t *testing.T) {
	for kind, changes := range shortIdle {
		for ping, lives := range map[string]bool{"1s": true, "3s": false} {
			t.Run(label(kind, "ping", ping), func(t *testing.T) {
				t.Parallel()
				h := startHub(t, "memory:", "-ping", ping)
				p := startProxy(t, kind, []string{h.address()}, changes...)
				conn := dial(t, &lazywebsocket.Dialer{Subprotocols: []string{extended}}, p.socket("/cable"))
				if got, after := survives(t, conn); got != lives {
					t.Errorf("alive: %v, after %v", got, after)
				}
			})
		}
	}
}
