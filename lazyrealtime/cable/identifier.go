package cable

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Params is what an identifier says, where it is a JSON object, as those of all
// known clients are.
type Params struct {
	// Channel names the kind of subscription.
	Channel string
	// StreamName is a topic in the clear ("stream_name").
	StreamName string
	// SignedStreamName is a topic that the server has signed ("signed_stream_name").
	SignedStreamName string
	// Position is the signed position at which a page was rendered ("position";
	// Turbo's element makes it of the attribute data-position).
	Position string
	// Raw holds every member as it is written, those above included.
	Raw map[string]json.RawMessage
}

var (
	errIdentifierObject = syntaxError("identifier is not a JSON object")
	errParam            = syntaxError("parameter of the identifier is not a string")
)

// ParseIdentifier reads an identifier. One that is not a JSON object, or whose
// members named above are not strings, is a *SyntaxError; null and a missing
// member are "", and half of a surrogate pair is U+FFFD. Of members with the same name the last one counts. The result
// does not share memory with identifier.
func ParseIdentifier(identifier string) (Params, error) {
	if !utf8.ValidString(identifier) {
		return Params{}, errNotUTF8
	}
	params := Params{Raw: make(map[string]json.RawMessage)}
	s := scanner{text: []byte(identifier)}
	if s.peek() != '{' {
		return Params{}, errIdentifierObject
	}
	err := s.object(func(key, value []byte) error {
		name, _ := unquote(key)
		params.Raw[name] = bytes.Clone(value)
		return params.set(name, value)
	})
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return Params{}, err
	}
	return params, nil
}

func (p *Params) set(name string, value []byte) (err error) {
	switch name {
	case "channel":
		p.Channel, err = optionalString(value, errParam)
	case "stream_name":
		p.StreamName, err = optionalString(value, errParam)
	case "signed_stream_name":
		p.SignedStreamName, err = optionalString(value, errParam)
	case "position":
		p.Position, err = optionalString(value, errParam)
	}
	return err
}
