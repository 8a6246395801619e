package cable

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// The names of commands. A base client sends the first three.
const (
	CommandSubscribe   = "subscribe"
	CommandUnsubscribe = "unsubscribe"
	CommandMessage     = "message"
	CommandWhisper     = "whisper"
	CommandHistory     = "history"
	CommandJoin        = "join"
	CommandLeave       = "leave"
	CommandPresence    = "presence"
	CommandPong        = "pong"
)

// Command is a frame that a client has sent. It owns its memory.
type Command struct {
	// Name is one of the constants above.
	Name string
	// Identifier names the subscription, and goes into every answer as it is:
	// the client compares it with its own as a string. Empty for a pong only.
	Identifier string
	// Data is the member "data" as it was written, nil if there was none. For a
	// message it is a JSON string, for a whisper any JSON value and never nil.
	Data json.RawMessage
	// Text is Data decoded, where Data is a JSON string. For a message that
	// should be a JSON text in turn, which CheckMessage judges. Half of a
	// surrogate pair is replaced by U+FFFD.
	Text string
	// History is what the client has and wants continued; nil: none asked.
	History *History
	// Position is the signed position at which a page was rendered, from a client
	// that sends it beside a subscribe until it has one of its own; "" for none. See
	// Params.Position for clients that make it a part of the identifier.
	Position string
	// Request is the client's name for a message that it wants an answer to, the
	// Outcome: 1 to MaxRequest bytes of visible ASCII; "" for none, and for all other
	// commands.
	Request string
	// Behind is the Request of the message before it, if that was not answered when
	// this one was sent; "" for none. Messages that are to keep their order need it:
	// this one is not to be served if that one was not taken, and may come again.
	Behind string
	// Presence is who the client says that it is; nil: it does not say. Nothing
	// vouches for it.
	Presence *Presence
}

// ReturnRecords reports whether the answer to the command "presence" shall list
// who is there, and not just count them. It shall unless the client says false.
func (c *Command) ReturnRecords() bool {
	records := true
	s := scanner{text: c.Data}
	// Data that is no object asks for nothing.
	_ = s.object(func(key, value []byte) error {
		if is(key, "return_records") {
			records = string(value) != "false"
		}
		return nil
	})
	return records
}

// ParseCommand reads a frame of a client. A frame that is none is a
// *SyntaxError. Unknown members are ignored, of members with the same name the
// last one counts, and null is the same as no member at all.
//
// The work is linear in the length of frame, whose limit is the caller's, and
// the result does not share memory with it.
func ParseCommand(frame []byte) (Command, error) {
	if !utf8.Valid(frame) {
		return Command{}, errNotUTF8
	}
	var raw rawCommand
	s := scanner{text: frame}
	if err := s.object(raw.member); err != nil {
		return Command{}, err
	}
	if err := s.end(); err != nil {
		return Command{}, err
	}
	return raw.decode()
}

// rawCommand holds the members of a frame as they are written in it.
type rawCommand struct {
	command, identifier, data, history, position, presence, request, behind []byte
}

func (r *rawCommand) member(key, value []byte) error {
	if string(value) == "null" {
		value = nil
	}
	switch {
	case is(key, "command"):
		r.command = value
	case is(key, "identifier"):
		r.identifier = value
	case is(key, "data"):
		r.data = value
	case is(key, "history"):
		r.history = value
	case is(key, "position"):
		r.position = value
	case is(key, "presence"):
		r.presence = value
	case is(key, "request"):
		r.request = value
	case is(key, "behind"):
		r.behind = value
	}
	return nil
}

// ErrUnknownCommand is the *SyntaxError of a frame whose command is none of the
// constants above: a later version's, perhaps.
var ErrUnknownCommand = syntaxError("unknown command")

var (
	errNoCommand      = syntaxError("frame without a command")
	errNoIdentifier   = syntaxError("command without an identifier")
	errIdentifier     = syntaxError("identifier holds half of a surrogate pair")
	errSignedPosition = syntaxError("the position of a subscribe is not a string")
	errMessageData    = syntaxError("the data of a message is not a string")
	errRequest        = syntaxError("the name of a request is not a string of 1 to 64 visible ASCII characters")
)

func (r *rawCommand) decode() (Command, error) {
	var c Command
	var err error
	if c.Name, err = commandName(r.command); err != nil {
		return Command{}, err
	}
	if c.Identifier, err = r.decodeIdentifier(c.Name); err != nil {
		return Command{}, err
	}
	if c.Data, c.Text, err = r.decodeData(c.Name); err != nil {
		return Command{}, err
	}
	if c.History, err = parseHistory(r.history); err != nil {
		return Command{}, err
	}
	if r.position != nil {
		if !isString(r.position) {
			return Command{}, errSignedPosition
		}
		c.Position, _ = unquote(r.position)
	}
	if c.Presence, err = parsePresence(r.presence); err != nil {
		return Command{}, err
	}
	if c.Name != CommandMessage {
		return c, nil
	}
	if c.Request, err = requestName(r.request); err != nil {
		return Command{}, err
	}
	if c.Behind, err = requestName(r.behind); err != nil {
		return Command{}, err
	}
	return c, nil
}

func commandName(quoted []byte) (string, error) {
	if !isString(quoted) {
		return "", errNoCommand
	}
	for _, name := range [...]string{
		CommandMessage, CommandWhisper, CommandPong, CommandSubscribe, CommandUnsubscribe,
		CommandHistory, CommandJoin, CommandLeave, CommandPresence,
	} {
		if is(quoted, name) {
			return name, nil
		}
	}
	return "", ErrUnknownCommand
}

// decodeIdentifier refuses what could not be echoed: the client would never
// recognise the answers.
func (r *rawCommand) decodeIdentifier(command string) (string, error) {
	if !isString(r.identifier) {
		if r.identifier == nil && command == CommandPong {
			return "", nil
		}
		return "", errNoIdentifier
	}
	identifier, whole := unquote(r.identifier)
	if !whole {
		return "", errIdentifier
	}
	if identifier == "" && command != CommandPong {
		return "", errNoIdentifier
	}
	return identifier, nil
}

func (r *rawCommand) decodeData(command string) (data json.RawMessage, text string, err error) {
	switch {
	case isString(r.data):
		text, _ = unquote(r.data)
	case command == CommandMessage:
		return nil, "", errMessageData
	case command == CommandWhisper && r.data == nil:
		// A client that whispers undefined leaves the member out.
		return json.RawMessage("null"), "", nil
	}
	return bytes.Clone(r.data), text, nil
}

// MaxRequest is how long the name of a request may be.
const MaxRequest = 64

// requestName reads the name of a request. It is of few characters, so that whoever
// passes it on, in a header or a log, need not care.
func requestName(quoted []byte) (string, error) {
	if quoted == nil {
		return "", nil
	}
	if !isString(quoted) {
		return "", errRequest
	}
	name, _ := unquote(quoted)
	if name == "" || len(name) > MaxRequest {
		return "", errRequest
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return "", errRequest
		}
	}
	return name, nil
}

func isString(value []byte) bool { return len(value) > 0 && value[0] == '"' }
