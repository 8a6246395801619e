package cable_test

import (
	"encoding/json"
	"testing"

	"golazy.dev/lazyrealtime/cable"
)

const room = `{"channel":"Chat","room":"1"}`

// frames is every kind of frame, with its text.
var frames = map[string]struct {
	build func(dst []byte) []byte
	want  string
}{
	"welcome": {
		func(dst []byte) []byte { return cable.AppendWelcome(dst, "") },
		`{"type":"welcome"}`,
	},
	"welcome with a session": {
		func(dst []byte) []byte { return cable.AppendWelcome(dst, "s1") },
		`{"type":"welcome","sid":"s1"}`,
	},
	"disconnect": {
		func(dst []byte) []byte { return cable.AppendDisconnect(dst, cable.ReasonServerRestart, true) },
		`{"type":"disconnect","reason":"server_restart","reconnect":true}`,
	},
	"disconnect for good": {
		func(dst []byte) []byte { return cable.AppendDisconnect(dst, cable.ReasonUnauthorized, false) },
		`{"type":"disconnect","reason":"unauthorized","reconnect":false}`,
	},
	"ping": {
		func(dst []byte) []byte { return cable.AppendPing(dst, 1700000000) },
		`{"type":"ping","message":1700000000}`,
	},
	"reply": {
		func(dst []byte) []byte { return cable.AppendReply(dst, cable.ConfirmSubscription, room) },
		`{"type":"confirm_subscription","identifier":"{\"channel\":\"Chat\",\"room\":\"1\"}"}`,
	},
	"message": {
		func(dst []byte) []byte { return cable.AppendMessage(dst, room, []byte(`{"a": 1}`)) },
		`{"identifier":"{\"channel\":\"Chat\",\"room\":\"1\"}","message":{"a": 1}}`,
	},
	"positioned": {
		func(dst []byte) []byte {
			return cable.AppendPositioned(dst, room, []byte(`"x"`), "room:1", "e\t1", cable.MaxOffset)
		},
		`{"identifier":"{\"channel\":\"Chat\",\"room\":\"1\"}","message":"x","stream_id":"room:1","epoch":"e\t1","offset":9007199254740992}`,
	},
	"join": {
		func(dst []byte) []byte { return cable.AppendJoin(dst, "i", "7", []byte(`{"n":"A"}`)) },
		`{"type":"presence","identifier":"i","message":{"type":"join","id":"7","info":{"n":"A"}}}`,
	},
	"join without info": {
		func(dst []byte) []byte { return cable.AppendJoin(dst, "i", "7", nil) },
		`{"type":"presence","identifier":"i","message":{"type":"join","id":"7","info":null}}`,
	},
	"join with empty info": {
		func(dst []byte) []byte { return cable.AppendJoin(dst, "i", "7", []byte{}) },
		`{"type":"presence","identifier":"i","message":{"type":"join","id":"7","info":null}}`,
	},
	"leave": {
		func(dst []byte) []byte { return cable.AppendLeave(dst, "i", "7") },
		`{"type":"presence","identifier":"i","message":{"type":"leave","id":"7"}}`,
	},
	"presence": {
		func(dst []byte) []byte { return cable.AppendPresence(dst, "i", 2, twoMembers, true) },
		`{"type":"presence","identifier":"i","message":{"type":"info","total":2,"records":[{"id":"7","info":[1]},{"id":"\"","info":null}]}}`,
	},
	"presence of nobody": {
		func(dst []byte) []byte { return cable.AppendPresence(dst, "i", 0, nil, true) },
		`{"type":"presence","identifier":"i","message":{"type":"info","total":0,"records":[]}}`,
	},
	"presence counted": {
		func(dst []byte) []byte { return cable.AppendPresence(dst, "i", 2, twoMembers, false) },
		`{"type":"presence","identifier":"i","message":{"type":"info","total":2}}`,
	},
	"presence error": {
		func(dst []byte) []byte { return cable.AppendPresenceError(dst, "i") },
		`{"type":"presence","identifier":"i","message":{"type":"error"}}`,
	},
	"outcome": {
		func(dst []byte) []byte {
			return cable.AppendOutcome(dst, &cable.Outcome{
				Identifier: room, Request: "r\"1", Status: cable.StatusOK, Stream: "s\t", Epoch: "e", Offset: cable.MaxOffset,
			})
		},
		`{"type":"reply","identifier":"{\"channel\":\"Chat\",\"room\":\"1\"}","request":"r\"1","status":"ok","stream_id":"s\t","epoch":"e","offset":9007199254740992}`,
	},
	"outcome that is nowhere": {
		func(dst []byte) []byte {
			return cable.AppendOutcome(dst, &cable.Outcome{Identifier: "i", Request: "r", Status: cable.StatusOK, Epoch: "e", Offset: 1})
		},
		`{"type":"reply","identifier":"i","request":"r","status":"ok"}`,
	},
	"refused": {
		func(dst []byte) []byte {
			return cable.AppendOutcome(dst, &cable.Outcome{Identifier: "i", Request: "r", Status: cable.StatusRefused, Reason: cable.RefusedDenied})
		},
		`{"type":"reply","identifier":"i","request":"r","status":"refused","reason":"denied"}`,
	},
	"unavailable": {
		func(dst []byte) []byte {
			return cable.AppendOutcome(dst, &cable.Outcome{Identifier: "i", Request: "r", Status: cable.StatusUnavailable, Reason: cable.UnavailableOutage})
		},
		`{"type":"reply","identifier":"i","request":"r","status":"unavailable","reason":"outage"}`,
	},
	"envelope": {
		func(dst []byte) []byte { return base.Append(dst, []byte(`1`), "e", 5) },
		`{"identifier":"{\"channel\":\"Chat\",\"room\":\"1\"}","message":1}`,
	},
	"extended envelope": {
		func(dst []byte) []byte { return extended.Append(dst, []byte(`1`), "e", 5) },
		`{"identifier":"{\"channel\":\"Chat\",\"room\":\"1\"}","message":1,"stream_id":"room:\"1","epoch":"e","offset":5}`,
	},
	"extended envelope, not stored": {
		func(dst []byte) []byte { return extended.Append(dst, []byte(`1`), "e", 0) },
		`{"identifier":"{\"channel\":\"Chat\",\"room\":\"1\"}","message":1}`,
	},
}

var (
	twoMembers = []cable.Presence{{ID: "7", Info: json.RawMessage(`[1]`)}, {ID: `"`}}
	base       = cable.NewEnvelope(room, `room:"1`, false)
	extended   = cable.NewEnvelope(room, `room:"1`, true)
)

func TestFrames(t *testing.T) {
	for name, frame := range frames {
		t.Run(name, func(t *testing.T) {
			if got := string(frame.build(nil)); got != frame.want {
				t.Errorf("got  %s\nwant %s", got, frame.want)
			}
			if !json.Valid([]byte(frame.want)) {
				t.Error("not JSON")
			}
			if got := string(frame.build([]byte("before"))); got != "before"+frame.want {
				t.Errorf("appended: %s", got)
			}
		})
	}
}

func TestFramesBudget(t *testing.T) {
	buffer := make([]byte, 0, 1024)
	for name, frame := range frames {
		if allocs := testing.AllocsPerRun(100, func() { frame.build(buffer) }); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

// TestWireWords pins what the clients compare with: the constants are theirs.
func TestWireWords(t *testing.T) {
	for got, want := range map[string]string{
		cable.Base: "actioncable-v1-json", cable.Extended: "actioncable-v1-ext-json", cable.TokenPrefix: "anycable-token.",
		string(cable.ConfirmSubscription): "confirm_subscription", string(cable.RejectSubscription): "reject_subscription",
		string(cable.ConfirmHistory): "confirm_history", string(cable.RejectHistory): "reject_history",
		cable.ReasonUnauthorized: "unauthorized", cable.ReasonInvalidRequest: "invalid_request",
		cable.ReasonTokenExpired: "token_expired", cable.ReasonIdleTimeout: "idle_timeout",
		cable.ReasonServerRestart: "server_restart", cable.ReasonNoPong: "no_pong",
		cable.ReasonTooSlow: "too_slow", cable.ReasonRemote: "remote",
		string(cable.StatusOK): "ok", string(cable.StatusRefused): "refused", string(cable.StatusUnavailable): "unavailable",
		cable.RefusedDenied: "denied", cable.RefusedInvalid: "invalid", cable.RefusedTooLarge: "too_large",
		cable.RefusedNoSubscription: "no_subscription", cable.RefusedUnsupported: "unsupported", cable.RefusedFailed: "failed",
		cable.UnavailableOutage: "outage", cable.UnavailableTooFast: "rate_limited", cable.UnavailableBehind: "behind",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestQuoting(t *testing.T) {
	tests := map[string]string{
		"":                    `""`,
		"plain ü 😀 \u2028 /<": "\"plain ü 😀 \u2028 /<\"",
		"\x00\x1f\b\f\x7f":    `"\u0000\u001f\u0008\u000c` + "\x7f\"",
		"\"\\\n\r\t":          `"\"\\\n\r\t"`,
		"\xff":                "\"\ufffd\"",
		"a\xe2\x82b":          "\"a\ufffd\ufffdb\"",
		"\xed\xa0\x80":        "\"\ufffd\ufffd\ufffd\"",
		"\ufffd":              "\"\ufffd\"",
		"a\xffb\"c\xc3":       "\"a\ufffdb\\\"c\ufffd\"",
	}
	for text, want := range tests {
		got := string(cable.AppendReply(nil, cable.RejectHistory, text))
		if got != `{"type":"reject_history","identifier":`+want+`}` {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func BenchmarkEnvelope(b *testing.B) {
	message := make([]byte, 0, 256)
	message = append(message, `"`...)
	for len(message) < 255 {
		message = append(message, 'a')
	}
	message = append(message, `"`...)
	buffer := make([]byte, 0, 1024)
	b.Run("envelope", func(b *testing.B) {
		for b.Loop() {
			extended.Append(buffer, message, "e1", 1234567)
		}
	})
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			cable.AppendPositioned(buffer, room, message, "room:1", "e1", 1234567)
		}
	})
}
