package cable_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"golazy.dev/lazyrealtime/cable"
)

// depth is how deep a JSON text goes.
func depth(text []byte) int {
	deepest, level, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			level++
			deepest = max(deepest, level)
		case c == ']' || c == '}':
			level--
		}
	}
	return deepest
}

func FuzzParseCommand(f *testing.F) {
	f.Add([]byte(`{"command":"subscribe","identifier":"i","history":{"since":1,"streams":{"a":{"epoch":"e","offset":2}}}}`))
	f.Add([]byte(`{"command":"message","identifier":"{\"channel\":\"\\u00fc\"}","data":"{\"a\":1}"}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		input := bytes.Clone(frame)
		got, err := cable.ParseCommand(input)
		if err != nil {
			wantSyntaxError(t, err)
			if c, err := oracle(frame); err == nil && depth(frame) <= cable.MaxDepth && acceptable(c) {
				t.Errorf("%q is refused", frame)
			}
			return
		}
		for i := range input {
			input[i] = 0xff
		}
		want, err := oracle(frame)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\n%+v, want\n%+v, %v", frame, got, want, err)
		}
		if depth(frame) > cable.MaxDepth {
			t.Errorf("%q is accepted", frame)
		}
		again, err := cable.ParseCommand(encodeCommand(got))
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%q again:\n%+v, %v, want\n%+v", frame, again, err, got)
		}
	})
}

// acceptable reports whether nothing can be said against a command. It is false
// where encoding/json has lost what there was to say.
func acceptable(c cable.Command) bool {
	if !isName(c.Name) || (c.Identifier == "" && c.Name != cable.CommandPong) || strings.ContainsRune(c.Identifier, utf8.RuneError) {
		return false
	}
	if c.Name == cable.CommandMessage && (len(c.Data) == 0 || c.Data[0] != '"') {
		return false
	}
	if c.History == nil {
		return true
	}
	for _, p := range c.History.Streams {
		if p.Offset > cable.MaxOffset || p == (cable.Position{}) {
			return false
		}
	}
	return c.History.Since < cable.MaxOffset && c.History.Since > -cable.MaxOffset
}

func isName(name string) bool {
	return slices.Contains(strings.Fields("subscribe unsubscribe message whisper history join leave presence pong"), name)
}

// FuzzCommandFields goes the other way: what a client means is what is parsed.
func FuzzCommandFields(f *testing.F) {
	f.Add("subscribe", `{"channel":"ü"}`, "a\n\x00", "room", "e", uint64(5), int64(1700000000), "7")
	f.Add("message", "\xff", "", "\xed\xa0\x80", "", uint64(cable.MaxOffset), int64(-1), "")
	f.Add("pong", "i", "\u2028", "", "", uint64(math.MaxUint64), int64(0), "\\")
	f.Fuzz(func(t *testing.T, name, identifier, data, stream, epoch string, offset uint64, since int64, id string) {
		since %= cable.MaxOffset
		c := cable.Command{
			Name: asDecoded(name), Identifier: asDecoded(identifier), Text: asDecoded(data),
			History: &cable.History{Since: since, Streams: map[string]cable.Position{
				asDecoded(stream): {Epoch: asDecoded(epoch), Offset: offset},
			}},
			Presence: &cable.Presence{ID: asDecoded(id), Info: json.RawMessage(`[1]`)},
		}
		c.Data, _ = json.Marshal(c.Text)
		got, err := cable.ParseCommand(encodeCommand(c))
		if !isName(name) || offset > cable.MaxOffset || (identifier == "" && name != "pong") {
			if err == nil {
				t.Errorf("%+v is accepted", got)
			}
			return
		}
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%+v, %v, want\n%+v", got, err, c)
		}
	})
}

// FuzzRequest: what a message may be called, and what is made of it.
func FuzzRequest(f *testing.F) {
	f.Add("0123456789abcdef0123456789abcdef", "!~", "message")
	f.Add("a b", "", "message")
	f.Add("\x7f", "a", "whisper")
	f.Add("\u00fc", "\x00", "message")
	f.Fuzz(func(t *testing.T, request, behind, name string) {
		c := cable.Command{
			Name: name, Identifier: "i", Data: json.RawMessage(`"{}"`), Text: "{}", Request: asDecoded(request), Behind: asDecoded(behind),
		}
		if !isName(name) {
			t.Skip()
		}
		got, err := cable.ParseCommand(encodeCommand(c))
		if name != cable.CommandMessage {
			c.Request, c.Behind = "", ""
		}
		for _, text := range []string{c.Request, c.Behind} {
			if text == "" || requestName.MatchString(text) {
				continue
			}
			if wantSyntaxError(t, err); err == nil {
				t.Errorf("%+v is accepted", got)
			}
			return
		}
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%+v, %v, want\n%+v", got, err, c)
		}
	})
}

func FuzzParseIdentifier(f *testing.F) {
	f.Add(`{"channel":"$pubsub","stream_name":"a","signed_stream_name":"b","position":"c","x":[1]}`)
	f.Add("{\"channel\":\"\xff\"}")
	f.Fuzz(func(t *testing.T, identifier string) {
		got, err := cable.ParseIdentifier(identifier)
		var raw map[string]json.RawMessage
		if json.Unmarshal([]byte(identifier), &raw) != nil || raw == nil || !utf8.ValidString(identifier) || depth([]byte(identifier)) > cable.MaxDepth {
			if err == nil {
				t.Errorf("%q is accepted", identifier)
			}
			return
		}
		if err != nil {
			wantSyntaxError(t, err)
			return
		}
		want := cable.Params{Raw: raw}
		m := members(raw)
		for name, into := range map[string]*string{
			"channel": &want.Channel, "stream_name": &want.StreamName, "signed_stream_name": &want.SignedStreamName, "position": &want.Position,
		} {
			if err := m.get(name, into); err != nil {
				t.Errorf("%q: %v", identifier, err)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", identifier, got, want)
		}
	})
}

func FuzzMessage(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"\u00fc",null]}`, `-0.0e-5`, `1e-999`, `""`, ` false `, "\"\xff\"", `[[[[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		err := cable.CheckMessage(message)
		fit := json.Valid(message) && utf8.Valid(message) && depth(message) <= cable.MaxDepth
		if (err == nil) != fit {
			t.Fatalf("%q: %v, want %t", message, err, fit)
		}
		truth := cable.Truthy(message)
		if !fit {
			return
		}
		var value any
		decoder := json.NewDecoder(bytes.NewReader(message))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		if want := javaScriptTruth(value); truth != want {
			t.Errorf("%q is %t", message, truth)
		}
	})
}

func javaScriptTruth(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case json.Number:
		number, _ := strconv.ParseFloat(string(v), 64)
		return number != 0
	}
	return true
}

// FuzzFrames builds every frame of any strings: it is JSON and UTF-8, and says
// what went in.
func FuzzFrames(f *testing.F) {
	f.Add(`{"channel":"x"}`, "room:1", "e1", "7", []byte(`{"a":1}`), uint64(5), int64(3), true)
	f.Add("\xff\"\\\x00", "\xed\xa0\x80", "\xc3", "\u2028\x7f", []byte(` "\ud800" `), uint64(math.MaxUint64), int64(math.MinInt64), false)
	f.Fuzz(func(t *testing.T, identifier, stream, epoch, id string, message []byte, offset uint64, number int64, flag bool) {
		if cable.CheckMessage(message) != nil {
			message = []byte(`{"fit":1}`)
		}
		identifier, stream, epoch, id = identifier+"i", stream+"s", epoch+"e", id+"d"
		e, plain := cable.NewEnvelope(identifier, stream, true), cable.NewEnvelope(identifier, stream, false)
		positioned := cable.AppendPositioned(nil, identifier, message, stream, epoch, offset)
		bare := cable.AppendMessage(nil, identifier, message)
		wantSame(t, e.Append(nil, message, epoch, 0), bare)
		wantSame(t, plain.Append(nil, message, epoch, offset), bare)
		if offset != 0 {
			wantSame(t, e.Append(nil, message, epoch, offset), positioned)
		}
		i, s, p := asDecoded(identifier), asDecoded(stream), asDecoded(epoch)
		message = bytes.Trim(message, " \t\r\n")
		wantFrame(t, positioned, wireFrame{Identifier: i, Message: message, Stream: s, Epoch: p, Offset: offset})
		wantFrame(t, bare, wireFrame{Identifier: i, Message: message})
		wantFrame(t, cable.AppendReply(nil, cable.Kind(id), identifier), wireFrame{Type: asDecoded(id), Identifier: i})
		wantFrame(t, cable.AppendWelcome(nil, id), wireFrame{Type: "welcome", Sid: asDecoded(id)})
		wantFrame(t, cable.AppendDisconnect(nil, id, flag), wireFrame{Type: "disconnect", Reason: asDecoded(id), Reconnect: flag})
		wantFrame(t, cable.AppendPing(nil, number), wireFrame{Type: "ping", Message: strconv.AppendInt(nil, number, 10)})
		wantPresence(t, cable.AppendJoin(nil, identifier, id, message), i, wirePresence{Type: "join", ID: asDecoded(id), Info: message})
		wantPresence(t, cable.AppendLeave(nil, identifier, id), i, wirePresence{Type: "leave", ID: asDecoded(id)})
		wantPresence(t, cable.AppendPresenceError(nil, identifier), i, wirePresence{Type: "error"})
		outcome := cable.Outcome{Identifier: identifier, Request: id, Status: cable.Status(id), Stream: stream, Epoch: epoch, Offset: offset}
		reply := wireFrame{Type: "reply", Identifier: i, Request: asDecoded(id), Status: asDecoded(id), Stream: s, Epoch: p, Offset: offset}
		wantFrame(t, cable.AppendOutcome(nil, &outcome), reply)
		outcome.Reason, outcome.Stream = epoch, ""
		wantFrame(t, cable.AppendOutcome(nil, &outcome), wireFrame{Type: "reply", Identifier: i, Request: asDecoded(id), Status: asDecoded(id), Reason: p})
		counted := wirePresence{Type: "info", Total: int(int32(number))}
		records := []cable.Presence{{ID: id, Info: message}, {}}
		wantPresence(t, cable.AppendPresence(nil, identifier, counted.Total, records, false), i, counted)
		counted.Records = &[]wireRecord{{ID: asDecoded(id), Info: message}, {Info: json.RawMessage(`null`)}}
		wantPresence(t, cable.AppendPresence(nil, identifier, counted.Total, records, true), i, counted)
	})
}

func wantSame(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func wantFrame(t *testing.T, text []byte, want wireFrame) {
	t.Helper()
	var got wireFrame
	decodeStrictly(t, text, &got)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q:\n%+v, want\n%+v", text, got, want)
	}
}

func wantPresence(t *testing.T, text []byte, identifier string, want wirePresence) {
	t.Helper()
	var frame wireFrame
	decodeStrictly(t, text, &frame)
	var got wirePresence
	decodeStrictly(t, frame.Message, &got)
	if frame.Type != "presence" || frame.Identifier != identifier || !reflect.DeepEqual(got, want) {
		t.Errorf("%q:\n%+v, want\n%+v", text, got, want)
	}
}

// decodeStrictly decodes a frame with no member that is not known.
func decodeStrictly(t *testing.T, text []byte, into any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil || !json.Valid(text) || !utf8.Valid(text) {
		t.Fatalf("%q: %v", text, err)
	}
}
