package http3_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"golazy.dev/lazywebsocket"
	sockets "golazy.dev/lazywebsocket/http3"
)

// handshake is a valid one, as header fields.
var handshake = []string{
	":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/ws",
	":authority", "example.com", "sec-websocket-version", "13",
}

// with returns the handshake with fields changed, or added.
func with(fields ...string) []string {
	all := slices.Clone(handshake)
	for i := 0; i < len(fields); i += 2 {
		if at := slices.Index(all, fields[i]); at >= 0 && at%2 == 0 {
			all[at+1] = fields[i+1]
		} else {
			all = append(all, fields[i:i+2]...)
		}
	}
	return all
}

func TestRefuses(t *testing.T) {
	const malformed = "H3_MESSAGE_ERROR" // RFC 9114, 4.1.2: quic-go's business
	for name, tc := range map[string]struct {
		fields []string
		end    bool
		want   string
	}{
		"good":                 {fields: handshake, want: "200"},
		"upper case":           {fields: with(":protocol", "WebSocket"), want: "200"},
		"with a key":           {fields: with("sec-websocket-key", "x"), want: "200"},
		"own origin":           {fields: with("origin", "https://example.com"), want: "200"},
		"Host as well":         {fields: with("host", "example.com"), want: "200"},
		"ended at once":        {fields: handshake, end: true, want: "200"}, // only a read could tell
		"foreign origin":       {fields: with("origin", "https://evil.example"), want: "403"},
		"no origin's":          {fields: with("origin", "null"), want: "403"},
		"two origins":          {fields: append(with("origin", "https://example.com"), "origin", "https://example.com"), want: "400"},
		"another version":      {fields: with("sec-websocket-version", "8"), want: "400"},
		"no version":           {fields: handshake[:10], want: "400"},
		"two versions":         {fields: append(slices.Clone(handshake), "sec-websocket-version", "13"), want: "400"},
		"a length":             {fields: with("content-length", "10"), want: "400"},
		"no length":            {fields: with("content-length", "0"), want: "400"},
		"another protocol":     {fields: with(":protocol", "connect-udp"), want: "405"},
		"another path":         {fields: with(":path", "/other"), want: "404"},
		"a bad subprotocol":    {fields: with(":path", "/bad"), want: "500"},
		"a plain CONNECT":      {fields: []string{":method", "CONNECT", ":authority", "example.com"}, want: "404"},
		"a GET":                {fields: []string{":method", "GET", ":scheme", "https", ":path", "/ws", ":authority", "h"}, end: true, want: "500"},
		"another Host":         {fields: with("host", "evil.example"), want: malformed},
		"a GET with :protocol": {fields: with(":method", "GET"), want: malformed},
		"two protocols":        {fields: append([]string{":protocol", "websocket"}, handshake...), want: malformed},
		"a field :protocol":    {fields: append(slices.Clone(handshake), ":protocol", "websocket"), want: malformed},
	} {
		bubble(t, name, func(t *testing.T) {
			mux := routedWith(map[string]action{
				"/ws": echo(new(lazywebsocket.Upgrader)),
				"/bad": func(w http.ResponseWriter, r *http.Request) error {
					if _, err := new(lazywebsocket.Upgrader).Upgrade(w, r, http.Header{"Sec-Websocket-Protocol": {"a b"}}); err == nil {
						t.Error("upgraded")
					}
					return nil
				},
			})
			c := newWorld(t, mux).client(1 << 20)
			s := open(t, c.quic, tc.end, tc.fields...)
			if got := answer(s); got != tc.want && !isReset(got, tc.want) {
				t.Errorf("%s, want %s", got, tc.want)
			}
			s.CancelRead(0)
			s.CancelWrite(0)
		})
	}
}

// isReset reports whether an error of a stream names the code.
func isReset(got, want string) bool {
	return want == "H3_MESSAGE_ERROR" &&
		got == fmt.Sprintf("0 stream 0 canceled by remote with error code %d", http3.ErrCodeMessageError)
}

// What the handler sees is what it sees over HTTP/2; who stands outside sees what came.
func TestRequest(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		inner := sockets.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got := fmt.Sprintln(r.Method, r.Proto, r.ProtoMajor, r.Header[":protocol"], r.URL, r.Host, r.ContentLength)
			if got != "CONNECT HTTP/3.0 3 [websocket] /ws?x=1 server -1\n" {
				t.Error(got)
			}
			if !lazywebsocket.IsWebSocketUpgrade(r) {
				t.Error("no WebSocket")
			}
			conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			must(t, err)
			defer conn.Close()
			for _, addr := range []net.Addr{conn.LocalAddr(), conn.RemoteAddr()} {
				if _, ok := addr.(*net.UDPAddr); !ok {
					t.Errorf("%T %v", addr, addr)
				}
			}
			if _, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil); err == nil {
				t.Error("taken twice")
			}
		}))
		c := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body := r.Body
			inner.ServeHTTP(wrapping{w}, r)
			if r.Proto != "websocket" || r.Header[":protocol"] != nil || r.Body != body {
				t.Errorf("%s %v", r.Proto, r.Header)
			}
		})).client(1 << 20)
		s := c.socket("/ws?x=1")
		s.want(0x88, code(1000))
		s.goodbye(1000, true)
		s.wantEnd()
	})
}

// wrapping is the response writer of a middleware.
type wrapping struct{ http.ResponseWriter }

func (w wrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Requests that are no extended CONNECT for WebSockets, and what is not quic-go's, pass
// as they are.
func TestPasses(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"GET":              func(r *http.Request) { r.Method = http.MethodGet },
		"HTTP/2":           func(r *http.Request) { r.ProtoMajor = 2 },
		"another protocol": func(r *http.Request) { r.Proto = "connect-udp" },
		"plain CONNECT":    func(r *http.Request) { r.Proto = "HTTP/3.0" },
		"another server":   func(*http.Request) {},
	} {
		var w http.ResponseWriter = httptest.NewRecorder()
		if name != "another server" {
			w = streamer{w}
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method, r.Proto, r.ProtoMajor, r.ProtoMinor, r.TLS = http.MethodConnect, "websocket", 3, 0, nil
		change(r)
		passed := false
		sockets.Handler(http.HandlerFunc(func(gotW http.ResponseWriter, gotR *http.Request) {
			passed = gotW == w && gotR == r
		})).ServeHTTP(w, r)
		if !passed {
			t.Errorf("%s: did not pass", name)
		}
	}
}

// streamer is a response writer that looks like quic-go's.
type streamer struct{ http.ResponseWriter }

func (streamer) HTTPStream() (*http3.Stream, error) { return nil, http.ErrNotSupported }

// What can be replayed is not served: a second connection that sends its handshake in
// QUIC's 0-RTT is told to come again, and can.
func TestEarlyData(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		config := sockets.Config()
		config.Allow0RTT = true
		w := newWorldWith(t, &http3.Server{Handler: plain(echo(new(lazywebsocket.Upgrader))), QUICConfig: config})
		cache := tls.NewLRUClientSessionCache(1)
		for i := range 2 {
			w.hosts++
			transport := &quic.Transport{Conn: w.endpoint(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 10+w.hosts), Port: 40000})}
			conf := clientTLS()
			conf.ClientSessionCache = cache
			conn, err := transport.DialEarly(context.Background(), w.addr, conf, nil)
			must(t, err)
			if i == 0 {
				<-conn.HandshakeComplete()
			}
			want := []string{"200", "425"}[i]
			if got := answer(open(t, conn, false, handshake...)); got != want {
				t.Errorf("connection %d: %s, want %s", i, got, want)
			}
			if used := conn.ConnectionState().Used0RTT; used != (i == 1) {
				t.Errorf("connection %d: 0-RTT %t", i, used)
			}
			<-conn.HandshakeComplete()
			if got := answer(open(t, conn, false, handshake...)); got != "200" {
				t.Errorf("connection %d, again: %s", i, got)
			}
			_ = conn.CloseWithError(0, "")
			_ = transport.Close()
		}
	})
}

// The answer has what was agreed and what the application has added, and nothing else.
func TestAnswer(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		u := lazywebsocket.Upgrader{EnableCompression: true, Subprotocols: []string{"b", "a"}}
		c := newWorld(t, plain(func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Content-Encoding", "gzip") // of a middleware
			conn, err := u.Upgrade(w, r, http.Header{"Set-Cookie": {"x=1", "y=2"}, "x-lower": {"z"}})
			must(t, err)
			return conn.Close()
		})).client(1 << 20)
		_, resp, err := c.do(request("/", http.Header{
			"Sec-Websocket-Protocol":   {"a, b"},
			"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"},
		}))
		must(t, err)
		resp.Header.Del("Date")
		want := http.Header{
			"Sec-Websocket-Protocol":   {"b"},
			"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits=12"},
			"Set-Cookie":               {"x=1", "y=2"},
			"X-Lower":                  {"z"},
		}
		if resp.StatusCode != 200 || resp.ProtoMajor != 3 || fmt.Sprint(resp.Header) != fmt.Sprint(want) {
			t.Errorf("%s %s %v", resp.Proto, resp.Status, resp.Header)
		}
	})
}

// A refusal is a response like any other.
func TestRefusal(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		c := newWorld(t, routed(echo(new(lazywebsocket.Upgrader)))).client(1 << 20)
		stream, resp, err := c.do(request("/ws", http.Header{"Origin": {"https://evil.example"}}))
		must(t, err)
		body := make([]byte, 100)
		n, _ := stream.Read(body)
		if resp.StatusCode != 403 || string(body[:n]) != "Forbidden\n" || resp.ContentLength != 10 {
			t.Errorf("%s %q %v", resp.Status, body[:n], resp.Header)
		}
		wantEnd(t, stream)
	})
}
