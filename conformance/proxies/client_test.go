package proxies_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// What the hubs of several versions share.
const (
	secret = "a secret of the tests, of 32 bytes or more"
	jwtKey = "a key for tokens of the tests, of 32 bytes or more"
)

// token is a JSON Web Token (RFC 7519, HS256) of an identity, issued now.
func token(id string) string {
	encode := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	claims, _ := json.Marshal(map[string]any{"sub": id, "iat": now, "exp": now + 3600})
	text := encode([]byte(`{"alg":"HS256"}`)) + "." + encode(claims)
	mac := hmac.New(sha256.New, []byte(jwtKey))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

// client is a connection that is told what to say, and what to expect.
type client struct {
	t     *testing.T
	who   string
	conn  *lazywebsocket.Conn
	place map[string]position // where it was told that it is
}

// connect connects to a hub with a token. The hub may refuse it, see refused.
func connect(t *testing.T, h *hub, who, token string) *client {
	t.Helper()
	d := lazywebsocket.Dialer{Subprotocols: []string{extended, "anycable-token." + token}}
	conn, _, err := d.Dial("ws://"+h.address()+"/cable", nil)
	if err != nil {
		t.Fatalf("%s at %s: %v", who, h.address(), err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, who: who, conn: conn, place: make(map[string]position)}
}

// next returns the next frame that is no ping.
func (c *client) next(waitsFor string) frame {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		_, data, err := c.conn.ReadMessageContext(ctx)
		if err != nil {
			c.t.Fatalf("%s waits for %s: %v", c.who, waitsFor, err)
		}
		var f frame
		if err := json.Unmarshal(data, &f); err != nil {
			c.t.Fatalf("%s: %v in %q", c.who, err, data)
		}
		if f.Type == "ping" {
			continue
		}
		for name, p := range f.Streams {
			c.place[name] = p
		}
		if f.Stream != "" && f.Offset > 0 {
			c.place[f.Stream] = position{f.Epoch, f.Offset}
		}
		return f
	}
}

// want fails unless the next frame is of a type, and its message has a text.
func (c *client) want(kind, text string) frame {
	c.t.Helper()
	f := c.next(kind + " " + text)
	if f.Type != kind || !strings.Contains(string(f.Message), text) {
		c.t.Fatalf("%s got %+v with %s, wants %s %s", c.who, f, f.Message, kind, text)
	}
	return f
}

// say sends a command.
func (c *client) say(command, identifier string, more ...any) {
	c.t.Helper()
	m := map[string]any{"command": command, "identifier": identifier}
	for i := 0; i < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	if err := c.conn.WriteJSON(m); err != nil {
		c.t.Fatalf("%s: %v", c.who, err)
	}
}

// subscribe subscribes, and returns behind the confirmation.
func (c *client) subscribe(identifier string, more ...any) {
	c.t.Helper()
	c.say("subscribe", identifier, more...)
	c.want("confirm_subscription", "")
}

// welcomed waits for the welcome.
func (c *client) welcomed() *client {
	c.t.Helper()
	c.want("welcome", "")
	return c
}

// refused waits to be sent away for good.
func (c *client) refused(reasons ...string) {
	c.t.Helper()
	f := c.want("disconnect", "")
	for _, reason := range reasons {
		if f.Reason == reason && !f.Reconnect {
			return
		}
	}
	c.t.Fatalf("%s was sent away with %+v, wants %v", c.who, f, reasons)
}

// public is the identifier of a topic by its plain name.
func public(topic string) string { return fmt.Sprintf(`{"channel":"$pubsub","stream_name":%q}`, topic) }

// publish publishes through a hub, and returns the position.
func publish(t *testing.T, h *hub, topic, key, data string) position {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"stream": topic, "data": data})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url()+"/_broadcast", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+publishKey)
	request.Header.Set("Idempotency-Key", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var p position
	if err := json.NewDecoder(response.Body).Decode(&p); err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("publishing at %s: %s, %v", h.address(), response.Status, err)
	}
	return p
}
