package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// TestRun starts the program on a free port, uses it once, and stops it as a signal does.
func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stdout, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-addr", "localhost:0"}, out) }()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	page := strings.TrimSpace(strings.TrimPrefix(line, "chat: "))
	if !strings.HasPrefix(page, "http://localhost:") {
		t.Fatalf("the program says %q", line)
	}

	for path, want := range map[string]struct {
		status            int
		contentType, part string
	}{
		"/":                     {200, "text/html; charset=utf-8", `data-protocol="chat.v1"`},
		"/assets/chat.css":      {200, "text/css; charset=utf-8", "color-scheme"},
		"/assets/chat.js":       {200, "text/javascript; charset=utf-8", "textContent"},
		"/assets/connection.js": {200, "text/javascript; charset=utf-8", "new WebSocket"},
		"/assets/icon.svg":      {200, "image/svg+xml", "<svg"},
		"/assets/assets.go":     {404, "", ""},
		"/nothing":              {404, "", ""},
		"/chat/socket":          {400, "", ""},
	} {
		response, err := http.Get(page + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != want.status {
			t.Errorf("%s: got %d, want %d", path, response.StatusCode, want.status)
			continue
		}
		if got := response.Header.Get("Content-Type"); want.contentType != "" && got != want.contentType {
			t.Errorf("%s: got the type %q, want %q", path, got, want.contentType)
		}
		if !strings.Contains(string(body), want.part) {
			t.Errorf("%s: no %q in\n%s", path, want.part, body)
		}
	}

	conn, response, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(page, "http")+"/chat/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, payload, err := conn.ReadMessage(); err != nil || string(payload) != "hello" {
		t.Fatalf("read %q, %v; want hello", payload, err)
	}

	stop()
	if _, _, err := conn.ReadMessage(); !lazywebsocket.IsCloseError(err, lazywebsocket.CloseGoingAway) {
		t.Errorf("read %v, want the close code 1001", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the program ended with %v", err)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"-no-such-flag"},
		{"-addr", "localhost:0", "-tls-cert", "cert.pem"},
		{"-addr", "nowhere"},
		{"-addr", "localhost:0", "-tls-cert", "missing.pem", "-tls-key", "missing.pem"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := run(ctx, args, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
		cancel()
	}
}
