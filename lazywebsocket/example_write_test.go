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
	"sync"
	"time"

	"golazy.dev/lazywebsocket"
)

// One goroutine reads, others write at the same time: their messages leave
// whole, one after the other.
func ExampleConn() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		var writers sync.WaitGroup
		for range 3 {
			writers.Go(func() {
				_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("tick"))
			})
		}
		writers.Wait()
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n", data)
	}
	// Output:
	// tick
	// tick
	// tick
	// websocket: close 1000 (normal)
}

// A message that is made piece by piece.
func ExampleConn_NextWriter() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		message, err := conn.NextWriter(lazywebsocket.TextMessage)
		if err != nil {
			return
		}
		for i := range 3 {
			fmt.Fprintf(message, "line %d\n", i)
		}
		_ = message.Close() // now it is complete
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, message, err := conn.NextReader()
	if err != nil {
		log.Fatal(err)
	}
	data, err := io.ReadAll(message)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", data)
	// Output:
	// line 0
	// line 1
	// line 2
}

func ExampleConn_WriteJSON() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.WriteJSON(map[string]any{"user": "ada", "online": true})
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, data, err := conn.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", data)
	// Output: {"online":true,"user":"ada"}
}

// A ping by hand. The pong arrives while something reads.
func ExampleConn_WriteControl() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_, _, _ = conn.ReadMessage() // answers pings
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	answered := errors.New("answered")
	conn.SetPongHandler(func(payload string) error {
		fmt.Println("pong:", payload)
		return answered // what a handler returns, the read returns
	})
	err = conn.WriteControl(lazywebsocket.PingMessage, []byte("42"), time.Now().Add(time.Second))
	if err != nil {
		log.Fatal(err)
	}
	_, _, err = conn.ReadMessage()
	fmt.Println(err)
	// Output:
	// pong: 42
	// answered
}

// Close says goodbye after what was written, also on the way out of a handler.
func ExampleConn_Close() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("the last word"))
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, data, _ := conn.ReadMessage()
	fmt.Printf("%s\n", data)
	_, _, err = conn.ReadMessage()
	fmt.Println(err)
	// Output:
	// the last word
	// websocket: close 1000 (normal)
}

// Shutdown tells the peer why, and waits until the peer has answered.
func ExampleConn_Shutdown() {
	heard := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_, _, err = conn.ReadMessage()
		heard <- err
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := conn.Shutdown(ctx, lazywebsocket.CloseGoingAway, "updating"); err != nil {
		log.Fatal(err) // the connection is closed all the same
	}
	fmt.Println(<-heard)
	// Output: websocket: close 1001 (going away): updating
}

// A close code of the application's own: 4000 to 4999 are free to use.
func ExampleFormatCloseMessage() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		goodbye := lazywebsocket.FormatCloseMessage(4001, "signed out")
		_ = conn.WriteControl(lazywebsocket.CloseMessage, goodbye, time.Now().Add(time.Second))
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, _, err = conn.ReadMessage()
	fmt.Println(err)
	// Output: websocket: close 4001: signed out
}
