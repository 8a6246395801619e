package lazywebsocket_test

import (
	"context"
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

// classify says what ended a read.
func classify(err error) string {
	var (
		closed *lazywebsocket.CloseError
		broken *lazywebsocket.ProtocolError
		failed *lazywebsocket.OpError
	)
	switch {
	case errors.As(err, &closed):
		return fmt.Sprintf("the peer closed with %d", closed.Code)
	case errors.Is(err, lazywebsocket.ErrReadLimit):
		return "the peer sent too much" // a ProtocolError too
	case errors.As(err, &broken):
		return "the peer is at fault: " + broken.Reason
	case errors.Is(err, net.ErrClosed):
		return "we closed"
	case errors.Is(err, context.Canceled):
		return "the context was cancelled"
	case errors.As(err, &failed) && failed.Timeout():
		return "a deadline passed"
	case errors.As(err, &failed):
		return "the network failed in " + failed.Op
	default:
		return "a handler of ours returned " + err.Error()
	}
}

// An OpError is the network, a deadline, a context, or our own Close; errors.Is
// and errors.As tell which, and tell it from what the peer did.
func ExampleOpError() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader lazywebsocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_, _, _ = conn.ReadMessage() // until the client goes
	}))
	defer server.Close()

	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err = conn.ReadMessageContext(ctx)
	fmt.Println(classify(err))

	if err := conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		log.Fatal(err)
	}
	_, _, err = conn.ReadMessage()
	fmt.Println(classify(err))
	// Output:
	// the context was cancelled
	// a deadline passed
}
