package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// serveSocket serves one connection with a function, and returns the URL.
func serveSocket(t *testing.T, serve func(r *http.Request, conn *lazywebsocket.Conn)) string {
	t.Helper()
	upgrader := lazywebsocket.Upgrader{Subprotocols: []string{"b"}, CheckOrigin: func(*http.Request) bool { return true }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		serve(r, conn)
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

// connect runs lazyws connect until it ends.
func connect(t *testing.T, ctx context.Context, in io.Reader, args ...string) (code int, out, err string) { //nolint:revive // testing's own order
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{in: in, out: &stdout, err: &stderr, getenv: func(string) string { return "" }}
	code = p.main(ctx, append([]string{"connect"}, args...))
	return code, stdout.String(), stderr.String()
}

// Lines are sent, messages printed, pings and the end told.
func TestConnect(t *testing.T) {
	url := serveSocket(t, func(r *http.Request, conn *lazywebsocket.Conn) {
		for range 2 {
			_, text, err := conn.ReadMessage()
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.WriteMessage(lazywebsocket.TextMessage, append([]byte(r.Header.Get("Cookie")+" "), text...))
		}
		pong := make(chan string, 1)
		conn.SetPongHandler(func(data string) error {
			pong <- data
			return nil
		})
		_ = conn.WriteControl(lazywebsocket.PingMessage, []byte("there?"), noDeadline)
		go func() { _, _, _ = conn.ReadMessage() }() // which gets the pong
		select {
		case data := <-pong:
			if data != "there?" {
				t.Errorf("pong %q", data)
			}
		case <-time.After(patience):
			t.Error("the ping was not answered")
		}
		_ = conn.WriteMessage(lazywebsocket.BinaryMessage, []byte{1, 255})
		_ = conn.Shutdown(t.Context(), lazywebsocket.CloseGoingAway, "bye")
	})
	code, out, err := connect(t, t.Context(), strings.NewReader("one\r\ntwo"),
		"-wait", "-1s", "-H", "Cookie: a=b", "-subprotocol", "a", "-subprotocol", "b", url)
	if code != exitOK || out != "a=b one\na=b two\n0x01ff\n" {
		t.Errorf("code %d, output %q", code, out)
	}
	for _, line := range []string{`* connected to ` + url + `, subprotocol "b"`, "* ping there?", "* closed by the server: 1001 bye"} {
		if !strings.Contains(err, line+"\n") {
			t.Errorf("no line %q in %q", line, err)
		}
	}
}

// The end of the input closes the connection, and so does a signal.
func TestConnectEnd(t *testing.T) {
	closed := make(chan error, 1)
	url := serveSocket(t, func(_ *http.Request, conn *lazywebsocket.Conn) {
		_, _, err := conn.ReadMessage()
		closed <- err
	})
	code, out, text := connect(t, t.Context(), strings.NewReader(""), "-wait", "0", url)
	if err := <-closed; code != exitOK || out != "" || !lazywebsocket.IsCloseError(err, lazywebsocket.CloseNormalClosure) {
		t.Errorf("code %d, output %q, %q, the server got %v", code, out, text, err)
	}

	ctx, interrupt := context.WithCancel(t.Context())
	in, typed := io.Pipe()
	defer typed.Close()
	go func() {
		_, _ = io.WriteString(typed, "x\n") // the server has it once it is read
		interrupt()
	}()
	code, _, text = connect(t, ctx, in, serveSocket(t, func(_ *http.Request, conn *lazywebsocket.Conn) {
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				closed <- err
				return
			}
		}
	}))
	if err := <-closed; code != exitOK || !lazywebsocket.IsCloseError(err, lazywebsocket.CloseNormalClosure) {
		t.Errorf("interrupted: code %d, %q, the server got %v", code, text, err)
	}
}

// A server that closes for a fault of ours, or dies, is an error.
func TestConnectFault(t *testing.T) {
	for want, serve := range map[string]func(conn *lazywebsocket.Conn){
		"1008": func(conn *lazywebsocket.Conn) {
			_ = conn.Shutdown(t.Context(), lazywebsocket.ClosePolicyViolation, "go\x1b[2Jaway")
		},
		"1006": func(conn *lazywebsocket.Conn) { _ = conn.NetConn().Close() },
	} {
		in, typed := io.Pipe()
		defer typed.Close()
		code, _, err := connect(t, t.Context(), in, serveSocket(t, func(_ *http.Request, conn *lazywebsocket.Conn) { serve(conn) }))
		if code != exitError || !strings.Contains(err, want) || strings.Contains(err, "\x1b") {
			t.Errorf("code %d, %q, want %s", code, err, want)
		}
	}
}

// What the server answers instead is told.
func TestConnectRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/there", http.StatusFound)
			return
		}
		http.Error(w, "not you, "+r.Header.Get("Origin"), http.StatusForbidden)
	}))
	defer server.Close()
	code, _, err := connect(t, t.Context(), strings.NewReader(""), "-origin", "https://a.example", server.URL)
	if code != exitError || !strings.Contains(err, "403 Forbidden: not you, https://a.example") {
		t.Errorf("code %d, %q", code, err)
	}
	code, _, err = connect(t, t.Context(), strings.NewReader(""), server.URL+"/moved")
	if code != exitError || !strings.Contains(err, "302 Found to /there") {
		t.Errorf("code %d, %q", code, err)
	}
	server.Close()
	if code, _, err = connect(t, t.Context(), strings.NewReader(""), server.URL); code != exitError || err == "" {
		t.Errorf("nobody there: code %d, %q", code, err)
	}
}

func TestConnectQuiet(t *testing.T) {
	url := serveSocket(t, func(_ *http.Request, conn *lazywebsocket.Conn) {
		_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("hi"))
		_ = conn.Shutdown(t.Context(), lazywebsocket.CloseNormalClosure, "")
	})
	if code, out, err := connect(t, t.Context(), strings.NewReader(""), "-quiet", "-wait", "-1s", url); code != exitOK || out != "hi\n" || err != "" {
		t.Errorf("code %d, %q, %q", code, out, err)
	}
}

// A terminal obeys what it is sent: it gets nothing that it would.
func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"hello, wörld\tx": "hello, wörld\tx",
		"a\x1b[2Jb":       `"a\x1b[2Jb"`,
		"a\nb":            `"a\nb"`,
		"a\u009bb":        `"a\u009bb"`,
		"a\xffb":          `"a\xffb"`,
	} {
		if got := plain(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	var out bytes.Buffer
	screen := &terminal{p: &program{out: &out}, quoted: true}
	if err := screen.print(lazywebsocket.TextMessage, []byte("a\x1b[2Jb")); err != nil || out.String() != `"a\x1b[2Jb"`+"\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if isTerminal(new(bytes.Buffer)) {
		t.Error("a buffer is a terminal")
	}
	f, err := os.Create(t.TempDir() + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if isTerminal(f) {
		t.Error("a file is a terminal")
	}
}
