package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazyroutes"
	"golazy.dev/lazywebsocket"
)

// patience bounds every wait. It decides how long a failure takes, not whether there is one.
const patience = 30 * time.Second

// freshLobby gives the test a lobby of its own.
func freshLobby(t *testing.T) {
	t.Helper()
	before := lobby
	lobby = new(Room)
	t.Cleanup(func() { lobby = before })
}

// startChat serves ChatSocket with a lobby of its own.
func startChat(t *testing.T) *httptest.Server {
	t.Helper()
	freshLobby(t)
	router := lazyroutes.New(t.Context())
	router.HandleFunc(http.MethodGet, "/chat/socket", ChatSocket)
	server := httptest.NewServer(router)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := Close(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return server
}

// browser is a client as the page is one, or as the guide's block is one: then it is plain.
type browser struct {
	*lazywebsocket.Conn
	t *testing.T
}

func connect(t *testing.T, server *httptest.Server, name string, plain bool) browser {
	t.Helper()
	dialer := lazywebsocket.Dialer{Subprotocols: []string{EventsProtocol}}
	if plain {
		dialer.Subprotocols = nil
	}
	address := "ws" + strings.TrimPrefix(server.URL, "http") + "/chat/socket?name=" + url.QueryEscape(name)
	conn, response, err := dialer.Dial(address, nil)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	_ = response.Body.Close()
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return browser{conn, t}
}

// enter connects as the page does, and waits for the welcome.
func enter(t *testing.T, server *httptest.Server, name string) browser {
	t.Helper()
	b := connect(t, server, name, false)
	if event := b.hear(); event.Type != Welcome || event.Name != name {
		t.Fatalf("%s hears %+v, want a welcome", name, event)
	}
	return b
}

func (b browser) say(text string) {
	b.t.Helper()
	if err := b.WriteMessage(lazywebsocket.TextMessage, []byte(text)); err != nil {
		b.t.Fatalf("say %.20q: %v", text, err)
	}
}

// hear reads the next event.
func (b browser) hear() Event {
	b.t.Helper()
	messageType, payload, err := b.ReadMessage()
	if err != nil || messageType != lazywebsocket.TextMessage {
		b.t.Fatalf("hear: type %d, %v", messageType, err)
	}
	var event Event
	if err := json.Unmarshal(payload, &event); err != nil {
		b.t.Fatalf("hear %q: %v", payload, err)
	}
	return event
}

func (b browser) wantHear(eventType EventType, name, text string) {
	b.t.Helper()
	if event := b.hear(); event.Type != eventType || event.Name != name || event.Text != text {
		b.t.Fatalf("heard %+v, want %s by %q: %.40q", event, eventType, name, text)
	}
}

// wantRead reads a text message as it is.
func (b browser) wantRead(want string) {
	b.t.Helper()
	messageType, payload, err := b.ReadMessage()
	if err != nil || messageType != lazywebsocket.TextMessage || string(payload) != want {
		b.t.Fatalf("read type %d, %q, %v; want the text %q", messageType, payload, err, want)
	}
}

// wantClose reads until the server closes, and returns how many messages came before.
func (b browser) wantClose(code int, reason string) (messages int) {
	b.t.Helper()
	for ; ; messages++ {
		_, _, err := b.ReadMessage()
		if err == nil {
			continue
		}
		var closed *lazywebsocket.CloseError
		if !errors.As(err, &closed) || closed.Code != code || closed.Text != reason {
			b.t.Fatalf("read: %v, want the close code %d with %q", err, code, reason)
		}
		return messages
	}
}

func TestSocketConversation(t *testing.T) {
	server := startChat(t)
	ada := enter(t, server, "Ada")
	bo := enter(t, server, "Bo & Co")
	ada.wantHear(Joined, "Bo & Co", "")
	bo.say("hello <all>")
	for _, b := range []browser{ada, bo} {
		b.wantHear(Message, "Bo & Co", "hello <all>")
	}
	if err := bo.WriteMessage(lazywebsocket.BinaryMessage, []byte("ignored")); err != nil {
		t.Fatal(err)
	}
	if err := bo.Close(); err != nil {
		t.Fatal(err)
	}
	ada.wantHear(Left, "Bo & Co", "")
}

// The guide's browser block sends text and logs text.
func TestSocketPlain(t *testing.T) {
	server := startChat(t)
	ada := enter(t, server, "Ada")
	plain := connect(t, server, "", true)
	ada.wantHear(Joined, "guest-2", "")
	plain.say("hello")
	ada.wantHear(Message, "guest-2", "hello")
	plain.wantRead("hello")
	ada.say("hello, guest")
	plain.wantRead("hello, guest")
	plain.say(strings.Repeat("x", MaxMessage+1))
	plain.wantRead(ErrTooLong.Error())
}

func TestSocketLimits(t *testing.T) {
	server := startChat(t)
	ada := enter(t, server, "Ada")
	ada.say(strings.Repeat("x", MaxMessage+1))
	ada.wantHear(Refused, "", ErrTooLong.Error())
	ada.say("")
	ada.wantHear(Refused, "", ErrEmpty.Error())
	ada.say("still here")
	ada.wantHear(Message, "Ada", "still here")

	long := connect(t, server, strings.Repeat("x", MaxName+1), false)
	long.wantClose(lazywebsocket.ClosePolicyViolation, ErrName.Error())

	flood := enter(t, server, "Flood")
	flood.say(strings.Repeat("x", 64<<10))
	flood.wantHear(Refused, "", ErrTooLong.Error())
	flood.say(strings.Repeat("x", 64<<10+1))
	if _, _, err := flood.ReadMessage(); !lazywebsocket.IsCloseError(err, lazywebsocket.CloseMessageTooBig) {
		t.Errorf("read %v, want the close code 1009", err)
	}
	ada.wantHear(Joined, "Flood", "")
	ada.wantHear(Left, "Flood", "")
}

func TestSocketNeedsUpgrade(t *testing.T) {
	server := startChat(t)
	response, err := server.Client().Get(server.URL + "/chat/socket")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("got %s, want 400", response.Status)
	}
}

// One client stops reading. The others hear everything meanwhile; when it reads again it finds out that, and why, it
// was closed.
func TestSocketSlowReader(t *testing.T) {
	server := startChat(t)
	ada := enter(t, server, "Ada")
	slow := enter(t, server, "Slow")
	ada.wantHear(Joined, "Slow", "")

	text := strings.Repeat("語", MaxMessage)
	said := 0
	for closed := false; !closed; said++ {
		ada.say(text)
		ada.wantHear(Message, "Ada", text)
		lobby.mu.Lock()
		closed = len(lobby.members) == 1
		lobby.mu.Unlock()
		if said > 100_000 {
			t.Fatal("300 MB are waiting for a client that does not read")
		}
	}
	ada.wantHear(Left, "Slow", "too slow")
	ada.say("without you")
	ada.wantHear(Message, "Ada", "without you")

	read := slow.wantClose(lazywebsocket.ClosePolicyViolation, "too slow")
	if read == 0 || read >= said {
		t.Errorf("the slow client read %d of %d messages, want a part of them", read, said)
	}
}

func TestSocketsCloseWithTheServer(t *testing.T) {
	server := startChat(t)
	ada := enter(t, server, "Ada")
	bo := enter(t, server, "Bo")
	ada.wantHear(Joined, "Bo", "")
	closed := make(chan error, 1)
	go func() { closed <- Close(context.Background()) }()
	ada.wantClose(lazywebsocket.CloseGoingAway, "server is stopping")
	bo.wantClose(lazywebsocket.CloseGoingAway, "server is stopping")
	if err := <-closed; err != nil {
		t.Error(err)
	}
	late := connect(t, server, "Late", false)
	late.wantClose(lazywebsocket.CloseGoingAway, "server is stopping")
}
