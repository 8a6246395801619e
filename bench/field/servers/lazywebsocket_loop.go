package servers

import (
	"bytes"
	"net/http"

	"golazy.dev/bench/field/scenario"
	"golazy.dev/lazywebsocket"
)

// lazywebsocketLoop serves from event loops, a goroutine for each burst.
func lazywebsocketLoop() Server {
	return Server{
		Name: "lazywebsocket-loop", Setting: "Poller",
		TLS: true, Start: overHTTP(&loop{}),
	}
}

// lazywebsocketInline serves on the event loops themselves.
func lazywebsocketInline() Server {
	return Server{
		Name: "lazywebsocket-inline", Setting: "Poller with Inline: handlers on its loops",
		TLS: true, Start: overHTTP(&loop{poller: lazywebsocket.Poller{Inline: true}}),
	}
}

// loop is a server whose connections a Poller serves.
type loop struct {
	upgrader lazywebsocket.Upgrader
	poller   lazywebsocket.Poller
	lazy     lazy // the room, and its publisher, which waits
}

func (l *loop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := l.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	var handler lazywebsocket.MessageHandler = echo{}
	switch r.URL.Path {
	case scenario.Queue:
		handler = newQueue(conn)
	case scenario.Room:
		l.lazy.room.Add(conn)
	case scenario.Publish:
		go l.lazy.serve(conn, scenario.Publish)
		return
	}
	if err := l.poller.Serve(conn, handler); err != nil {
		_ = conn.Close()
	}
}

// echo answers every message.
type echo struct{}

func (echo) ServeMessage(c *lazywebsocket.Conn, messageType int, data []byte) error {
	return c.WriteMessage(messageType, data)
}

func (echo) ServeClosed(*lazywebsocket.Conn, error) {}

// queue has a writer that is fed by a channel.
type queue struct{ c chan []byte }

func newQueue(conn *lazywebsocket.Conn) queue {
	q := queue{make(chan []byte, scenario.QueueLength)}
	go func() {
		for m := range q.c {
			_ = conn.WriteMessage(lazywebsocket.TextMessage, m)
		}
	}()
	return q
}

func (q queue) ServeMessage(_ *lazywebsocket.Conn, _ int, data []byte) error {
	q.c <- bytes.Clone(data)
	return nil
}

func (q queue) ServeClosed(*lazywebsocket.Conn, error) { close(q.c) }
