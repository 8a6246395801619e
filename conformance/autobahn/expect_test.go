package main

import (
	"maps"
	"os"
	"strings"
	"testing"
)

var (
	ok            = outcome{"OK", "OK"}
	informational = outcome{"INFORMATIONAL", "INFORMATIONAL"}
	nonStrict     = outcome{"NON-STRICT", "OK"}
)

func TestParseExpectations(t *testing.T) {
	got, err := parseExpectations([]byte(`
# a comment
1.1.1  |OK           |OK           |OK|INFORMATIONAL
7.1.6|INFORMATIONAL|INFORMATIONAL|-|-

exclude|client|7.1.6|NON-STRICT|OK| the suite is wrong
`))
	if err != nil {
		t.Fatal(err)
	}
	want := expectations{
		roleServer: {"1.1.1": {ok, ""}, "7.1.6": {informational, ""}},
		roleClient: {"1.1.1": {outcome{"OK", "INFORMATIONAL"}, ""}, "7.1.6": {nonStrict, "the suite is wrong"}},
	}
	for _, r := range roles {
		if !maps.Equal(got[r], want[r]) {
			t.Errorf("%s: got %v, want %v", r, got[r], want[r])
		}
	}
}

// What cannot be expected cannot be written down.
func TestParseExpectationsRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"non-strict":               "1.1.1|NON-STRICT|OK|OK|OK",
		"failed close":             "1.1.1|OK|OK|OK|FAILED",
		"no outcome":               "1.1.1|OK||OK|OK",
		"half a dash":              "1.1.1|-|OK|OK|OK",
		"exclusion without reason": "exclude|server|1.1.1|NON-STRICT|OK|",
		"exclusion without column": "exclude|server|1.1.1|NON-STRICT|OK",
		"exclusion with a bar":     "exclude|server|1.1.1|NON-STRICT|OK|this | that",
		"exclusion of a good case": "exclude|server|1.1.1|OK|OK|because",
		"exclusion of no outcome":  "exclude|server|1.1.1||OK|because",
		"exclusion in no role":     "exclude|peer|1.1.1|NON-STRICT|OK|because",
		"case twice":               "1.1.1|OK|OK|OK|OK\n1.1.1|OK|OK|-|-",
		"case and exclusion":       "1.1.1|OK|OK|OK|OK\nexclude|server|1.1.1|NON-STRICT|OK|because",
		"few columns":              "1.1.1|OK|OK",
		"no case":                  "one|OK|OK|OK|OK",
	} {
		if got, err := parseExpectations([]byte(text)); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

func TestFormatExpectations(t *testing.T) {
	e := newExpectations()
	e[roleServer] = map[string]expectation{"10.1.1": {ok, ""}, "2.1": {informational, ""}, "9.1.1": {nonStrict, "a reason"}}
	e[roleClient] = map[string]expectation{"2.1": {ok, ""}}
	text := e.format()
	got, err := parseExpectations(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for _, r := range roles {
		if !maps.Equal(got[r], e[r]) {
			t.Errorf("%s: got %v, want %v, from\n%s", r, got[r], e[r], text)
		}
	}
	if two, ten := strings.Index(string(text), "\n2.1"), strings.Index(string(text), "\n10.1.1"); two < 0 || ten < two {
		t.Errorf("cases out of order in\n%s", text)
	}
}

func TestUpdate(t *testing.T) {
	e := newExpectations()
	e[roleServer] = map[string]expectation{
		"1.1.1": {ok, ""},
		"1.1.2": {nonStrict, "was wrong"},
		"1.1.3": {nonStrict, "is wrong"},
		"7.1.1": {ok, ""},
	}
	results := map[string]result{
		"1.1.1": {outcome: informational},
		"1.1.2": {outcome: ok},
		"1.1.3": {outcome: nonStrict},
		"1.1.4": {outcome: ok},
	}
	if err := e.update(roleServer, []pattern{"1.*"}, []string{"1.1.1", "1.1.4"}, results); err != nil {
		t.Fatal(err)
	}
	want := map[string]expectation{
		"1.1.1": {informational, ""},
		"1.1.2": {ok, ""}, // The exclusion went.
		"1.1.3": {nonStrict, "is wrong"},
		"1.1.4": {ok, ""},
		"7.1.1": {ok, ""}, // Not selected.
	}
	if !maps.Equal(e[roleServer], want) {
		t.Errorf("got %v, want %v", e[roleServer], want)
	}
}

func TestUpdateRefuses(t *testing.T) {
	both := []string{"1.1.1", "1.1.2"}
	for name, tc := range map[string]struct {
		planned []string
		results map[string]result
	}{
		"non-strict":       {both, map[string]result{"1.1.1": {outcome: informational}, "1.1.2": {outcome: nonStrict}}},
		"unclean":          {both, map[string]result{"1.1.1": {outcome: informational}, "1.1.2": {outcome: outcome{"OK", "UNCLEAN"}}}},
		"new and failed":   {both, map[string]result{"1.1.1": {outcome: ok}, "1.1.2": {outcome: ok}, "1.1.9": {outcome: outcome{"FAILED", "OK"}}}},
		"expected, absent": {nil, map[string]result{"1.1.1": {outcome: informational}}},
		"planned, absent":  {append(both, "1.1.3"), map[string]result{"1.1.1": {outcome: informational}, "1.1.2": {outcome: ok}}},
	} {
		e := newExpectations()
		e[roleClient] = map[string]expectation{"1.1.1": {ok, ""}, "1.1.2": {ok, ""}}
		if err := e.update(roleClient, []pattern{"1.*"}, tc.planned, tc.results); err == nil {
			t.Errorf("%s: accepted: %v", name, e[roleClient])
		}
		if e[roleClient]["1.1.1"].outcome != ok || len(e[roleClient]) != 2 {
			t.Errorf("%s: refused, yet changed: %v", name, e[roleClient])
		}
	}
}

// The committed file holds the library to the whole of the groups that it
// claims, in both roles.
func TestCommittedExpectations(t *testing.T) {
	e, err := readExpectations("expect.txt")
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int{"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1, "12": 90, "13": 126}
	for _, r := range roles {
		for _, group := range allGroups {
			if got := len(e.selected(r, groupPatterns([]string{group}))); got != sizes[group] {
				t.Errorf("%s: %d cases of group %s, want %d", r, got, group, sizes[group])
			}
		}
		for id, want := range e[r] {
			if !want.acceptable() || want.Reason != "" {
				t.Errorf("%s: case %s: %s is excluded: %s", r, id, want.outcome, want.Reason)
			}
		}
	}
	text, err := os.ReadFile("expect.txt")
	if err != nil {
		t.Fatal(err)
	}
	if string(e.format()) != string(text) {
		t.Error("expect.txt is not as -update would write it")
	}
}
