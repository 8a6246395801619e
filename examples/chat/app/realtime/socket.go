// Package realtime holds the chat: a room, and the WebSocket endpoint that leads into it.
//
// What travels on the socket: every text message from the browser is something said in the room, as plain text.
// What comes back depends on the subprotocol that the browser offers:
//
//   - "chat.v1" (the page of this application): every Event as JSON.
//   - none (the guide's `new WebSocket(url)`): the text of what is said, by anybody, as plain text.
//
// The query parameter "name" is the name to go by. Binary messages are ignored.
package realtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"golazy.dev/lazycontroller"
	"golazy.dev/lazywebsocket"
)

// EventsProtocol is the subprotocol of browsers that want events as JSON.
const EventsProtocol = "chat.v1"

const (
	writeTimeout   = 10 * time.Second // for one event to a browser that does not read
	goodbyeTimeout = 5 * time.Second  // for the browser's answer to our Close
)

var lobby = new(Room)

var chatUpgrader = lazywebsocket.Upgrader{
	ReadBufferSize:  1024,
	WriteBufferSize: 1024,
	Subprotocols:    []string{EventsProtocol},
	ReadLimit:       64 << 10,         // far above MaxMessage, so that a longer one gets a clear answer
	PingInterval:    30 * time.Second, // a phone that went away says nothing
	PongTimeout:     10 * time.Second,
}

// ChatSocket is the action of the chat's WebSocket endpoint.
func ChatSocket(w http.ResponseWriter, r *http.Request) error {
	if !lazywebsocket.IsWebSocketUpgrade(r) {
		return lazycontroller.Error(
			http.StatusBadRequest,
			fmt.Errorf("websocket upgrade required"),
		)
	}

	conn, err := chatUpgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil
	}
	defer conn.Close()

	return serve(lobby, conn, r.URL.Query().Get("name"))
}

// Close ends every socket with code 1001 and waits until they have ended.
func Close(ctx context.Context) error {
	return lobby.Close(ctx)
}

// serve reads what a browser says. What it hears is written by its member's goroutine, and by that one only.
func serve(room *Room, conn *lazywebsocket.Conn, name string) error {
	out := socket{conn}
	member, err := room.Join(name, out)
	if err != nil {
		out.End(err)
		return nil
	}
	defer member.Leave()

	for {
		messageType, payload, err := conn.ReadMessage()
		if err != nil {
			return ended(member, err)
		}
		if messageType != lazywebsocket.TextMessage {
			continue
		}
		if err := member.Say(string(payload)); err != nil {
			member.Refuse(err)
		}
	}
}

// ended sorts the ends of a socket: a page that was left is no error, anything else is.
func ended(member *Member, err error) error {
	if lazywebsocket.IsUnexpectedCloseError(
		err,
		lazywebsocket.CloseGoingAway,
		lazywebsocket.CloseNormalClosure,
		lazywebsocket.CloseNoStatusReceived,
	) {
		return fmt.Errorf("read chat socket of %q: %w", member.Name, err)
	}
	slog.Info("chat socket ended", "name", member.Name, "why", err)
	return nil
}

// socket is the room's way to one browser.
type socket struct {
	conn *lazywebsocket.Conn
}

// Send writes an event in the form that the browser asked for.
func (s socket) Send(event Event) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if s.conn.Subprotocol() == EventsProtocol {
		return s.conn.WriteJSON(event)
	}
	if event.Type == Message || event.Type == Refused {
		return s.conn.WriteMessage(lazywebsocket.TextMessage, []byte(event.Text))
	}
	return nil
}

// End tells the browser why the room has closed it. The socket's end wakes the reader, and so ends the handler.
func (s socket) End(reason error) {
	if reason == nil {
		return // the reader has ended, and the handler's deferred Close says the rest
	}
	code := lazywebsocket.ClosePolicyViolation
	switch {
	case errors.Is(reason, ErrStopping):
		code = lazywebsocket.CloseGoingAway
	case errors.Is(reason, ErrFull):
		code = lazywebsocket.CloseTryAgainLater
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTimeout)
	defer cancel()
	_ = s.conn.Shutdown(ctx, code, reason.Error()) // a browser that does not answer is nobody to tell
}
