package lazywebsocket_test

import (
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"golazy.dev/lazywebsocket"
)

const (
	pongWait  = 60 * time.Millisecond // a minute in a real program
	pingEvery = pongWait * 9 / 10
)

// watch is the keepalive that programs build by hand: each pong moves the read
// deadline on, so that a read fails when they stop coming.
func watch(w http.ResponseWriter, r *http.Request) error {
	var upgrader lazywebsocket.Upgrader
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return err
	}
	defer conn.Close()

	conn.SetPongHandler(func(string) error {
		return conn.SetReadDeadline(time.Now().Add(pongWait))
	})
	if err := conn.SetReadDeadline(time.Now().Add(pongWait)); err != nil {
		return err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		ticker := time.NewTicker(pingEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				_ = conn.WriteControl(lazywebsocket.PingMessage, nil, time.Now().Add(pingEvery))
			case <-done:
				return
			}
		}
	}()
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return err
		}
	}
}

// A keepalive by hand, with a ticker, a pong handler and a read deadline. With
// the field PingInterval of an Upgrader or a Dialer the connection does all of
// it, without a goroutine, and measures RTT.
func ExampleConn_SetPongHandler() {
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ended <- watch(w, r)
	}))
	defer server.Close()

	// This client never reads, and so never answers.
	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	var ne net.Error
	fmt.Println("timeout:", errors.As(<-ended, &ne) && ne.Timeout())
	// Output: timeout: true
}
