package lazywebsocket_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"golazy.dev/lazywebsocket"
)

// Pages of other sites that may connect are listed whole: scheme, host and
// port. Without CheckOrigin only pages of the request's own host may.
func ExampleUpgrader_checkOrigin() {
	welcome := []string{"https://app.example.com", "https://admin.example.com"}
	upgrader := lazywebsocket.Upgrader{
		CheckOrigin: func(r *http.Request) bool {
			origin := r.Header.Get("Origin")
			return origin == "" || slices.Contains(welcome, origin) // no Origin: not a browser
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // answered with 403
		}
		defer conn.Close()
	}))
	defer server.Close()

	url := "ws" + strings.TrimPrefix(server.URL, "http")
	for _, origin := range []string{"https://admin.example.com", "https://evil.example"} {
		conn, resp, err := lazywebsocket.DefaultDialer.Dial(url, http.Header{"Origin": {origin}})
		if err == nil {
			conn.Close()
		}
		fmt.Println(origin, resp.StatusCode)
	}
	// Output:
	// https://admin.example.com 101
	// https://evil.example 403
}

// Of the subprotocols that both sides know, the server's favourite is chosen.
func ExampleUpgrader_subprotocols() {
	upgrader := lazywebsocket.Upgrader{Subprotocols: []string{"chat.v2", "chat.v1"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		if conn.Subprotocol() == "" {
			return // the client knows none of ours
		}
	}))
	defer server.Close()

	dialer := lazywebsocket.Dialer{Subprotocols: []string{"chat.v1", "chat.v2"}}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println(conn.Subprotocol())
	// Output: chat.v2
}

// The keepalive ends connections whose peer has gone without a word: here a
// client that never reads, and so never answers a ping.
func ExampleUpgrader_pingInterval() {
	upgrader := lazywebsocket.Upgrader{
		PingInterval: 20 * time.Millisecond, // half a minute in a real program
		PongTimeout:  20 * time.Millisecond,
	}
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_, _, err = conn.ReadMessage()
		ended <- err
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println(<-ended)
	// Output: lazywebsocket: read: no sign of life after a ping: i/o timeout
}
