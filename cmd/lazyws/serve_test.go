package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

var noDeadline time.Time

func TestServe(t *testing.T) {
	p := start(t, "serve", "-addr", "127.0.0.1:0", "-compress")
	d := lazywebsocket.Dialer{Subprotocols: []string{"any"}, EnableCompression: true}
	conn, _, err := d.DialContext(t.Context(), p.url+"/some/path", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.Subprotocol() != "any" {
		t.Errorf("subprotocol %q", conn.Subprotocol())
	}
	for _, text := range []string{"hello", "", strings.Repeat("long ", 10000)} {
		if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if kind, data, err := conn.ReadMessage(); err != nil || kind != lazywebsocket.TextMessage || string(data) != text {
			t.Fatalf("%d, %.20q, %v", kind, data, err)
		}
	}
	if _, response, err := d.DialContext(t.Context(), p.url, http.Header{"Origin": {"https://evil.example"}}); err == nil || response == nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another origin: %v", err)
	}
	page := *p
	page.url = "http" + strings.TrimPrefix(p.url, "ws")
	if status, text, _ := page.request(http.MethodGet, "/", ""); status != http.StatusOK || !strings.Contains(text, "new WebSocket") {
		t.Errorf("%d, %q", status, text)
	}
	p.signal(syscall.SIGTERM)
	if _, _, err := conn.ReadMessage(); !lazywebsocket.IsCloseError(err, lazywebsocket.CloseGoingAway) {
		t.Errorf("the end: %v", err)
	}
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestServeAnyOrigin(t *testing.T) {
	p := start(t, "serve", "-addr", "127.0.0.1:0", "-any-origin")
	conn, _, err := lazywebsocket.DefaultDialer.DialContext(t.Context(), p.url, http.Header{"Origin": {"https://evil.example"}})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
