package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"golazy.dev/lazywebsocket"
)

// A room: what a member sends, all get. Nobody waits for anybody: who does not
// read what he gets loses his connection.
func ExampleGroup() {
	var room lazywebsocket.Group
	var upgrader lazywebsocket.Upgrader
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close() // which ends the membership, too
		room.Add(conn)
		for {
			messageType, data, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if err := room.BroadcastMessage(messageType, data); err != nil {
				log.Print(err)
			}
		}
	}))
	defer server.Close()

	url := "ws" + strings.TrimPrefix(server.URL, "http")
	var members []*lazywebsocket.Conn
	for range 3 {
		conn, _, err := lazywebsocket.DefaultDialer.Dial(url, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		members = append(members, conn)
		// The first message of a member comes back when it has joined.
		_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("joined"))
		for _, m := range members {
			_, _, _ = m.ReadMessage()
		}
	}
	_ = members[0].WriteMessage(lazywebsocket.TextMessage, []byte("hello"))
	for _, m := range members {
		_, data, err := m.ReadMessage()
		fmt.Println(string(data), err)
	}
	// Output:
	// hello <nil>
	// hello <nil>
	// hello <nil>
}

// Messages that are published wait for no peer; what must not be lost is waited
// for by Flush.
func ExampleConn_Publish() {
	upgrader := lazywebsocket.Upgrader{
		// A client that is more than 100 messages behind misses the oldest ones.
		Queue: lazywebsocket.QueueOptions{Messages: 100, Policy: lazywebsocket.QueueDropOldest},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for i := range 3 {
			tick, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, fmt.Append(nil, "tick ", i))
			if err != nil {
				return
			}
			if err := conn.Publish(tick); err != nil {
				return
			}
		}
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_ = conn.Flush()
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	for message, err := range conn.Messages(context.Background()) {
		fmt.Println(string(message.Data), err)
	}
	// Output:
	// tick 0 <nil>
	// tick 1 <nil>
	// tick 2 <nil>
}

// Drain waits until a group's messages have left, with a limit.
func ExampleGroup_Drain() {
	var room lazywebsocket.Group
	_ = room.BroadcastMessage(lazywebsocket.TextMessage, []byte("the server restarts"))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	fmt.Println(room.Drain(ctx))
	// Output:
	// <nil>
}

// A budget is shared by all connections whose Upgrader names it.
func ExampleBudget() {
	budget := &lazywebsocket.Budget{
		QueuedBytes:           64 << 20,
		ConnectionsPerAddress: 20,
	}
	upgrader := lazywebsocket.Upgrader{
		Budget: budget,
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			var full *lazywebsocket.BudgetError
			if errors.As(reason, &full) {
				log.Print("no room: ", full.Budget)
			}
			http.Error(w, http.StatusText(status), status)
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r, nil); err == nil {
			_ = conn.Close()
		}
	}))
	defer server.Close()
	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err == nil {
		_, _, err = conn.ReadMessage()
		_ = conn.Close()
	}
	fmt.Println(err)
	// Output:
	// websocket: close 1000 (normal)
}

// A server that stops: its clients are told, over the time that Closing says, and
// those that connect again find the next server.
func ExampleGroup_ShutdownOn() {
	sockets := lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{
		Code:   lazywebsocket.CloseServiceRestart,
		Spread: 5 * time.Second,
	}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		sockets.Add(conn)
		_, _, _ = conn.ReadMessage()
	})}
	sockets.ShutdownOn(server)

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	fmt.Println(errors.Join(server.Shutdown(ctx), sockets.Shutdown(ctx)))
	// Output:
	// <nil>
}
