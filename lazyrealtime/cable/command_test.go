package cable_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"golazy.dev/lazyrealtime/cable"
)

func TestParseCommand(t *testing.T) {
	const room = `{"channel":"Chat","room":"ü"}`
	const quotedRoom = `"{\"channel\":\"Chat\",\"room\":\"\u00fc\"}"`
	tests := map[string]struct {
		frame string
		want  cable.Command
	}{
		"subscribe": {
			`{"command":"subscribe","identifier":` + quotedRoom + `}`,
			cable.Command{Name: cable.CommandSubscribe, Identifier: room},
		},
		"subscribe with history and presence": {
			`{"command":"subscribe","identifier":"i","history":{"since":1700000000,"streams":{"a":{"epoch":"e1","offset":12},` +
				`"b\n":{"epoch":"e2","offset":9007199254740992}}},"presence":{"id":"7","info":{"name":"A"}}}`,
			cable.Command{
				Name: cable.CommandSubscribe, Identifier: "i",
				History: &cable.History{Since: 1700000000, Streams: map[string]cable.Position{
					"a": {Epoch: "e1", Offset: 12}, "b\n": {Epoch: "e2", Offset: cable.MaxOffset},
				}},
				Presence: &cable.Presence{ID: "7", Info: json.RawMessage(`{"name":"A"}`)},
			},
		},
		"unsubscribe": {
			`{"command":"unsubscribe","identifier":"i"}`,
			cable.Command{Name: cable.CommandUnsubscribe, Identifier: "i"},
		},
		"message": {
			`{"command":"message","identifier":"i","data":"{\"action\":\"say\",\"x\":\"\\u0000\"}"}`,
			cable.Command{
				Name: cable.CommandMessage, Identifier: "i",
				Data: json.RawMessage(`"{\"action\":\"say\",\"x\":\"\\u0000\"}"`),
				Text: `{"action":"say","x":"\u0000"}`,
			},
		},
		"message with a request": {
			`{"command":"message","identifier":"i","data":"{}","request":"!\u007e\"","behind":"` + strings.Repeat("r", 64) + `"}`,
			cable.Command{
				Name: cable.CommandMessage, Identifier: "i", Data: json.RawMessage(`"{}"`), Text: `{}`,
				Request: `!~"`, Behind: strings.Repeat("r", 64),
			},
		},
		"request of null": {
			`{"command":"message","identifier":"i","data":"1","request":null,"behind":null}`,
			cable.Command{Name: cable.CommandMessage, Identifier: "i", Data: json.RawMessage(`"1"`), Text: `1`},
		},
		"only messages are requests": {
			`{"command":"leave","identifier":"i","request":5,"behind":""}`,
			cable.Command{Name: cable.CommandLeave, Identifier: "i"},
		},
		"whisper": {
			`{"command":"whisper","identifier":"i","data":{"typing":[true, "\ud800"]}}`,
			cable.Command{
				Name: cable.CommandWhisper, Identifier: "i",
				Data: json.RawMessage(`{"typing":[true, "\ud800"]}`),
			},
		},
		"whisper of a string": {
			`{"command":"whisper","identifier":"i","data":"a\ud800b\ud83d\ude00"}`,
			cable.Command{
				Name: cable.CommandWhisper, Identifier: "i",
				Data: json.RawMessage(`"a\ud800b\ud83d\ude00"`), Text: "a\ufffdb😀",
			},
		},
		"whisper of undefined": {
			`{"command":"whisper","identifier":"i"}`,
			cable.Command{Name: cable.CommandWhisper, Identifier: "i", Data: json.RawMessage(`null`)},
		},
		"history": {
			`{"identifier":"i","command":"history","history":{"since":5,"streams":{}}}`,
			cable.Command{
				Name: cable.CommandHistory, Identifier: "i",
				History: &cable.History{Since: 5, Streams: map[string]cable.Position{}},
			},
		},
		"history of undefined": {
			`{"identifier":"i","command":"history"}`,
			cable.Command{Name: cable.CommandHistory, Identifier: "i"},
		},
		"join": {
			`{"command":"join","identifier":"i","presence":{"id":"42"}}`,
			cable.Command{Name: cable.CommandJoin, Identifier: "i", Presence: &cable.Presence{ID: "42"}},
		},
		"leave": {
			`{"command":"leave","identifier":"i"}`,
			cable.Command{Name: cable.CommandLeave, Identifier: "i"},
		},
		"presence": {
			`{"command":"presence","identifier":"i","data":{}}`,
			cable.Command{Name: cable.CommandPresence, Identifier: "i", Data: json.RawMessage(`{}`)},
		},
		"pong":          {`{"command":"pong"}`, cable.Command{Name: cable.CommandPong}},
		"space":         {" \t\r\n{ \"command\" : \"pong\" } \n", cable.Command{Name: cable.CommandPong}},
		"escaped names": {`{"\u0063ommand":"p\u006fng"}`, cable.Command{Name: cable.CommandPong}},
		"escaped throughout": {
			`{"\u0063\u006f\u006d\u006d\u0061\u006e\u0064":"\u0070\u006f\u006e\u0067"}`,
			cable.Command{Name: cable.CommandPong},
		},
		"unknown members":   {`{"command":"pong","x":[{"command":"join"}],"Command":"join"}`, cable.Command{Name: cable.CommandPong}},
		"last one counts":   {`{"command":"join","command":"leave","identifier":"1","identifier":"2"}`, cable.Command{Name: cable.CommandLeave, Identifier: "2"}},
		"null is absent":    {`{"command":"pong","identifier":null,"data":null,"history":null,"presence":null}`, cable.Command{Name: cable.CommandPong}},
		"other half exists": {`{"command":"leave","identifier":"\ud83d\uDE00\u20ac\/\b\f\r\t\\"}`, cable.Command{Name: cable.CommandLeave, Identifier: "😀€/\b\f\r\t\\"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := cable.ParseCommand([]byte(test.frame))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestParseCommandRefuses(t *testing.T) {
	tests := map[string]string{
		"nothing":                 ``,
		"null":                    `null`,
		"array":                   `[]`,
		"string":                  `"subscribe"`,
		"open":                    `{"command":"pong"`,
		"trailing text":           `{"command":"pong"}{}`,
		"trailing comma":          `{"command":"pong",}`,
		"two commas":              `{"command":"pong",,"a":1}`,
		"comma first":             `{,"command":"pong"}`,
		"no comma":                `{"command":"pong" "a":1}`,
		"comma in array":          `{"command":"pong","a":[1,]}`,
		"no comma in array":       `{"command":"pong","a":[1 2]}`,
		"no colon":                `{"command" "pong"}`,
		"single quotes":           `{'command':'pong'}`,
		"bare key":                `{command:"pong"}`,
		"control character":       "{\"command\":\"pong\",\"a\":\"\n\"}",
		"NUL":                     "{\"command\":\"pong\"}\x00",
		"not UTF-8":               "{\"command\":\"leave\",\"identifier\":\"\xff\"}",
		"surrogate in UTF-8":      "{\"command\":\"leave\",\"identifier\":\"\xed\xa0\x80\"}",
		"request is a number":     `{"command":"message","identifier":"i","data":"1","request":1}`,
		"request is empty":        `{"command":"message","identifier":"i","data":"1","request":""}`,
		"request is too long":     `{"command":"message","identifier":"i","data":"1","request":"` + strings.Repeat("r", 65) + `"}`,
		"space in a request":      `{"command":"message","identifier":"i","data":"1","request":"a b"}`,
		"DEL in a request":        `{"command":"message","identifier":"i","data":"1","request":"\u007f"}`,
		"NUL in a request":        `{"command":"message","identifier":"i","data":"1","request":"a\u0000"}`,
		"letters in a request":    `{"command":"message","identifier":"i","data":"1","request":"ü"}`,
		"half in a request":       `{"command":"message","identifier":"i","data":"1","request":"\ud800"}`,
		"behind is an object":     `{"command":"message","identifier":"i","data":"1","request":"a","behind":{}}`,
		"behind is empty":         `{"command":"message","identifier":"i","data":"1","request":"a","behind":""}`,
		"no command":              `{"identifier":"i"}`,
		"command is null":         `{"command":null,"identifier":"i"}`,
		"command is a number":     `{"command":1,"identifier":"i"}`,
		"unknown command":         `{"command":"shout","identifier":"i"}`,
		"command in capitals":     `{"command":"PONG"}`,
		"no identifier":           `{"command":"subscribe"}`,
		"identifier is null":      `{"command":"subscribe","identifier":"i","identifier":null}`,
		"identifier is empty":     `{"command":"subscribe","identifier":""}`,
		"identifier is an object": `{"command":"subscribe","identifier":{"channel":"x"}}`,
		"identifier of a pong":    `{"command":"pong","identifier":1}`,
		"half a pair":             `{"command":"leave","identifier":"\ud83d"}`,
		"other half":              `{"command":"leave","identifier":"\ude00\ud83d"}`,
		"half and a letter":       `{"command":"leave","identifier":"\ud83d\u0041"}`,
		"bad escape":              `{"command":"leave","identifier":"\x"}`,
		"bad hex":                 `{"command":"leave","identifier":"\u00g0"}`,
		"hex cut off":             `{"command":"leave","identifier":"\u00`,
		"hex ends the string":     `{"command":"leave","identifier":"\u00"}`,
		"escape cut off":          `{"command":"leave","identifier":"\`,
		"message without data":    `{"command":"message","identifier":"i"}`,
		"message of an object":    `{"command":"message","identifier":"i","data":{}}`,
		"presence is a string":    `{"command":"join","identifier":"i","presence":"7"}`,
		"presence id is a number": `{"command":"join","identifier":"i","presence":{"id":7}}`,
		"literal":                 `{"command":"pong","a":nul}`,
		"literal in capitals":     `{"command":"pong","a":True}`,
		"too deep":                `{"command":"pong","a":` + nested(cable.MaxDepth) + `}`,
		"far too deep":            `{"command":"pong","a":` + strings.Repeat("[", 1<<20),
	}
	for name, frame := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := cable.ParseCommand([]byte(frame))
			wantSyntaxError(t, err)
			if !reflect.DeepEqual(c, cable.Command{}) {
				t.Errorf("and a command: %+v", c)
			}
		})
	}
}

func TestParseCommandDepth(t *testing.T) {
	frame := `{"command":"whisper","identifier":"i","data":` + nested(cable.MaxDepth-1) + `,"x":` + nested(cable.MaxDepth-1) + `}`
	if _, err := cable.ParseCommand([]byte(frame)); err != nil {
		t.Error(err)
	}
}

// TestParseCommandOwnsMemory overwrites the frame, as its buffer's next user will.
func TestParseCommandOwnsMemory(t *testing.T) {
	text := `{"command":"whisper","identifier":"iiii","data":"dddd","history":{"streams":{"ssss":{"epoch":"eeee"}}},` +
		`"presence":{"id":"pppp","info":"ffff"}}`
	frame := []byte(text)
	got, err := cable.ParseCommand(frame)
	if err != nil {
		t.Fatal(err)
	}
	want, err := cable.ParseCommand([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for i := range frame {
		frame[i] = 'X'
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the command shares memory with the frame: %+v", got)
	}
}

func TestReturnRecords(t *testing.T) {
	tests := map[string]bool{
		``: true, `null`: true, `{}`: true, `[]`: true, `"false"`: true,
		`{"return_records":true}`:                             true,
		`{"return_records":null}`:                             true,
		`{"return_records":false}`:                            false,
		`{ "a" : 1, "return_records" : false }`:               false,
		`{"return_records":false,"return_records":true}`:      true,
		`{"return_records":true,"return\u005frecords":false}`: false,
		`{"a":{"return_records":false}}`:                      true,
	}
	for data, want := range tests {
		c := cable.Command{Name: cable.CommandPresence, Data: json.RawMessage(data)}
		if got := c.ReturnRecords(); got != want {
			t.Errorf("%s: %t, want %t", data, got, want)
		}
	}
}

// TestParseCommandBudget counts what a frame may cost: the identifier, and what
// the command itself returns.
func TestParseCommandBudget(t *testing.T) {
	tests := map[string]struct {
		frame string
		limit float64
	}{
		"pong":      {`{"command":"pong"}`, 0},
		"subscribe": {`{"command":"subscribe","identifier":"{\"channel\":\"Chat\",\"room\":\"1\"}"}`, 1},
		"whisper":   {`{"command":"whisper","identifier":"plain","data":{"x":1}}`, 2},
		"message":   {`{"command":"message","identifier":"plain","data":"{\"x\":1}"}`, 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			frame := []byte(test.frame)
			allocs := testing.AllocsPerRun(100, func() {
				if _, err := cable.ParseCommand(frame); err != nil {
					t.Fatal(err)
				}
			})
			if allocs > test.limit {
				t.Errorf("%v allocations, want at most %v", allocs, test.limit)
			}
		})
	}
}

func wantSyntaxError(t *testing.T, err error) {
	t.Helper()
	if syntax := (*cable.SyntaxError)(nil); !errors.As(err, &syntax) {
		t.Errorf("%v is a %T, want a *SyntaxError", err, err)
	} else if syntax.Reason == "" || err.Error() != "cable: "+syntax.Reason {
		t.Errorf("the error says %q", err)
	}
}

// nested returns arrays and objects in each other, depth of them.
func nested(depth int) string {
	text := "1"
	for i := range depth {
		if i%2 == 0 {
			text = "[" + text + "]"
		} else {
			text = `{"a":` + text + `}`
		}
	}
	return text
}

func BenchmarkParseCommand(b *testing.B) {
	for name, frame := range map[string]string{
		"pong":      `{"command":"pong"}`,
		"subscribe": `{"command":"subscribe","identifier":"{\"channel\":\"Chat\",\"room\":\"1\"}","history":{"since":1700000000,"streams":{"room:1":{"epoch":"e1","offset":12}}}}`,
		"message":   `{"command":"message","identifier":"{\"channel\":\"Chat\",\"room\":\"1\"}","data":"{\"action\":\"say\",\"text\":\"hello, how are you?\"}"}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := cable.ParseCommand([]byte(frame)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
