package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"golazy.dev/lazywebsocket"
)

// A dial with a deadline, credentials, and limits for what the server may send.
func ExampleDialer() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte(r.Header.Get("Authorization")))
	}))
	defer server.Close()

	dialer := lazywebsocket.Dialer{
		Proxy:        http.ProxyFromEnvironment,
		ReadLimit:    4 << 20,
		PingInterval: time.Minute,
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel() // ends the dial, not the connection

	url := "ws" + strings.TrimPrefix(server.URL, "http")
	conn, _, err := dialer.DialContext(ctx, url, http.Header{"Authorization": {"Bearer token"}})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, data, err := conn.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", data)
	// Output: Bearer token
}

// When the server refuses, its answer comes beside the error.
func ExampleDialer_refused() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the room is full", http.StatusServiceUnavailable)
	}))
	defer server.Close()

	url := "ws" + strings.TrimPrefix(server.URL, "http")
	_, resp, err := lazywebsocket.DefaultDialer.Dial(url, nil)
	if errors.Is(err, lazywebsocket.ErrBadHandshake) {
		body, _ := io.ReadAll(resp.Body)
		fmt.Printf("%s: %s", resp.Status, body)
	}
	// Output: 503 Service Unavailable: the room is full
}
