package lazyrealtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

const (
	welcome      = `{"type":"welcome"}`
	unauthorized = `{"type":"disconnect","reason":"unauthorized","reconnect":false}`
	tokenExpired = `{"type":"disconnect","reason":"token_expired","reconnect":false}`
	invalid      = `{"type":"disconnect","reason":"invalid_request","reconnect":false}`
	restart      = `{"type":"disconnect","reason":"server_restart","reconnect":true}`
	remote       = `{"type":"disconnect","reason":"remote","reconnect":false}`
	tooMany      = `{"type":"disconnect","reason":"too_many_connections","reconnect":false}`
	tooFast      = `{"type":"disconnect","reason":"rate_limited","reconnect":true}`
)

// lobby is another topic in the clear.
const lobby = `{"channel":"$pubsub","stream_name":"lobby"}`

// modes runs a test with connections that have goroutines, and with a Poller.
func modes(t *testing.T, config lazyrealtime.Config, f func(w *world)) {
	t.Helper()
	t.Run("goroutine", func(t *testing.T) { within(t, config, f) })
	config.Poller = new(lazywebsocket.Poller)
	t.Run("poller", func(t *testing.T) { within(t, config, f) })
}

// protocols is modes for base and extended clients.
func protocols(t *testing.T, config lazyrealtime.Config, f func(w *world, protocol string)) {
	t.Helper()
	for _, protocol := range []string{base, extended} {
		t.Run(protocol, func(t *testing.T) {
			modes(t, config, func(w *world) { f(w, protocol) })
		})
	}
}

// identified lets everybody do everything, and knows them.
var identified = lazyrealtime.Config{Authenticate: asked, Authorize: allow, Public: true}

// script connects a scripted client, which has been welcomed.
func (w *world) script(path, protocol string) *wstest.Peer {
	w.t.Helper()
	p := w.net.Peer()
	p.Request(path, "Sec-WebSocket-Protocol: "+protocol)
	if r := p.Response(); r.StatusCode != http.StatusSwitchingProtocols {
		w.t.Fatalf("%s: %s", path, r.Status)
	}
	p.WantText(welcome)
	return p
}

// request makes a request that is no WebSocket's. The body is to be closed.
func (w *world) request(method, path, body string, header ...string) *http.Response {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	r, err := http.NewRequestWithContext(ctx, method, "http://example.com"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	transport := &http.Transport{DialContext: w.net.DialContext, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body = &hangUp{resp.Body, cancel}
	w.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// hangUp is the body of a response that ends its connection when it is closed, also
// while somebody reads: net/http's own would wait for him, to use the connection again.
type hangUp struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (h *hangUp) Close() error {
	h.cancel()
	return h.ReadCloser.Close()
}

// answered is request for what ends by itself.
func (w *world) answered(method, path, body string, header ...string) (status int, text string) {
	w.t.Helper()
	resp := w.request(method, path, body, header...)
	defer resp.Body.Close()
	defer time.AfterFunc(time.Minute, func() { resp.Body.Close() }).Stop() // it does not end
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %q %v", method, path, b, err)
	}
	return resp.StatusCode, string(b)
}

// wantPutOff fails if an EventSource is not told to come back: it would not behind a
// status that says no.
func (w *world) wantPutOff(path string) {
	w.t.Helper()
	status, text := w.answered("GET", path, "")
	var wait int
	if _, err := fmt.Sscanf(text, "retry: %d\n\n", &wait); status != http.StatusOK || err != nil || wait < 2500 || wait >= 5000 {
		w.t.Errorf("%s: %d %q (%v)", path, status, text, err)
	}
}

// subscribe subscribes a client and drops what confirms it.
func (c *client) subscribe(identifier string) {
	c.t.Helper()
	c.send(command("subscribe", identifier, ""))
	frame, err := c.read()
	if err != nil || decoded(c.t, frame).Type != "confirm_subscription" {
		c.t.Fatalf("subscribe: %s (%v)", frame, err)
	}
}

// wantStats fails if the hub does not have so many connections and subscriptions.
func (w *world) wantStats(connections, subscriptions int) {
	w.t.Helper()
	synctest.Wait()
	if s := w.hub.Stats(); s.Connections != connections || s.Subscriptions != subscriptions {
		w.t.Fatalf("%d connections and %d subscriptions, want %d and %d", s.Connections, s.Subscriptions, connections, subscriptions)
	}
}

// logged is a logger that keeps what it gets.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestWelcome(t *testing.T) {
	modes(t, public, func(w *world) {
		for _, c := range []struct {
			offered []string
			want    string
		}{
			{[]string{base}, base},
			{[]string{extended}, extended},
			{[]string{base, "actioncable-unsupported"}, base},
			{[]string{base, extended}, extended},
			{[]string{"other", base}, base},
			{[]string{"anycable-token.x", extended}, extended},
		} {
			client := w.dial("/cable", c.offered...)
			client.want(welcome)
			if got := client.conn.Subprotocol(); got != c.want {
				w.t.Errorf("%v: the protocol is %q", c.offered, got)
			}
			client.wantNothing()
		}
		w.wantStats(6, 0)
	})
}

func TestNoKnownSubprotocol(t *testing.T) {
	within(t, public, func(w *world) {
		for _, offered := range []string{
			"", "chat", "actioncable-unsupported", "anycable-token.SECRET", "actioncable-v1-json2", "ACTIONCABLE-V1-JSON",
		} {
			p := w.net.Peer()
			if offered == "" {
				p.Request("/cable")
			} else {
				p.Request("/cable", "Sec-WebSocket-Protocol: "+offered)
			}
			resp := p.Response()
			if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Sec-WebSocket-Protocol") != "" {
				w.t.Errorf("%q: %s", offered, resp.Status)
			}
		}
		if status, _ := w.answered("GET", "/cable", ""); status != http.StatusUpgradeRequired {
			w.t.Errorf("without an upgrade: %d", status)
		}
		w.wantStats(0, 0)
	})
}

// A token that comes as a subprotocol is not in the answer, nor in what is logged.
func TestTokenIsNotEchoed(t *testing.T) {
	var l logged
	config := public
	config.Logger = l.logger()
	config.Authenticate = func(r *http.Request) (lazyrealtime.Identity, error) {
		if lazyrealtime.TokenOf(r) != "SECRET" {
			return lazyrealtime.Identity{}, errors.New("another token")
		}
		return lazyrealtime.Identity{ID: "a"}, nil
	}
	within(t, config, func(w *world) {
		for _, offered := range []string{
			extended + ", anycable-token.SECRET", "anycable-token.SECRET, " + extended, "anycable-token.SECRET," + base,
			"anycable-token., anycable-token.SECRET, " + base, "anycable-token.SECRET, anycable-token.OTHER, " + base,
		} {
			p := w.net.Peer()
			p.Request("/cable", "Sec-WebSocket-Protocol: "+offered)
			resp := p.Response()
			dump, err := httputil.DumpResponse(resp, false)
			if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || bytes.Contains(dump, []byte("SECRET")) {
				w.t.Fatalf("%s: %s %v", offered, dump, err)
			}
			if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != base && got != extended {
				w.t.Errorf("%s: %q", offered, got)
			}
			p.WantText(welcome)
		}
		c := w.dial("/cable?jid=SECRETnot", base)
		c.wantClose(unauthorized, 1008)
		if strings.Contains(l.String(), "SECRET") {
			w.t.Errorf("a token is in the log: %s", &l)
		}
	})
}

// What is sent behind the hub's goodbye is not served, and a peer that does not
// answer it is gone when the closing handshake has had its time.
func TestSessionIgnoresCommandsAfterDisconnect(t *testing.T) {
	protocols(t, identified, func(w *world, protocol string) {
		other := w.join("other", extended)
		other.subscribe(roomID)
		p := w.script("/cable?id=a", protocol)
		p.Text(command("subscribe", lobby, ""))
		first, _ := p.Next()
		if first != 0x81 {
			w.t.Fatalf("got %x", first)
		}
		listener := w.join("listener", base)
		listener.subscribe(lobby)
		p.Text("nonsense")
		p.WantText(invalid)
		p.WantClose(1008)
		p.Text(command("subscribe", roomID, ""))
		p.Text(command("message", roomID, `,"data":"{}"`))
		p.Text(command("whisper", lobby, `,"data":1`))
		synctest.Wait()
		p.WantNothing()
		w.wantStats(3, 3)
		time.Sleep(6 * time.Second)
		w.wantStats(2, 2)
		other.wantNothing()
		listener.wantNothing()
	})
}

// Half of a subscribe is no subscription: the connection may end at any moment.
func TestSessionEndsWhileItSubscribes(t *testing.T) {
	modes(t, identified, func(w *world) {
		unblock := w.log.Block(enginetest.OpFollow)
		c := w.join("a", extended)
		c.send(command("subscribe", roomID, ""))
		synctest.Wait()
		if err := w.hub.Revoke(w.t.Context(), "a"); err != nil {
			w.t.Fatal(err)
		}
		synctest.Wait()
		unblock()
		w.publish("room", `"late"`)
		c.wantClose(remote, 1008)
		w.wantStats(0, 0)
	})
}

// A panic of the application ends its connection, with 1011, and nothing else.
func TestSessionPanic(t *testing.T) {
	panics := func() { panic("of the application's") }
	var l logged
	config := lazyrealtime.Config{
		Logger: l.logger(), Authenticate: asked,
		Authorize: func(_ context.Context, _ lazyrealtime.Identity, _ lazyrealtime.Op, topic string) error {
			if topic == "panic" {
				panics()
			}
			return nil
		},
		Channels: map[string]lazyrealtime.Channel{"C": {
			Subscribe: func(_ context.Context, s *lazyrealtime.Subscriber) error {
				return s.Follow(s.Param("topic"))
			},
			Message: func(_ context.Context, _ *lazyrealtime.Subscriber, action string, _ json.RawMessage) error {
				if action == "panic" {
					panics()
				}
				return nil
			},
			Unsubscribe: func(s *lazyrealtime.Subscriber) {
				if s.Param("end") == "panic" {
					panics()
				}
			},
		}},
	}
	const (
		calm  = `{"channel":"C","topic":"room"}`
		wild  = `{"channel":"C","topic":"panic"}`
		rough = `{"channel":"C","topic":"room","end":"panic"}`
	)
	modes(t, config, func(w *world) {
		bystander := w.join("b", extended)
		bystander.subscribe(calm)
		for _, frame := range []string{
			command("message", calm, `,"data":"{\"action\":\"panic\"}"`),
			command("subscribe", wild, ""), command("unsubscribe", rough, ""),
		} {
			c := w.join("a", base)
			c.subscribe(rough)
			c.subscribe(calm)
			c.send(frame)
			if _, err := c.read(); !lazywebsocket.IsCloseError(err, 1011) {
				w.t.Errorf("%s: %v", frame, err)
			}
			w.wantStats(1, 1)
		}
		w.publish("room", `"on"`)
		if frame, err := bystander.read(); err != nil || string(decoded(w.t, frame).Message) != `"on"` {
			w.t.Errorf("%s (%v)", frame, err)
		}
		if !strings.Contains(l.String(), "of the application's") {
			w.t.Errorf("the log says nothing: %s", &l)
		}
	})
}

// own is an application that upgrades all requests itself, and lets the hub serve them as
// somebody's; served gets what Serve returns.
func (w *world) own(id lazyrealtime.Identity, served chan<- error) *wstest.Server {
	upgrader := lazywebsocket.Upgrader{Subprotocols: []string{extended}}
	return wstest.Serve(w.t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(rw, r, nil)
		if err != nil {
			w.t.Error(err)
			return
		}
		served <- w.hub.Serve(conn, id)
	}))
}

// An application may upgrade and authenticate itself.
func TestSessionOfTheApplicationsConnection(t *testing.T) {
	config := identified
	config.Limits.ConnectionsPerIdentity = 1
	within(t, config, func(w *world) {
		served := make(chan error, 3)
		w.net = w.own(lazyrealtime.Identity{ID: "own"}, served)
		c := w.dial("/anything", extended)
		c.want(welcome)
		c.subscribe(roomID)
		second := w.dial("/anything", extended)
		second.wantClose(tooMany, 1013)
		var limit *lazyrealtime.LimitError
		if err := <-served; !errors.As(err, &limit) || limit.Limit != "ConnectionsPerIdentity" || limit.Value != 1 {
			w.t.Errorf("beyond the limit Serve returned %v", err)
		}
		_ = c.conn.Close()
		if err := <-served; err != nil {
			w.t.Errorf("Serve returned %v", err)
		}
		third := w.dial("/anything", extended)
		third.want(welcome)
		if err := w.hub.Revoke(w.t.Context(), "own"); err != nil {
			w.t.Fatal(err)
		}
		third.wantClose(remote, 1008)
		if err := <-served; err != nil {
			w.t.Errorf("Serve returned %v", err)
		}
	})
}

func unmarshal(t *testing.T, b []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
}
