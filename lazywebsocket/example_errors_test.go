package lazywebsocket_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"golazy.dev/lazywebsocket"
)

// Browsers that leave a page say 1001. What else ends a connection is worth a
// line in the log.
func ExampleIsUnexpectedCloseError() {
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
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
	conn.NetConn().Close() // gone without a word

	err = <-ended
	if lazywebsocket.IsUnexpectedCloseError(err, lazywebsocket.CloseNormalClosure, lazywebsocket.CloseGoingAway) {
		fmt.Println(err)
	}
	// Output: websocket: close 1006 (abnormal closure): unexpected EOF
}

// A CloseError is the peer's goodbye: a code, and a reason if it gave one.
func ExampleCloseError() {
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_, _, err = conn.ReadMessage()
		ended <- fmt.Errorf("read the socket: %w", err)
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	goodbye := lazywebsocket.FormatCloseMessage(4001, "signed out")
	if err := conn.WriteMessage(lazywebsocket.CloseMessage, goodbye); err != nil {
		log.Fatal(err)
	}

	var closed *lazywebsocket.CloseError
	if errors.As(<-ended, &closed) {
		fmt.Println(closed.Code, closed.Text)
	}
	// Output: 4001 signed out
}

// A ProtocolError is a peer that broke the rules, here with text that is not
// UTF-8. The peer reads the same code as a CloseError.
func ExampleProtocolError() {
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
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
	if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte("caf\xe9")); err != nil {
		log.Fatal(err)
	}

	var broken *lazywebsocket.ProtocolError
	if errors.As(<-ended, &broken) {
		fmt.Println("the server found:", broken.Code)
	}
	_, _, err = conn.ReadMessage()
	fmt.Println("the client was told:", lazywebsocket.IsCloseError(err, lazywebsocket.CloseInvalidFramePayloadData))
	// Output:
	// the server found: 1007
	// the client was told: true
}
