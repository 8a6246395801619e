package lazyrealtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazywebsocket"
)

func TestTokenOf(t *testing.T) {
	for _, c := range []struct{ target, header, want string }{
		{"/", "", ""},
		{"/?jid=t", "", "t"},
		{"/", "X-Jid: t", "t"},
		{"/", "x-jid: t", "t"},
		{"/", "Authorization: Bearer t", "t"},
		{"/", "Authorization: bearer  t ", "t"},
		{"/", "Authorization: Basic t", ""},
		{"/", "Authorization: Bearer", ""},
		{"/", "Sec-WebSocket-Protocol: anycable-token.t", "t"},
		{"/?jid=other", "Sec-WebSocket-Protocol: " + extended + ", anycable-token.t", "t"},
		{"/?jid=t", "X-Jid: other", "t"},
		{"/?jid=", "X-Jid: t", "t"},
	} {
		r := httptest.NewRequest("GET", c.target, nil)
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			r.Header.Set(name, value)
		}
		if got := lazyrealtime.TokenOf(r); got != c.want {
			t.Errorf("%s %s: %q", c.target, c.header, got)
		}
	}
}

// Who may not connect is told so, in the way that lets clients do the right thing.
func TestAuthenticateRefuses(t *testing.T) {
	for _, c := range []struct {
		err    error
		frame  string
		code   int
		status int // of what is no WebSocket
	}{
		{errors.New("who?"), unauthorized, 1008, 401},
		{lazyrealtime.ErrDenied, unauthorized, 1008, 401},
		{fmt.Errorf("jwt: %w", lazyrealtime.ErrTokenExpired), tokenExpired, 1008, 401},
		{fmt.Errorf("database: %w", lazyrealtime.ErrUnavailable), restart, 1013, 503},
	} {
		config := public
		config.Authenticate = func(*http.Request) (lazyrealtime.Identity, error) {
			return lazyrealtime.Identity{ID: "a"}, c.err
		}
		protocols(t, config, func(w *world, protocol string) {
			p := w.net.Peer()
			p.Request("/cable", "Sec-WebSocket-Protocol: "+protocol)
			p.Response()
			p.Text(command("subscribe", roomID, "")) // sent before the refusal has come
			p.WantText(c.frame)
			p.WantClose(c.code)
			p.Close(c.code, "")
			p.WantEOF()
			w.wantStats(0, 0)
			if c.status == http.StatusServiceUnavailable {
				w.wantPutOff("/stream?stream=room")
			} else if status, body := w.answered("GET", "/stream?stream=room", ""); status != c.status || strings.Contains(body, "who") {
				w.t.Errorf("%v: an event stream gets %d %s", c.err, status, body)
			}
		})
	}
}

// A credential that has ended before the connection, and one that ends within it.
func TestCredentialExpires(t *testing.T) {
	config := public
	config.Authenticate = func(r *http.Request) (lazyrealtime.Identity, error) {
		life, err := time.ParseDuration(r.URL.Query().Get("life"))
		return lazyrealtime.Identity{ID: "a", Expires: time.Now().Add(life)}, err
	}
	protocols(t, config, func(w *world, protocol string) {
		for _, life := range []string{"-1h", "0s"} {
			c := w.dial("/cable?life="+life, protocol)
			c.wantClose(tokenExpired, 1008)
			if status, _ := w.answered("GET", "/stream?stream=room&life="+life, ""); status != http.StatusUnauthorized {
				w.t.Errorf("life %s: an event stream gets %d", life, status)
			}
		}
		start := time.Now()
		c := w.dial("/cable?life=20s", protocol)
		c.want(welcome)
		c.subscribe(roomID)
		text := w.dial("/stream?stream=room&life=20s")
		events := w.request("GET", "/stream?stream=room&life=20s", "")
		w.wantStats(3, 1)
		time.Sleep(20*time.Second - time.Millisecond)
		w.wantStats(3, 1)
		c.wantClose(tokenExpired, 1008)
		if _, err := text.read(); !lazywebsocket.IsCloseError(err, 1008) {
			w.t.Errorf("a text stream ends with %v", err)
		}
		if _, err := io.ReadAll(events.Body); err != nil {
			w.t.Errorf("an event stream ends with %v", err)
		}
		if took := time.Since(start); took != 20*time.Second {
			w.t.Errorf("they ended after %v", took)
		}
		w.wantStats(0, 0)
	})
}

// A page of another origin gets nothing, however it asks.
func TestForeignOrigin(t *testing.T) {
	var asked int
	config := public
	config.Authenticate = func(*http.Request) (lazyrealtime.Identity, error) {
		asked++
		return lazyrealtime.Identity{}, nil
	}
	within(t, config, func(w *world) {
		for _, origin := range []string{
			"https://evil.example", "null", "http://example.com.evil.example", "http://evil-example.com", "http://example.com:8080",
			"https://example.com@evil.example", "", "http://example.com, http://example.com", "chrome-extension://example.com:1",
		} {
			for _, path := range []string{"/cable", "/stream?stream=room"} {
				p := w.net.Peer()
				p.Request(path, "Origin: "+origin, "Sec-WebSocket-Protocol: "+base)
				if resp := p.Response(); resp.StatusCode != http.StatusForbidden {
					w.t.Errorf("%s of %q: %s", path, origin, resp.Status)
				}
			}
			resp := w.request("GET", "/stream?stream=room", "", "Origin: "+origin)
			if resp.StatusCode != http.StatusForbidden || resp.Header.Get("Access-Control-Allow-Origin") != "" {
				w.t.Errorf("an event stream of %q: %s %v", origin, resp.Status, resp.Header)
			}
		}
		w.wantStats(0, 0)
		resp := w.request("GET", "/stream?stream=room", "", "Origin: http://example.com")
		if resp.StatusCode != http.StatusOK {
			w.t.Errorf("an event stream of our own: %s", resp.Status)
		}
	})
	config = public
	config.Upgrader = &lazywebsocket.Upgrader{
		CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "https://friend.example" },
	}
	within(t, config, func(w *world) {
		p := w.net.Peer()
		p.Request("/cable", "Origin: https://friend.example", "Sec-WebSocket-Protocol: "+base)
		if resp := p.Response(); resp.StatusCode != http.StatusSwitchingProtocols {
			w.t.Errorf("the friend's WebSocket: %s", resp.Status)
		}
		resp := w.request("GET", "/stream?stream=room", "", "Origin: https://friend.example")
		if h := resp.Header; resp.StatusCode != http.StatusOK || h.Get("Access-Control-Allow-Origin") != "https://friend.example" || h.Get("Vary") == "" {
			w.t.Errorf("the friend's event stream: %s %v", resp.Status, h)
		}
		if resp := w.request("GET", "/stream?stream=room", ""); resp.StatusCode != http.StatusForbidden {
			w.t.Errorf("CheckOrigin refuses what has no Origin: %s", resp.Status)
		}
	})
}

// Without an Authorize nobody may do anything but follow names that were signed for
// them.
func TestDefaultIsDeny(t *testing.T) {
	protocols(t, lazyrealtime.Config{Authenticate: asked}, func(w *world, protocol string) {
		name, _ := w.name("a", "room")
		c, other := w.join("a", protocol), w.join("b", extended)
		for _, id := range []string{
			roomID, lobby, `{"channel":"Turbo::StreamsChannel","stream_name":"room"}`, `{"channel":"$pubsub"}`, `{"channel":"Room"}`,
			`{"channel":"$pubsub","signed_stream_name":"room"}`, `{"channel":""}`, `{}`, `[]`, `"room"`, `room`, `{"channel":1}`, ` `,
		} {
			c.send(command("subscribe", id, ""))
			c.want(answer("reject_subscription", id))
		}
		theirs, _ := w.name("b", "room")
		other.subscribe(`{"channel":"$pubsub","signed_stream_name":"` + theirs + `"}`)
		id := `{"channel":"$pubsub","signed_stream_name":"` + name + `"}`
		c.subscribe(id)
		c.send(command("message", id, `,"data":"{\"by\":\"a\"}"`))
		c.send(command("whisper", id, `,"data":{"by":"a"}`))
		c.wantNothing()
		c.send(command("join", id, `,"presence":{"id":"a","info":1}`))
		c.send(command("presence", id, ""))
		if protocol == extended {
			refusal := `{"type":"presence","identifier":` + echoed(id) + `,"message":{"type":"error"}}`
			c.want(refusal, refusal)
		}
		c.wantNothing()
		other.wantNothing()
		if tail, err := w.log.Tail(w.t.Context(), "room"); err != nil || tail.Offset != 0 {
			w.t.Errorf("something was published: %v %v", tail, err)
		}
		if who, err := w.hub.Presence(w.t.Context(), "room"); err != nil || len(who) != 0 {
			w.t.Errorf("present: %v %v", who, err)
		}
		w.wantStats(2, 2)
	})
}

// asks notes what Authorize is asked.
type asks struct {
	mu   sync.Mutex
	list []string
	deny func(op lazyrealtime.Op, topic string) error
}

func (a *asks) authorize(_ context.Context, id lazyrealtime.Identity, op lazyrealtime.Op, topic string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, fmt.Sprint(id.ID, " ", op, " ", topic))
	if a.deny != nil {
		return a.deny(op, topic)
	}
	return nil
}

func (a *asks) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.list, want) {
		t.Errorf("asked %q, want %q", a.list, want)
	}
	a.list = nil
}

func TestAuthorizeIsAsked(t *testing.T) {
	var a asks
	modes(t, lazyrealtime.Config{Authenticate: asked, Authorize: a.authorize}, func(w *world) {
		a.deny, a.list = nil, nil
		name, _ := w.name("a", "room")
		a.want(w.t, "a subscribe room")
		id := `{"channel":"$pubsub","signed_stream_name":"` + name + `"}`
		at := w.publish("room", `{"n":1}`)
		for range 2 { // also after a reconnect
			c := w.join("a", extended)
			c.subscribe(id)
			a.want(w.t, "a subscribe room")
			c.send(command("message", id, `,"data":"{}"`))
			a.want(w.t, "a publish room")
			c.send(command("whisper", id, `,"data":1`))
			a.want(w.t, "a whisper room")
			c.send(command("join", id, ""))
			a.want(w.t, "a presence room")
			c.send(command("presence", id, ""))
			a.want(w.t, "a presence room")
			_ = c.conn.Close()
			c = w.join("a", extended)
			c.send(command("subscribe", id, w.behind(id, "room", at.Offset)))
			a.want(w.t, "a subscribe room", "a replay room")
			_ = c.conn.Close()
		}
		resp := w.request("GET", "/stream?id=a&name="+name, "", "Last-Event-ID: "+at.Epoch+":1")
		a.want(w.t, "a subscribe room", "a replay room")
		_ = resp.Body.Close()

		// What was allowed once is not allowed for ever.
		a.deny = func(lazyrealtime.Op, string) error { return lazyrealtime.ErrDenied }
		c := w.join("a", extended)
		c.send(command("subscribe", id, ""))
		c.want(answer("reject_subscription", id))
		if status, _ := w.answered("GET", "/stream?id=a&name="+name, ""); status != http.StatusForbidden {
			w.t.Errorf("an event stream gets %d", status)
		}
		if _, _, err := w.hub.SignedName(w.t.Context(), lazyrealtime.Identity{ID: "a"}, "room"); !errors.Is(err, lazyrealtime.ErrDenied) {
			w.t.Errorf("SignedName: %v", err)
		}
	})
}

// Each operation is denied by itself.
func TestAuthorizeDeniesOne(t *testing.T) {
	var l logged
	var a asks
	config := lazyrealtime.Config{Authenticate: asked, Authorize: a.authorize, Logger: l.logger()}
	for _, denied := range []lazyrealtime.Op{
		lazyrealtime.OpReplay, lazyrealtime.OpPublish, lazyrealtime.OpWhisper, lazyrealtime.OpPresence,
	} {
		t.Run(denied.String(), func(t *testing.T) {
			a.deny = func(op lazyrealtime.Op, _ string) error {
				if op == denied {
					return errors.New("the database has said: " + op.String())
				}
				return nil
			}
			modes(t, config, func(w *world) { deniesOne(w, denied) })
			if !strings.Contains(l.String(), "the database has said: "+denied.String()) {
				t.Errorf("the log does not say why: %s", &l)
			}
		})
	}
}

func deniesOne(w *world, denied lazyrealtime.Op) {
	w.publish("room", `{"n":1}`)
	name, _ := w.name("a", "room")
	id := `{"channel":"$pubsub","signed_stream_name":"` + name + `"}`
	c, other := w.join("a", extended), w.join("a", extended)
	other.subscribe(id)
	c.send(command("subscribe", id, w.behind(id, "room", 0)))
	c.want(answer("confirm_subscription", id))
	if denied == lazyrealtime.OpReplay {
		c.want(w.answerAt("reject_history", id, "room", 1))
	} else {
		c.want(w.stored(id, "room", `{"n":1}`, 1), w.answerAt("confirm_history", id, "room", 1))
	}
	c.send(command("message", id, `,"data":"{\"n\":2}"`))
	if denied == lazyrealtime.OpPublish {
		other.wantNothing()
	} else {
		other.want(w.stored(id, "room", `{"n":2}`, 2))
		c.want(w.stored(id, "room", `{"n":2}`, 2))
	}
	c.send(command("whisper", id, `,"data":"psst"`))
	if denied == lazyrealtime.OpWhisper {
		other.wantNothing()
	} else {
		other.want(plain(id, `"psst"`))
	}
	c.send(command("presence", id, ""))
	if denied == lazyrealtime.OpPresence {
		c.want(presenceOf(id, `"type":"error"`))
	} else {
		c.want(presenceOf(id, `"type":"info","total":0,"records":[]`))
	}
}

// An Authorize that cannot know now is no reason to send a client away for good.
func TestAuthorizeIsUnavailable(t *testing.T) {
	var a asks
	a.deny = func(lazyrealtime.Op, string) error { return fmt.Errorf("database: %w", lazyrealtime.ErrUnavailable) }
	config := lazyrealtime.Config{Authenticate: asked, Authorize: a.authorize, Channels: rooms}
	protocols(t, config, func(w *world, protocol string) {
		c := w.join("a", protocol)
		c.send(command("subscribe", `{"channel":"Room","room":"1"}`, ""))
		c.wantClose(restart, 1013)
		w.wantStats(0, 0)
	})
	config.Authorize = nil
	within(t, config, func(w *world) {
		name, _ := w.name("a", "room")
		second := config
		second.Authorize = a.authorize
		other := open(w.t, second, w.log)
		defer other.close()
		other.wantPutOff("/stream?id=a&name=" + name)
	})
}

// rooms are an application's channels.
var rooms = map[string]lazyrealtime.Channel{"Room": {
	Subscribe: func(_ context.Context, s *lazyrealtime.Subscriber) error { return s.Follow("room:" + s.Param("room")) },
	Whisper:   true, Presence: true,
}}
