package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golazy.dev/examples/chat/app/session"
	"golazy.dev/lazyrealtime"
)

const (
	// MaxRoomName is the longest name of a room, in characters.
	MaxRoomName = 32

	maxRooms   = 100
	roomsTopic = "rooms"
	roomPrefix = "room:"
)

// Why there is no room. The texts of ErrRoomName and ErrRooms are shown to people.
var (
	ErrNoRoom   = errors.New("no such room")
	ErrPrivate  = errors.New("the room is private")
	ErrRoomName = fmt.Errorf("a room's name has 1 to %d characters, a letter or a digit among them", MaxRoomName)
	ErrRooms    = fmt.Errorf("there are %d rooms, and no place for more", maxRooms)
)

// Room is a place to talk.
type Room struct {
	Slug    string `json:"slug"` // its name in addresses and topics
	Name    string `json:"name"`
	Private bool   `json:"-"`
}

// The rooms that are always there.
var (
	Lobby = Room{Slug: "lobby", Name: "Lobby"}
	Staff = Room{Slug: "staff", Name: "Staff", Private: true}
)

// Topic is where the room's messages are.
func (r Room) Topic() string { return roomPrefix + r.Slug }

// MayEnter reports whether a session may see and hear anything of the room.
func (r Room) MayEnter(s session.Session) bool { return mayEnter(s, r.Slug) }

func mayEnter(s session.Session, slug string) bool { return slug != Staff.Slug || s.Staff }

// Rooms returns all rooms, and where a page follows those to come.
func (c *Chat) Rooms(ctx context.Context, s session.Session) ([]Room, Stream, error) {
	rooms, tail, err := c.rooms(ctx)
	if err != nil {
		return nil, Stream{}, err
	}
	stream, err := c.follow(ctx, s, roomsTopic, tail)
	return rooms, stream, err
}

// rooms asks the hub each time, who has the latest messages of a topic in memory: there is no second copy to be out of date.
func (c *Chat) rooms(ctx context.Context) ([]Room, lazyrealtime.Position, error) {
	messages, tail, err := c.Hub.History(ctx, roomsTopic, lazyrealtime.Position{}, Kept.Messages)
	if err != nil {
		return nil, tail, err
	}
	rooms := []Room{Lobby, Staff}
	for _, m := range messages {
		var room Room
		if json.Unmarshal(m.Data, &room) != nil || room.Slug == "" || known(rooms, room.Slug) {
			continue // what a program has published there, or a room that was made twice at once
		}
		rooms = append(rooms, room)
	}
	return rooms, tail, nil
}

func known(rooms []Room, slug string) bool {
	return slices.ContainsFunc(rooms, func(r Room) bool { return r.Slug == slug })
}

// Room returns a room for somebody who may enter it: ErrNoRoom, or ErrPrivate with the room.
func (c *Chat) Room(ctx context.Context, s session.Session, slug string) (Room, error) {
	rooms, _, err := c.rooms(ctx)
	if err != nil {
		return Room{}, err
	}
	i := slices.IndexFunc(rooms, func(r Room) bool { return r.Slug == slug })
	if i < 0 {
		return Room{}, ErrNoRoom
	}
	if !rooms[i].MayEnter(s) {
		return rooms[i], ErrPrivate
	}
	return rooms[i], nil
}

// MakeRoom makes a room, or returns the one that has the name: ErrRoomName, ErrRooms.
func (c *Chat) MakeRoom(ctx context.Context, s session.Session, name string) (Room, error) {
	name, ok := session.CleanName(name, MaxRoomName)
	slug := slugOf(name)
	if !ok || slug == "" {
		return Room{}, ErrRoomName
	}
	rooms, _, err := c.rooms(ctx)
	if err != nil {
		return Room{}, err
	}
	if i := slices.IndexFunc(rooms, func(r Room) bool { return r.Slug == slug }); i >= 0 {
		return rooms[i], nil
	}
	if len(rooms) >= maxRooms {
		return Room{}, ErrRooms
	}
	room := Room{Slug: slug, Name: name}
	data, err := json.Marshal(room)
	if err != nil {
		return Room{}, err
	}
	_, err = c.Hub.Publish(ctx, roomsTopic, data, lazyrealtime.MessageID(slug), lazyrealtime.From(s.ID))
	return room, err
}

// slugOf makes a name of a room fit for an address: its letters and digits in lower case, a hyphen for all else.
func slugOf(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return strings.Join(words, "-")
}
