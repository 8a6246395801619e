package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golazy.dev/examples/chat/app/realtime"
	"golazy.dev/examples/chat/app/session"
	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/memory"
)

func TestSay(t *testing.T) {
	s := newSite(t)
	ada, bo := s.enter(t, "Ada"), s.enter(t, "Bo")
	const nasty = `<script>alert("x")</script> & 'y'`
	if a := ada.post("/rooms/lobby/messages", "id", "1", "text", nasty+"\r\nsecond line "); a.path != "/rooms/lobby" || a.status != 200 {
		t.Errorf("a form leads to %d %s", a.status, a.path)
	}
	a := bo.ask("/rooms/lobby/messages", "id", "1", "text", "good morning")
	var m realtime.Message
	if err := json.Unmarshal([]byte(a.body), &m); err != nil || a.status != http.StatusCreated || m.Text != "good morning" || m.Name != "Bo" {
		t.Errorf("the script gets %d %s", a.status, a.body)
	}
	want := []string{nasty + "\nsecond line", "good morning"}
	for _, v := range []*visitor{ada, bo} {
		if said := v.said("/rooms/lobby"); !slices.Equal(said, want) {
			t.Errorf("the page shows %q, want %q", said, want)
		}
	}
	if page := bo.get("/rooms/lobby").body; strings.Contains(page, "<script>alert") {
		t.Error("what was said became HTML")
	}
}

// A page that does not know whether its message has arrived sends it again.
func TestSayTwice(t *testing.T) {
	s := newSite(t)
	ada, bo := s.enter(t, "Ada"), s.enter(t, "Bo")
	tab := bo.open("/rooms/lobby", nil)
	for range 3 {
		if a := ada.ask("/rooms/lobby/messages", "id", "same", "text", "once"); a.status != http.StatusCreated {
			t.Errorf("got %d", a.status)
		}
	}
	bo.ask("/rooms/lobby/messages", "id", "same", "text", "another's id is another id")
	want := []string{"once", "another's id is another id"}
	if got := []string{tab.text(), tab.text()}; !slices.Equal(got, want) {
		t.Errorf("the socket brings %q, want %q", got, want)
	}
	if said := ada.said("/rooms/lobby"); !slices.Equal(said, want) {
		t.Errorf("the page shows %q, want %q", said, want)
	}
}

func TestSayRefused(t *testing.T) {
	s := newSite(t)
	ada := s.enter(t, "Ada")
	long := strings.Repeat("語", realtime.MaxMessage+1)
	for name, test := range map[string]struct {
		path, id, text string
		status         int
		says           string
	}{
		"too long":        {"/rooms/lobby/messages", "1", long, 422, "at most 1000 characters"},
		"empty":           {"/rooms/lobby/messages", "1", " \n\t", 422, "at least one character"},
		"not text":        {"/rooms/lobby/messages", "1", "\xff", 422, "is text"},
		"no id":           {"/rooms/lobby/messages", "", "hello", 400, ""},
		"a strange id":    {"/rooms/lobby/messages", "a b", "hello", 400, ""},
		"a long id":       {"/rooms/lobby/messages", strings.Repeat("a", 65), "hello", 400, ""},
		"no such room":    {"/rooms/nowhere/messages", "1", "hello", 404, ""},
		"a private room":  {"/rooms/staff/messages", "1", "hello", 403, ""},
		"far too long":    {"/rooms/lobby/messages", "1", strings.Repeat("x", 70_000), 413, ""},
		"the rooms topic": {"/rooms/rooms/messages", "1", "hello", 404, ""},
	} {
		if a := ada.ask(test.path, "id", test.id, "text", test.text); a.status != test.status || !strings.Contains(a.body, test.says) {
			t.Errorf("%s, by script: got %d %s", name, a.status, a.body)
		}
		a := ada.post(test.path, "id", test.id, "text", test.text)
		if a.status != test.status || !strings.Contains(a.body, test.says) {
			t.Errorf("%s, by form: got %d", name, a.status)
		}
		if test.status == 422 && !strings.Contains(a.body, "Not sent: ") {
			t.Errorf("%s: the page does not say so", name)
		}
	}
	if page := ada.post("/rooms/lobby/messages", "id", "7", "text", long); !strings.Contains(page.body, long) {
		t.Error("what was written is lost")
	}
	if said := ada.said("/rooms/lobby"); len(said) != 0 {
		t.Errorf("said: %q", said)
	}
	most := strings.Repeat("語", realtime.MaxMessage)
	if a := ada.ask("/rooms/lobby/messages", "id", "1", "text", most); a.status != http.StatusCreated {
		t.Errorf("the longest message gets %d", a.status)
	}
}

// A page shows the latest, and says that there is more.
func TestLongHistory(t *testing.T) {
	s := newSite(t)
	ada := s.enter(t, "Ada")
	author, _ := session.New("Ada", time.Now())
	for i := range realtime.Shown + 5 {
		if i == realtime.Shown-1 && strings.Contains(ada.get("/rooms/lobby").body, "said earlier") {
			t.Error("a page that shows everything says that there is more")
		}
		if _, err := s.chat.Say(t.Context(), author, realtime.Lobby, fmt.Sprint(i), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	said := ada.said("/rooms/lobby")
	if len(said) != realtime.Shown || said[0] != "5" || said[len(said)-1] != fmt.Sprint(realtime.Shown+4) {
		t.Errorf("the page shows %d messages from %s to %s", len(said), said[0], said[len(said)-1])
	}
	if !strings.Contains(ada.get("/rooms/lobby").body, "said earlier") {
		t.Error("the page does not say that there is more")
	}
}

func TestRooms(t *testing.T) {
	log := memory.Open()
	s := startSite(t, log)
	ada := s.enter(t, "Ada")
	if a := ada.post("/rooms", "name", " Große  Pläne! "); a.status != 200 || a.path != "/rooms/gro%C3%9Fe-pl%C3%A4ne" {
		t.Fatalf("a new room leads to %d %s", a.status, a.path)
	}
	if a := ada.post("/rooms", "name", "große pläne"); a.status != 200 || a.path != "/rooms/gro%C3%9Fe-pl%C3%A4ne" {
		t.Errorf("a room of the same name leads to %d %s", a.status, a.path)
	}
	ada.post("/rooms/gro%C3%9Fe-pl%C3%A4ne/messages", "id", "1", "text", "here")
	for _, name := range []string{"", "!!!", strings.Repeat("x", 33), "a\u202eb"} {
		if a := ada.post("/rooms", "name", name); a.status != 422 || !strings.Contains(a.body, "a room&#39;s name has") {
			t.Errorf("%q: got %d", name, a.status)
		}
	}
	if a := ada.get("/rooms/nowhere"); a.status != 404 {
		t.Errorf("a room that is not there: %d", a.status)
	}
	s.stop()

	s = startSite(t, log) // as after a restart
	bo := s.enter(t, "Bo")
	page := bo.get("/rooms").body
	if n := strings.Count(page, "<bdi>Große Pläne!</bdi>"); n != 1 {
		t.Errorf("the room is listed %d times", n)
	}
	if said := bo.said("/rooms/große-pläne"); !slices.Equal(said, []string{"here"}) {
		t.Errorf("after the restart it shows %q", said)
	}
}

// What a program publishes among the rooms by mistake spoils nothing.
func TestStrangeRooms(t *testing.T) {
	s := newSite(t)
	ada := s.enter(t, "Ada")
	for _, data := range []string{`"text"`, `{"name":"no slug"}`, `{"slug":"staff","name":"Open"}`, `{"slug":"a","name":"A"}`, `{"slug":"a","name":"B"}`} {
		if _, err := s.chat.Hub.Publish(t.Context(), "rooms", []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	page := ada.get("/rooms").body
	for name, want := range map[string]int{"Lobby": 1, "Staff": 1, "A": 1, "B": 0, "Open": 0, "no slug": 0} {
		if n := strings.Count(page, "<bdi>"+name+"</bdi>"); n != want {
			t.Errorf("%s is listed %d times, want %d", name, n, want)
		}
	}
}

func TestRoomsAreBounded(t *testing.T) {
	s := newSite(t)
	ada := s.enter(t, "Ada")
	maker, _ := session.New("Ada", time.Now())
	for i := range 98 {
		if _, err := s.chat.MakeRoom(t.Context(), maker, fmt.Sprintf("room %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if a := ada.post("/rooms", "name", "one more"); a.status != 422 || !strings.Contains(a.body, "no place for more") {
		t.Errorf("the 101st room: %d %s", a.status, a.path)
	}
}

func TestPrivateRoom(t *testing.T) {
	s := newSite(t)
	ada, bo := s.enter(t, "Ada"), s.enter(t, "Bo")
	if a := ada.get("/rooms/staff"); a.status != 403 || !strings.Contains(a.body, "Passphrase") {
		t.Errorf("before the door: %d", a.status)
	}
	if a := ada.post("/rooms/staff/door", "passphrase", "sesame"); a.status != 403 || !strings.Contains(a.body, "not the passphrase") {
		t.Errorf("a wrong passphrase: %d", a.status)
	}
	if a := ada.post("/rooms/staff/door", "passphrase", " open sesame "); a.status != 200 || a.path != "/rooms/staff" {
		t.Errorf("the passphrase leads to %d %s", a.status, a.path)
	}
	if a := ada.post("/rooms/staff/messages", "id", "1", "text", "among us"); a.status != 200 {
		t.Errorf("got %d", a.status)
	}
	if said := ada.said("/rooms/staff"); !slices.Equal(said, []string{"among us"}) {
		t.Errorf("inside: %q", said)
	}
	if a := bo.get("/rooms/staff"); a.status != 403 || strings.Contains(a.body, "among us") || strings.Contains(a.body, "data-room=") {
		t.Errorf("outside: %d", a.status)
	}

	// The doors behind the door: no page comes this far.
	guest, err := session.New("Cy", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	_, said := s.chat.Say(t.Context(), guest, realtime.Staff, "1", "hello")
	_, _, read := s.chat.History(t.Context(), guest, realtime.Staff)
	_, seen := s.chat.Present(t.Context(), guest, realtime.Staff)
	for _, err := range []error{said, read, seen} {
		if !errors.Is(err, realtime.ErrPrivate) {
			t.Errorf("got %v, want %v", err, realtime.ErrPrivate)
		}
	}

	// A stream name that was signed for Ada is worth nothing to Bo, on a socket.
	name := attribute(t, ada.get("/rooms/staff").body, "chat", "data-stream")
	socket := bo.connect()
	socket.subscribe(name, "")
	socket.want("reject_subscription")
	inside := ada.connect()
	inside.subscribe(name, "")
	inside.want("confirm_subscription")
}

// The hub asks again for everything that a socket does, so that a door that is closed is closed at every side.
func TestAuthorize(t *testing.T) {
	s := newSite(t)
	guest, err := session.New("Ada", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	staff := guest
	staff.Staff = true
	ops := []lazyrealtime.Op{
		lazyrealtime.OpSubscribe, lazyrealtime.OpReplay, lazyrealtime.OpPublish, lazyrealtime.OpWhisper, lazyrealtime.OpPresence,
	}
	for _, test := range []struct {
		id      lazyrealtime.Identity
		topic   string
		allowed string
	}{
		{realtime.Identity(guest), "room:lobby", "subscribe replay whisper presence"},
		{realtime.Identity(guest), "room:staff", ""},
		{realtime.Identity(staff), "room:staff", "subscribe replay whisper presence"},
		{realtime.Identity(guest), "rooms", "subscribe replay"},
		{realtime.Identity(staff), "something else", ""},
		{lazyrealtime.Identity{}, "room:lobby", ""},
		{lazyrealtime.Identity{ID: guest.ID}, "room:lobby", ""},
	} {
		var allowed []string
		for _, op := range ops {
			if s.chat.Authorize(t.Context(), test.id, op, test.topic) == nil {
				allowed = append(allowed, op.String())
			}
		}
		if got := strings.Join(allowed, " "); got != test.allowed {
			t.Errorf("%v may %q in %s, want %q", test.id.Value, got, test.topic, test.allowed)
		}
	}
}
