package lazywebsocket_test

import (
	"net/http"
	"testing"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

func TestSameOrigin(t *testing.T) {
	for _, tc := range []struct {
		host, origin string
		ok           bool
	}{
		{"example.com", "http://example.com", true},
		{"example.com", "https://example.com", true},
		{"example.com:8080", "http://example.com:8080", true},
		{"EXAMPLE.com", "http://example.COM", true},
		{"example.com", "HTTP://EXAMPLE.COM", true},
		{"example.com:80", "http://example.com", true},
		{"example.com", "http://example.com:80", true},
		{"example.com:443", "https://example.com", true},
		{"example.com", "https://example.com:443", true},
		{"127.0.0.1:3000", "http://127.0.0.1:3000", true},
		{"[::1]:3000", "http://[::1]:3000", true},
		{"[::1]", "http://[::1]:80", true},
		{"[2001:DB8::1]", "https://[2001:db8::1]", true},
		{"xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example", true},
		{"xn--mnchen-3ya.example", "https://XN--MNCHEN-3YA.example", true},
		{"localhost:3000", "http://localhost:3000", true},

		{"example.com", "http://other.com", false},
		{"example.com", "null", false},
		{"null", "null", false},
		{"example.com", "", false},
		{"example.com", "http://", false},
		{"example.com", "http:///", false},
		{"example.com", "example.com", false},
		{"example.com", "//", false},
		{"example.com", "http:example.com", false},
		{"example.com", "http://sub.example.com", false},
		{"sub.example.com", "http://example.com", false},
		{"example.com", "http://evilexample.com", false},
		{"example.com", "http://example.com.evil.com", false},
		{"example.com", "http://example.comevil", false},
		{"example.com", "http://example.com.", false},
		{"example.com", "http://example.com:8080", false},
		{"example.com:8080", "http://example.com", false},
		{"example.com:8080", "http://example.com:8081", false},
		{"example.com", "http://example.com:443", false},
		{"example.com", "https://example.com:80", false},
		{"example.com:80", "https://example.com", false},
		{"example.com:443", "http://example.com", false},
		{"example.com", "http://example.com:", false},
		{"example.com", "http://example.com:x", false},
		{"example.com", "http://example.com@evil.com", false},
		{"example.com", "http://evil.com@example.com", false},
		{"example.com", "http://user:pass@example.com", false},
		{"example.com", "http://@example.com", false},
		{"example.com:x", "http://example.com:x", false},
		{"", "http://", false},
		{"example.com", "http://evil.com#@example.com", false},
		{"example.com", "http://evil.com\\@example.com", false},
		{"example.com", "http://evil.com?example.com", false},
		{"example.com", "http://evil.com/example.com", false},
		{"example.com", "http://ex%61mple.com", false},
		{"example.com", "http://example.com%00.evil.com", false},
		{"example.com", "http://example.com http://evil.com", false},
		{"example.com", "http://example.com,http://evil.com", false},
		{"[::1]:3000", "http://[::1]:3001", false},
		{"[::1]", "http://[::2]", false},
		{"[::1]", "http://::1", false},
		{"[::1]:80", "http://[::1", false},
		{"127.0.0.1", "http://127.0.0.10", false},
		{"127.0.0.1", "http://localhost", false},
		{"kelvin.example", "http://\u212aelvin.example", false},
		{"sample.example", "http://\u017fample.example", false},
		{"xn--mnchen-3ya.example", "https://m\u00fcnchen.example", false},
		{"example.com", "http://example.com\u3002", false},
	} {
		bubble(t, tc.host+" "+tc.origin, func(t *testing.T) {
			p := wstest.Serve(t, upgradeHandler(&lazywebsocket.Upgrader{})).Peer()
			p.WriteBytes([]byte(request("-Host", "Host: "+tc.host, "Origin: "+tc.origin)))
			want := http.StatusForbidden
			if tc.ok {
				want = http.StatusSwitchingProtocols
			}
			if resp := p.Response(); resp.StatusCode != want {
				t.Errorf("Host %q, Origin %q: %s, want %d", tc.host, tc.origin, resp.Status, want)
			}
		})
	}
}

// A browser's other contexts, and no browser at all.
func TestNoOrigin(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		p := wstest.Serve(t, upgradeHandler(&lazywebsocket.Upgrader{})).Peer()
		p.Request("/")
		p.Response()
		p.Text("x")
		p.WantText("x")
	})
}

// CheckOrigin decides alone.
func TestCheckOrigin(t *testing.T) {
	u := &lazywebsocket.Upgrader{CheckOrigin: func(r *http.Request) bool {
		return r.Header.Get("Origin") == "https://admin.example.com"
	}}
	for origin, want := range map[string]int{"https://admin.example.com": 101, "http://server.wstest": 403} {
		bubble(t, origin, func(t *testing.T) {
			p := wstest.Serve(t, upgradeHandler(u)).Peer()
			p.Request("/", "Origin: "+origin)
			if resp := p.Response(); resp.StatusCode != want {
				t.Errorf("status %s", resp.Status)
			}
		})
	}
}
