package cable_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"golazy.dev/lazyrealtime/cable"
)

func TestParseIdentifier(t *testing.T) {
	raw := func(pairs ...string) map[string]json.RawMessage {
		m := map[string]json.RawMessage{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = json.RawMessage(pairs[i+1])
		}
		return m
	}
	tests := map[string]cable.Params{
		`{}`: {Raw: raw()},
		`{"channel":"$pubsub","stream_name":"room:1"}`: {
			Channel: "$pubsub", StreamName: "room:1", Raw: raw("channel", `"$pubsub"`, "stream_name", `"room:1"`),
		},
		` {"channel":"Turbo::StreamsChannel","signed_stream_name":"InIi--0a","position":"p","other_data":[1]} `: {
			Channel: "Turbo::StreamsChannel", SignedStreamName: "InIi--0a", Position: "p",
			Raw: raw("channel", `"Turbo::StreamsChannel"`, "signed_stream_name", `"InIi--0a"`, "position", `"p"`, "other_data", `[1]`),
		},
		`{"channel":null,"room":{"a":null}}`:         {Raw: raw("channel", "null", "room", `{"a":null}`)},
		`{"channel":"a","ch\u0061nnel":"b"}`:         {Channel: "b", Raw: raw("channel", `"b"`)},
		`{"channel":"a","channel":null,"Channel":1}`: {Raw: raw("channel", "null", "Channel", "1")},
		`{"stream_name":"\ud83d\ude00\n"}`:           {StreamName: "😀\n", Raw: raw("stream_name", `"\ud83d\ude00\n"`)},
	}
	for identifier, want := range tests {
		got, err := cable.ParseIdentifier(identifier)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", identifier, got, err, want)
		}
	}
}

func TestParseIdentifierRefuses(t *testing.T) {
	for _, identifier := range []string{
		``, ` `, `room`, `"room"`, `[]`, `null`, `{`, `{"channel":"a"`, `{"channel":"a"}}`, `{"channel":"a"} x`,
		`{"channel":1}`, `{"stream_name":{}}`, `{"signed_stream_name":[]}`, `{"position":5}`, `{"stream_name":false}`,
		"{\"channel\":\"\xff\"}", `{"a":` + nested(cable.MaxDepth) + `}`,
	} {
		params, err := cable.ParseIdentifier(identifier)
		if err == nil {
			t.Errorf("%s is accepted", identifier)
			continue
		}
		wantSyntaxError(t, err)
		if identifier == `null` && err.Error() != "cable: identifier is not a JSON object" {
			t.Error(err)
		}
		if params.Raw != nil || params.Channel != "" {
			t.Errorf("%s: and parameters: %+v", identifier, params)
		}
	}
}
