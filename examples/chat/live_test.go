package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazywebsocket"
)

// page is somebody's open page of a room.
type page struct {
	*cable
	identifier string
}

// open renders a room, lets something happen, and subscribes as the page's script does.
func (v *visitor) open(path string, between func()) page {
	v.t.Helper()
	body := v.get(path).body
	if between != nil {
		between()
	}
	socket := v.connect()
	identifier := socket.subscribe(attribute(v.t, body, "chat", "data-stream"), attribute(v.t, body, "chat", "data-position"))
	socket.want("confirm_subscription")
	return page{socket, identifier}
}

// Nothing is lost between the rendering of a page and its subscription, and nothing comes twice.
func TestLive(t *testing.T) {
	s := newSite(t)
	ada, bo := s.enter(t, "Ada"), s.enter(t, "Bo")
	ada.ask("/rooms/lobby/messages", "id", "1", "text", "before")
	tab := bo.open("/rooms/lobby", func() { ada.ask("/rooms/lobby/messages", "id", "2", "text", "between") })
	ada.ask("/rooms/lobby/messages", "id", "3", "text", "after")
	if got := []string{tab.text(), tab.text()}; !slices.Equal(got, []string{"between", "after"}) {
		t.Errorf("the socket brings %q", got)
	}
	if said := bo.said("/rooms/lobby"); !slices.Equal(said, []string{"before", "between", "after"}) {
		t.Errorf("the page shows %q", said)
	}
}

// Sockets do not say things: the author would be who they claim to be.
func TestSocketSaysNothing(t *testing.T) {
	s := newSite(t)
	ada, bo := s.enter(t, "Ada"), s.enter(t, "Bo")
	forger, tab := bo.open("/rooms/lobby", nil), ada.open("/rooms/lobby", nil)
	forger.send(map[string]any{"command": "message", "identifier": forger.identifier, "data": `{"name":"Ada","text":"forged"}`})
	forger.send(map[string]any{"command": "whisper", "identifier": forger.identifier, "data": map[string]string{"typing": "x"}})
	if f := tab.want(""); f.Offset != 0 || string(f.Message) != `{"typing":"x"}` {
		t.Errorf("got %s at %d, want the whisper", f.Message, f.Offset)
	}
	if said := ada.said("/rooms/lobby"); len(said) != 0 {
		t.Errorf("said: %q", said)
	}
}

func TestPresence(t *testing.T) {
	s := newSite(t)
	ada, bo := s.enter(t, "Ada"), s.enter(t, "Bo")
	first, second := ada.open("/rooms/lobby", nil), ada.open("/rooms/lobby", nil)
	presence := func(p page) (event struct{ Type, ID string }) {
		t.Helper()
		if err := json.Unmarshal(p.want("presence").Message, &event); err != nil {
			t.Fatal(err)
		}
		return event
	}
	join := func(p page) {
		t.Helper()
		p.send(map[string]any{"command": "join", "identifier": p.identifier, "presence": map[string]string{"id": "somebody else"}})
	}
	join(first)
	_ = presence(first) // her own
	join(second)        // which is news to nobody
	other := bo.open("/rooms/lobby", nil)
	join(other)
	joined := presence(first)
	if joined.Type != "join" {
		t.Errorf("got %+v", joined)
	}
	body := bo.get("/rooms/lobby").body
	here, _, _ := strings.Cut(body[strings.Index(body, `<ul id="present">`):], "</ul>")
	for name, want := range map[string]int{"Ada": 1, "Bo": 1, "somebody else": 0} {
		if n := strings.Count(here, name); n != want {
			t.Errorf("%s is here %d times, want %d: %s", name, n, want, here)
		}
	}
	_ = other.conn.Close()
	if left := presence(first); left.Type != "leave" || left.ID != joined.ID {
		t.Errorf("got %+v, want %s to leave", left, joined.ID)
	}
}

func TestBroadcast(t *testing.T) {
	s := newSite(t)
	ada := s.enter(t, "Ada")
	tab := ada.open("/rooms/lobby", nil)
	curl := s.visit(t)
	broadcast := func(key, data string) int {
		t.Helper()
		body, err := json.Marshal(map[string]string{"stream": "room:lobby", "data": data})
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{"Authorization": {"Bearer " + key}}
		return curl.do(http.MethodPost, "/_broadcast", header, strings.NewReader(string(body))).status
	}
	if status := broadcast("wrong", `{"text":"no"}`); status != http.StatusUnauthorized {
		t.Errorf("a wrong key gets %d", status)
	}
	for _, data := range []string{`{"name":"cron","text":"backup done"}`, `"in brief"`, `{"text":"<b>bold</b>"}`} {
		if status := broadcast("publish", data); status/100 != 2 {
			t.Errorf("%s: got %d", data, status)
		}
	}
	if text := tab.text(); text != "backup done" {
		t.Errorf("the socket brings %q", text)
	}
	if said := ada.said("/rooms/lobby"); !slices.Equal(said, []string{"backup done", "in brief", "<b>bold</b>"}) {
		t.Errorf("the page shows %q", said)
	}
	if page := ada.get("/rooms/lobby").body; strings.Count(page, ">program</bdi>") != 2 {
		t.Error("who has not said a name is not called a program")
	}
}

// A new room appears where the list of rooms is open.
func TestNewRoomAppears(t *testing.T) {
	s := newSite(t)
	ada, bo := s.enter(t, "Ada"), s.enter(t, "Bo")
	body := bo.get("/rooms").body
	socket := bo.connect()
	socket.subscribe(attribute(t, body, "rooms", "data-stream"), attribute(t, body, "rooms", "data-position"))
	socket.want("confirm_subscription")
	ada.post("/rooms", "name", "Garden")
	if f := socket.want(""); string(f.Message) != `{"slug":"garden","name":"Garden"}` {
		t.Errorf("got %s", f.Message)
	}
}

// A server that stops says so, and a page that comes back to the next one gets what it has missed.
func TestRestart(t *testing.T) {
	log := memory.Open()
	s := startSite(t, log)
	ada, bo := s.enter(t, "Ada"), s.enter(t, "Bo")
	tab := bo.open("/rooms/lobby", nil)
	ada.ask("/rooms/lobby/messages", "id", "1", "text", "before")
	seen := tab.want("")
	stopped := make(chan struct{})
	go func() { s.stop(); close(stopped) }()
	if f := tab.want("disconnect"); f.Reason != "server_restart" || f.Reconnect == nil || !*f.Reconnect {
		t.Errorf("got %+v", f)
	}
	if _, _, err := tab.conn.ReadMessage(); !lazywebsocket.IsCloseError(err, lazywebsocket.CloseGoingAway) {
		t.Errorf("got %v, want 1001", err)
	}
	<-stopped
	if err := s.chat.Hub.Ready(); err == nil {
		t.Error("a hub that has stopped is ready")
	}

	next := startSite(t, log)
	ada.site, bo.site = next, next
	ada.ask("/rooms/lobby/messages", "id", "2", "text", "meanwhile")
	page := bo.get("/rooms/lobby").body
	if said := bo.said("/rooms/lobby"); !slices.Equal(said, []string{"before", "meanwhile"}) {
		t.Errorf("the page shows %q", said)
	}
	socket := bo.connect()
	socket.send(map[string]any{
		"command":    "subscribe",
		"identifier": identify(t, attribute(t, page, "chat", "data-stream")),
		"history": map[string]any{
			"streams": map[string]any{seen.Stream: map[string]any{"epoch": seen.Epoch, "offset": seen.Offset}},
		},
	})
	socket.want("confirm_subscription")
	if text := socket.text(); text != "meanwhile" {
		t.Errorf("the socket brings %q", text)
	}
}

// dialPlain opens a socket as the guide's page does.
func (s *site) dialPlain(t *testing.T) *lazywebsocket.Conn {
	t.Helper()
	address := "ws" + strings.TrimPrefix(s.url, "http") + "/chat/socket"
	conn, response, err := lazywebsocket.DefaultDialer.DialContext(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// The guide's endpoint is beside the chat: text in, text out, for everybody.
func TestPlainSocket(t *testing.T) {
	s := newSite(t)
	hello := func(conn *lazywebsocket.Conn) {
		t.Helper()
		if _, text, err := conn.ReadMessage(); err != nil || string(text) != "hello" {
			t.Fatalf("got %q, %v", text, err)
		}
	}
	var conns []*lazywebsocket.Conn
	for range 2 {
		conn := s.dialPlain(t)
		conns = append(conns, conn)
		if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		hello(conn)
	}
	hello(conns[0]) // the second one's
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	goodbye := make(chan error, 1)
	go func() { goodbye <- s.plain.Here.Shutdown(ctx) }()
	for _, conn := range conns {
		if _, _, err := conn.ReadMessage(); !lazywebsocket.IsCloseError(err, lazywebsocket.CloseGoingAway) {
			t.Errorf("got %v, want 1001", err)
		}
	}
	if err := <-goodbye; err != nil {
		t.Error(err)
	}
	if answer := s.visit(t).get("/chat/socket"); answer.status != http.StatusBadRequest {
		t.Errorf("without an upgrade: %d", answer.status)
	}
}
