package proxies_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// Messages pass both ways, small and large, compressed where it was agreed upon.
func TestMessages(t *testing.T) {
	everyProxy(t, func(t *testing.T, kind string) {
		b := startBackend(t)
		p := startProxy(t, kind, []string{b.address()})
		plain := &lazywebsocket.Dialer{ReadLimit: 32 << 20}
		noise := make([]byte, 4<<20)
		_, _ = rand.Read(noise)
		conn := dial(t, plain, p.socket("/echo"))
		wantEcho(t, conn, "hello")
		wantEcho(t, conn, hex.EncodeToString(noise)) // 8 MiB

		deflated := &lazywebsocket.Dialer{EnableCompression: true, ReadLimit: 32 << 20}
		conn, response, err := deflated.Dial(p.socket("/echo"), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if !strings.HasPrefix(response.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
			t.Fatalf("no compression: %v", response.Header)
		}
		before := b.received.Load()
		text := strings.Repeat("the same again, ", 1<<16) // 1 MiB
		wantEcho(t, conn, text)
		if took := b.received.Load() - before; took > int64(len(text)/50) {
			t.Errorf("%d bytes for %d of text that repeats itself", took, len(text))
		}
	})
}

// codes is how many closing handshakes of each kind there are.
const codes = 20

// Close codes and their reasons pass both ways; also from a handler that returns at
// once, and to a proxy that ends a connection as soon as one side has.
func TestCloseCodes(t *testing.T) {
	everyProxy(t, func(t *testing.T, kind string) {
		b := startBackend(t)
		p := startProxy(t, kind, []string{b.address()})
		closeCodes(t, b, kind, func(path string) *lazywebsocket.Conn {
			return dial(t, lazywebsocket.DefaultDialer, p.socket(path))
		})
	})
}

func closeCodes(t *testing.T, b *backend, name string, connect func(path string) *lazywebsocket.Conn) {
	t.Helper()
	for i := range codes {
		id := fmt.Sprintf("%s-%d", name, i)
		conn := connect("/echo?id=" + id)
		wantEcho(t, conn, "hello")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := conn.Shutdown(ctx, 4001, "the client goes"); err != nil {
			t.Errorf("the client's goodbye: %v", err)
		}
		cancel()
		wantClose(t, "the server", <-b.end(id), 4001, "the client goes")

		_, _, err := connect("/close?id=c" + id).ReadMessage()
		wantClose(t, "the client", err, 4002, "the server goes")
		if err := <-b.end("c" + id); err != nil {
			t.Errorf("the server's goodbye: %v", err)
		}

		_, _, err = connect("/leave").ReadMessage()
		wantClose(t, "the client", err, lazywebsocket.CloseNormalClosure, "")
	}
}

func wantClose(t *testing.T, who string, err error, code int, reason string) {
	t.Helper()
	var closed *lazywebsocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Text != reason {
		t.Errorf("%s sees %v, want %d %q", who, err, code, reason)
	}
}

// A server that answers nobody is not what a client waits for.
func TestNoServer(t *testing.T) {
	everyProxy(t, func(t *testing.T, kind string) {
		b := startBackend(t)
		p := startProxy(t, kind, []string{b.address()}, map[string][]string{"caddy": {"lb_try_duration 5s", "lb_try_duration 1s"}}[kind]...)
		conn := dial(t, lazywebsocket.DefaultDialer, p.socket("/echo"))
		wantEcho(t, conn, "hello")
		b.CloseClientConnections()
		b.Listener.Close()
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		var got int
		eventually(t, "refused", func() bool {
			_, response, err := lazywebsocket.DefaultDialer.Dial(p.socket("/echo"), nil)
			if err == nil || response == nil {
				return false
			}
			got = response.StatusCode
			return true
		})
		if got != 502 && got != 503 {
			t.Errorf("answered with %d", got)
		}
	})
}
