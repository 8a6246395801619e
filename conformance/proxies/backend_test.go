package proxies_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/http2"
)

// backend is a server of the library.
type backend struct {
	*httptest.Server
	received atomic.Int64 // bytes from its clients, all of them

	mu    sync.Mutex
	ended map[string]chan error // by the request's id
}

// saw is the first message of /seen: the request, as the server had it.
type saw struct {
	Method, Proto, Host, RemoteAddr string
	Header                          http.Header
}

// startBackend starts a server that speaks HTTP/1.1, and HTTP/2 where a client
// begins with it (h2c).
func startBackend(t testing.TB) *backend {
	b := &backend{ended: make(map[string]chan error)}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/echo", b.serve(echo))
	mux.HandleFunc("/seen", b.serve(seen))
	mux.HandleFunc("/close", b.serve(closes))
	mux.HandleFunc("/leave", b.serve(leaves))
	mux.HandleFunc("/talk", b.serve(talk))
	b.Server = httptest.NewUnstartedServer(mux)
	b.Config.HTTP2 = http2.Config()
	b.Config.Protocols = new(http.Protocols)
	b.Config.Protocols.SetHTTP1(true)
	b.Config.Protocols.SetUnencryptedHTTP2(true)
	b.Listener = &counter{b.Listener, &b.received}
	b.Start()
	t.Cleanup(b.Close)
	return b
}

// address is its host and port.
func (b *backend) address() string { return b.Listener.Addr().String() }

// end is where the error arrives that a connection with this id ended with.
func (b *backend) end(id string) chan error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended[id] == nil {
		b.ended[id] = make(chan error, 1)
	}
	return b.ended[id]
}

// serve upgrades a request, with pings if its URL asks for them: ?ping=1s.
func (b *backend) serve(handle func(*lazywebsocket.Conn, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		u := lazywebsocket.Upgrader{Subprotocols: []string{"echo"}, EnableCompression: true, ReadLimit: 32 << 20}
		u.PingInterval, _ = time.ParseDuration(q.Get("ping"))
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		err = handle(conn, r)
		if id := q.Get("id"); id != "" {
			b.end(id) <- err
		}
	}
}

// echo sends back what comes.
func echo(conn *lazywebsocket.Conn, _ *http.Request) error {
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		if err := conn.WriteMessage(kind, data); err != nil {
			return err
		}
	}
}

// seen tells the client what the server saw of its request.
func seen(conn *lazywebsocket.Conn, r *http.Request) error {
	if err := conn.WriteJSON(saw{r.Method, r.Proto, r.Host, r.RemoteAddr, r.Header}); err != nil {
		return err
	}
	return echo(conn, r)
}

// closes says goodbye with a code of its own, and waits for the answer.
func closes(conn *lazywebsocket.Conn, _ *http.Request) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return conn.Shutdown(ctx, 4002, "the server goes")
}

// leaves returns at once: the deferred Close says goodbye.
func leaves(*lazywebsocket.Conn, *http.Request) error { return nil }

// talk sends something four times a second and wants nothing.
func talk(conn *lazywebsocket.Conn, _ *http.Request) error {
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	for range tick.C {
		if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte("still here")); err != nil {
			return err
		}
	}
	return nil
}

// counter counts what is read from all connections of a listener.
type counter struct {
	net.Listener
	n *atomic.Int64
}

func (l *counter) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &counted{nc, l.n}, nil
}

type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// dial opens a WebSocket, and ends it with the test.
func dial(t testing.TB, d *lazywebsocket.Dialer, url string, header ...string) *lazywebsocket.Conn {
	t.Helper()
	conn, response, err := d.Dial(url, fields(header))
	if err != nil {
		t.Fatalf("%s: %v %v", url, err, response)
	}
	t.Cleanup(func() { _ = conn.NetConn().Close() })
	return conn
}

// fields makes a header of names and values in turns.
func fields(pairs []string) http.Header {
	header := make(http.Header)
	for i := 0; i < len(pairs); i += 2 {
		header.Add(pairs[i], pairs[i+1])
	}
	return header
}

// wantEcho sends a message and wants it back.
func wantEcho(t testing.TB, conn *lazywebsocket.Conn, text string) {
	t.Helper()
	if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if _, data, err := conn.ReadMessage(); err != nil || string(data) != text {
		t.Fatalf("%d bytes came back, and %v, want the %d bytes that were sent", len(data), err, len(text))
	}
}

// label makes a name that may stand in a URL.
func label(parts ...string) string { return strings.Join(parts, "-") }
