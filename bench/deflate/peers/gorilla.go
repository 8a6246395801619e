package peers

import (
	"net/http"

	"github.com/gorilla/websocket"
)

func gorillas() []Server {
	with := func(name, setting string, compress bool) Server {
		return Server{"gorilla/" + name, setting, func() http.Handler {
			return &gorillaEcho{websocket.Upgrader{EnableCompression: compress}}
		}}
	}
	return []Server{
		with(Off, "no compression", false),
		with("no-takeover", "EnableCompression; it has no takeover", true),
	}
}

type gorillaEcho struct{ upgrader websocket.Upgrader }

func (e *gorillaEcho) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := e.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close() //nolint:errcheck // the end of the connection
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
