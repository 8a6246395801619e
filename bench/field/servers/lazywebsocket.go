package servers

import (
	"bytes"
	"net/http"

	"golazy.dev/bench/field/scenario"
	"golazy.dev/lazywebsocket"
)

// lazywebsocketServer serves outside the handler, which lets net/http go.
func lazywebsocketServer() Server {
	return Server{
		Name: "lazywebsocket", Setting: "AppendMessage into a reused buffer, outside the handler",
		TLS: true, Start: overHTTP(&lazy{outside: true}),
	}
}

func lazywebsocketHandler() Server {
	return Server{
		Name: "lazywebsocket-handler", Setting: "AppendMessage into a reused buffer, in the handler",
		TLS: true, Start: overHTTP(&lazy{}),
	}
}

type lazy struct {
	upgrader lazywebsocket.Upgrader
	outside  bool
	room     lazywebsocket.Group
}

func (l *lazy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := l.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	if path := r.URL.Path; l.outside {
		go l.serve(conn, path)
	} else {
		l.serve(conn, path)
	}
}

func (l *lazy) serve(conn *lazywebsocket.Conn, path string) {
	defer conn.Close()
	switch path {
	case scenario.Echo:
		lazyEcho(conn)
	case scenario.Queue:
		lazyQueue(conn)
	case scenario.Room:
		l.room.Add(conn)
		lazyEcho(conn)
	case scenario.Publish:
		l.publish(conn)
	}
}

func lazyEcho(conn *lazywebsocket.Conn) {
	var payload []byte
	for {
		messageType, data, err := conn.AppendMessage(payload[:0])
		if err != nil {
			return
		}
		payload = data
		if err := conn.WriteMessage(messageType, data); err != nil {
			return
		}
	}
}

func lazyQueue(conn *lazywebsocket.Conn) {
	queue := make(chan []byte, scenario.QueueLength)
	defer close(queue)
	go func() {
		for m := range queue {
			_ = conn.WriteMessage(lazywebsocket.TextMessage, m) // the reader sees the end
		}
	}()
	var payload []byte
	for {
		_, data, err := conn.AppendMessage(payload[:0])
		if err != nil {
			return
		}
		payload = data
		queue <- bytes.Clone(data)
	}
}

func (l *lazy) publish(conn *lazywebsocket.Conn) {
	for {
		messageType, payload, err := conn.ReadMessage()
		if err != nil {
			return
		}
		for range scenario.Copies(payload) {
			pm, err := lazywebsocket.NewPreparedMessage(messageType, payload)
			if err != nil {
				return
			}
			if err := l.room.Broadcast(pm); err != nil {
				return
			}
		}
	}
}
