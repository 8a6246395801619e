package cable

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// MaxOffset is the greatest offset that a client can send back: JavaScript
// counts in float64, and above it not every whole number exists.
const MaxOffset = 1 << 53

// History says where a client wants a subscription to go on.
type History struct {
	// Since is the client's clock in seconds when it last heard of the server;
	// zero: it does not say. A client whose clock has passed 2038 wraps it round
	// into negative numbers. Positions are what can be relied on.
	Since int64
	// Streams holds the position in each stream of the subscription; empty when
	// the client has received nothing yet.
	Streams map[string]Position
}

// Position is the last message of a stream that a client has received.
type Position struct {
	// Epoch names the incarnation of the stream that Offset counts in.
	Epoch string
	// Offset is at most MaxOffset; zero: nothing received, because offsets start
	// at one.
	Offset uint64
}

// Presence is a member of a subscription's presence set.
type Presence struct {
	ID string
	// Info is any JSON value; nil is sent as null.
	Info json.RawMessage
}

var (
	errHistory  = syntaxError("history is not an object of since and streams")
	errSince    = syntaxError("since is not a number")
	errPosition = syntaxError("position is not an object of epoch and offset")
	errOffset   = syntaxError("offset is not a whole number from 0 to 2^53")
	errPresence = syntaxError("presence is not an object of id and info")
)

// parseHistory reads a value that the scanner has judged; nil is none.
func parseHistory(value []byte) (*History, error) {
	if value == nil {
		return nil, nil
	}
	history := &History{}
	return history, members(value, errHistory, func(key, value []byte) (err error) {
		switch {
		case is(key, "since"):
			history.Since, err = parseSince(value)
		case is(key, "streams"):
			history.Streams, err = parseStreams(value)
		}
		return err
	})
}

// parseSince reads seconds. @anycable/core is configured with a number of the
// application's choice, so that fractions arrive, or with false for none, which
// it then sends as it is.
func parseSince(value []byte) (int64, error) {
	switch c := value[0]; {
	case string(value) == "null", string(value) == "false":
		return 0, nil
	case c != '-' && (c < '0' || c > '9'):
		return 0, errSince
	}
	seconds, err := strconv.ParseFloat(string(value), 64)
	if err != nil || seconds > MaxOffset || seconds < -MaxOffset {
		return 0, errSince
	}
	return int64(seconds), nil
}

func parseStreams(value []byte) (map[string]Position, error) {
	if string(value) == "null" {
		return nil, nil
	}
	streams := make(map[string]Position)
	return streams, members(value, errHistory, func(key, value []byte) error {
		position, err := parsePosition(value)
		name, _ := unquote(key)
		streams[name] = position
		return err
	})
}

func parsePosition(value []byte) (Position, error) {
	var position Position
	return position, members(value, errPosition, func(key, value []byte) (err error) {
		switch {
		case is(key, "epoch"):
			position.Epoch, err = optionalString(value, errPosition)
		case is(key, "offset"):
			position.Offset, err = parseOffset(value)
		}
		return err
	})
}

func parseOffset(value []byte) (uint64, error) {
	if string(value) == "null" {
		return 0, nil
	}
	offset, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil || offset > MaxOffset {
		return 0, errOffset
	}
	return offset, nil
}

// parsePresence reads a value that the scanner has judged; nil is none.
func parsePresence(value []byte) (*Presence, error) {
	if value == nil {
		return nil, nil
	}
	presence := &Presence{}
	return presence, members(value, errPresence, func(key, value []byte) (err error) {
		switch {
		case is(key, "id"):
			presence.ID, err = optionalString(value, errPresence)
		case is(key, "info"):
			presence.Info = bytes.Clone(value)
		}
		return err
	})
}

// members walks over the object that value shall be; otherwise is the error for
// what it is not.
func members(value []byte, otherwise error, member func(key, value []byte) error) error {
	if value[0] != '{' {
		return otherwise
	}
	s := scanner{text: value}
	return s.object(member)
}

// optionalString decodes a string; null is "".
func optionalString(value []byte, otherwise error) (string, error) {
	switch {
	case isString(value):
		text, _ := unquote(value)
		return text, nil
	case string(value) == "null":
		return "", nil
	}
	return "", otherwise
}
