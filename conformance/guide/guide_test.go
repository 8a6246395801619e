package guide

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// TestEcho runs the guide's first blocks as they stand.
func TestEcho(t *testing.T) {
	app := start(t, block(t, "socket.go.txt"))

	t.Run("text comes back", func(t *testing.T) {
		conn, _ := app.dial(t, nil)
		for _, text := range []string{"hello", "", "grüß dich 🦊", strings.Repeat("long ", 20_000)} {
			send(t, conn, lazywebsocket.TextMessage, text)
			wantMessage(t, conn, text)
		}
	})

	t.Run("binary is ignored", func(t *testing.T) {
		conn, _ := app.dial(t, nil)
		send(t, conn, lazywebsocket.BinaryMessage, "not text")
		send(t, conn, lazywebsocket.TextMessage, "text")
		wantMessage(t, conn, "text")
	})

	t.Run("close is answered", func(t *testing.T) {
		conn, _ := app.dial(t, nil)
		send(t, conn, lazywebsocket.CloseMessage,
			string(lazywebsocket.FormatCloseMessage(lazywebsocket.CloseGoingAway, "bye")))
		_, _, err := conn.ReadMessage()
		var closed *lazywebsocket.CloseError
		if !errors.As(err, &closed) || closed.Code != lazywebsocket.CloseGoingAway {
			t.Errorf("got %v, want the close code 1001 back", err)
		}
	})

	t.Run("no upgrade", func(t *testing.T) {
		status, body := get(t, app, http.MethodGet, nil)
		if status != http.StatusBadRequest || strings.Contains(body, "websocket upgrade required") {
			t.Errorf("got %d with %q, want 400 without the error's text", status, body)
		}
	})

	t.Run("half an upgrade", func(t *testing.T) {
		// The handler takes it for an upgrade, the upgrader does not, and the handler's nil adds nothing to its answer.
		status, body := get(t, app, http.MethodGet, http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		})
		if status != http.StatusBadRequest || strings.Count(body, "\n") > 1 {
			t.Errorf("got %d with %q, want 400 and one line", status, body)
		}
	})

	t.Run("other methods and paths", func(t *testing.T) {
		if status, _ := get(t, app, http.MethodPost, nil); status != http.StatusMethodNotAllowed {
			t.Errorf("POST: got %d, want 405", status)
		}
		response, err := http.Get("http://" + app.addr + "/chat")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("another path: got %d, want 404", response.StatusCode)
		}
	})
}

// TestDefaultOrigin holds the guide to "the origin host must match the request host".
func TestDefaultOrigin(t *testing.T) {
	app := start(t, block(t, "socket.go.txt"))
	host, port, _ := strings.Cut(app.addr, ":")
	for _, test := range []struct {
		name   string
		header http.Header
		want   int
	}{
		{"no Origin", nil, http.StatusSwitchingProtocols},
		{"same", origin("http://" + app.addr), http.StatusSwitchingProtocols},
		{"same, over https", origin("https://" + app.addr), http.StatusSwitchingProtocols},
		{"foreign", origin("https://evil.example"), http.StatusForbidden},
		{"another port", origin("http://" + host + ":1" + port), http.StatusForbidden},
		{"no port", origin("http://" + host), http.StatusForbidden},
		{"a sandbox", origin("null"), http.StatusForbidden},
		{"the host as a prefix", origin("http://" + app.addr + ".evil.example"), http.StatusForbidden},
		{"the host as a user", origin("http://" + app.addr + "@evil.example"), http.StatusForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, status := app.dial(t, test.header)
			if status != test.want {
				t.Fatalf("got %d, want %d", status, test.want)
			}
			if conn != nil {
				send(t, conn, lazywebsocket.TextMessage, "hello")
				wantMessage(t, conn, "hello")
			}
		})
	}
}

// TestAdminOrigin puts the guide's CheckOrigin block where its first upgrader stood.
func TestAdminOrigin(t *testing.T) {
	app := start(t, replace(t, block(t, "socket.go.txt"),
		"var chatUpgrader = lazywebsocket.Upgrader{\n    ReadBufferSize:  1024,\n    WriteBufferSize: 1024,\n}\n",
		block(t, "origin.go.txt")))
	for _, test := range []struct {
		name   string
		header http.Header
		want   int
	}{
		{"admin", origin("https://admin.example.com"), http.StatusSwitchingProtocols},
		{"admin without TLS", origin("http://admin.example.com"), http.StatusForbidden},
		{"same host", origin("http://" + app.addr), http.StatusForbidden},
		{"foreign", origin("https://evil.example"), http.StatusForbidden},
		{"no Origin", nil, http.StatusForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, status := app.dial(t, test.header); status != test.want {
				t.Errorf("got %d, want %d", status, test.want)
			}
		})
	}
}

// TestUnexpectedClose puts the guide's last block in front of the loop's return, and reads the application's log.
func TestUnexpectedClose(t *testing.T) {
	const read = "        messageType, payload, err := conn.ReadMessage()\n"
	app := start(t, replace(t, block(t, "socket.go.txt"), read, read+block(t, "close.go.txt")))
	for _, code := range []int{lazywebsocket.CloseNormalClosure, lazywebsocket.CloseGoingAway, 4321} {
		conn, _ := app.dial(t, nil)
		send(t, conn, lazywebsocket.CloseMessage, string(lazywebsocket.FormatCloseMessage(code, "")))
		if _, _, err := conn.ReadMessage(); !lazywebsocket.IsCloseError(err, code) {
			t.Fatalf("got %v, want the close code %d back", err, code)
		}
	}
	timeout := time.After(patience)
	for {
		var unexpected []string
		for _, line := range app.lines() {
			if strings.Contains(line, "read chat socket") {
				unexpected = append(unexpected, line)
			}
		}
		if len(unexpected) == 1 && strings.Contains(unexpected[0], "4321") {
			return
		}
		if len(unexpected) > 0 {
			t.Fatalf("logged %q, want one line, about 4321", unexpected)
		}
		select {
		case <-app.more:
		case <-timeout:
			t.Fatal("nothing logged about an unexpected close")
		}
	}
}

// replace replaces what must stand in text exactly once.
func replace(t *testing.T, text, before, after string) string {
	t.Helper()
	if n := strings.Count(text, before); n != 1 {
		t.Fatalf("found %d times in the guide's block:\n%s", n, before)
	}
	return strings.Replace(text, before, after, 1)
}

// get sends a request that is no whole upgrade.
func get(t *testing.T, app *app, method string, header http.Header) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+app.addr+"/chat/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
