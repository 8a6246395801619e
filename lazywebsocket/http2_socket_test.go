package lazywebsocket_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"golazy.dev/lazyroutes"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/internal/frametest"
)

// h2Socket is a client's WebSocket on a stream.
type h2Socket struct {
	*h2Stream
	t testing.TB
	r *bufio.Reader
}

// socket opens a WebSocket, which the server accepts.
func (c *h2Client) socket(t testing.TB, path string, fields ...string) h2Socket {
	t.Helper()
	s := c.dial(path, fields...)
	if status := s.response(); status != http.StatusOK {
		t.Fatalf("%s: status %d", path, status)
	}
	return h2Socket{s, t, bufio.NewReader(s)}
}

// send sends a frame: first is the byte with FIN and the opcode.
func (s h2Socket) send(first byte, payload string) {
	s.t.Helper()
	if _, err := s.Write(frametest.Masked(first, payload)); err != nil {
		s.t.Errorf("send: %v", err)
	}
}

// receive returns the next frame.
func (s h2Socket) receive() (first byte, payload string, err error) { return frametest.Read(s.r) }

// want receives a frame that begins so.
func (s h2Socket) want(first byte, payload string) {
	s.t.Helper()
	got, text, err := s.receive()
	if err != nil || got != first || text != payload {
		s.t.Fatalf("%02x %.40q %v, want %02x %.40q", got, text, err, first, payload)
	}
}

// code is the payload of a Close frame.
func code(n int) string { return frametest.Code(n) }

// wantEnd waits for the end of the stream, which must be an orderly one.
func (s h2Socket) wantEnd() {
	s.t.Helper()
	if b, err := io.ReadAll(s.r); err != nil || len(b) > 0 {
		s.t.Errorf("the stream's end: %d bytes, %v", len(b), err)
	}
}

// goodbye sends a Close frame, and in the same DATA frame the end of the stream, as
// Chromium does.
func (s h2Socket) goodbye(n int, end bool) {
	var flags byte
	if end {
		flags = h2EndStream
	}
	s.c.frame(h2Data, flags, s.id, []byte{0x88, 0x82, 0, 0, 0, 0, byte(n >> 8), byte(n)})
}

// mu calls f with the client's mutex.
func (s h2Socket) mu(f func()) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	f()
}

// guide is the guide's handler.
func guide(w http.ResponseWriter, r *http.Request) error {
	if !lazywebsocket.IsWebSocketUpgrade(r) {
		return errors.New("this is a WebSocket endpoint")
	}
	conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return nil // it has answered
	}
	defer conn.Close()
	for {
		messageType, data, err := conn.ReadMessage()
		if err != nil {
			return nil
		}
		if string(data) == "leave" {
			return nil
		}
		if err := conn.WriteMessage(messageType, data); err != nil {
			return err
		}
	}
}

// plain makes a handler of an action, without a router.
func plain(action func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = action(w, r) })
}

// routed makes a handler of an action that is drawn for GET.
func routed(action func(http.ResponseWriter, *http.Request) error) http.Handler {
	router := lazyroutes.New(lazyroutes.WithLogger(context.Background(), slog.New(slog.DiscardHandler)))
	router.HandleFunc(http.MethodGet, "/ws", action)
	return router
}
