package servers

import (
	"bytes"
	"context"
	"net/http"

	"github.com/coder/websocket"

	"golazy.dev/bench/field/scenario"
)

// coderServer reads into a reused buffer, outside the handler.
func coderServer() Server {
	return Server{
		Name: "coder", Setting: "v1.8.15, Reader into a reused buffer, no read limit, outside the handler",
		TLS: true, Start: overHTTP(new(coder)),
	}
}

type coder struct{ room room[*websocket.Conn] }

func (c *coder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	conn.SetReadLimit(-1) // its default is 32 KiB
	go c.serve(conn, r.URL.Path)
}

func (c *coder) serve(conn *websocket.Conn, path string) {
	defer conn.CloseNow() //nolint:errcheck // the end of the connection
	ctx := context.Background()
	switch path {
	case scenario.Echo:
		coderEcho(ctx, conn)
	case scenario.Queue:
		coderQueue(ctx, conn)
	case scenario.Room:
		c.room.join(conn)
		defer c.room.leave(conn)
		coderEcho(ctx, conn)
	case scenario.Publish:
		c.publish(ctx, conn)
	}
}

func coderEcho(ctx context.Context, conn *websocket.Conn) {
	var payload bytes.Buffer
	for {
		messageType, r, err := conn.Reader(ctx)
		if err != nil {
			return
		}
		payload.Reset()
		if _, err := payload.ReadFrom(r); err != nil {
			return
		}
		if err := conn.Write(ctx, messageType, payload.Bytes()); err != nil {
			return
		}
	}
}

func coderQueue(ctx context.Context, conn *websocket.Conn) {
	queue := make(chan []byte, scenario.QueueLength)
	defer close(queue)
	go func() {
		for m := range queue {
			_ = conn.Write(ctx, websocket.MessageText, m) // the reader sees the end
		}
	}()
	for {
		_, payload, err := conn.Read(ctx)
		if err != nil {
			return
		}
		queue <- payload
	}
}

func (c *coder) publish(ctx context.Context, conn *websocket.Conn) {
	for {
		messageType, payload, err := conn.Read(ctx)
		if err != nil {
			return
		}
		for range scenario.Copies(payload) {
			c.room.each(func(to *websocket.Conn) error { return to.Write(ctx, messageType, payload) })
		}
	}
}
