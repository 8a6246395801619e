package proxies_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golazy.dev/lazywebsocket"
)

// Which of them tell a browser that it may open WebSockets over HTTP/2. To those that
// do not it opens a connection of HTTP/1.1 beside.
func TestHTTP2Advertised(t *testing.T) {
	for kind, want := range map[string]bool{"nginx": false, "haproxy": true, "caddy": false} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := startBackend(t)
			if got := dialH2(t, startProxy(t, kind, []string{b.address()})).connect; got != want {
				t.Errorf("extended CONNECT: %v", got)
			}
		})
	}
}

// over are the ways through haproxy to a server: what it speaks to it.
var over = map[string]struct {
	changes       []string
	method, proto string
}{
	"HTTP1": {nil, http.MethodGet, "HTTP/1.1"},
	"h2c":   {[]string{"default-server check", "default-server proto h2 check"}, http.MethodConnect, "HTTP/2.0"},
}

// A browser's WebSockets over HTTP/2 reach servers of either version.
func TestHTTP2(t *testing.T) {
	for name, way := range over {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBackend(t)
			p := startProxy(t, "haproxy", []string{b.address()}, way.changes...)
			c := dialH2(t, p)
			url := "ws://localhost:" + p.tls
			page := "https://localhost:" + p.tls
			d := c.dialer()
			d.EnableCompression, d.Subprotocols = true, []string{"echo"}
			for range 20 { // on one connection
				conn := dial(t, d, url+"/seen", "Origin", page)
				wantSeen(t, conn, way.method, way.proto, "localhost:"+p.tls, page)
				wantEcho(t, conn, strings.Repeat("the same again, ", 1000))
			}
			if _, response, err := d.Dial(url+"/echo", http.Header{"Origin": {"https://evil.example"}}); err == nil || response == nil || response.StatusCode != http.StatusForbidden {
				t.Errorf("a foreign page is answered with %v, %v", response, err)
			}
			plain := c.dialer()
			wantEcho(t, dial(t, plain, url+"/echo"), strings.Repeat("0123456789abcdef", 1<<18)) // 4 MiB
			closeCodes(t, b, "h2"+name, func(path string) *lazywebsocket.Conn { return dial(t, plain, url+path) })
			c.wait(func() bool {
				if c.resets > 0 {
					t.Errorf("%d streams were reset: a browser sees 1006 there", c.resets)
				}
				return true
			})
		})
	}
}

func wantSeen(t *testing.T, conn *lazywebsocket.Conn, method, proto, host, page string) {
	t.Helper()
	var r saw
	if err := conn.ReadJSON(&r); err != nil {
		t.Fatal(err)
	}
	if r.Method != method || r.Proto != proto || r.Host != host || r.Header.Get("Origin") != page ||
		r.Header.Get("X-Forwarded-Proto") != "https" || conn.Subprotocol() != "echo" ||
		!strings.Contains(r.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
		t.Errorf("the server saw %+v; the subprotocol is %q", r, conn.Subprotocol())
	}
}

// A client of HTTP/1.1 reaches a server of HTTP/2 through haproxy.
func TestHTTP1ToHTTP2(t *testing.T) {
	b := startBackend(t)
	p := startProxy(t, "haproxy", []string{b.address()}, over["h2c"].changes...)
	conn := dial(t, &lazywebsocket.Dialer{}, p.socket("/seen"), "Origin", p.url())
	var r saw
	if err := conn.ReadJSON(&r); err != nil || r.Proto != "HTTP/2.0" || r.Method != http.MethodConnect {
		t.Errorf("%+v, %v", r, err)
	}
	wantEcho(t, conn, "hello")
	closeCodes(t, b, "h1-h2", func(path string) *lazywebsocket.Conn {
		return dial(t, lazywebsocket.DefaultDialer, p.socket(path))
	})
}

// The same idle time-outs hold for streams of HTTP/2, on either side of haproxy.
func TestHTTP2Idle(t *testing.T) {
	for name, way := range over {
		for ping, lives := range map[string]bool{"1500ms": true, "3s": false} {
			t.Run(fmt.Sprintf("%s-%s", name, ping), func(t *testing.T) {
				t.Parallel()
				b := startBackend(t)
				p := startProxy(t, "haproxy", []string{b.address()}, append(shortIdle["haproxy"], way.changes...)...)
				conn := dial(t, dialH2(t, p).dialer(), "ws://localhost:"+p.tls+"/echo?ping="+ping)
				if got, after := survives(t, conn); got != lives {
					t.Errorf("alive: %v, after %v", got, after)
				}
			})
		}
	}
}
