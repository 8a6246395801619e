package controllers

import (
	"net/http"
	"time"

	"golazy.dev/examples/chat/app/session"
	"golazy.dev/examples/chat/app/throttle"
)

// loginPage is what the page for logging in shows.
type loginPage struct {
	Name, Next, Error string
	LoggedOut         bool
	MaxName           int
}

// Login renders the page for logging in.
func (a *App) Login(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	if _, err := a.current(r); err == nil {
		return goOn(w, r, query.Get("next"))
	}
	return render(w, http.StatusOK, "login", loginPage{
		Next:      query.Get("next"),
		LoggedOut: query.Has("bye"),
		MaxName:   session.MaxName,
	})
}

// StartSession logs somebody in.
func (a *App) StartSession(w http.ResponseWriter, r *http.Request) error {
	if wait := a.limits.login.Wait("", throttle.Address(r)); wait > 0 {
		return tooOften(w, r, wait)
	}
	fields, err := form(r)
	if err != nil {
		return err
	}
	s, err := session.New(fields.Get("name"), time.Now())
	if err != nil {
		return render(w, http.StatusUnprocessableEntity, "login", loginPage{
			Name:    fields.Get("name"),
			Next:    fields.Get("next"),
			Error:   err.Error(),
			MaxName: session.MaxName,
		})
	}
	if err := a.Chat.Sessions.Write(w, r, s); err != nil {
		return err
	}
	return goOn(w, r, fields.Get("next"))
}

// EndSession logs somebody out: here, in every tab, and whoever else has the cookie.
func (a *App) EndSession(w http.ResponseWriter, r *http.Request) error {
	if s, err := a.current(r); err == nil {
		if err := a.Chat.LogOut(r.Context(), s); err != nil {
			return failed(err)
		}
	}
	a.Chat.Sessions.Clear(w, r)
	http.Redirect(w, r, "/login?bye", http.StatusSeeOther)
	return nil
}

// Session answers a page that wonders why its socket was closed: is anybody logged in, and who?
func (a *App) Session(w http.ResponseWriter, _ *http.Request, s session.Session) error {
	return respond(w, http.StatusOK, map[string]string{"id": s.ID, "name": s.Name})
}
