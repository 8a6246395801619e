package lazywebsocket_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"golazy.dev/lazywebsocket"
)

// A server that echoes what it gets, and a client that sends it something.
func Example() {
	var upgrader lazywebsocket.Upgrader
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // Upgrade has answered
		}
		defer conn.Close()
		for {
			messageType, data, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if err := conn.WriteMessage(messageType, data); err != nil {
				return
			}
		}
	}))
	defer server.Close()

	url := "ws" + strings.TrimPrefix(server.URL, "http")
	conn, _, err := lazywebsocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	_, data, err := conn.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", data)
	// Output: hello
}

// One address serves a page to browsers that ask for one, and upgrades the rest.
func ExampleIsWebSocketUpgrade() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if !lazywebsocket.IsWebSocketUpgrade(r) {
			fmt.Fprint(w, "the page")
			return
		}
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
	}

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := httptest.NewRecorder()
	handler(w, r)
	fmt.Println(w.Body)
	// Output: the page
}

func ExampleSubprotocols() {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Sec-WebSocket-Protocol", "chat.v2, chat.v1")
	fmt.Println(lazywebsocket.Subprotocols(r))
	// Output: [chat.v2 chat.v1]
}
