// Package controllers holds the actions that answer with pages, and those of the forms on them.
package controllers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golazy.dev/examples/chat/app/realtime"
	"golazy.dev/examples/chat/app/session"
	"golazy.dev/examples/chat/app/views"
	"golazy.dev/lazycontroller"
	"golazy.dev/lazyrealtime"
)

// App is what the actions work on.
type App struct {
	Chat   *realtime.Chat
	limits limits
}

// New returns the actions of a chat.
func New(chat *realtime.Chat) *App { return &App{Chat: chat, limits: newLimits()} }

// The page loads nothing that this server does not serve, runs no script that stands in the page, and lets no script write
// HTML.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

const (
	maxForm = 64 << 10         // bytes: far above the longest message, which gets a clear answer
	patient = 10 * time.Second // for the log, where nobody waits any more afterwards
)

// Guard refuses what other sites' pages send, and says what browsers may do with ours.
func Guard(next http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentPolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		ctx, cancel := context.WithTimeout(r.Context(), patient)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	}))
}

// LoggedIn makes an action of one that needs a session. Whoever has none, or one that was revoked, is sent to log in.
func (a *App) LoggedIn(
	do func(http.ResponseWriter, *http.Request, session.Session) error,
) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		s, err := a.current(r)
		switch {
		case err == nil:
			return do(w, r, s)
		case !loggedOut(err):
			return failed(err)
		case wantsJSON(r):
			return lazycontroller.Error(http.StatusUnauthorized, err)
		}
		target := "/login"
		if r.Method == http.MethodGet && r.URL.Path != "/" {
			target += "?next=" + url.QueryEscape(r.URL.Path)
		}
		http.Redirect(w, r, target, http.StatusSeeOther)
		return nil
	}
}

// current returns the session of a request, if it is still good.
func (a *App) current(r *http.Request) (session.Session, error) {
	s, err := a.Chat.Sessions.Read(r)
	if err != nil {
		return s, err
	}
	return s, a.Chat.Check(s)
}

// loggedOut tells a session that is no good from a check that could not be made.
func loggedOut(err error) bool {
	for _, reason := range []error{session.ErrNone, session.ErrInvalid, session.ErrExpired, lazyrealtime.ErrDenied} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// failed gives the error of the hub its status.
func failed(err error) error {
	var limit *lazyrealtime.LimitError
	switch {
	case errors.Is(err, realtime.ErrNoRoom):
		return lazycontroller.Error(http.StatusNotFound, err)
	case errors.Is(err, realtime.ErrPrivate), errors.Is(err, lazyrealtime.ErrDenied):
		return lazycontroller.Error(http.StatusForbidden, err)
	case errors.Is(err, lazyrealtime.ErrUnavailable), errors.Is(err, lazyrealtime.ErrClosed),
		errors.Is(err, context.DeadlineExceeded):
		return lazycontroller.Error(http.StatusServiceUnavailable, err)
	case errors.As(err, &limit):
		return lazycontroller.Error(http.StatusTooManyRequests, err)
	default:
		return err
	}
}

// render answers with a page. It is made as a whole first, so that an error becomes a response of its own.
func render(w http.ResponseWriter, status int, name string, data any) error {
	var page bytes.Buffer
	if err := views.Render(&page, name, data); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store") // after a log-out the browser's back button shows nothing
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // an error here is a browser that went away
	return nil
}

// respond answers a page's script.
func respond(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}

func wantsJSON(r *http.Request) bool { return r.Header.Get("Accept") == "application/json" }

// form reads the fields that a page has sent. The error says 400 or 413.
func form(r *http.Request) (url.Values, error) {
	err := r.ParseForm()
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return r.PostForm, nil
	case errors.As(err, &tooLarge):
		return nil, lazycontroller.Error(http.StatusRequestEntityTooLarge, err)
	default:
		return nil, lazycontroller.Error(http.StatusBadRequest, err)
	}
}

// goOn leads to where somebody wanted to go before logging in.
func goOn(w http.ResponseWriter, r *http.Request, next string) error {
	http.Redirect(w, r, local(next), http.StatusSeeOther) //nolint:gosec // local lets no other site through
	return nil
}

// local returns a path of this application to go on to, whatever has been asked for.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/rooms") {
		return "/rooms/" + realtime.Lobby.Slug
	}
	return (&url.URL{Path: u.Path}).String()
}
