//go:build !race

package lazywebsocket_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"golazy.dev/lazywebsocket"
)

// browserRequest is a handshake like a browser's.
func browserRequest() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://server.example/", nil)
	r.Header = http.Header{
		"Connection":               {"keep-alive, Upgrade"},
		"Upgrade":                  {"websocket"},
		"Origin":                   {"http://server.example"},
		"Sec-Websocket-Version":    {"13"},
		"Sec-Websocket-Key":        {goodKey},
		"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"},
	}
	return r
}

// socketWriter returns a response writer that hands a socket over, as often as it
// is asked to. What is written to it is dropped.
func socketWriter(t testing.TB) http.ResponseWriter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	go func() { _, _ = io.Copy(io.Discard, peer) }()
	nc, err := l.Accept()
	must(t, err)
	t.Cleanup(func() { _, _ = nc.Close(), peer.Close() })
	return handedOver{nc: nc, rw: bufio.NewReadWriter(bufio.NewReader(nc), bufio.NewWriter(nc))}
}

type handedOver struct {
	http.ResponseWriter
	nc net.Conn
	rw *bufio.ReadWriter
}

func (h handedOver) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.nc, h.rw, nil }

// An upgrade allocates the connection, and for its socket the RawConn, the reader,
// and the function that this reads with.
func TestUpgradeAllocates(t *testing.T) {
	const budget = 4
	w, r := socketWriter(t), browserRequest()
	var u lazywebsocket.Upgrader
	n := testing.AllocsPerRun(200, func() {
		if _, err := u.Upgrade(w, r, nil); err != nil {
			t.Fatal(err)
		}
	})
	if n > budget {
		t.Errorf("an upgrade allocates %v times, want at most %d", n, budget)
	}
}

// BenchmarkUpgrade is Upgrade alone: without net/http, with the answer's write.
func BenchmarkUpgrade(b *testing.B) {
	w, r := socketWriter(b), browserRequest()
	var u lazywebsocket.Upgrader
	b.ReportAllocs()
	for b.Loop() {
		if _, err := u.Upgrade(w, r, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandshake is a whole visit: connect, upgrade through net/http, both
// Close frames, the end. It has the client's part in it, on plain sockets.
func BenchmarkHandshake(b *testing.B) {
	var u lazywebsocket.Upgrader
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		_, _, _ = conn.ReadMessage() // the peer's Close frame
	}))
	defer s.Close()
	hello := []byte(request())
	answer := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		nc, err := net.Dial("tcp", s.Listener.Addr().String())
		must(b, err)
		_, _ = nc.Write(hello)
		_, _ = nc.Read(answer)
		_, _ = nc.Write([]byte("\x88\x82\x00\x00\x00\x00\x03\xe8"))
		rest, err := io.ReadAll(nc)
		if string(rest) != "\x88\x02\x03\xe8" || err != nil {
			b.Fatalf("% x, %v", rest, err)
		}
		_ = nc.Close()
	}
}
