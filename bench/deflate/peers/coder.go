package peers

import (
	"net/http"

	"github.com/coder/websocket"
)

func coders() []Server {
	with := func(name, setting string, mode websocket.CompressionMode) Server {
		return Server{"coder/" + name, setting, func() http.Handler {
			return &coderEcho{websocket.AcceptOptions{CompressionMode: mode}}
		}}
	}
	return []Server{
		with(Off, "no compression", websocket.CompressionDisabled),
		with("takeover", "CompressionContextTakeover", websocket.CompressionContextTakeover),
		with("no-takeover", "CompressionNoContextTakeover", websocket.CompressionNoContextTakeover),
	}
}

type coderEcho struct{ options websocket.AcceptOptions }

func (e *coderEcho) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &e.options)
	if err != nil {
		return
	}
	defer conn.CloseNow() //nolint:errcheck // the end of the connection
	for {
		messageType, payload, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if err := conn.Write(r.Context(), messageType, payload); err != nil {
			return
		}
	}
}
