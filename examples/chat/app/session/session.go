// Package session keeps who somebody is: in a signed cookie, and nowhere else. What ends a session early is the hub's
// record of revocations, which is why a session says when it was issued.
package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// Life is how long somebody stays logged in.
	Life = 30 * 24 * time.Hour
	// MaxName is the longest name, in characters.
	MaxName = 32

	cookieName = "chat_session"
)

// Why somebody is not logged in. The text of ErrName is shown to people.
var (
	ErrNone    = errors.New("session: none")
	ErrInvalid = errors.New("session: the cookie is not one of ours")
	ErrExpired = errors.New("session: expired")
	ErrName    = fmt.Errorf("a name has 1 to %d characters, all of them visible", MaxName)
)

// Session is one log-in. Whoever logs in twice, in two browsers, is two people to the others.
type Session struct {
	// ID is random, and so nothing that two people could share or anybody could guess.
	ID string `json:"id"`
	// Name is what the others see.
	Name string `json:"name"`
	// IssuedAt is the time of the log-in, in milliseconds since 1970. It does not change when the session does: a session
	// that was revoked stays so.
	IssuedAt int64 `json:"at"`
	// Staff says that its owner knew the passphrase of the private room.
	Staff bool `json:"staff,omitempty"`
}

// Issued is IssuedAt as a time.
func (s Session) Issued() time.Time { return time.UnixMilli(s.IssuedAt) }

// Expires is when the session ends by itself.
func (s Session) Expires() time.Time { return s.Issued().Add(Life) }

// New starts a session for somebody with this name. The error is ErrName.
func New(name string, now time.Time) (Session, error) {
	name, ok := CleanName(name, MaxName)
	if !ok {
		return Session{}, ErrName
	}
	return Session{ID: strings.ToLower(rand.Text()), Name: name, IssuedAt: now.UnixMilli()}, nil
}

// CleanName makes runs of white space single blanks, and says whether the rest is a name: it has something to see, nothing
// that hides or turns around what stands beside it, and at most so many characters.
func CleanName(name string, most int) (string, bool) {
	if !utf8.ValidString(name) {
		return "", false
	}
	name = strings.Join(strings.Fields(name), " ")
	n := utf8.RuneCountInString(name)
	hidden := func(r rune) bool { return !unicode.IsPrint(r) }
	return name, n > 0 && n <= most && !strings.ContainsFunc(name, hidden)
}

// Keeper signs and reads the cookies. It may be used concurrently.
type Keeper struct {
	key []byte
}

// NewKeeper returns a Keeper with a key of 32 bytes, which is the same on all nodes and after a restart.
func NewKeeper(key []byte) *Keeper { return &Keeper{key: key} }

// Read returns the session of a request: ErrNone, ErrInvalid or ErrExpired if there is none.
func (k *Keeper) Read(r *http.Request) (Session, error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return Session{}, ErrNone
	}
	payload, mac, _ := strings.Cut(cookie.Value, ".")
	if !hmac.Equal([]byte(mac), []byte(k.sign(payload))) {
		return Session{}, ErrInvalid
	}
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return Session{}, ErrInvalid
	}
	var s Session
	if err := json.Unmarshal(text, &s); err != nil || s.ID == "" {
		return Session{}, ErrInvalid
	}
	if !time.Now().Before(s.Expires()) {
		return Session{}, ErrExpired
	}
	return s, nil
}

// Write gives the session to the browser.
func (k *Keeper) Write(w http.ResponseWriter, r *http.Request, s Session) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	payload := base64.RawURLEncoding.EncodeToString(text)
	setCookie(w, r, payload+"."+k.sign(payload), int(time.Until(s.Expires()).Seconds()))
	return nil
}

// Clear takes it away.
func (k *Keeper) Clear(w http.ResponseWriter, r *http.Request) { setCookie(w, r, "", -1) }

func setCookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	//nolint:gosec // Secure where the browser speaks https to us; on localhost it does not
	http.SetCookie(w, &http.Cookie{
		Name:     cookieName,
		Value:    value,
		Path:     "/",
		MaxAge:   maxAge,
		HttpOnly: true,
		Secure:   r.TLS != nil,
		SameSite: http.SameSiteLaxMode,
	})
}

func (k *Keeper) sign(payload string) string {
	mac := hmac.New(sha256.New, k.key)
	mac.Write([]byte(payload))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
