package lazyrealtime

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// keys are what the hub signs with, one for each purpose, so that nothing that was
// signed for one passes for another.
type keys struct{ name, position, ticket []byte }

func newKeys(secret []byte) keys {
	derive := func(purpose string) []byte { return mac(secret, "golazy.dev/lazyrealtime "+purpose) }
	return keys{name: derive("stream name"), position: derive("position"), ticket: derive("ticket")}
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// seal encodes v as JSON and signs it, in the way of turbo-rails: base64, two
// hyphens, and the hexadecimal HMAC-SHA256 of the base64. Unlike there it is good for
// a subprotocol, too: URL-safe and without padding (RFC 6455, 4.1).
func seal(key []byte, v any) string {
	text, _ := json.Marshal(v) // of our own structs: never fails
	body := base64.RawURLEncoding.EncodeToString(text)
	return body + "--" + hex.EncodeToString(mac(key, body))
}

// unseal reverses seal. The error wraps ErrDenied.
func unseal(key []byte, sealed string, v any) error {
	body, digest, ok := cutLast(sealed, "--")
	if !ok || !hmac.Equal([]byte(digest), []byte(hex.EncodeToString(mac(key, body)))) {
		return fmt.Errorf("%w: the signature is wrong", ErrDenied)
	}
	text, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil { // turbo-rails' alphabet
		text, err = base64.StdEncoding.DecodeString(body)
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return fmt.Errorf("%w: what was signed is something else: %w", ErrDenied, err)
	}
	return nil
}

// cutLast is strings.Cut around the last separator: URL-safe base64 has hyphens.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// What is signed may have more members in a later version, which older nodes do not
// look at. What restricts its use is none for that reason: it takes a key for another
// purpose, which older nodes refuse.

// signedName is a topic that an identity may follow.
type signedName struct {
	Topic   string `json:"t"`
	ID      string `json:"i,omitempty"`
	Expires int64  `json:"x"` // Unix seconds
}

// signedPosition is where a topic was when a page was rendered.
type signedPosition struct {
	Topic   string   `json:"t"`
	At      Position `json:"p"`
	Nonce   string   `json:"n"`
	Expires int64    `json:"x"`
}

const (
	// nameRound is what the expiry of a signed name is rounded up to: it stays the
	// same from page to page, because an element whose name changes subscribes anew.
	nameRound = 24 * time.Hour
	// positionLife is how long a position at render time can be used.
	positionLife = 24 * time.Hour
)

// SignedName asks Authorize whether an identity may subscribe to a topic, and
// returns what its page needs to do so: a name, for signed_stream_name, which is
// the same for the identity and the topic until it expires, in one to two days;
// and the topic's position now, for data-position or the parameter position, so
// that what is published between rendering and subscribing is not lost. Read what
// the page shows after SignedName has returned, or before it with History, and sign
// its position with SignPosition.
//
// Without Config.Authorize the caller vouches for the identity.
func (h *Hub) SignedName(ctx context.Context, id Identity, topic string) (name, position string, err error) {
	if err := h.checkTopic(topic); err != nil {
		return "", "", err
	}
	if err := h.Check(id); err != nil {
		return "", "", err
	}
	if h.config.Authorize != nil {
		if err := h.authorize(ctx, id, OpSubscribe, topic); err != nil {
			return "", "", err
		}
	}
	at, err := h.log.Tail(ctx, topic)
	if err != nil {
		return "", "", err
	}
	expires := time.Now().Add(nameRound).Truncate(nameRound).Add(nameRound)
	name = seal(h.keys.name, signedName{Topic: topic, ID: id.ID, Expires: expires.Unix()})
	return name, h.SignPosition(topic, at), nil
}

// SignPosition returns a position, such as one of History, in the form that a page
// hands on. It replays on the first subscribe that names it, for a day.
func (h *Hub) SignPosition(topic string, at Position) string {
	return seal(h.keys.position, signedPosition{
		Topic: topic, At: at, Nonce: nonce(), Expires: time.Now().Add(positionLife).Unix(),
	})
}

func nonce() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// openName returns the topic of a signed name that an identity presents.
func (h *Hub) openName(id Identity, sealed string) (string, error) {
	var n signedName
	err := unseal(h.keys.name, sealed, &n)
	switch {
	case err != nil && len(h.config.TurboSecret) > 0:
		var topic string
		return topic, unseal(h.config.TurboSecret, sealed, &topic)
	case err != nil:
		return "", err
	case n.ID != id.ID:
		return "", fmt.Errorf("%w: the name was signed for somebody else", ErrDenied)
	case time.Now().Unix() >= n.Expires:
		return "", fmt.Errorf("%w: the name has expired", ErrDenied)
	}
	return n.Topic, nil
}

// openPosition returns a signed position of a topic.
func (h *Hub) openPosition(topic, sealed string) (signedPosition, error) {
	var p signedPosition
	if err := unseal(h.keys.position, sealed, &p); err != nil {
		return p, err
	}
	if p.Topic != topic || time.Now().Unix() >= p.Expires {
		return p, fmt.Errorf("%w: the position is another topic's, or has expired", ErrDenied)
	}
	return p, nil
}

// pageBegins says where a page begins that comes with a signed position: behind it
// the first time, and with a gap later, or if the position is not good.
func (h *Hub) pageBegins(ctx context.Context, topic, sealed string) (begin, error) {
	p, err := h.openPosition(topic, sealed)
	if err != nil {
		return begin{gap: true}, nil //nolint:nilerr // the page is old, and told to get a new one
	}
	first, err := h.firstUse(ctx, p)
	return begin{replay: first, gap: !first, at: p.At}, err
}

// firstUse reports whether a signed position is used for the first time, on any
// node: later uses come from a page that has seen more since, nobody knows what.
func (h *Hub) firstUse(ctx context.Context, p signedPosition) (bool, error) {
	return h.log.Claim(ctx, "position/"+p.Nonce, time.Unix(p.Expires, 0))
}
