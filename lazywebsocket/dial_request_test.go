package lazywebsocket

import (
	"encoding/base64"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// withoutKey replaces the key of a request, after checking that it is one.
func withoutKey(t *testing.T, request string) string {
	t.Helper()
	key := regexp.MustCompile(`(?m)^Sec-WebSocket-Key: (.*)\r$`)
	m := key.FindStringSubmatch(request)
	if m == nil {
		t.Fatalf("no key in %q", request)
	}
	if b, err := base64.StdEncoding.DecodeString(m[1]); err != nil || len(b) != 16 {
		t.Errorf("key %q is not the base64 form of 16 bytes: %v", m[1], err)
	}
	return strings.Replace(request, m[1], "<key>", 1)
}

func TestRequestOnTheWire(t *testing.T) {
	got := captured(t, Dialer{Subprotocols: []string{"v2.chat", "v1.chat"}, EnableCompression: true},
		"ws://example.com:8080/socket?room=1#x", http.Header{
			"Origin":            {"https://example.com"},
			"Authorization":     {"Bearer abc"},
			"X-Two":             {"1", "2"},
			"x-lower":           {"kept"},
			"Content-Length":    {"5"},
			"Transfer-Encoding": {"chunked"},
			"Trailer":           {"X"},
		})
	want := "GET /socket?room=1 HTTP/1.1\r\n" +
		"Host: example.com:8080\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Key: <key>\r\n" +
		"Sec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Protocol: v2.chat, v1.chat\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12; client_max_window_bits, " +
		"permessage-deflate; server_no_context_takeover; client_max_window_bits\r\n" +
		"User-Agent: Go-http-client/1.1\r\n" +
		"Authorization: Bearer abc\r\n" +
		"Origin: https://example.com\r\n" +
		"X-Two: 1\r\n" +
		"X-Two: 2\r\n" +
		"x-lower: kept\r\n" +
		"\r\n"
	if got = withoutKey(t, got); got != want {
		t.Errorf("request:\n%s\nwant:\n%s", got, want)
	}
}

func TestRequestHeaderIsNotChanged(t *testing.T) {
	header := http.Header{"Cookie": {"a=1"}, "Sec-Websocket-Protocol": {"p"}, "X": {"1"}}
	before := header.Clone()
	captured(t, Dialer{}, "ws://h/", header)
	if len(header) != len(before) || header.Get("Cookie") != "a=1" || header.Get(headerProtocol) != "p" {
		t.Errorf("the dial has changed the header to %q", header)
	}
}

func TestRequestHost(t *testing.T) {
	for _, c := range []struct {
		header http.Header
		want   string
	}{
		{nil, "h:1"},
		{http.Header{"Host": {"other.test"}}, "other.test"},
		{http.Header{"host": {"other.test:2"}}, "other.test:2"},
		{http.Header{"Host": {""}}, "h:1"},
		{http.Header{"Host": {}}, "h:1"},
	} {
		request := captured(t, Dialer{}, "ws://h:1/", c.header)
		if !strings.Contains(request, "\r\nHost: "+c.want+"\r\n") || strings.Count(strings.ToLower(request), "\r\nhost:") != 1 {
			t.Errorf("header %q: %q, want the one host %q", c.header, request, c.want)
		}
	}
	refusesToSend(t, Dialer{}, "ws://h/", http.Header{"Host": {"a", "b"}}, "2 Host headers")
	refusesToSend(t, Dialer{}, "ws://h/", http.Header{"Host": {"a"}, "host": {"b"}}, "2 Host headers")
	for _, host := range []string{"a b", "a\r\nX: y", "bücher.test", "a\tb", "a\x7f"} {
		refusesToSend(t, Dialer{}, "ws://h/", http.Header{"Host": {host}}, "Host header")
	}
}

func TestRequestUserAgent(t *testing.T) {
	for _, c := range []struct {
		header http.Header
		want   string
	}{
		{nil, "\r\nUser-Agent: Go-http-client/1.1\r\n"},
		{http.Header{"User-Agent": {"mine/1"}}, "\r\nUser-Agent: mine/1\r\n"},
		{http.Header{"user-agent": {"mine/2"}}, "\r\nuser-agent: mine/2\r\n"},
		{http.Header{"User-Agent": {""}}, ""},
	} {
		request := captured(t, Dialer{}, "ws://h/", c.header)
		count := strings.Count(strings.ToLower(request), "user-agent")
		if !strings.Contains(request, c.want) || (count != 1 && c.want != "") || (count != 0 && c.want == "") {
			t.Errorf("header %q: %q, want %q", c.header, request, c.want)
		}
	}
}

func TestRequestDuplicateHeaders(t *testing.T) {
	for _, name := range []string{
		"Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions",
		"upgrade", "Sec-WebSocket-Key", "SEC-WEBSOCKET-EXTENSIONS",
	} {
		want := "websocket: duplicate header not allowed: " + http.CanonicalHeaderKey(name)
		err := refusesToSend(t, Dialer{}, "ws://h/", http.Header{name: {"x"}}, want)
		if err != nil && err.Error() != want {
			t.Errorf("%s: %q, want exactly %q", name, err, want)
		}
	}
	protocol := http.Header{"Sec-Websocket-Protocol": {"a"}}
	const want = "websocket: duplicate header not allowed: Sec-Websocket-Protocol"
	if err := refusesToSend(t, Dialer{Subprotocols: []string{"b"}}, "ws://h/", protocol, want); err != nil && err.Error() != want {
		t.Errorf("%q, want exactly %q", err, want)
	}
}

func TestRequestSubprotocols(t *testing.T) {
	for _, c := range []struct {
		dialer Dialer
		header http.Header
		want   string
	}{
		{Dialer{Subprotocols: []string{"a"}}, nil, "\r\nSec-WebSocket-Protocol: a\r\n"},
		{Dialer{}, http.Header{"Sec-Websocket-Protocol": {"a, b"}}, "\r\nSec-WebSocket-Protocol: a, b\r\n"},
		{Dialer{}, http.Header{"Sec-WebSocket-Protocol": {"a", "b ,c"}}, "\r\nSec-WebSocket-Protocol: a, b, c\r\n"},
		{Dialer{Subprotocols: []string{}}, http.Header{"Sec-Websocket-Protocol": {"a"}}, "\r\nSec-WebSocket-Protocol: a\r\n"},
		{Dialer{Subprotocols: []string{"SPDY/3.1+a"}}, nil, "\r\nSec-WebSocket-Protocol: SPDY/3.1+a\r\n"},
		{Dialer{}, http.Header{"Sec-Websocket-Protocol": {""}}, ""},
		{Dialer{}, nil, ""},
	} {
		request := captured(t, c.dialer, "ws://h/", c.header)
		count := strings.Count(strings.ToLower(request), "sec-websocket-protocol")
		if !strings.Contains(request, c.want) || (count != 1 && c.want != "") || (count != 0 && c.want == "") {
			t.Errorf("%q, %q: %q, want %q", c.dialer.Subprotocols, c.header, request, c.want)
		}
	}
	for _, list := range [][]string{{""}, {"a b"}, {"a,b"}, {"a\r\nX: y"}, {"é"}, {"a\x00"}, {"a", "b", "c d"}} {
		refusesToSend(t, Dialer{Subprotocols: list}, "ws://h/", nil, "must not be sent")
		if list[0] != "" && list[0] != "a,b" {
			refusesToSend(t, Dialer{}, "ws://h/", http.Header{"Sec-Websocket-Protocol": list}, "must not be sent")
		}
	}
	refusesToSend(t, Dialer{Subprotocols: []string{"a", "b", "a"}}, "ws://h/", nil, "twice")
	refusesToSend(t, Dialer{}, "ws://h/", http.Header{"Sec-Websocket-Protocol": {"a, a"}}, "twice")
}

func TestRequestHeaderThatCannotBeSent(t *testing.T) {
	for _, name := range []string{"", "a b", "a:", "é", "a\r\nb", "a\nb", "a\x00", "a(b)"} {
		err := refusesToSend(t, Dialer{}, "ws://h/", http.Header{name: {"x"}}, "not a token")
		wantDialError(t, err, err)
	}
	for _, value := range []string{"a\r\nX: y", "a\nb", "a\rb", "a\x00b", "\x1b", "a\x7f", "é", "\xff"} {
		for _, name := range []string{"X", "Origin", "Cookie", "Authorization", "User-Agent"} {
			err := refusesToSend(t, Dialer{}, "ws://h/", http.Header{name: {"fine", value}}, "must not be sent")
			wantDialError(t, err, err)
			if err != nil && strings.Contains(err.Error(), value) {
				t.Errorf("the error %q repeats a value that may be a secret", err)
			}
		}
	}
}

// fixedJar returns the same cookies for every URL.
type fixedJar []*http.Cookie

func (fixedJar) SetCookies(*url.URL, []*http.Cookie) {}
func (j fixedJar) Cookies(*url.URL) []*http.Cookie   { return j }

func TestRequestCookies(t *testing.T) {
	jar, _ := cookiejar.New(nil)
	at, _ := url.Parse("http://h/socket")
	jar.SetCookies(at, []*http.Cookie{{Name: "plain", Value: "1", Path: "/"}, {Name: "safe", Value: "2", Path: "/", Secure: true}})
	for _, c := range []struct {
		url    string
		header http.Header
		want   string
	}{
		{"ws://h/socket", nil, "\r\nCookie: plain=1\r\n"},
		{"ws://h/socket", http.Header{"Cookie": {"own=3"}}, "\r\nCookie: own=3; plain=1\r\n"},
		{"ws://h/socket", http.Header{"Cookie": {"own=3", "two=4"}, "cookie": {"five=6"}}, "\r\nCookie: own=3; two=4; five=6; plain=1\r\n"},
		{"ws://other/", http.Header{"cookie": {"own=3"}}, "\r\nCookie: own=3\r\n"},
		{"ws://other/", nil, ""},
	} {
		request := captured(t, Dialer{Jar: jar}, c.url, c.header)
		count := strings.Count(strings.ToLower(request), "\r\ncookie:")
		if !strings.Contains(request, c.want) || (count != 1 && c.want != "") || (count != 0 && c.want == "") {
			t.Errorf("%s, %q: %q, want %q", c.url, c.header, request, c.want)
		}
	}
	hs, err := (&Dialer{Jar: jar}).newHandshake(t.Context(), "wss://h/socket", nil)
	if err != nil || hs.req.Header.Get("Cookie") != "plain=1; safe=2" {
		t.Errorf("wss: %v, %v; want the secure cookie too", hs, err)
	}
	bad := fixedJar{{Name: "é", Value: "1"}}
	refusesToSend(t, Dialer{Jar: bad}, "ws://h/", nil, "must not be sent")
}

func TestKeysDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		key := newKey()
		if seen[key] {
			t.Fatalf("key %q came twice", key)
		}
		seen[key] = true
	}
	if a, b := captured(t, Dialer{}, "ws://h/", nil), captured(t, Dialer{}, "ws://h/", nil); a == b {
		t.Errorf("two dials sent the same request %q", a)
	}
}
