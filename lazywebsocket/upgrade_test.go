package lazywebsocket_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// upgradeHandler upgrades and echoes.
func upgradeHandler(u *lazywebsocket.Upgrader) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		echo(conn)
	})
}

func echo(conn *lazywebsocket.Conn) {
	for {
		messageType, data, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(messageType, data) != nil {
			return
		}
	}
}

const goodKey = "dGhlIHNhbXBsZSBub25jZQ=="

// goodRequest are the lines of a good handshake. In the table "-X" takes the
// line away that begins with X, anything else is put behind.
var goodRequest = []string{
	"GET / HTTP/1.1",
	"Host: server.example",
	"Upgrade: websocket",
	"Connection: Upgrade",
	"Sec-WebSocket-Key: " + goodKey,
	"Sec-WebSocket-Version: 13",
}

func request(changes ...string) string {
	lines := append([]string(nil), goodRequest...)
	for _, change := range changes {
		prefix, remove := strings.CutPrefix(change, "-")
		if !remove {
			lines = append(lines, change)
			continue
		}
		for i, line := range lines {
			if strings.HasPrefix(line, prefix) {
				lines = append(lines[:i:i], lines[i+1:]...)
				break
			}
		}
	}
	if i := len(lines) - 1; strings.Contains(lines[i], " HTTP/") {
		lines = append([]string{lines[i]}, lines[:i]...)
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func TestServerHandshake(t *testing.T) {
	// Go 1.27 answers some hundreds of header lines with 431 before a handler sees them.
	many := make([]string, 100)
	for i := range many {
		many[i] = "Sec-WebSocket-Extensions: a; b=c, d"
	}
	for name, tc := range map[string]struct {
		request string
		status  int
	}{
		"good":                        {request(), 101},
		"upper case":                  {request("-Upgrade", "-Connection", "UPGRADE: WebSocket", "CONNECTION: UPGRADE"), 101},
		"keep-alive, Upgrade":         {request("-Connection", "Connection: keep-alive, Upgrade"), 101},
		"two Connection lines":        {request("-Connection", "Connection: keep-alive", "Connection: upgrade"), 101},
		"white space":                 {request("-Upgrade", "-Connection", "Upgrade: \t websocket \t", "Connection: ,\t upgrade ,"), 101},
		"extensions offered":          {request("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other"), 101},
		"100 lines of extensions":     {request(many...), 101},
		"HTTP/2.0 as a text":          {request("-GET", "GET / HTTP/2.0"), 505},
		"no Upgrade":                  {request("-Upgrade"), 400},
		"other Upgrade":               {request("-Upgrade", "Upgrade: h2c"), 400},
		"other Upgrade too":           {request("-Upgrade", "Upgrade: websocket, h2c"), 400},
		"other Upgrade before":        {request("-Upgrade", "Upgrade: h2c, websocket"), 400},
		"other Upgrade line":          {request("Upgrade: h2c"), 400},
		"Upgrade with a version":      {request("-Upgrade", "Upgrade: websocket/13"), 400},
		"Upgrade of more letters":     {request("-Upgrade", "Upgrade: websockets"), 400},
		"empty Upgrade":               {request("-Upgrade", "Upgrade: "), 400},
		"Kelvin sign in Upgrade":      {request("-Upgrade", "Upgrade: websoc\u212aet"), 400},
		"no Connection":               {request("-Connection"), 400},
		"Connection without upgrade":  {request("-Connection", "Connection: keep-alive"), 400},
		"Connection of more letters":  {request("-Connection", "Connection: upgrades"), 400},
		"Connection with a semicolon": {request("-Connection", "Connection: upgrade;q=1"), 400},
		"POST":                        {request("-GET", "POST / HTTP/1.1"), 405},
		"OPTIONS":                     {request("-GET", "OPTIONS / HTTP/1.1"), 405},
		"HTTP/1.0":                    {request("-GET", "GET / HTTP/1.0"), 400},
		"no key":                      {request("-Sec-WebSocket-Key"), 400},
		"two keys":                    {request("Sec-WebSocket-Key: " + goodKey), 400},
		"two keys in a line":          {request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: "+goodKey+", "+goodKey), 400},
		"empty key":                   {request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: "), 400},
		"key of 15 bytes":             {request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"), 400},
		"key of 17 bytes":             {request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWE="), 400},
		"key without padding":         {request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), 400},
		"key of other letters":        {request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q=="), 400},
		"key of base64url":            {request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: _-_-_-_-_-_-_-_-_-_-_w=="), 400},
		"key of base64":               {request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: "+goodKey), 101},
		"no version":                  {request("-Sec-WebSocket-Version"), 426},
		"version 8":                   {request("-Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426},
		"version 13, 8":               {request("-Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8"), 426},
		"two versions":                {request("Sec-WebSocket-Version: 13"), 426},
		"version 013":                 {request("-Sec-WebSocket-Version", "Sec-WebSocket-Version: 013"), 426},
		"two Hosts":                   {request("Host: other.example"), 400},
		"no Host":                     {request("-Host"), 400},
		"two Origins":                 {request("Origin: http://server.example", "Origin: http://server.example"), 400},
		"foreign Origin":              {request("Origin: http://other.example"), 403},
		"own Origin":                  {request("Origin: http://server.example"), 101},
	} {
		bubble(t, name, func(t *testing.T) {
			p := wstest.Serve(t, upgradeHandler(&lazywebsocket.Upgrader{})).Peer()
			p.WriteBytes([]byte(tc.request))
			resp := p.Response()
			if resp.StatusCode != tc.status {
				t.Errorf("status %s, want %d", resp.Status, tc.status)
			}
			if tc.status == 426 && (resp.Header.Get("Sec-Websocket-Version") != "13" || resp.Header.Get("Upgrade") != "websocket") {
				t.Errorf("header %v", resp.Header)
			}
			if tc.status == 405 && resp.Header.Get("Allow") != "GET" {
				t.Errorf("header %v", resp.Header)
			}
			if tc.status == 101 {
				p.Text("works")
				p.WantText("works")
			}
		})
	}
}

// The whole answer, byte by byte.
func TestUpgradeAnswer(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			u := lazywebsocket.Upgrader{Subprotocols: []string{"b", "a"}}
			w.Header().Set("X-Before", "is not sent")
			_, err := u.Upgrade(w, r, http.Header{"Set-Cookie": {"a=1", "b=2"}})
			if err != nil {
				t.Error(err)
			}
		}))
		conn, err := s.Dial(t.Context())
		must(t, err)
		_, err = conn.Write([]byte(request("Sec-WebSocket-Protocol: a, b")))
		must(t, err)
		want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: b\r\n" +
			"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
			t.Errorf("answer %q, %v\nwant %q", got, err, want)
		}
		must(t, conn.Close())
	})
}

func TestUpgradeErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		upgrader lazywebsocket.Upgrader
		request  string
		text     string
		status   int
	}{
		"no upgrade":    {lazywebsocket.Upgrader{}, request("-Upgrade"), "the client is not using the websocket protocol", 400},
		"no connection": {lazywebsocket.Upgrader{}, request("-Connection"), "the client is not using the websocket protocol", 400},
		"method":        {lazywebsocket.Upgrader{}, request("-GET", "PUT / HTTP/1.1"), "the client is not using the websocket protocol", 405},
		"origin":        {lazywebsocket.Upgrader{}, request("Origin: null"), "websocket: request origin not allowed by Upgrader.CheckOrigin", 403},
		"check": {
			lazywebsocket.Upgrader{CheckOrigin: func(*http.Request) bool { return false }},
			request(),
			"websocket: request origin not allowed by Upgrader.CheckOrigin", 403,
		},
	} {
		for _, custom := range []bool{false, true} {
			bubble(t, name, func(t *testing.T) {
				done := make(chan error, 1)
				p := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					u := tc.upgrader
					if custom {
						u.Error = func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
							w.WriteHeader(status)
							_, _ = io.WriteString(w, reason.Error())
						}
					}
					conn, err := u.Upgrade(w, r, nil)
					if conn != nil {
						t.Error("a connection beside an error")
					}
					done <- err
				})).Peer()
				p.WriteBytes([]byte(tc.request))
				err := <-done
				if _, ok := err.(lazywebsocket.HandshakeError); !ok || !strings.Contains(err.Error(), tc.text) { //nolint:errorlint // programs assert it
					t.Errorf("error is %T: %v", err, err)
				}
				resp := p.Response()
				body, _ := io.ReadAll(resp.Body)
				want := http.StatusText(tc.status) + "\n"
				if custom {
					want = err.Error()
				} else if resp.Header.Get("Sec-Websocket-Version") != "13" {
					t.Errorf("header %v", resp.Header)
				}
				if resp.StatusCode != tc.status || string(body) != want {
					t.Errorf("%s, %q", resp.Status, body)
				}
			})
		}
	}
}

func TestSubprotocolChoice(t *testing.T) {
	for name, tc := range map[string]struct {
		ours    []string
		header  http.Header
		offered string
		want    string
	}{
		"none":                       {nil, nil, "a", ""},
		"the server's order":         {[]string{"b", "a"}, nil, "a, b", "b"},
		"not offered":                {[]string{"c"}, nil, "a, b", ""},
		"case counts":                {[]string{"A"}, nil, "a", ""},
		"nothing offered":            {[]string{"a"}, nil, "", ""},
		"from the header":            {nil, http.Header{"Sec-Websocket-Protocol": {"x"}}, "a", "x"},
		"field before header":        {[]string{"a"}, http.Header{"Sec-Websocket-Protocol": {"x"}}, "a", "a"},
		"empty field is not nil":     {[]string{}, http.Header{"Sec-Websocket-Protocol": {"x"}}, "x", ""},
		"what is no token is not ok": {[]string{"a b", "ok"}, nil, "a b, ok", "ok"},
	} {
		bubble(t, name, func(t *testing.T) {
			conns := make(chan *lazywebsocket.Conn, 1)
			p := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				u := lazywebsocket.Upgrader{Subprotocols: tc.ours}
				conn, err := u.Upgrade(w, r, tc.header)
				if err != nil {
					t.Error(err)
				}
				conns <- conn
			})).Peer()
			p.WriteBytes([]byte(request("Sec-WebSocket-Protocol: " + tc.offered)))
			resp := p.Response()
			if got := resp.Header.Get("Sec-Websocket-Protocol"); got != tc.want {
				t.Errorf("the answer has %q, want %q", got, tc.want)
			}
			if got := (<-conns).Subprotocol(); got != tc.want {
				t.Errorf("Subprotocol is %q, want %q", got, tc.want)
			}
		})
	}
}

// Nothing that the application puts into the answer can break out of its line;
// the error comes before a byte is written.
func TestUpgradeHeaderInjection(t *testing.T) {
	for name, header := range map[string]http.Header{
		"CRLF in a value":       {"X-A": {"b\r\nX-Evil: 1"}},
		"LF in a value":         {"X-A": {"b\nX-Evil: 1"}},
		"CR in a value":         {"X-A": {"b\rX-Evil: 1"}},
		"NUL in a value":        {"X-A": {"b\x00"}},
		"DEL in a value":        {"X-A": {"b\x7f"}},
		"beyond ASCII":          {"X-A": {"ü"}},
		"second value":          {"X-A": {"good", "b\r\nX-Evil: 1"}},
		"CRLF in a name":        {"X-A: b\r\nX-Evil": {"1"}},
		"colon in a name":       {"X-A:": {"1"}},
		"empty name":            {"": {"1"}},
		"white space in a name": {"X A": {"1"}},
		"subprotocol, CRLF":     {"Sec-Websocket-Protocol": {"a\r\nX-Evil: 1"}},
		"subprotocol, comma":    {"Sec-Websocket-Protocol": {"a, b"}},
		"subprotocol, ASCII":    {"Sec-Websocket-Protocol": {"ü"}},
		"extensions":            {"Sec-Websocket-Extensions": {"permessage-deflate"}},
		"extensions, any case":  {"sec-websocket-EXTENSIONS": {"permessage-deflate"}},
		"accept":                {"Sec-Websocket-Accept": {"x"}},
		"upgrade":               {"Upgrade": {"h2c"}},
		"connection":            {"connection": {"close"}},
		"length":                {"Content-Length": {"5"}},
		"encoding":              {"Transfer-Encoding": {"chunked"}},
	} {
		bubble(t, name, func(t *testing.T) {
			p := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var u lazywebsocket.Upgrader
				conn, err := u.Upgrade(w, r, header)
				if _, ok := err.(lazywebsocket.HandshakeError); !ok || conn != nil { //nolint:errorlint // programs assert it
					t.Errorf("%v, error is %v", conn, err)
				}
			})).Peer()
			p.Request("/")
			resp := p.Response()
			if resp.StatusCode != http.StatusInternalServerError || resp.Header.Get("X-Evil") != "" {
				t.Errorf("%s, %v", resp.Status, resp.Header)
			}
		})
	}
	bubble(t, "what may be sent", func(t *testing.T) {
		p := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var u lazywebsocket.Upgrader
			_, err := u.Upgrade(w, r, http.Header{"X-A": {"a\tb ~!", ""}, "x-lower_case.1": {"y"}})
			if err != nil {
				t.Error(err)
			}
		})).Peer()
		p.Request("/")
		resp := p.Response()
		if got := resp.Header.Values("X-A"); len(got) != 2 || got[0] != "a\tb ~!" || resp.Header.Get("X-Lower_case.1") != "y" {
			t.Errorf("header %q", resp.Header)
		}
	})
}

// Bytes that come behind the request are the connection's first.
func TestPipelinedBytes(t *testing.T) {
	for name, chunk := range chunkings() {
		for _, size := range []int{1, 200, 9000} {
			bubble(t, name, func(t *testing.T) {
				network := wstest.Network{Chunk: chunk(), Buffer: -1}
				p := network.Serve(t, upgradeHandler(&lazywebsocket.Upgrader{ReadBufferSize: 512})).Peer()
				text := strings.Repeat("x", size)
				in := []byte(request())
				in = append(in, wire(t, server, "89 01|'p'")...)
				p.WriteBytes(in)
				p.Text(text)
				p.Text("second")
				p.Response()
				p.WantPong("p")
				p.WantText(text)
				p.WantText("second")
			})
		}
	}
}

// wrapper hides what the writer beneath can do, but lets it be unwrapped.
type wrapper struct{ w http.ResponseWriter }

func (w wrapper) Header() http.Header         { return w.w.Header() }
func (w wrapper) Write(b []byte) (int, error) { return w.w.Write(b) }
func (w wrapper) WriteHeader(status int)      { w.w.WriteHeader(status) }
func (w wrapper) Unwrap() http.ResponseWriter { return w.w }

// opaque cannot be unwrapped.
type opaque struct{ http.ResponseWriter }

func TestUpgradeThroughWrappers(t *testing.T) {
	bubble(t, "wrapped twice", func(t *testing.T) {
		p := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			upgradeHandler(&lazywebsocket.Upgrader{}).ServeHTTP(wrapper{wrapper{w}}, r)
		})).Peer()
		p.Request("/")
		p.Response()
		p.Text("x")
		p.WantText("x")
	})
	bubble(t, "opaque", func(t *testing.T) {
		p := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var u lazywebsocket.Upgrader
			_, err := u.Upgrade(opaque{w}, r, nil)
			if _, ok := err.(lazywebsocket.HandshakeError); !ok { //nolint:errorlint // programs assert it
				t.Errorf("error is %v", err)
			}
		})).Peer()
		p.Request("/")
		if resp := p.Response(); resp.StatusCode != http.StatusInternalServerError {
			t.Errorf("status %s", resp.Status)
		}
	})
	t.Run("recorder", func(t *testing.T) {
		w := httptest.NewRecorder()
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request())))
		must(t, err)
		var u lazywebsocket.Upgrader
		if _, err := u.Upgrade(w, r, nil); err == nil || w.Code != http.StatusInternalServerError {
			t.Errorf("%d, %v", w.Code, err)
		}
	})
}

// The writer that is registered for panics is the outermost that wants it.
func TestUpgradeRegistersForPanics(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var f func()
		p := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var u lazywebsocket.Upgrader
			_, err := u.Upgrade(wrapper{panicRegistry{wrapper{w}, &f}}, r, nil)
			if err != nil {
				t.Error(err)
			}
		})).Peer()
		p.Request("/")
		p.Response()
		synctest.Wait()
		f()
		p.WantClose(1011)
	})
}

type panicRegistry struct {
	wrapper
	f *func()
}

func (p panicRegistry) OnPanic(f func()) { *p.f = f }

// The server's deadlines end with the handshake; the handshake's own is bounded.
func TestUpgradeClearsDeadlines(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		l := wstest.Network{}.Listen()
		s := &http.Server{
			Handler:     upgradeHandler(&lazywebsocket.Upgrader{HandshakeTimeout: time.Second}),
			ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
		}
		go func() { _ = s.Serve(l) }()
		defer s.Close()
		p := l.DialPeer(t)
		p.Request("/")
		p.Response()
		time.Sleep(time.Hour)
		p.Text("x")
		p.WantText("x")
	})
}

// What takes the connection over may leave it deadlines.
func TestUpgradeClearsDeadlinesOfAHijacker(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		p := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			nc, _, err := http.NewResponseController(w).Hijack()
			must(t, err)
			must(t, nc.SetDeadline(time.Now().Add(-time.Second)))
			var u lazywebsocket.Upgrader
			conn, err := u.Upgrade(hijacked{w, nc}, r, nil)
			must(t, err)
			defer conn.Close()
			echo(conn)
		})).Peer()
		p.Request("/")
		p.Response()
		p.Text("x")
		p.WantText("x")
	})
}

func TestHandshakeTimeout(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: 10 * time.Second, time.Second: time.Second, -1: time.Hour} {
		bubble(t, timeout.String(), func(t *testing.T) {
			done := make(chan error, 1)
			network := wstest.Network{Buffer: 300}
			p := network.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				u := lazywebsocket.Upgrader{HandshakeTimeout: timeout}
				_, err := u.Upgrade(w, r, http.Header{"X-Long": {strings.Repeat("x", 1000)}})
				done <- err
			})).Peer()
			start := time.Now()
			p.Request("/")
			stop := time.AfterFunc(time.Hour, func() { _ = p.Conn.Close() })
			defer stop.Stop()
			err := <-done
			if d := time.Since(start); err == nil || d != want {
				t.Errorf("%v after %v, want %v", err, d, want)
			}
			var op *lazywebsocket.OpError
			if !errors.As(err, &op) || op.Timeout() != (timeout >= 0) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// Handshakes that never end, in time or in size, are net/http's to refuse: with
// its settings they do not reach the Upgrader.
func TestHandshakeIsBoundedByTheServer(t *testing.T) {
	reached := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request was read") })
	bubble(t, "one byte a second", func(t *testing.T) {
		l := wstest.Network{}.Listen()
		s := &http.Server{Handler: reached, ReadHeaderTimeout: 5 * time.Second}
		go func() { _ = s.Serve(l) }()
		defer s.Close()
		p := l.DialPeer(t)
		start := time.Now()
		for _, c := range []byte(request()) {
			if _, err := p.Conn.Write([]byte{c}); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("the server waited for %v", d)
		}
	})
	bubble(t, "enormous", func(t *testing.T) {
		p := wstest.Network{Buffer: -1}.Serve(t, reached).Peer()
		p.WriteBytes([]byte(request("Sec-WebSocket-Extensions: " + strings.Repeat("x,", 1<<20))))
		if resp := p.Response(); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %s", resp.Status)
		}
	})
}

// The deprecated function checks no Origin and writes no answer of its own.
func TestDeprecatedUpgrade(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var errs []error
		s := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := lazywebsocket.Upgrade(w, r, http.Header{"X-A": {"b"}}, 100, 100)
			errs = append(errs, err)
			if err == nil {
				defer conn.Close()
				echo(conn)
			} else {
				w.WriteHeader(http.StatusTeapot)
			}
		}))
		p := s.Peer()
		p.Request("/", "Origin: http://elsewhere.example")
		if resp := p.Response(); resp.Header.Get("X-A") != "b" {
			t.Errorf("header %v", resp.Header)
		}
		p.Text("x")
		p.WantText("x")
		p = s.Peer()
		p.WriteBytes([]byte(request("-Upgrade")))
		if resp := p.Response(); resp.StatusCode != http.StatusTeapot {
			t.Errorf("status %s", resp.Status)
		}
		if len(errs) != 2 || errs[0] != nil || errs[1] == nil {
			t.Errorf("errors %v", errs)
		}
	})
}

// A peer that has gone when the answer is written.
func TestUpgradeOfAVanishedPeer(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		done := make(chan error, 1)
		var p *wstest.Peer
		p = wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			nc, _, err := http.NewResponseController(w).Hijack()
			must(t, err)
			_ = p.Conn.Close()
			_, _ = nc.Write([]byte("x")) // draws the reset
			var u lazywebsocket.Upgrader
			_, err = u.Upgrade(hijacked{w, nc}, r, nil)
			done <- err
		})).Peer()
		p.Request("/")
		err := <-done
		var op *lazywebsocket.OpError
		if !errors.As(err, &op) || op.Op != "upgrade" {
			t.Errorf("error is %v", err)
		}
	})
}

type hijacked struct {
	http.ResponseWriter
	nc net.Conn
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(bufio.NewReader(h.nc), bufio.NewWriter(h.nc)), nil
}

func TestIsWebSocketUpgrade(t *testing.T) {
	for major, want := range []bool{1: false, 2: true, 3: true} {
		r := &http.Request{Method: http.MethodConnect, ProtoMajor: major, Header: http.Header{":protocol": {"websocket"}}}
		if got := lazywebsocket.IsWebSocketUpgrade(r); got != want {
			t.Errorf("HTTP/%d: %v", major, got)
		}
	}
	for want, headers := range map[bool][]http.Header{
		true: {
			{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}},
			{"Connection": {"keep-alive, upgrade"}, "Upgrade": {"WEBSOCKET"}},
			{"Connection": {"keep-alive", "upgrade"}, "Upgrade": {"h2c", "websocket"}},
		},
		false: {
			{},
			{"Connection": {"Upgrade"}},
			{"Upgrade": {"websocket"}},
			{"Connection": {"close"}, "Upgrade": {"websocket"}},
			{"Connection": {"Upgrade"}, "Upgrade": {"websocket2"}},
			{"Connection": {"Upgrade"}, "Upgrade": {"websoc\u212aet"}},
			{"Connection": {"not upgrade"}, "Upgrade": {"websocket"}},
		},
	} {
		for _, h := range headers {
			if got := lazywebsocket.IsWebSocketUpgrade(&http.Request{Header: h}); got != want {
				t.Errorf("%v: %v", h, got)
			}
		}
	}
}

func TestSubprotocols(t *testing.T) {
	for _, tc := range []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"a"}, "a"},
		{[]string{"a,b , c\t"}, "a|b|c"},
		{[]string{"a, b", "c"}, "a|b|c"},
		{[]string{",,a,,"}, "a"},
		{[]string{"a b, e/f, ok, ü, c\x7f"}, "e/f|ok"},
		{[]string{"v1.chat+json!#$%&'*-^_`|~"}, "v1.chat+json!#$%&'*-^_`|~"},
	} {
		got := lazywebsocket.Subprotocols(&http.Request{Header: http.Header{"Sec-Websocket-Protocol": tc.lines}})
		want := strings.Split(tc.want, "|")
		if tc.want == "" {
			want = nil
		}
		if len(tc.lines) == 1 && strings.Contains(tc.lines[0], "`|~") {
			want = []string{tc.want}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q: %q, want %q", tc.lines, got, want)
		}
	}
}

// Reading a list takes time in proportion to its length.
func TestSubprotocolsAreLinear(t *testing.T) {
	line := strings.Repeat("a,", 500_000)
	r := &http.Request{Header: http.Header{"Sec-Websocket-Protocol": {line}, "Connection": {line}, "Upgrade": {line}}}
	if n := len(lazywebsocket.Subprotocols(r)); n != 500_000 {
		t.Errorf("%d subprotocols", n)
	}
	if lazywebsocket.IsWebSocketUpgrade(r) {
		t.Error("that is no upgrade")
	}
}
