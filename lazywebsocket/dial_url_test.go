package lazywebsocket

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for _, c := range []struct{ raw, want, addr, host string }{
		{"ws://example.com", "http://example.com", "example.com:80", "example.com"},
		{"wss://example.com", "https://example.com", "example.com:443", "example.com"},
		{"WSS://Example.com:8443/a?b=c", "https://Example.com:8443/a?b=c", "Example.com:8443", "Example.com:8443"},
		{"ws://example.com:/", "http://example.com/", "example.com:80", "example.com"},
		{"ws://example.com/#part", "http://example.com/", "example.com:80", "example.com"},
		{"ws://[::1]/", "http://[::1]/", "[::1]:80", "[::1]"},
		{"ws://[::1]:8080/", "http://[::1]:8080/", "[::1]:8080", "[::1]:8080"},
		{"wss://[fe80::1%25eth0]/", "https://[fe80::1%25eth0]/", "[fe80::1%eth0]:443", "[fe80::1]"},
		{"wss://[fe80::1%25eth0]:1/", "https://[fe80::1%25eth0]:1/", "[fe80::1%eth0]:1", "[fe80::1]:1"},
	} {
		u, err := parseURL(c.raw)
		if err != nil {
			t.Errorf("parseURL(%q): %v", c.raw, err)
			continue
		}
		host, err := hostHeader(u)
		if u.String() != c.want || hostPort(u) != c.addr || host != c.host || err != nil {
			t.Errorf("parseURL(%q): %q, address %q, Host %q, %v; want %q, %q, %q",
				c.raw, u, hostPort(u), host, err, c.want, c.addr, c.host)
		}
	}
}

func TestParseURLMalformed(t *testing.T) {
	for _, raw := range []string{
		"", "example.com", "http://example.com/", "https://example.com/", "ftp://example.com/",
		"ws://user@example.com/", "ws://user:password@example.com/", "ws://@example.com/",
		"ws:", "ws:example.com", "ws:/path", "ws:///path", "ws://:80/", "wss://example.com:65536/",
	} {
		if u, err := parseURL(raw); !same(err, errMalformedURL) {
			t.Errorf("parseURL(%q): %v, %v; want %v", raw, u, err, errMalformedURL)
		}
		if _, _, err := DefaultDialer.Dial(raw, nil); err == nil || err.Error() != "malformed ws or wss URL" {
			t.Errorf("Dial(%q): %v, want the known text", raw, err)
		}
	}
	for _, raw := range []string{"ws://%zz", "ws://a b/", "ws://h/\r\nX: y", "ws://h/\x00", "ws://h:port/", "ws://h/%"} {
		_, err := parseURL(raw)
		wantDialError(t, err, err)
		if !errors.As(err, new(*url.Error)) {
			t.Errorf("parseURL(%q): %v, want the *url.Error in it", raw, err)
		}
	}
}

func TestRequestTarget(t *testing.T) {
	for raw, want := range map[string]string{
		"ws://h":                        "/",
		"ws://h?":                       "/?",
		"ws://h?q=1":                    "/?q=1",
		"ws://h/a/../b/./c":             "/a/../b/./c",
		"ws://h//other.example/x":       "//other.example/x",
		"ws://h/a%2Fb":                  "/a%2Fb",
		"ws://h/a%2fb%41":               "/a%2fb%41",
		"ws://h/a;b=c,d:e@f!$&'()*+":    "/a;b=c,d:e@f!$&'()*+",
		"ws://h/p?a=%20&b=c+d&e=/?x=[]": "/p?a=%20&b=c+d&e=/?x=[]",
		"ws://h/a b":                    "/a%20b",
		"ws://h/é":                      "/%C3%A9",
		"ws://h/p?q=1#fragment":         "/p?q=1",
	} {
		u, err := parseURL(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if got, err := requestTarget(u); got != want || err != nil {
			t.Errorf("%s: target %q, %v; want %q", raw, got, err, want)
		}
		if got, _, _ := strings.Cut(captured(t, Dialer{}, raw, nil), "\r\n"); got != "GET "+want+" HTTP/1.1" {
			t.Errorf("%s: request line %q", raw, got)
		}
	}
}

func TestURLThatCannotBeSent(t *testing.T) {
	for raw, want := range map[string]string{
		"ws://h/p?q=é":       "query",
		"ws://h/p?a b":       "query",
		"ws://h/p?a\u00a0b":  "query",
		"ws://h/a%2Fé":       "escaped in part",
		"ws://h/a%2F b":      "escaped in part",
		"ws://bücher.test/":  "punycode",
		"ws://h%C3%A9/":      "punycode",
		"ws://\u212A.test:1": "punycode",
	} {
		err := refusesToSend(t, Dialer{}, raw, nil, want)
		wantDialError(t, err, err)
	}
}
