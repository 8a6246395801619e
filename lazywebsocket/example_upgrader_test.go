package lazywebsocket_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"golazy.dev/lazywebsocket"
)

var upgrader = lazywebsocket.Upgrader{
	ReadLimit:    64 << 10, // bytes of a message
	PingInterval: 30 * time.Second,
}

// greet is the handler: it owns the connection until it returns.
func greet(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	defer conn.Close()

	_, name, err := conn.ReadMessage()
	if err != nil {
		return
	}
	greeting := fmt.Sprintf("hello, %s", name)
	if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte(greeting)); err != nil {
		log.Print(err)
	}
}

func ExampleUpgrader() {
	server := httptest.NewServer(http.HandlerFunc(greet))
	defer server.Close()

	url := "ws" + strings.TrimPrefix(server.URL, "http")
	conn, _, err := lazywebsocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte("Ada")); err != nil {
		log.Fatal(err)
	}
	_, greeting, err := conn.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", greeting)
	// Output: hello, Ada
}
