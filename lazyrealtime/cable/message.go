package cable

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// CheckMessage reports what makes a text unfit for AppendMessage and its
// neighbours, as a *SyntaxError: it is not one JSON text, not UTF-8, or nested
// more than MaxDepth deep. A text that is empty or false to JavaScript is fit,
// but lost on the clients; see Truthy.
//
// What has come inside a frame has been checked for all of this, but not the
// Text of a message, nor what has come by another way.
func CheckMessage(message []byte) error {
	if !utf8.Valid(message) {
		return errNotUTF8
	}
	s := scanner{text: message}
	if _, err := s.value(); err != nil {
		return err
	}
	return s.end()
}

// Action returns the member "action" of a message, as Action Cable's clients call what a
// channel is to do: "" if it is not a string, there is none, or the message is no JSON
// object. The name is compared exactly, and the last one counts: encoding/json would take
// "Action" for it, too, behind the back of whoever has looked at the message.
func Action(message []byte) (action string) {
	s := scanner{text: message}
	err := s.object(func(key, value []byte) error {
		if is(key, "action") {
			if action = ""; isString(value) {
				action, _ = unquote(value)
			}
		}
		return nil
	})
	if err != nil || s.end() != nil {
		return ""
	}
	return action
}

// Truthy reports whether JavaScript takes the JSON text for true, which is what
// clients ask before they deliver a message: "", false, null and every number
// that is zero as a float64 are dropped. The answer for what is not a JSON text
// has no meaning.
func Truthy(message []byte) bool {
	message = bytes.Trim(message, " \t\r\n")
	if len(message) == 0 {
		return false
	}
	switch c := message[0]; {
	case c == '"':
		return string(message) != `""`
	case c == 'f' || c == 'n':
		return false
	case c == '-' || '0' <= c && c <= '9':
		return !isZero(message)
	}
	return true
}

// isZero parses the numbers that could be zero: those that begin with it, and
// those with an exponent, because a number too small for float64 is zero too.
func isZero(number []byte) bool {
	first := bytes.TrimPrefix(number, []byte("-"))
	if len(first) > 0 && first[0] != '0' && !bytes.ContainsAny(first, "eE") {
		return false
	}
	value, err := strconv.ParseFloat(string(number), 64)
	return err == nil && value == 0
}
