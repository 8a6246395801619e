package realtime

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golazy.dev/examples/chat/app/session"
	"golazy.dev/lazyrealtime"
)

const (
	// MaxMessage is the longest message, in characters.
	MaxMessage = 1000
	// Shown is how many messages a fresh page has.
	Shown = 100

	maxID   = 64
	hues    = 12
	program = "program" // who speaks when a program has not said
)

// Why a message is turned away. The texts are shown to people.
var (
	ErrEmpty   = errors.New("a message has at least one character")
	ErrTooLong = fmt.Errorf("a message has at most %d characters", MaxMessage)
	ErrText    = errors.New("a message is text")
	ErrID      = fmt.Errorf("a message's id has at most %d letters, digits and hyphens", maxID)
)

// Message is something said, as it is stored and as pages get it. A program that publishes may leave out anything but the
// text, or publish the text alone, as a JSON string.
type Message struct {
	// ID is the same for a message that was sent twice. It begins with the author's.
	ID   string    `json:"id"`
	From string    `json:"from,omitempty"` // the author's id
	Name string    `json:"name"`
	Hue  int       `json:"hue"` // the author's colour
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// Person is who is here, as pages get it.
type Person struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name"`
	Hue  int    `json:"hue"`
}

// Hue is the number of somebody's colour.
func Hue(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return int(h.Sum32() % hues)
}

// Say stores what somebody says in a room, and all who are there get it. The id is the page's: saying the same again, with
// the same id, because nobody knows what became of the first time, changes nothing. The errors are ErrPrivate, those of a
// message, and the hub's.
func (c *Chat) Say(ctx context.Context, s session.Session, room Room, id, text string) (Message, error) {
	if !room.MayEnter(s) {
		return Message{}, ErrPrivate
	}
	text, err := cleanText(text)
	if err != nil {
		return Message{}, err
	}
	if !validID(id) {
		return Message{}, ErrID
	}
	m := Message{ID: s.ID + "-" + id, From: s.ID, Name: s.Name, Hue: Hue(s.ID), Text: text, At: time.Now().UTC()}
	data, err := json.Marshal(m)
	if err != nil {
		return Message{}, err
	}
	_, err = c.Hub.Publish(ctx, room.Topic(), data, lazyrealtime.MessageID(m.ID), lazyrealtime.From(s.ID))
	return m, err
}

// NewID returns an id for a message that is not written yet.
func NewID() string { return strings.ToLower(rand.Text()) }

func validID(id string) bool {
	strange := func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	return id != "" && len(id) <= maxID && !strings.ContainsFunc(id, strange)
}

func cleanText(text string) (string, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) // forms send lines that end so
	switch n := utf8.RuneCountInString(text); {
	case !utf8.ValidString(text):
		return "", ErrText
	case n == 0:
		return "", ErrEmpty
	case n > MaxMessage:
		return "", ErrTooLong
	}
	return text, nil
}

// History returns the latest messages of a room, oldest first, and where a page that shows them follows.
func (c *Chat) History(ctx context.Context, s session.Session, room Room) ([]Message, Stream, error) {
	if !room.MayEnter(s) {
		return nil, Stream{}, ErrPrivate
	}
	stored, tail, err := c.Hub.History(ctx, room.Topic(), lazyrealtime.Position{}, Shown)
	if err != nil {
		return nil, Stream{}, err
	}
	stream, err := c.follow(ctx, s, room.Topic(), tail)
	if err != nil {
		return nil, Stream{}, err
	}
	messages := make([]Message, 0, len(stored))
	seen := make(map[string]bool, len(stored))
	for _, entry := range stored {
		m := readMessage(entry)
		if seen[m.ID] {
			continue // it came again when the log had forgotten its id
		}
		seen[m.ID] = true
		messages = append(messages, m)
	}
	return messages, stream, nil
}

// readMessage reads what the chat has stored, or a program, which may be brief. The page's readMessage does the same.
func readMessage(stored *lazyrealtime.Message) Message {
	m := Message{ID: strconv.FormatUint(stored.Position.Offset, 10), Name: program, At: stored.Time}
	if json.Unmarshal(stored.Data, &m) == nil {
		return m
	}
	if json.Unmarshal(stored.Data, &m.Text) != nil {
		m.Text = string(stored.Data)
	}
	return m
}

// Present returns who is in a room, for somebody who may enter it.
func (c *Chat) Present(ctx context.Context, s session.Session, room Room) ([]Person, error) {
	if !room.MayEnter(s) {
		return nil, ErrPrivate
	}
	here, err := c.Hub.Presence(ctx, room.Topic())
	if err != nil {
		return nil, err
	}
	people := make([]Person, 0, len(here))
	for _, p := range here {
		var person Person
		if json.Unmarshal(p.Info, &person) != nil || person.Name == "" {
			continue
		}
		person.ID = p.ID
		people = append(people, person)
	}
	return people, nil
}
