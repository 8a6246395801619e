package http3_test

import (
	"bufio"
	"net/http"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"golazy.dev/lazywebsocket/internal/frametest"
)

// socket is a client's WebSocket on a stream: frames as they are.
type socket struct {
	*http3.RequestStream
	t testing.TB
	r *bufio.Reader
}

// socket opens a WebSocket, which the server accepts.
func (c *client) socket(path string) socket {
	c.t.Helper()
	stream, resp, err := c.do(request(path, nil))
	must(c.t, err)
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %s", path, resp.Status)
	}
	return socket{stream, c.t, bufio.NewReader(stream)}
}

// frame returns a masked one: first is the byte with FIN and the opcode.
func frame(first byte, payload string) []byte { return frametest.Masked(first, payload) }

// send sends a frame.
func (s socket) send(first byte, payload string) {
	s.t.Helper()
	if _, err := s.Write(frame(first, payload)); err != nil {
		s.t.Errorf("send: %v", err)
	}
}

// receive returns the next frame.
func (s socket) receive() (first byte, payload string, err error) { return frametest.Read(s.r) }

// want receives a frame that begins so.
func (s socket) want(first byte, payload string) {
	s.t.Helper()
	got, text, err := s.receive()
	if err != nil || got != first || text != payload {
		s.t.Fatalf("%02x %.40q %v, want %02x %.40q", got, text, err, first, payload)
	}
}

// wantEnd waits for the end of the stream, which must be an orderly one.
func (s socket) wantEnd() {
	s.t.Helper()
	wantEnd(s.t, s.r)
}

// goodbye sends a Close frame, and with end the end of the stream behind it.
func (s socket) goodbye(n int, end bool) {
	s.t.Helper()
	s.send(0x88, code(n))
	if end {
		must(s.t, s.Close())
	}
}

// code is the payload of a Close frame.
func code(n int) string { return frametest.Code(n) }
