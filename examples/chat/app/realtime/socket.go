package realtime

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"golazy.dev/lazycontroller"
	"golazy.dev/lazywebsocket"
)

// Plain is the guide's endpoint: no hub, no log, no log-in. What anybody says, everybody hears, as text.
type Plain struct {
	// Here are the sockets. Shutting it down ends the endpoint.
	Here lazywebsocket.Group
}

// NewPlain returns an endpoint where nobody is.
func NewPlain() *Plain {
	return &Plain{Here: lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{
		Reason:   "server is stopping",
		Patience: 2 * time.Second, // who does not answer keeps nobody waiting
	}}}
}

var plainUpgrader = lazywebsocket.Upgrader{
	ReadLimit:    64 << 10,
	PingInterval: 30 * time.Second, // a phone that went away says nothing
	PongTimeout:  10 * time.Second,
}

// ChatSocket is the action of the endpoint.
func (p *Plain) ChatSocket(w http.ResponseWriter, r *http.Request) error {
	if !lazywebsocket.IsWebSocketUpgrade(r) {
		return lazycontroller.Error(http.StatusBadRequest, errors.New("websocket upgrade required"))
	}
	conn, err := plainUpgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil // Upgrade has answered
	}
	defer conn.Close()

	p.Here.Add(conn)
	for message, err := range conn.Messages(r.Context()) {
		if err != nil {
			return fmt.Errorf("read chat socket: %w", err)
		}
		if message.Type != lazywebsocket.TextMessage {
			continue
		}
		if err := p.Here.BroadcastMessage(message.Type, message.Data); err != nil {
			return err
		}
	}
	return nil
}
