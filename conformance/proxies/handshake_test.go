package proxies_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"golazy.dev/lazywebsocket"
)

// What the server has to see arrives: who asks, for which host, from which page.
func TestHandshake(t *testing.T) {
	everyProxy(t, func(t *testing.T, kind string) {
		b := startBackend(t)
		p := startProxy(t, kind, []string{b.address()})
		d := &lazywebsocket.Dialer{Subprotocols: []string{"other", "echo"}, EnableCompression: true}
		conn := dial(t, d, p.socket("/seen"), "Origin", p.url(), "Cookie", "a=1; b=2", "X-Forwarded-For", "6.6.6.6")
		if conn.Subprotocol() != "echo" {
			t.Errorf("the subprotocol is %q", conn.Subprotocol())
		}
		var r saw
		if err := conn.ReadJSON(&r); err != nil {
			t.Fatal(err)
		}
		if r.Host != p.host() || r.Header.Get("Origin") != p.url() {
			t.Errorf("host %q, origin %q", r.Host, r.Header.Get("Origin"))
		}
		if r.Header.Get("Cookie") != "a=1; b=2" || r.Header.Get("X-Forwarded-Proto") != "http" {
			t.Errorf("%v", r.Header)
		}
		// What a client says of itself must not pass.
		if got := r.Header.Values("X-Forwarded-For"); len(got) != 1 || net.ParseIP(got[0]) == nil || !net.ParseIP(got[0]).IsLoopback() {
			t.Errorf("X-Forwarded-For: %q", got)
		}
		t.Logf("%s %s from %s for %s", r.Method, r.Proto, r.RemoteAddr, r.Header.Get("X-Forwarded-For"))
		if status := refused(t, p.socket("/echo"), "http://evil.example"); status != http.StatusForbidden {
			t.Errorf("a foreign page is answered with %d", status)
		}
	})
}

// refused dials with an Origin, and returns the status of the refusal; 101 for none.
func refused(t *testing.T, url, origin string) int {
	t.Helper()
	conn, response, err := lazywebsocket.DefaultDialer.Dial(url, http.Header{"Origin": {origin}})
	if err == nil {
		_ = conn.Close()
		return http.StatusSwitchingProtocols
	}
	if response == nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// breaks are changes after which pages of the own host are refused.
var breaks = []struct {
	name, kind string
	changes    []string
	status     int
}{
	{"nginx without Host", "nginx", []string{"\t\t\tproxy_set_header Host $http_host;\n", ""}, http.StatusForbidden},
	{"nginx with Host without port", "nginx", []string{"Host $http_host", "Host $host"}, http.StatusForbidden},
	{"nginx without Upgrade", "nginx", []string{"\t\t\tproxy_set_header Upgrade $http_upgrade;\n", ""}, http.StatusBadRequest},
	{"nginx without Connection", "nginx", []string{"\t\t\tproxy_set_header Connection $connection_upgrade;\n", ""}, http.StatusBadRequest},
	{"nginx with HTTP/1.0", "nginx", []string{"\t\t\tproxy_http_version 1.1;\n", ""}, http.StatusBadRequest},
	{"haproxy with another Host", "haproxy", []string{"\tretries 3\n", "\tretries 3\n\thttp-request set-header Host app.internal\n"}, http.StatusForbidden},
	{"caddy with the server's Host", "caddy", []string{"lb_policy least_conn", "header_up Host {upstream_hostport}"}, http.StatusForbidden},
}

// What breaks the guard, and the handshake, and how that shows.
func TestHandshakeBroken(t *testing.T) {
	b := startBackend(t)
	for _, test := range breaks {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, test.kind, []string{b.address()}, test.changes...)
			if status := refused(t, p.socket("/echo"), p.url()); status != test.status {
				t.Errorf("answered with %d, want %d", status, test.status)
			}
		})
	}
}

// A server that is allowed so many connections from an address has one address
// behind a proxy.
func TestOneAddress(t *testing.T) {
	p := startProxy(t, "haproxy", []string{startHub(t, "memory:", "-max-connections", "2").address()})
	for range 2 {
		dial(t, &lazywebsocket.Dialer{Subprotocols: []string{extended}}, p.socket("/cable"))
	}
	_, response, err := (&lazywebsocket.Dialer{Subprotocols: []string{extended}}).Dial(p.socket("/cable"), nil)
	if err == nil || response == nil || response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the third is answered with %v, %v", response, err)
	}
}

// net/http does not know the PROXY protocol: its line is a broken request.
func TestProxyProtocol(t *testing.T) {
	b := startBackend(t)
	nc, err := net.Dial("tcp", b.address())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	answer := make([]byte, 64)
	_, _ = nc.Write([]byte("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	n, _ := nc.Read(answer)
	if !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 400 ") {
		t.Errorf("%q", answer[:n])
	}
}
