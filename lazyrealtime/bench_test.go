package lazyrealtime_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazywebsocket"
)

// BenchmarkReplay is a client that comes back to a topic of 100 messages: what it
// costs both ends, over loopback, per message.
func BenchmarkReplay(b *testing.B) {
	hub, err := lazyrealtime.Open(b.Context(), lazyrealtime.Config{
		Log: memory.Open(), Public: true, Drain: -1, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer hub.Shutdown(context.Background())
	const messages = 100
	for i := range messages {
		if _, err := hub.Publish(b.Context(), "room", fmt.Appendf(nil, `{"n":%d,"pad":%q}`, i, strings.Repeat("x", 64))); err != nil {
			b.Fatal(err)
		}
	}
	server := httptest.NewServer(hub)
	defer server.Close()
	d := lazywebsocket.Dialer{Subprotocols: []string{extended}}
	conn, _, err := d.DialContext(b.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	id := quoted(`{"channel":"$pubsub","stream_name":"room"}`)
	subscribe := []byte(`{"command":"subscribe","identifier":` + id + `,"history":{"streams":{"room":{"epoch":"","offset":0}}}}`)
	unsubscribe := []byte(`{"command":"unsubscribe","identifier":` + id + `}`)
	var buf []byte
	b.ReportAllocs()
	for range b.N {
		must(b, conn.WriteMessage(lazywebsocket.TextMessage, subscribe))
		for {
			_, data, err := conn.AppendMessage(buf[:0])
			must(b, err)
			if buf = data; bytes.Contains(data, []byte("confirm_history")) {
				break
			}
		}
		must(b, conn.WriteMessage(lazywebsocket.TextMessage, unsubscribe))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/messages, "ns/message")
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
