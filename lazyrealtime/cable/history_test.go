package cable_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"golazy.dev/lazyrealtime/cable"
)

func TestHistory(t *testing.T) {
	tests := map[string]cable.History{
		`{}`:                              {},
		`{"since":null,"streams":null}`:   {},
		`{"since":false,"streams":{}}`:    {Streams: map[string]cable.Position{}},
		`{"since":1700000000.75}`:         {Since: 1700000000},
		`{"since":17e8}`:                  {Since: 1700000000},
		`{"since":-2147483648}`:           {Since: -2147483648},
		`{"since":1,"since":2,"until":3}`: {Since: 2},
		`{"streams":{"a":{"epoch":"x","offset":1}},"streams":{"b":{}}}`: {Streams: map[string]cable.Position{"b": {}}},
		`{"streams":{"a":{"epoch":"x","offset":1},"a":{"offset":2}}}`:   {Streams: map[string]cable.Position{"a": {Offset: 2}}},
		`{"streams":{"":{"epoch":null,"offset":null}}}`:                 {Streams: map[string]cable.Position{"": {}}},
		`{"streams":{"a":{"offset":9007199254740991}}}`:                 {Streams: map[string]cable.Position{"a": {Offset: 1<<53 - 1}}},
		`{"streams":{"a":{"offset":0,"x":{}}}}`:                         {Streams: map[string]cable.Position{"a": {}}},
	}
	for text, want := range tests {
		c, err := cable.ParseCommand([]byte(`{"command":"history","identifier":"i","history":` + text + `}`))
		if err != nil || c.History == nil || !reflect.DeepEqual(*c.History, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, c.History, err, want)
		}
	}
}

// TestReasons pins what is told to those who look for the mistake in a frame.
func TestReasons(t *testing.T) {
	for frame, reason := range map[string]string{
		`{"history":1}`:                               "history is not an object of since and streams",
		`{"history":{"streams":[]}}`:                  "history is not an object of since and streams",
		`{"history":{"since":""}}`:                    "since is not a number",
		`{"history":{"streams":{"a":1}}}`:             "position is not an object of epoch and offset",
		`{"history":{"streams":{"a":{"epoch":1}}}}`:   "position is not an object of epoch and offset",
		`{"history":{"streams":{"a":{"offset":""}}}}`: "offset is not a whole number from 0 to 2^53",
		`{"presence":[]}`:                             "presence is not an object of id and info",
		`{"identifier":"\ud800"}`:                     "identifier holds half of a surrogate pair",
		`{"identifier":""}`:                           "command without an identifier",
		`{"command":"message"}`:                       "the data of a message is not a string",
		`{"command":"x"}`:                             "unknown command",
		`{"command":null}`:                            "frame without a command",
		`[]`:                                          "not a JSON object",
	} {
		text := frame
		if rest, ok := strings.CutPrefix(frame, "{"); ok {
			text = `{"identifier":"i","command":"leave",` + rest
		}
		_, err := cable.ParseCommand([]byte(text))
		if syntax := (*cable.SyntaxError)(nil); !errors.As(err, &syntax) || syntax.Reason != reason {
			t.Errorf("%s: %v, want %s", frame, err, reason)
		}
	}
}

func TestHistoryRefuses(t *testing.T) {
	for _, text := range []string{
		`1`, `[]`, `"x"`, `true`,
		`{"since":true}`, `{"since":"1"}`, `{"since":{}}`, `{"since":1e300}`, `{"since":-1e300}`, `{"since":1e999}`,
		`{"streams":[]}`, `{"streams":1}`, `{"streams":false}`,
		`{"streams":{"a":null}}`, `{"streams":{"a":5}}`, `{"streams":{"a":[]}}`,
		`{"streams":{"a":{"epoch":1}}}`, `{"streams":{"a":{"epoch":{}}}}`,
		`{"streams":{"a":{"offset":-1}}}`, `{"streams":{"a":{"offset":-0}}}`, `{"streams":{"a":{"offset":1.5}}}`,
		`{"streams":{"a":{"offset":1.0}}}`, `{"streams":{"a":{"offset":1e3}}}`, `{"streams":{"a":{"offset":"1"}}}`,
		`{"streams":{"a":{"offset":9007199254740993}}}`, `{"streams":{"a":{"offset":18446744073709551617}}}`,
		`{"streams":{"a":{"offset":false}}}`, `{"streams":{"a":{"offset":[]}}}`,
		`{"streams":{"a":{"offset":1.5},"b":{"offset":1}}}`,
	} {
		_, err := cable.ParseCommand([]byte(`{"command":"subscribe","identifier":"i","history":` + text + `}`))
		if err == nil {
			t.Errorf("%s is accepted", text)
			continue
		}
		wantSyntaxError(t, err)
	}
}
