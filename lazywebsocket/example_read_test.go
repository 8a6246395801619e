package lazywebsocket_test

import (
	"bufio"
	"context"
	"crypto/sha256"
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

// A loop that reads every message into the same memory.
func ExampleConn_AppendMessage() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		var messageType int
		var data []byte // grows to the largest message and is used for each
		for {
			messageType, data, err = conn.AppendMessage(data[:0])
			if err != nil {
				return
			}
			if err := conn.WriteMessage(messageType, data); err != nil {
				return
			}
		}
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	for _, message := range []string{"one", "two"} {
		if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte(message)); err != nil {
			log.Fatal(err)
		}
		_, data, err := conn.ReadMessage()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", data)
	}
	// Output:
	// one
	// two
}

// A message that is too large for memory is read piece by piece.
func ExampleConn_NextReader() {
	sums := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrader := lazywebsocket.Upgrader{ReadLimit: 1 << 30}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_, message, err := conn.NextReader()
		if err != nil {
			return
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, message); err != nil {
			return
		}
		sums <- fmt.Sprintf("%x", hash.Sum(nil)[:4])
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteMessage(lazywebsocket.BinaryMessage, []byte("a large file")); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-sums)
	// Output: 683adcc3
}

// The loop ends by itself when the peer says goodbye or the context ends.
func ExampleConn_Messages() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for _, s := range []string{"red", "green", "blue"} {
			if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte(s)); err != nil {
				return
			}
		}
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	for message, err := range conn.Messages(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", message.Data) // valid until the next message
	}
	fmt.Println("the server has closed")
	// Output:
	// red
	// green
	// blue
	// the server has closed
}

// A read that waits too long is given up; the connection goes on. A read
// deadline would end reading for good.
func ExampleConn_ReadMessageContext() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		if _, _, err := conn.ReadMessage(); err != nil { // says nothing unless it is asked
			return
		}
		_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("still here"))
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, _, err = conn.ReadMessageContext(ctx)
	fmt.Println("gave up:", errors.Is(err, context.DeadlineExceeded))

	if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte("are you there?")); err != nil {
		log.Fatal(err)
	}
	_, data, err := conn.ReadMessageContext(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", data)
	// Output:
	// gave up: true
	// still here
}

// Messages are lines for a bufio.Scanner.
func ExampleJoinMessages() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for _, s := range []string{"first", "second"} {
			if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte(s)); err != nil {
				return
			}
		}
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	lines := bufio.NewScanner(lazywebsocket.JoinMessages(conn, "\n"))
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
	fmt.Println(lines.Err())
	// Output:
	// first
	// second
	// websocket: close 1000 (normal)
}

func ExampleConn_ReadJSON() {
	type move struct {
		From, To string
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.WriteJSON(move{From: "e2", To: "e4"})
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	var m move
	if err := conn.ReadJSON(&m); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.From, m.To)
	// Output: e2 e4
}
