package cable_test

import (
	"strings"
	"testing"

	"golazy.dev/lazyrealtime/cable"
)

func TestCheckMessage(t *testing.T) {
	for _, message := range []string{
		`""`, `0`, `-0`, `-0.5e-3`, `10`, `1E+2`, `1.25`, `true`, `false`, `null`, `{}`, `[]`, ` [ 1 , {"a" : "b"} ] `,
		`"\"\\\/\b\f\n\r\t\u12aF"`, `"😀"`, `"\ud800"`, nested(cable.MaxDepth), strings.Repeat(`{"a":`, cable.MaxDepth) + `1` + strings.Repeat(`}`, cable.MaxDepth), `"` + strings.Repeat("[", 1000) + `"`,
	} {
		if err := cable.CheckMessage([]byte(message)); err != nil {
			t.Errorf("%s: %v", message, err)
		}
	}
	for _, message := range []string{
		``, ` `, `hello`, `'a'`, `"`, `"a`, `"\`, `"\u123"`, `"\u123`, `"\a"`, "\"\x1f\"", "\"\xff\"", "\"\xc3\"",
		`-`, `01`, `-01`, `1.`, `.5`, `1e`, `1e+`, `+1`, `0x1`, `NaN`, `--1`, `1 2`, `1,`,
		`tru`, `nulll`, `truefalse`, `[`, `]`, `[1,]`, `[,1]`, `[1 2]`, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{1:2}`,
		`[}`, `{]`, `"a" "b"`, `{}{}`, "[]\x00", "\ufeff[]", "\f[]", "[]\v", `[` + strings.Repeat(`{"a":`, cable.MaxDepth) + `1` + strings.Repeat(`}`, cable.MaxDepth) + `]`, "\u00a0[]", nested(cable.MaxDepth + 1), strings.Repeat("[", 1<<20),
	} {
		err := cable.CheckMessage([]byte(message))
		if err == nil {
			t.Errorf("%.40s is accepted", message)
			continue
		}
		wantSyntaxError(t, err)
	}
}

func TestTruthy(t *testing.T) {
	for _, message := range []string{
		`""`, ` ""`, "\t\"\"\r\n", `0`, `-0`, `0.0`, `0e5`, `-0.00E-7`, ` 0 `, `1e-400`, `-1.5e-999999999`, `12E-999`,
		`0.` + strings.Repeat("0", 400) + `1`, `false`, ` false`, `null`, "\nnull ", ``, ` `,
	} {
		if cable.Truthy([]byte(message)) {
			t.Errorf("%.40q is true", message)
		}
	}
	for _, message := range []string{
		`" "`, `"0"`, `"\u0000"`, `1`, `-1`, `0.1`, `-0.001`, `1e5`, `5e-324`, `1e999`, `-1e999`, `0.5e-10`, ` 10 `, `true`, ` true`,
		`{}`, `[]`, ` { } `, `[0]`, `0` + `.` + strings.Repeat("0", 300) + `1`,
	} {
		if !cable.Truthy([]byte(message)) {
			t.Errorf("%.40q is false", message)
		}
	}
}

func TestTruthyBudget(t *testing.T) {
	for _, message := range []string{`{"a":1}`, ` "text" `, `12345`, `0`} {
		text := []byte(message)
		if allocs := testing.AllocsPerRun(100, func() { cable.Truthy(text) }); allocs != 0 {
			t.Errorf("%s: %v allocations", message, allocs)
		}
	}
}

func TestAction(t *testing.T) {
	for message, want := range map[string]string{
		`{"action":"say"}`:                      "say",
		` { "n" : 1 , "action" : "s\u0061y" } `: "say",
		`{"\u0061ction":"say"}`:                 "say",
		`{"action":"say","Action":"ban"}`:       "say",
		`{"ACTION":"ban"}`:                      "",
		`{"action":"say","action":"ban"}`:       "ban",
		`{"action":"say","action":5}`:           "",
		`{"action":5}`:                          "",
		`{"action":null}`:                       "",
		`{"a":{"action":"ban"}}`:                "",
		`{"action":"say"`:                       "",
		`{"action":"say"}{}`:                    "",
		`["action","say"]`:                      "",
		`"action"`:                              "",
		``:                                      "",
	} {
		if got := cable.Action([]byte(message)); got != want {
			t.Errorf("%s: %q, want %q", message, got, want)
		}
	}
}
