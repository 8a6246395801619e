package lazywebsocket_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"golazy.dev/lazyroutes"
	"golazy.dev/lazywebsocket"
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
	frame := []byte{first, 0x80 | byte(min(len(payload), 126))}
	if len(payload) > 125 {
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(payload)))
	}
	frame = append(append(frame, 0, 0, 0, 0), payload...)
	if _, err := s.Write(frame); err != nil {
		s.t.Errorf("send: %v", err)
	}
}

// receive returns the next frame.
func (s h2Socket) receive() (first byte, payload string, err error) {
	var head [2]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return 0, "", err
	}
	n := uint64(head[1])
	switch n {
	case 126:
		var length [2]byte
		_, err = io.ReadFull(s.r, length[:])
		n = uint64(binary.BigEndian.Uint16(length[:]))
	case 127:
		var length [8]byte
		_, err = io.ReadFull(s.r, length[:])
		n = binary.BigEndian.Uint64(length[:])
	}
	b := make([]byte, n)
	if err == nil {
		_, err = io.ReadFull(s.r, b)
	}
	return head[0], string(b), err
}

// want receives a frame that begins so.
func (s h2Socket) want(first byte, payload string) {
	s.t.Helper()
	got, text, err := s.receive()
	if err != nil || got != first || text != payload {
		s.t.Fatalf("%02x %.40q %v, want %02x %.40q", got, text, err, first, payload)
	}
}

// code is the payload of a Close frame.
func code(n int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(n))) }

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
