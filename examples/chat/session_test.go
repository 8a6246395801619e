package main

import (
	"net/http"
	"strings"
	"testing"

	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazywebsocket"
)

func TestLogin(t *testing.T) {
	s := newSite(t)
	v := s.visit(t)
	if a := v.get("/"); a.path != "/login" || !strings.Contains(a.body, "Your name") {
		t.Errorf("a stranger is sent to %s", a.path)
	}
	if a := v.get("/rooms/staff"); a.path != "/login?next=%2Frooms%2Fstaff" {
		t.Errorf("a stranger is sent to %s", a.path)
	}
	if a := v.post("/login", "name", "  "); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "a name has 1 to 32") {
		t.Errorf("no name: %d", a.status)
	}
	if a := v.post("/login", "name", "Ada", "next", "/rooms"); a.path != "/rooms" {
		t.Errorf("sent to %s, want /rooms", a.path)
	}
	if a := v.get("/login?next=/rooms/lobby"); a.path != "/rooms/lobby" {
		t.Errorf("somebody logged in is sent to %s", a.path)
	}
}

// Whoever has made up the link to the log-in does not choose another site to go on to.
func TestLoginGoesNowhereElse(t *testing.T) {
	s := newSite(t)
	for _, next := range []string{
		"https://evil.example/rooms", "//evil.example/rooms", `/\evil.example`, "/logout", "javascript:alert(1)", "rooms", "",
	} {
		v := s.visit(t)
		if a := v.post("/login", "name", "Ada", "next", next); a.path != "/rooms/lobby" || a.status != http.StatusOK {
			t.Errorf("%q leads to %d %s", next, a.status, a.path)
		}
	}
}

// After a log-out the cookie is worth nothing, wherever it is: on pages, on open sockets and on new ones, and after a
// restart of the server.
func TestLogoutEverywhere(t *testing.T) {
	log := memory.Open()
	s := startSite(t, log)
	ada := s.enter(t, "Ada")
	thief := ada.elsewhere(s)
	tabs := []*cable{ada.connect(), ada.connect(), thief.connect()}
	for _, tab := range tabs {
		tab.want("welcome")
	}
	bo := s.enter(t, "Bo")
	other := bo.connect()
	other.want("welcome")

	if a := ada.post("/logout"); a.status != http.StatusOK || !strings.Contains(a.body, "You are logged out") {
		t.Errorf("logging out leads to %d %s", a.status, a.path)
	}
	for i, tab := range tabs {
		if f := tab.want("disconnect"); f.Reconnect == nil || *f.Reconnect {
			t.Errorf("tab %d is told %+v", i, f)
		}
		if _, _, err := tab.conn.ReadMessage(); !lazywebsocket.IsCloseError(err, lazywebsocket.ClosePolicyViolation) {
			t.Errorf("tab %d: %v", i, err)
		}
	}
	refused := func(s *site) {
		t.Helper()
		thief.site = s
		if a := thief.get("/rooms/lobby"); !strings.HasPrefix(a.path, "/login") {
			t.Errorf("the old cookie leads to %s", a.path)
		}
		if a := thief.ask("/rooms/lobby/messages", "id", "1", "text", "still here"); a.status != http.StatusUnauthorized {
			t.Errorf("the old cookie says something: %d", a.status)
		}
		socket := thief.connect()
		defer socket.conn.Close()
		if f := socket.want("disconnect"); f.Reason != "unauthorized" || f.Reconnect == nil || *f.Reconnect {
			t.Errorf("a socket with the old cookie is told %+v", f)
		}
	}
	refused(s)
	if a := bo.ask("/rooms/lobby/messages", "id", "1", "text", "I stay"); a.status != http.StatusCreated {
		t.Errorf("somebody else was logged out, too: %d", a.status)
	}
	_ = other.conn.Close()
	s.stop()
	refused(startSite(t, log))
}

func TestSessionEndpoint(t *testing.T) {
	s := newSite(t)
	ada := s.enter(t, "Ada")
	header := http.Header{"Accept": {"application/json"}}
	if a := ada.do(http.MethodGet, "/session", header, nil); a.status != http.StatusOK || !strings.Contains(a.body, `"name":"Ada"`) {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if a := s.visit(t).do(http.MethodGet, "/session", header, nil); a.status != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", a.status)
	}
}

// What other sites' pages send, with the cookie that comes along, does nothing.
func TestForeignPages(t *testing.T) {
	s := newSite(t)
	ada := s.enter(t, "Ada")
	for _, path := range []string{"/login", "/logout", "/rooms", "/rooms/lobby/messages", "/rooms/staff/door"} {
		for name, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
			header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, name: {value}}
			body := strings.NewReader("id=1&text=spam&name=Spam&passphrase=open+sesame")
			if a := ada.do(http.MethodPost, path, header, body); a.status != http.StatusForbidden {
				t.Errorf("%s with %s: %s gets %d", path, name, value, a.status)
			}
		}
	}
	if said := ada.said("/rooms/lobby"); len(said) != 0 {
		t.Errorf("said: %q", said)
	}
	dialer := lazywebsocket.Dialer{Subprotocols: []string{"actioncable-v1-ext-json"}}
	_, response, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/cable",
		http.Header{"Origin": {"https://evil.example"}})
	if err == nil || response == nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("a socket of another site: %v, %v", response, err)
	}
}

func TestHeaders(t *testing.T) {
	s := newSite(t)
	ada := s.enter(t, "Ada")
	for _, path := range []string{"/rooms", "/rooms/lobby", "/rooms/staff", "/assets/chat.js"} {
		a := ada.get(path)
		policy := a.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", path, policy)
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: no nosniff", path)
		}
		if !strings.HasPrefix(path, "/assets") && a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be stored: %q", path, a.header.Get("Cache-Control"))
		}
		if strings.Contains(a.body, "<script>") || strings.Contains(a.body, " style=") || strings.Contains(a.body, " onclick=") {
			t.Errorf("%s has what its policy forbids", path)
		}
	}
	tag := ada.get("/assets/chat.js").header.Get("Etag")
	a := ada.do(http.MethodGet, "/assets/chat.js", http.Header{"If-None-Match": {tag}}, nil)
	if tag == "" || a.status != http.StatusNotModified {
		t.Errorf("the tag %q gets %d", tag, a.status)
	}
}
