package lazyrealtime_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazyrealtime/memory"
)

// bySigned is the identifier of a signed name.
func bySigned(channel, name string) string {
	return `{"channel":"` + channel + `","signed_stream_name":` + quoted(name) + `}`
}

// accepts reports whether a subscription is let in.
func (c *client) accepts(identifier string) bool {
	c.t.Helper()
	c.send(command("subscribe", identifier, ""))
	frame, err := c.read()
	if err != nil {
		c.t.Fatal(err)
	}
	switch f := decoded(c.t, frame); f.Type {
	case "confirm_subscription":
		c.send(command("unsubscribe", identifier, ""))
		return true
	case "reject_subscription":
		return false
	}
	c.t.Fatalf("got %s", frame)
	return false
}

func TestSignedName(t *testing.T) {
	protocols(t, lazyrealtime.Config{Authenticate: asked}, func(w *world, protocol string) {
		name, position := w.name("a", "room")
		if again, another := w.name("a", "room"); again != name || another == position {
			w.t.Error("the name has changed, or the position has not")
		}
		others, _ := w.name("b", "room")
		anonymous, _ := w.name("", "room")
		ticket, err := w.hub.Ticket(w.t.Context(), lazyrealtime.Identity{ID: "a"})
		if err != nil {
			w.t.Fatal(err)
		}
		a, nobody := w.join("a", protocol), w.join("", protocol)
		for _, channel := range []string{"$pubsub", "Turbo::StreamsChannel"} {
			if !a.accepts(bySigned(channel, name)) || !nobody.accepts(bySigned(channel, anonymous)) {
				w.t.Error("a name is refused that was signed for the client")
			}
			for what, wrong := range map[string]string{
				"another's": others, "anonymous": anonymous, "a position": position, "a ticket": ticket,
				"a ticket without its prefix": strings.TrimPrefix(ticket, "ticket."), "empty digest": name[:len(name)-64],
				"upper case": strings.ToUpper(name), "twice": name + "--" + name, "a space": name + " ", "nothing": "--", "": "a",
			} {
				if a.accepts(bySigned(channel, wrong)) {
					w.t.Errorf("%s: %s is a name", channel, what)
				}
			}
			if nobody.accepts(bySigned(channel, name)) {
				w.t.Error("nobody uses a name of somebody's")
			}
		}
		w.wantStats(2, 0)
	})
}

// No byte of a signed name can be changed.
func TestSignedNameTampered(t *testing.T) {
	within(t, lazyrealtime.Config{Authenticate: asked, Limits: lazyrealtime.Limits{PublishesPerSecond: -1}}, func(w *world) {
		name, _ := w.name("a", "room")
		c := w.join("a", base)
		for i := range name {
			for _, by := range []byte{1, 4} {
				b := []byte(name)
				b[i] ^= by
				if wrong := string(b); strings.ToValidUTF8(wrong, "") == wrong && c.accepts(bySigned("$pubsub", wrong)) {
					w.t.Errorf("changed at %d: %s", i, wrong)
				}
			}
		}
		body, digest, _ := strings.Cut(name, "--")
		forged := base64.URLEncoding.EncodeToString([]byte(`{"t":"secret","i":"a","x":99999999999}`))
		for _, wrong := range []string{forged + "--" + digest, body + "--", body, "--" + digest, digest, body + "-" + digest} {
			if c.accepts(bySigned("$pubsub", wrong)) {
				w.t.Errorf("%s is a name", wrong)
			}
		}
	})
}

// A name is good for one to two days, the same all day long, on all hubs with the
// secret.
func TestSignedNameExpires(t *testing.T) {
	for _, late := range []time.Duration{0, 23*time.Hour + 59*time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			midnight := time.Now() // where a bubble's time begins
			log := enginetest.NewFaulty(memory.Open())
			defer log.Close()
			// Each step has a hub of its own: time passes quickly where none runs.
			at := func(when time.Duration, do func(w *world)) {
				time.Sleep(time.Until(midnight.Add(when)))
				w := open(t, lazyrealtime.Config{Authenticate: asked}, log)
				do(w)
				w.close()
			}
			var name string
			accepted := func(want bool) func(w *world) {
				return func(w *world) {
					c := w.join("a", base)
					if c.accepts(bySigned("$pubsub", name)) != want {
						t.Errorf("signed at %v, after %v: accepted is not %v", late, time.Since(midnight), want)
					}
					_ = c.conn.Close() // or the hub's end would wait for it
					resp := w.request("GET", "/stream?id=a&name="+name, "")
					_ = resp.Body.Close()
					if (resp.StatusCode == 200) != want {
						t.Errorf("after %v an event stream gets %s", time.Since(midnight), resp.Status)
					}
				}
			}
			at(late, func(w *world) { name, _ = w.name("a", "room") })
			at(24*time.Hour-time.Second, func(w *world) {
				if again, _ := w.name("a", "room"); again != name {
					t.Error("the name has changed within the day")
				}
			})
			at(24*time.Hour, func(w *world) {
				if again, _ := w.name("a", "room"); again == name {
					t.Error("a name of the day before is signed again")
				}
			})
			at(48*time.Hour-time.Second, accepted(true))
			at(48*time.Hour, accepted(false))
		})
	}
}

// verifier signs as turbo-rails does.
func verifier(key, text string) string {
	body := base64.StdEncoding.EncodeToString([]byte(text))
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(body))
	return body + "--" + hex.EncodeToString(h.Sum(nil))
}

// The names that a Rails application signs are accepted with its key, and not
// without.
func TestTurboName(t *testing.T) {
	const key = "a key of the Rails application's"
	name := verifier(key, `"Z2lkOi8vcm9vbS8x"`)
	config := lazyrealtime.Config{Authenticate: asked, TurboSecret: []byte(key)}
	within(t, config, func(w *world) {
		c := w.join("a", base)
		id := bySigned("Turbo::StreamsChannel", name)
		c.subscribe(id)
		if _, err := w.hub.PublishHTML(w.t.Context(), "Z2lkOi8vcm9vbS8x", "<p>"); err != nil {
			w.t.Fatal(err)
		}
		c.want(plain(id, `"\u003cp\u003e"`))
		own, _ := w.name("a", "room")
		if !c.accepts(bySigned("$pubsub", own)) || !c.accepts(bySigned("$pubsub", verifier(key, `"???>>>"`))) {
			w.t.Error("a signed name is refused")
		}
		for _, wrong := range []string{
			verifier("another key", `"room"`), verifier(key, `room`), verifier(key, `{"t":"room"}`), verifier(key, `["room"]`), verifier(key, `1`),
			verifier(key, `""`), verifier(key, `"a\u0000b"`), verifier(key, `"`+strings.Repeat("x", 256)+`"`), verifier("", `"room"`),
			verifier(key, `{"t":"room","i":"a","x":99999999999}`), name[:len(name)-1], name + "0",
		} {
			if c.accepts(bySigned("$pubsub", wrong)) {
				w.t.Errorf("%s is a name", wrong)
			}
		}
		if status, _ := w.answered("GET", "/stream?name="+verifier("another", `"room"`), ""); status != 403 {
			w.t.Errorf("an event stream gets %d", status)
		}
	})
	config.TurboSecret = nil
	within(t, config, func(w *world) {
		c := w.join("a", base)
		for _, wrong := range []string{name, verifier("", `"room"`), verifier("0123456789abcdef0123456789abcdef", `"room"`)} {
			if c.accepts(bySigned("Turbo::StreamsChannel", wrong)) {
				w.t.Errorf("without a TurboSecret %s is a name", wrong)
			}
		}
	})
}

// Public is for $pubsub and the parameter stream, and nothing else.
func TestPublic(t *testing.T) {
	for _, on := range []bool{true, false} {
		var a asks
		a.deny = func(lazyrealtime.Op, string) error { return lazyrealtime.ErrDenied }
		config := lazyrealtime.Config{Public: on, Authenticate: asked, Authorize: a.authorize}
		protocols(t, config, func(w *world, protocol string) {
			a.list = nil
			c, other := w.join("a", protocol), w.join("b", extended)
			if c.accepts(roomID) != on {
				w.t.Errorf("public %v, and an unsigned name is not", on)
			}
			for _, id := range []string{
				`{"channel":"Turbo::StreamsChannel","stream_name":"room"}`, `{"channel":"Other","stream_name":"room"}`, `{"stream_name":"room"}`,
				`{"channel":"$pubsub","stream_name":""}`, `{"channel":"$pubsub","stream_name":"a\u0001"}`, `{"channel":"$pubsub","stream_name":5}`,
				`{"channel":"$pubsub","stream_name":"room","signed_stream_name":"forged"}`,
			} {
				if c.accepts(id) {
					w.t.Errorf("public %v: %s is accepted", on, id)
				}
			}
			status, _ := 0, ""
			if resp := w.request("GET", "/stream?stream=room", ""); resp != nil {
				status = resp.StatusCode
				resp.Body.Close()
			}
			if (status == 200) != on {
				w.t.Errorf("public %v: an event stream gets %d", on, status)
			}
			a.want(w.t)
			if !on {
				return
			}
			c.subscribe(roomID)
			other.subscribe(roomID)
			c.send(command("whisper", roomID, `,"data":"psst"`))
			other.want(plain(roomID, `"psst"`))
			a.want(w.t)
			c.send(command("message", roomID, `,"data":"{}"`))
			a.want(w.t, "a publish room")
			other.send(command("join", roomID, ""))
			other.want(presenceOf(roomID, `"type":"error"`))
			a.want(w.t, "b presence room")
			other.wantNothing()
		})
	}
}

// What SignedName does not sign.
func TestSignedNameRefuses(t *testing.T) {
	within(t, lazyrealtime.Config{Limits: lazyrealtime.Limits{TopicBytes: 10}}, func(w *world) {
		sign := func(id lazyrealtime.Identity, topic string) error {
			name, position, err := w.hub.SignedName(w.t.Context(), id, topic)
			if err != nil && name+position != "" {
				w.t.Errorf("%v, and %s", err, name+position)
			}
			return err
		}
		for _, topic := range []string{"", "a\nb", "a\x00", "\xff", strings.Repeat("x", 11), "\u0085"} {
			if sign(lazyrealtime.Identity{ID: "a"}, topic) == nil {
				w.t.Errorf("the topic %q is signed", topic)
			}
		}
		a := lazyrealtime.Identity{ID: "a", Issued: time.Now()}
		if err := sign(a, "room"); err != nil {
			w.t.Error(err)
		}
		past := lazyrealtime.Identity{ID: "b", Expires: time.Now()}
		if err := sign(past, "room"); !errors.Is(err, lazyrealtime.ErrTokenExpired) {
			w.t.Errorf("an expired identity: %v", err)
		}
		if err := w.hub.Revoke(w.t.Context(), "a"); err != nil {
			w.t.Fatal(err)
		}
		if err := sign(a, "room"); !errors.Is(err, lazyrealtime.ErrDenied) {
			w.t.Errorf("a revoked identity: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := sign(lazyrealtime.Identity{ID: "a"}, "room"); err != nil {
			w.t.Errorf("one that was checked now: %v", err)
		}
		w.log.Fail("Tail")
		if err := sign(lazyrealtime.Identity{ID: "c"}, "room"); !errors.Is(err, lazyrealtime.ErrUnavailable) {
			w.t.Errorf("without an engine: %v", err)
		}
		w.log.Before(nil)
	})
}
