package lazywebsocket_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"golazy.dev/lazywebsocket"
)

// shouter answers in capitals. One value can serve any number of connections.
type shouter struct{ ends chan error }

func (shouter) ServeMessage(conn *lazywebsocket.Conn, messageType int, data []byte) error {
	return conn.WriteMessage(messageType, []byte(strings.ToUpper(string(data))))
}

func (s shouter) ServeClosed(_ *lazywebsocket.Conn, err error) { s.ends <- err }

// A Poller serves connections that wait for most of their lives, without a
// goroutine for each.
func ExamplePoller() {
	var upgrader lazywebsocket.Upgrader
	var poller lazywebsocket.Poller
	handler := shouter{make(chan error, 1)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		// Without a deferred Close: the connection outlives the handler.
		if err := poller.Serve(conn, handler); err != nil {
			_ = conn.Close()
		}
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("hello"))
	_, data, _ := conn.ReadMessage()
	fmt.Println(string(data))
	_ = conn.Close()
	fmt.Println(<-handler.ends)
	_ = poller.Close()
	// Output:
	// HELLO
	// websocket: close 1000 (normal)
}
