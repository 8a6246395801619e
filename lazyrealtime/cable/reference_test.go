package cable_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"golazy.dev/lazyrealtime/cable"
)

// What this package does, done with encoding/json. It is slower and knows
// nothing of the limits, but what it takes for a frame is one.

type members map[string]json.RawMessage

// oracle parses a command of a client.
func oracle(frame []byte) (cable.Command, error) {
	var m members
	err := json.Unmarshal(frame, &m)
	if err != nil || !utf8.Valid(frame) {
		return cable.Command{}, errors.Join(err, errors.New("no frame"))
	}
	var c cable.Command
	var history, presence members
	err = errors.Join(
		m.get("command", &c.Name), m.get("identifier", &c.Identifier), m.get("history", &history), m.get("presence", &presence),
	)
	if m.has("data") {
		c.Data = m["data"]
		if c.Data[0] == '"' {
			err = errors.Join(err, json.Unmarshal(c.Data, &c.Text))
		}
	} else if c.Name == cable.CommandWhisper {
		c.Data = json.RawMessage(`null`)
	}
	if c.Name == cable.CommandMessage {
		err = errors.Join(err, m.getRequest("request", &c.Request), m.getRequest("behind", &c.Behind))
	}
	if history != nil {
		c.History = &cable.History{}
		err = errors.Join(err, oracleHistory(history, c.History))
	}
	if presence != nil {
		c.Presence = &cable.Presence{Info: presence["info"]}
		err = errors.Join(err, presence.get("id", &c.Presence.ID))
	}
	return c, err
}

func oracleHistory(m members, h *cable.History) error {
	var since float64
	var streams map[string]members
	if string(m["since"]) == "false" {
		delete(m, "since")
	}
	err := errors.Join(m.get("since", &since), m.get("streams", &streams))
	h.Since = int64(since)
	if streams != nil {
		h.Streams = map[string]cable.Position{}
	}
	for name, position := range streams {
		var p cable.Position
		err = errors.Join(err, position.get("epoch", &p.Epoch), position.get("offset", &p.Offset))
		h.Streams[name] = p
	}
	return err
}

var requestName = regexp.MustCompile(`^[!-~]{1,64}$`)

func (m members) getRequest(name string, into *string) error {
	if err := m.get(name, into); err != nil || !m.has(name) {
		return err
	}
	if !requestName.MatchString(*into) {
		return errors.New("no name of a request")
	}
	return nil
}

func (m members) has(name string) bool { return m[name] != nil && string(m[name]) != "null" }

func (m members) get(name string, into any) error {
	if m[name] == nil {
		return nil
	}
	return json.Unmarshal(m[name], into)
}

// encodeCommand is a client: it writes what a command says. What is JSON already
// goes in as it is.
func encodeCommand(c cable.Command) []byte {
	frame := append([]byte(`{"command":`), marshal(c.Name)...)
	if c.Identifier != "" {
		frame = append(append(frame, `,"identifier":`...), marshal(c.Identifier)...)
	}
	if c.History != nil {
		type history struct {
			Since   int64                      `json:"since"`
			Streams map[string]json.RawMessage `json:"streams"`
		}
		h := history{Since: c.History.Since}
		if c.History.Streams != nil {
			h.Streams = map[string]json.RawMessage{}
		}
		for name, p := range c.History.Streams {
			h.Streams[name] = fmt.Appendf(nil, `{"epoch":%s,"offset":%d}`, marshal(p.Epoch), p.Offset)
		}
		frame = append(append(frame, `,"history":`...), marshal(h)...)
	}
	if c.Presence != nil {
		frame = append(append(frame, `,"presence":{"id":`...), marshal(c.Presence.ID)...)
		if c.Presence.Info != nil {
			frame = append(append(frame, `,"info":`...), c.Presence.Info...)
		}
		frame = append(frame, '}')
	}
	if c.Request != "" {
		frame = append(append(frame, `,"request":`...), marshal(c.Request)...)
	}
	if c.Behind != "" {
		frame = append(append(frame, `,"behind":`...), marshal(c.Behind)...)
	}
	if c.Data != nil {
		frame = append(append(frame, `,"data":`...), c.Data...)
	}
	return append(frame, '}')
}

func marshal(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

// wireFrame is every frame of a server.
type wireFrame struct {
	Type       string          `json:"type"`
	Sid        string          `json:"sid"`
	Reason     string          `json:"reason"`
	Reconnect  bool            `json:"reconnect"`
	Identifier string          `json:"identifier"`
	Message    json.RawMessage `json:"message"`
	Stream     string          `json:"stream_id"`
	Epoch      string          `json:"epoch"`
	Offset     uint64          `json:"offset"`
	Request    string          `json:"request"`
	Status     string          `json:"status"`
}

type wirePresence struct {
	Type    string          `json:"type"`
	ID      string          `json:"id"`
	Info    json.RawMessage `json:"info"`
	Total   int             `json:"total"`
	Records *[]wireRecord   `json:"records"`
}

type wireRecord struct {
	ID   string          `json:"id"`
	Info json.RawMessage `json:"info"`
}

// build builds the frame with this package.
func (f *wireFrame) build() []byte {
	switch f.Type {
	case "welcome":
		return cable.AppendWelcome(nil, f.Sid)
	case "disconnect":
		return cable.AppendDisconnect(nil, f.Reason, f.Reconnect)
	case "ping":
		var now int64
		_ = json.Unmarshal(f.Message, &now)
		return cable.AppendPing(nil, now)
	case "presence":
		return f.buildPresence()
	case "reply":
		return cable.AppendOutcome(nil, &cable.Outcome{
			Identifier: f.Identifier, Request: f.Request, Status: cable.Status(f.Status), Reason: f.Reason,
			Stream: f.Stream, Epoch: f.Epoch, Offset: f.Offset,
		})
	case "":
		if f.Epoch == "" {
			return cable.AppendMessage(nil, f.Identifier, f.Message)
		}
		return cable.AppendPositioned(nil, f.Identifier, f.Message, f.Stream, f.Epoch, f.Offset)
	}
	return cable.AppendReply(nil, cable.Kind(f.Type), f.Identifier)
}

func (f *wireFrame) buildPresence() []byte {
	var p wirePresence
	_ = json.Unmarshal(f.Message, &p)
	switch p.Type {
	case "join":
		return cable.AppendJoin(nil, f.Identifier, p.ID, p.Info)
	case "leave":
		return cable.AppendLeave(nil, f.Identifier, p.ID)
	case "info":
		var records []cable.Presence
		if p.Records != nil {
			for _, r := range *p.Records {
				records = append(records, cable.Presence{ID: r.ID, Info: r.Info})
			}
		}
		return cable.AppendPresence(nil, f.Identifier, p.Total, records, p.Records != nil)
	}
	return cable.AppendPresenceError(nil, f.Identifier)
}

// asDecoded is what a JSON string can carry of text.
func asDecoded(text string) string {
	var b strings.Builder
	for _, char := range text { // an invalid byte is U+FFFD here
		b.WriteRune(char)
	}
	return b.String()
}
