package lazywebsocket_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"golazy.dev/lazywebsocket"
)

// room sends each message to all of its members.
type room struct {
	upgrader lazywebsocket.Upgrader
	mu       sync.Mutex
	members  map[*lazywebsocket.Conn]bool
}

// ServeHTTP makes the request's connection a member until it ends.
func (rm *room) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := rm.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	rm.set(conn, true)
	defer rm.set(conn, false)
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := rm.broadcast(data); err != nil {
			log.Print(err)
		}
	}
}

func (rm *room) set(conn *lazywebsocket.Conn, present bool) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if present {
		rm.members[conn] = true
	} else {
		delete(rm.members, conn)
	}
}

// broadcast builds the frame once. A member that takes more than a second to
// receive holds the others up that long, then it is out: a room of strangers
// gives each member a queue and a goroutine that writes.
func (rm *room) broadcast(data []byte) error {
	message, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, data)
	if err != nil {
		return err
	}
	rm.mu.Lock()
	defer rm.mu.Unlock()
	for conn := range rm.members {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		if err := conn.WritePreparedMessage(message); err != nil {
			conn.Close() // its reader ends, and takes it out
		}
	}
	return nil
}

func ExamplePreparedMessage() {
	server := httptest.NewServer(&room{members: map[*lazywebsocket.Conn]bool{}})
	defer server.Close()
	url := "ws" + strings.TrimPrefix(server.URL, "http")

	var conns []*lazywebsocket.Conn
	for _, name := range []string{"ada", "grace"} {
		conn, _, err := lazywebsocket.DefaultDialer.Dial(url, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
		if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte(name+" is here")); err != nil {
			log.Fatal(err)
		}
		for _, c := range conns {
			_, data, err := c.ReadMessage()
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%s\n", data)
		}
	}
	// Output:
	// ada is here
	// grace is here
	// grace is here
}
