package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// tooOften says what is wrong with an answer to what came too often.
func tooOften(a answer) string {
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	switch {
	case a.status != http.StatusTooManyRequests:
		return fmt.Sprintf("status %d", a.status)
	case err != nil || seconds < 1 || seconds > 60:
		return fmt.Sprintf("Retry-After: %q", a.header.Get("Retry-After"))
	case a.header.Get("Cache-Control") != "no-store":
		return "it may be stored"
	}
	return ""
}

// until posts until an answer is 429, at most so often, and returns how often it was something else.
func until(most int, post func(i int) answer) (int, answer) {
	for i := range most {
		if a := post(i); a.status == http.StatusTooManyRequests {
			return i, a
		}
	}
	return most, answer{}
}

// Whoever tries passphrases has few attempts, and the right one is none of them then; others go on.
func TestGuessing(t *testing.T) {
	s := newSite(t)
	ada, bo := s.enter(t, "Ada"), s.enter(t, "Bo")
	n, a := until(50, func(i int) answer { return ada.post("/rooms/staff/door", "passphrase", fmt.Sprint("guess ", i)) })
	if n < 5 || n > 10 {
		t.Errorf("%d attempts", n)
	}
	if wrong := tooOften(a); wrong != "" {
		t.Error(wrong)
	}
	if a.path != "/rooms/staff/door" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") ||
		!strings.Contains(a.body, "Wait "+a.header.Get("Retry-After")+" seconds") || !strings.Contains(a.body, `href="/rooms/staff"`) {
		t.Errorf("the page at %s says %s", a.path, a.body)
	}
	forged := http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "X-Forwarded-For": {"203.0.113.5"}, "Forwarded": {"for=203.0.113.5"},
	}
	if a := ada.do(http.MethodPost, "/rooms/staff/door", forged, fields([]string{"passphrase", "open sesame"})); a.status != http.StatusTooManyRequests {
		t.Errorf("the right one, behind too many wrong ones: %d", a.status)
	}
	if a := ada.get("/rooms/staff"); a.status != http.StatusForbidden {
		t.Errorf("the room: %d", a.status)
	}
	if a := bo.post("/rooms/staff/door", "passphrase", "open sesame"); a.path != "/rooms/staff" || a.status != http.StatusOK {
		t.Errorf("somebody else: %d %s", a.status, a.path)
	}
}

// A new log-in for each attempt is no way around that.
func TestGuessingInTurns(t *testing.T) {
	s := newSite(t)
	n, a := until(100, func(int) answer { return s.enter(t, "Eve").post("/rooms/staff/door", "passphrase", "guess") })
	if wrong := tooOften(a); wrong != "" || n > 30 {
		t.Errorf("%d attempts, %s", n, wrong)
	}
}

// What comes too fast is not said, is told so in the way it was asked, and costs nobody else their turn.
func TestFlood(t *testing.T) {
	s := newSite(t)
	ada, bo := s.enter(t, "Ada"), s.enter(t, "Bo")
	say := func(i int) answer { return ada.ask("/rooms/lobby/messages", "id", fmt.Sprint(i), "text", "spam") }
	n, a := until(500, say)
	if wrong := tooOften(a); wrong != "" || a.header.Get("Content-Type") != "application/json" || !strings.Contains(a.body, `"error":"too often`) {
		t.Errorf("by script, after %d: %s; %s", n, wrong, a.body)
	}
	refused, a := 0, answer{}
	for range 20 {
		if a = ada.post("/rooms/lobby/messages", "id", "x", "text", "by form"); a.status == http.StatusTooManyRequests {
			refused++
			break
		}
	}
	if refused == 0 || tooOften(a) != "" || !strings.Contains(a.body, "Too often") || strings.Contains(a.body, "spam") {
		t.Errorf("by form: %s; %s", tooOften(a), a.body)
	}
	if a := bo.ask("/rooms/lobby/messages", "id", "1", "text", "and I?"); a.status != http.StatusCreated {
		t.Errorf("somebody else gets %d", a.status)
	}
	if a := ada.get("/rooms/lobby"); a.status != http.StatusOK {
		t.Errorf("the page: %d", a.status)
	}
}

// Sessions and rooms are not made without end either.
func TestManyLoginsAndRooms(t *testing.T) {
	s := newSite(t)
	ada := s.enter(t, "Ada")
	n, a := until(50, func(i int) answer { return ada.post("/rooms", "name", fmt.Sprint("room ", i)) })
	if wrong := tooOften(a); wrong != "" || n < 10 || n > 20 || !strings.Contains(a.body, `href="/rooms"`) {
		t.Errorf("%d rooms, %s", n, wrong)
	}
	eve := s.visit(t)
	n, a = until(1000, func(i int) answer { return eve.post("/login", "name", fmt.Sprint("Eve ", i)) })
	if wrong := tooOften(a); wrong != "" || n < 90 || strings.Contains(a.header.Get("Set-Cookie"), "chat_session") {
		t.Errorf("%d sessions, %s", n, wrong)
	}
}
