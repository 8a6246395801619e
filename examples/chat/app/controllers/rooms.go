package controllers

import (
	"errors"
	"net/http"
	"net/url"

	"golazy.dev/examples/chat/app/realtime"
	"golazy.dev/examples/chat/app/session"
	"golazy.dev/examples/chat/app/throttle"
	"golazy.dev/lazycontroller"
)

// page is what all pages of somebody logged in show.
type page struct {
	Me          realtime.Person
	Script      string // where cable.js is
	Rooms       []realtime.Room
	RoomStream  realtime.Stream // where new rooms appear
	MaxRoomName int
	RoomName    string // as it was asked for and refused
	RoomError   string
	Room        realtime.Room
}

// roomPage is what the page of a room shows beside that.
type roomPage struct {
	page
	Stream     realtime.Stream // where what is said appears
	Messages   []realtime.Message
	More       bool // there may be older ones
	People     []realtime.Person
	MaxMessage int
	Draft      draft
}

// draft is a message that is not sent yet, or was refused.
type draft struct {
	ID, Text, Error string
}

// doorPage is what the page before the private room shows beside that.
type doorPage struct {
	page
	Error string
}

func (a *App) page(r *http.Request, s session.Session) (page, error) {
	rooms, stream, err := a.Chat.Rooms(r.Context(), s)
	return page{
		Me:          realtime.Person{ID: s.ID, Name: s.Name, Hue: realtime.Hue(s.ID)},
		Script:      a.Chat.Hub.ScriptPath(),
		Rooms:       rooms,
		RoomStream:  stream,
		MaxRoomName: realtime.MaxRoomName,
	}, err
}

// Home sends everybody to the lobby.
func (a *App) Home(w http.ResponseWriter, r *http.Request, _ session.Session) error {
	http.Redirect(w, r, local(""), http.StatusSeeOther)
	return nil
}

// Rooms renders the list of rooms, which a narrow screen has no room for beside a conversation.
func (a *App) Rooms(w http.ResponseWriter, r *http.Request, s session.Session) error {
	p, err := a.page(r, s)
	if err != nil {
		return failed(err)
	}
	return render(w, http.StatusOK, "rooms", p)
}

// MakeRoom makes a room and goes there.
func (a *App) MakeRoom(w http.ResponseWriter, r *http.Request, s session.Session) error {
	if wait := a.limits.rooms.Wait(s.ID, throttle.Address(r)); wait > 0 {
		return tooOften(w, r, wait)
	}
	fields, err := form(r)
	if err != nil {
		return err
	}
	room, err := a.Chat.MakeRoom(r.Context(), s, fields.Get("name"))
	switch {
	case errors.Is(err, realtime.ErrRoomName), errors.Is(err, realtime.ErrRooms):
		p, perr := a.page(r, s)
		if perr != nil {
			return failed(perr)
		}
		p.RoomName, p.RoomError = fields.Get("name"), err.Error()
		return render(w, http.StatusUnprocessableEntity, "rooms", p)
	case err != nil:
		return failed(err)
	}
	return enter(w, r, room)
}

// Room renders a room, or its door.
func (a *App) Room(w http.ResponseWriter, r *http.Request, s session.Session) error {
	room, err := a.Chat.Room(r.Context(), s, r.PathValue("room"))
	if errors.Is(err, realtime.ErrPrivate) {
		return a.door(w, r, s, room, "")
	}
	if err != nil {
		return failed(err)
	}
	return a.room(w, r, s, http.StatusOK, room, draft{})
}

// room renders what is said in a room up to now; the rest comes over the socket, from the very position that the page was
// rendered at.
func (a *App) room(w http.ResponseWriter, r *http.Request, s session.Session, status int, room realtime.Room, d draft) error {
	p, err := a.page(r, s)
	if err != nil {
		return failed(err)
	}
	p.Room = room
	messages, stream, err := a.Chat.History(r.Context(), s, room)
	if err != nil {
		return failed(err)
	}
	people, err := a.Chat.Present(r.Context(), s, room)
	if err != nil {
		return failed(err)
	}
	if d.ID == "" {
		d.ID = realtime.NewID()
	}
	return render(w, status, "room", roomPage{
		page:       p,
		Stream:     stream,
		Messages:   messages,
		More:       len(messages) >= realtime.Shown,
		People:     people,
		MaxMessage: realtime.MaxMessage,
		Draft:      d,
	})
}

// door renders what somebody sees who may not enter.
func (a *App) door(w http.ResponseWriter, r *http.Request, s session.Session, room realtime.Room, complaint string) error {
	p, err := a.page(r, s)
	if err != nil {
		return failed(err)
	}
	p.Room = room
	return render(w, http.StatusForbidden, "door", doorPage{page: p, Error: complaint})
}

// OpenDoor lets somebody into the private room who knows the passphrase. The session says so from then on.
func (a *App) OpenDoor(w http.ResponseWriter, r *http.Request, s session.Session) error {
	if wait := a.limits.door.Wait(s.ID, throttle.Address(r)); wait > 0 {
		return tooOften(w, r, wait)
	}
	room, err := a.Chat.Room(r.Context(), s, r.PathValue("room"))
	if err != nil && !errors.Is(err, realtime.ErrPrivate) {
		return failed(err)
	}
	fields, err := form(r)
	if err != nil {
		return err
	}
	if room.Private && !s.Staff {
		if !a.Chat.OpensDoor(fields.Get("passphrase")) {
			return a.door(w, r, s, room, "That is not the passphrase.")
		}
		s.Staff = true
		if err := a.Chat.Sessions.Write(w, r, s); err != nil {
			return err
		}
	}
	return enter(w, r, room)
}

// Say takes what somebody says: from the page's script, or from its form where no script runs.
func (a *App) Say(w http.ResponseWriter, r *http.Request, s session.Session) error {
	if wait := a.limits.messages.Wait(s.ID, throttle.Address(r)); wait > 0 {
		return tooOften(w, r, wait)
	}
	fields, err := form(r)
	if err != nil {
		return err
	}
	room, err := a.Chat.Room(r.Context(), s, r.PathValue("room"))
	if err != nil {
		return failed(err)
	}
	d := draft{ID: fields.Get("id"), Text: fields.Get("text")}
	message, err := a.Chat.Say(r.Context(), s, room, d.ID, d.Text)
	switch {
	case errors.Is(err, realtime.ErrID):
		return lazycontroller.Error(http.StatusBadRequest, err)
	case errors.Is(err, realtime.ErrEmpty), errors.Is(err, realtime.ErrTooLong), errors.Is(err, realtime.ErrText):
		if wantsJSON(r) {
			return respond(w, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
		}
		d.Error = err.Error()
		return a.room(w, r, s, http.StatusUnprocessableEntity, room, d)
	case err != nil:
		return failed(err)
	case wantsJSON(r):
		return respond(w, http.StatusCreated, message)
	}
	return enter(w, r, room)
}

// enter leads to a room.
func enter(w http.ResponseWriter, r *http.Request, room realtime.Room) error {
	http.Redirect(w, r, "/rooms/"+url.PathEscape(room.Slug), http.StatusSeeOther)
	return nil
}
