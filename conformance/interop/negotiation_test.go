package main

import (
	"errors"
	"testing"
)

var errTest = errors.New("test")

func TestCheckNegotiation(t *testing.T) {
	const name = deflateName
	for _, tc := range []struct {
		offer, answer string
		ok            bool
	}{
		{name, name, true},
		{name, name + "; server_no_context_takeover; client_no_context_takeover", true},
		{name, name + "; server_max_window_bits=9", true},
		{name + "; client_max_window_bits", name + "; client_max_window_bits=12", true},
		{name + "; client_max_window_bits=12", name, true},
		{name + "; client_max_window_bits=12", name + "; client_max_window_bits=8", true},
		{name + "; server_max_window_bits=10, " + name, name, true},
		{name + "; client_no_context_takeover", name, true},

		{name, "", false},
		{name, name + ", " + name, false},
		{name, "x-webkit-deflate-frame", false},
		{name, name + "; client_max_window_bits=12", false},
		{name, name + "; window=12", false},
		{name + "; client_max_window_bits", name + "; client_max_window_bits", false},
		{name + "; client_max_window_bits", name + "; client_max_window_bits=7", false},
		{name + "; client_max_window_bits", name + "; client_max_window_bits=16", false},
		{name + "; client_max_window_bits", name + "; client_max_window_bits=012", false},
		{name + "; client_max_window_bits=10", name + "; client_max_window_bits=11", false},
		{name + "; server_max_window_bits=10", name, false},
		{name + "; server_max_window_bits=10", name + "; server_max_window_bits=11", false},
		{name + "; server_max_window_bits=10", name + "; server_max_window_bits=10; server_max_window_bits=9", false},
		{name + "; server_max_window_bits", name + "; server_max_window_bits=10", false},
		{name + "; server_no_context_takeover", name, false},
		{name, name + "; server_no_context_takeover=1", false},
	} {
		var answers []string
		if tc.answer != "" {
			answers = []string{tc.answer}
		}
		if err := checkNegotiation([]string{tc.offer}, answers); (err == nil) != tc.ok {
			t.Errorf("%q answered with %q: %v", tc.offer, tc.answer, err)
		}
	}
}

// A report without a fault passes, and each fault alone fails it.
func TestJudge(t *testing.T) {
	good := func() report {
		return report{
			testCase: testCase{
				offer:  map[string]string{both: deflateName + "; client_max_window_bits"},
				answer: map[string]string{both: "", ws: "client_max_window_bits=12"},
			},
			peer:     ws,
			theirs:   event{Received: 3, Closed: 1000},
			offered:  []string{deflateName + "; client_max_window_bits"},
			answered: []string{deflateName + "; client_max_window_bits=12"},
			plain:    1000, fromServer: 300, fromClient: 300,
		}
	}
	if err := good().judge(3); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*report){
		"our error":       func(r *report) { r.err = errTest },
		"their error":     func(r *report) { r.theirs.Error = "invalid distance too far back" },
		"a message lost":  func(r *report) { r.theirs.Received = 2 },
		"close code":      func(r *report) { r.theirs.Closed = 1006 },
		"no answer":       func(r *report) { r.answered = nil },
		"another answer":  func(r *report) { r.answered = []string{deflateName + "; client_max_window_bits=11"} },
		"another offer":   func(r *report) { r.offered = []string{deflateName + "; client_max_window_bits=13"} },
		"plain server":    func(r *report) { r.fromServer = 1000 },
		"plain client":    func(r *report) { r.fromClient = 1000 },
		"takeover unused": func(r *report) { r.repeats = true },
		"takeover where none was agreed": func(r *report) {
			r.answered = []string{deflateName + "; server_no_context_takeover"}
			r.answer = map[string]string{both: "server_no_context_takeover"}
			r.repeats, r.fromServer, r.fromClient = true, 10, 10
		},
	} {
		r := good()
		spoil(&r)
		if r.judge(3) == nil {
			t.Errorf("%s: passes", name)
		}
	}
}
