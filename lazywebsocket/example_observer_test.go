package lazywebsocket_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"golazy.dev/lazywebsocket"
)

// An Observer hears of every handshake and of every connection's end.
func ExampleObserver() {
	ended := make(chan lazywebsocket.ClosedEvent, 1)
	observer := &lazywebsocket.Observer{
		Handshake: func(e lazywebsocket.HandshakeEvent) { fmt.Printf("handshake: %d %q\n", e.Status, e.Refusal) },
		Closed:    func(e lazywebsocket.ClosedEvent) { ended <- e },
		Traffic:   new(lazywebsocket.Traffic), // of all connections, while they are open
	}
	upgrader := lazywebsocket.Upgrader{Observer: observer}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_, _, _ = conn.ReadMessage()
		_, _, _ = conn.ReadMessage()
	}))
	defer server.Close()

	if response, err := http.Get(server.URL); err == nil {
		_ = response.Body.Close()
	}
	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("hello"))
	_ = conn.Close()
	e := <-ended
	fmt.Println("the end:", e.Cause, e.Received, e.Traffic.Received.Messages, "message")
	fmt.Println("in all:", observer.Traffic.Stats().Received.Bytes, "bytes")
	// Output:
	// handshake: 400 "request"
	// handshake: 101 ""
	// the end: peer 1000 1 message
	// in all: 5 bytes
}
