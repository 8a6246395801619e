package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"golazy.dev/lazywebsocket"
)

const secret = "a secret of the tests, of 32 bytes or more"

// Without -public a plain name is rejected, and a signed one accepted, also by
// turbo-rails' channel.
func TestHubSigned(t *testing.T) {
	p := startHub(t, "-secret", secret, "-publish-key", publishKey)
	c := p.welcomed("")
	c.subscribe(plainName("room"), rejected)
	c.subscribe(signedBy("another secret of the tests, of 32 bytes", "room"), rejected)
	c.subscribe(strings.Replace(signedBy(secret, "room"), "--", "--0", 1), rejected)
	room := signedBy(secret, "room")
	c.subscribe(room, confirmed)
	turbo := identifier(map[string]string{"channel": "Turbo::StreamsChannel", "signed_stream_name": signName([]byte(secret), "turbo")})
	c.subscribe(turbo, confirmed)

	p.publish(`{"stream":"room","data":"{\"n\":1}"}`, http.StatusCreated)
	if f := c.wantMessage(`{"n":1}`); f.Identifier != room || f.Stream == "" || f.Epoch == "" || f.Offset == 0 {
		t.Errorf("%+v", f)
	}
	p.publish(`[{"stream":"turbo","data":"\"a\""},{"stream":"turbo","data":"\"b\""}]`, http.StatusCreated)
	c.wantMessage(`"a"`)
	if f := c.wantMessage(`"b"`); f.Identifier != turbo {
		t.Errorf("%+v", f)
	}
}

// A secret that is too short for the hub's own signatures does for plain ones.
func TestHubShortSecret(t *testing.T) {
	p := startHub(t, "-secret", "short")
	p.welcomed("").subscribe(signedBy("short", "room"), confirmed)
	if !strings.Contains(p.stderr.String(), "short key") {
		t.Error("no warning")
	}
}

// With -public a plain name does.
func TestHubPublic(t *testing.T) {
	p := startHub(t, "-public", "-publish-key", publishKey)
	one, other := p.welcomed(""), p.welcomed("")
	one.subscribe(plainName("room"), confirmed)
	other.subscribe(plainName("room"), confirmed)
	p.publish(`{"stream":"room","data":"{\"n\":1}"}`, http.StatusCreated)
	one.wantMessage(`{"n":1}`)
	other.wantMessage(`{"n":1}`)

	one.send(map[string]any{"command": "whisper", "identifier": plainName("room"), "data": map[string]any{"typing": true}})
	other.wantMessage(`{"typing":true}`)

	// Publishing is for those who have the key: what a client sends goes nowhere.
	one.send(map[string]any{"command": "message", "identifier": plainName("room"), "data": `{"n":2}`})
	one.subscribe(plainName("other"), confirmed) // behind it
	p.publish(`{"stream":"room","data":"{\"n\":3}"}`, http.StatusCreated)
	other.wantMessage(`{"n":3}`)
}

func signToken(t *testing.T, key string, claims jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Connecting needs a token only with -jwt-key.
func TestHubToken(t *testing.T) {
	const key = "a key of tokens, for the tests, long enough"
	p := startHub(t, "-public", "-jwt-key", key, "-jwt-issuer", "tests", "-presence")
	now := time.Now().Unix()
	good := signToken(t, key, jwt.MapClaims{"sub": "alice", "iat": now, "exp": now + 600, "iss": "tests"})
	p.welcomed("?jid=" + good)
	p.welcomed("", "X-Jid", good)
	c := p.welcomed("", "Authorization", "Bearer "+good)

	for token, reason := range map[string]string{
		"":      "unauthorized",
		"a.b.c": "unauthorized",
		signToken(t, key+"x", jwt.MapClaims{"sub": "alice", "exp": now + 600, "iss": "tests"}): "unauthorized",
		signToken(t, key, jwt.MapClaims{"sub": "alice", "exp": now + 600, "iss": "others"}):    "unauthorized",
		signToken(t, key, jwt.MapClaims{"sub": "alice", "exp": now - 600, "iss": "tests"}):     "token_expired",
	} {
		c := p.connect("?jid=" + token)
		if f := c.want("disconnect"); f.Reason != reason || f.Reconnect {
			t.Errorf("%+v, want %s", f, reason)
		}
		c.wantClose(lazywebsocket.ClosePolicyViolation)
	}

	// Who is present is the token's subject, whatever the client says.
	c.subscribe(plainName("room"), confirmed)
	c.send(map[string]any{"command": "join", "identifier": plainName("room"), "presence": map[string]any{"id": "root", "info": map[string]any{"n": 1}}})
	if f := c.want("presence"); !strings.Contains(string(f.Message), `"alice"`) || strings.Contains(string(f.Message), "root") {
		t.Errorf("%s", f.Message)
	}
}

// A foreign Origin is refused unless it is allowed.
func TestHubOrigin(t *testing.T) {
	p := startHub(t, "-public", "-allow-origin", "https://app.example", "-allow-origin", "https://b.example")
	for origin, ok := range map[string]bool{
		"": true, p.url: true, "https://app.example": true, "https://b.example": true,
		"https://evil.example": false, "http://app.example": false, "null": false,
	} {
		var lines []string
		if origin != "" {
			lines = []string{"Origin", origin}
		}
		conn, response, err := p.dial("", lines...)
		if conn != nil {
			conn.Close()
		}
		if (err == nil) != ok {
			t.Errorf("%q: %v", origin, err)
		}
		if !ok && (response == nil || response.StatusCode != http.StatusForbidden) {
			t.Errorf("%q: answered with %+v", origin, response)
		}
	}
}

// SIGTERM: each client is told to come back, and closed with 1001.
func TestHubDrain(t *testing.T) {
	p := startHub(t, "-public", "-drain", "200ms")
	clients := []*client{p.welcomed(""), p.welcomed(""), p.welcomed("")}
	clients[0].subscribe(plainName("room"), confirmed)
	began := time.Now()
	p.signal(syscall.SIGTERM)
	for _, c := range clients {
		if f := c.want("disconnect"); f.Reason != "server_restart" || !f.Reconnect {
			t.Errorf("%+v", f)
		}
		c.wantClose(lazywebsocket.CloseGoingAway)
	}
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	// Three goodbyes over 200 ms: the last one comes after two thirds of it.
	if took := time.Since(began); took < 120*time.Millisecond {
		t.Errorf("the goodbyes were not paced: %v", took)
	}
}

// A client that has sent half a request, and is silent, is no failure of the hub's.
func TestHubHalfARequest(t *testing.T) {
	p := startHub(t, "-publish-key", "the key of this test")
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	half := "POST /_broadcast HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer the key of this test\r\nContent-Length: 100\r\n\r\n{\"stre"
	if _, err := c.Write([]byte(half)); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := p.request(http.MethodGet, "/healthz", ""); status != http.StatusOK { // the half one has arrived before
		t.Fatalf("healthz: %d", status)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// While it drains it is not ready, and lives; a second signal ends it at once.
func TestHubSecondSignal(t *testing.T) {
	p := startHub(t, "-public", "-drain", "10m")
	clients := []*client{p.welcomed(""), p.welcomed("")}
	if status, _, _ := p.request(http.MethodGet, "/readyz", ""); status != http.StatusOK {
		t.Fatalf("ready: %d", status)
	}
	p.signal(syscall.SIGTERM)
	// One of them goes at once, the other in ten minutes.
	gone := make(chan error, len(clients))
	for _, c := range clients {
		go func() {
			_, err := c.next()
			gone <- err
		}()
	}
	if err := <-gone; err != nil {
		t.Fatal(err)
	}
	if status, _, _ := p.request(http.MethodGet, "/readyz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("ready while draining: %d", status)
	}
	if status, _, _ := p.request(http.MethodGet, "/healthz", ""); status != http.StatusOK {
		t.Errorf("healthy while draining: %d", status)
	}
	if conn, response, err := p.dial(""); err == nil {
		conn.Close()
		t.Error("a connection was taken while draining")
	} else if response == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("while draining: %+v, %v", response, err)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != -1 {
		t.Errorf("exit code %d, want the signal", code)
	}
	if err := <-gone; err == nil {
		t.Error("the other client was told something")
	}
}

// What was acknowledged is there after a restart, in order, and also after kill -9;
// a client goes on where it was.
func TestHubRestart(t *testing.T) {
	args := []string{"-public", "-publish-key", publishKey, "-store", t.TempDir() + "/hub.db"}
	p := startHub(t, args...)
	c := p.welcomed("")
	c.subscribe(plainName("room"), confirmed)
	publish := func(from, to int) {
		for i := from; i <= to; i++ {
			p.publish(fmt.Sprintf(`{"stream":"room","data":"{\"n\":%d}"}`, i), http.StatusCreated)
		}
	}
	publish(1, 3)
	first := c.wantMessage(`{"n":1}`)
	publish(4, 5)
	c.conn.Close()
	p.stop()

	p = startHub(t, args...)
	publish(6, 7)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait()

	p = startHub(t, args...)
	c = p.welcomed("")
	c.send(map[string]any{
		"command": "subscribe", "identifier": plainName("room"),
		"history": first.position(),
	})
	c.want(confirmed)
	last := first.Offset
	for n := 2; n <= 8; n++ {
		if n == 8 {
			c.want("confirm_history")
			publish(8, 8)
		}
		f := c.wantMessage(fmt.Sprintf(`{"n":%d}`, n))
		if f.Offset <= last || f.Epoch != first.Epoch {
			t.Fatalf("%+v behind %d of %s", f, last, first.Epoch)
		}
		last = f.Offset
	}
}

// Retention is what the flag says.
func TestHubRetain(t *testing.T) {
	p := startHub(t, "-public", "-publish-key", publishKey, "-retain-messages", "3")
	c := p.welcomed("")
	c.subscribe(plainName("room"), confirmed)
	p.publish(`{"stream":"room","data":"1"}`, http.StatusCreated)
	first := c.wantMessage("1")
	for i := 2; i <= 6; i++ {
		p.publish(fmt.Sprintf(`{"stream":"room","data":"%d"}`, i), http.StatusCreated)
		c.wantMessage(fmt.Sprint(i))
	}
	other := p.welcomed("")
	other.send(map[string]any{
		"command": "subscribe", "identifier": plainName("room"),
		"history": first.position(),
	})
	other.want(confirmed)
	other.want("reject_history")
}

// What cannot start says so with code 1, and leaves nothing behind.
func TestHubCannotStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	for _, args := range [][]string{
		{"-addr", l.Addr().String(), "-store", dir + "/a.db"},
		{"-addr", "127.0.0.1:0", "-store", dir + "/no/such/directory/a.db"},
		{"-addr", "127.0.0.1:0", "-store", dir + "/b.db", "-metrics-addr", l.Addr().String()},
		{"-addr", "127.0.0.1:0", "-store", dir + "/c.db", "-tls-cert", dir + "/no.pem", "-tls-key", dir + "/no.pem"},
		{"-addr", "127.0.0.1:0", "-store", "nats://127.0.0.1:1"},
	} {
		code, out, text := run(t, nil, "", append([]string{"hub", "-log-level", "error"}, args...)...)
		if code != exitError || out != "" || text == "" {
			t.Errorf("%v: code %d, output %q, error %q", args, code, out, text)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// A file is one hub's.
func TestHubTwice(t *testing.T) {
	name := t.TempDir() + "/hub.db"
	startHub(t, "-public", "-store", name)
	code, _, text := run(t, nil, "", "hub", "-addr", "127.0.0.1:0", "-store", name)
	if code != exitError || text == "" {
		t.Errorf("code %d, %q", code, text)
	}
}
