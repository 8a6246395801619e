package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golazy.dev/examples/chat/app/session"
)

// written returns the cookie that a keeper sets.
func written(t *testing.T, k *session.Keeper, s session.Session, secure bool) *http.Cookie {
	t.Helper()
	url := "http://localhost/"
	if secure {
		url = "https://localhost/"
	}
	w := httptest.NewRecorder()
	if err := k.Write(w, httptest.NewRequest(http.MethodGet, url, nil), s); err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()[0]
}

func read(k *session.Keeper, cookie *http.Cookie) (session.Session, error) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	return k.Read(r)
}

func TestCookie(t *testing.T) {
	k := session.NewKeeper([]byte("key"))
	s, err := session.New("  Ada   Lovelace ", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.Staff = true
	cookie := written(t, k, s, false)
	if got, err := read(k, cookie); err != nil || got != s || got.Name != "Ada Lovelace" {
		t.Errorf("read %+v, %v; want %+v", got, err, s)
	}
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Secure || cookie.Path != "/" {
		t.Errorf("the cookie is %v", cookie)
	}
	if !written(t, k, s, true).Secure {
		t.Error("the cookie of https is sent over http")
	}
}

func TestCookieRefused(t *testing.T) {
	k := session.NewKeeper([]byte("key"))
	s, err := session.New("Ada", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	good := written(t, k, s, false)
	payload, mac, _ := strings.Cut(good.Value, ".")
	other := s
	other.Staff = true
	otherPayload, _, _ := strings.Cut(written(t, k, other, false).Value, ".")
	old := s
	old.IssuedAt = time.Now().Add(-session.Life).UnixMilli()
	nobody := s
	nobody.ID = ""

	for name, test := range map[string]struct {
		keeper *session.Keeper
		value  string
		want   error
	}{
		"another key":       {session.NewKeeper([]byte("other")), good.Value, session.ErrInvalid},
		"another payload":   {k, otherPayload + "." + mac, session.ErrInvalid},
		"no signature":      {k, payload, session.ErrInvalid},
		"an empty value":    {k, "", session.ErrInvalid},
		"too old":           {k, written(t, k, old, false).Value, session.ErrExpired},
		"nobody in person":  {k, written(t, k, nobody, false).Value, session.ErrInvalid},
		"a shorter payload": {k, payload[1:] + "." + mac, session.ErrInvalid},
	} {
		cookie := *good
		cookie.Value = test.value
		if _, err := read(test.keeper, &cookie); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	if _, err := read(k, nil); !errors.Is(err, session.ErrNone) {
		t.Errorf("without a cookie: got %v", err)
	}
}

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"Ada":                   true,
		"Ada  B.":               true,
		"名前":                    true,
		"":                      false,
		" \t\n":                 false,
		"a\u202eb":              false, // turns around what follows
		"a\u200bb":              false, // has no width
		"a\x00b":                false,
		"a\xff":                 false,
		strings.Repeat("é", 32): true,
		strings.Repeat("é", 33): false,
	} {
		if _, err := session.New(name, time.Now()); (err == nil) != ok {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestSessionsDiffer(t *testing.T) {
	now := time.Now()
	a, _ := session.New("Ada", now)
	b, _ := session.New("Ada", now)
	if a.ID == b.ID || len(a.ID) < 26 {
		t.Errorf("the ids are %q and %q", a.ID, b.ID)
	}
	if !a.Issued().Equal(now.Truncate(time.Millisecond)) {
		t.Errorf("issued at %v, want %v", a.Issued(), now)
	}
}
