package servers

import (
	"bytes"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"

	"golazy.dev/bench/field/scenario"
)

// gorillaPlain is the program of its documentation.
func gorillaPlain() Server {
	g := &gorilla{echo: gorillaEcho}
	return Server{
		Name: "gorilla", Setting: "v1.5.3, ReadMessage and WriteMessage in the handler, defaults",
		TLS: true, Start: overHTTP(g),
	}
}

// gorillaBest has a pool for write buffers, reads into a buffer of its own, and
// serves outside the handler, which lets net/http go.
func gorillaBest() Server {
	g := &gorilla{
		upgrader: websocket.Upgrader{WriteBufferPool: &sync.Pool{}},
		outside:  true,
		echo:     gorillaReuse,
	}
	return Server{
		Name: "gorilla-best", Setting: "v1.5.3, WriteBufferPool, NextReader into a reused buffer, outside the handler",
		TLS: true, Start: overHTTP(g),
	}
}

type gorilla struct {
	upgrader websocket.Upgrader
	outside  bool
	echo     func(*websocket.Conn)
	room     room[*websocket.Conn]
}

func (g *gorilla) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := g.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	if path := r.URL.Path; g.outside {
		go g.serve(conn, path)
	} else {
		g.serve(conn, path)
	}
}

func (g *gorilla) serve(conn *websocket.Conn, path string) {
	defer conn.Close() //nolint:errcheck // the end of the connection
	switch path {
	case scenario.Echo:
		g.echo(conn)
	case scenario.Queue:
		gorillaQueue(conn)
	case scenario.Room:
		g.room.join(conn)
		defer g.room.leave(conn)
		g.echo(conn)
	case scenario.Publish:
		g.publish(conn)
	}
}

func gorillaEcho(conn *websocket.Conn) {
	for {
		messageType, payload, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := conn.WriteMessage(messageType, payload); err != nil {
			return
		}
	}
}

func gorillaReuse(conn *websocket.Conn) {
	var payload bytes.Buffer
	for {
		messageType, r, err := conn.NextReader()
		if err != nil {
			return
		}
		payload.Reset()
		if _, err := payload.ReadFrom(r); err != nil {
			return
		}
		if err := conn.WriteMessage(messageType, payload.Bytes()); err != nil {
			return
		}
	}
}

func gorillaQueue(conn *websocket.Conn) {
	queue := make(chan []byte, scenario.QueueLength)
	defer close(queue)
	go func() {
		for m := range queue {
			_ = conn.WriteMessage(websocket.TextMessage, m) // the reader sees the end
		}
	}()
	for {
		_, payload, err := conn.ReadMessage()
		if err != nil {
			return
		}
		queue <- payload
	}
}

func (g *gorilla) publish(conn *websocket.Conn) {
	for {
		messageType, payload, err := conn.ReadMessage()
		if err != nil {
			return
		}
		for range scenario.Copies(payload) {
			pm, err := websocket.NewPreparedMessage(messageType, payload)
			if err != nil {
				return
			}
			g.room.each(func(c *websocket.Conn) error { return c.WritePreparedMessage(pm) })
		}
	}
}
