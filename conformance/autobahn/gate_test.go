package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	expected := func(o outcome, reason string) map[string]expectation {
		return map[string]expectation{"1.1.1": {ok, ""}, "6.4.1": {o, reason}}
	}
	ran := func(o outcome) map[string]result {
		return map[string]result{"1.1.1": {outcome: ok}, "6.4.1": {outcome: o}}
	}
	both := []string{"1.1.1", "6.4.1"}
	for _, tc := range []struct {
		name    string
		want    map[string]expectation
		planned []string
		got     map[string]result
		problem string // Empty: the run passes.
	}{
		{"as expected", expected(ok, ""), both, ran(ok), ""},
		{"informational as expected", expected(informational, ""), both, ran(informational), ""},
		{"excluded as stated", expected(nonStrict, "a reason"), both, ran(nonStrict), ""},
		{"non-strict", expected(ok, ""), both, ran(nonStrict), "NON-STRICT"},
		{"non-strict close", expected(ok, ""), both, ran(outcome{"OK", "NON-STRICT"}), "close NON-STRICT"},
		{"failed", expected(informational, ""), both, ran(outcome{"FAILED", "FAILED"}), "FAILED"},
		{"unclean", expected(ok, ""), both, ran(outcome{"OK", "UNCLEAN"}), "UNCLEAN"},
		{"wrong code", expected(ok, ""), both, ran(outcome{"OK", "WRONG CODE"}), "WRONG CODE"},
		{"informational, not ok", expected(ok, ""), both, ran(informational), "want OK"},
		{"better than expected", expected(informational, ""), both, ran(ok), "want INFORMATIONAL"},
		{"excluded, got worse", expected(nonStrict, "a reason"), both, ran(outcome{"FAILED", "OK"}), "want NON-STRICT"},
		{"excluded, got better", expected(nonStrict, "a reason"), both, ran(ok), "no longer needed"},
		{"missing", expected(ok, ""), both, map[string]result{"1.1.1": {outcome: ok}}, "expected, but did not run"},
		{"excluded and missing", expected(nonStrict, "a reason"), nil, map[string]result{"1.1.1": {outcome: ok}}, "did not run"},
		{"unknown", map[string]expectation{"1.1.1": {ok, ""}}, both, ran(ok), "do not know it"},
		{"neither expected nor planned", map[string]expectation{"1.1.1": {ok, ""}}, nil, ran(ok), "do not know it"},
		{"planned only", map[string]expectation{"1.1.1": {ok, ""}}, both, map[string]result{"1.1.1": {outcome: ok}}, "planned by the suite"},
	} {
		problems := judge(tc.want, tc.planned, tc.got)
		switch {
		case tc.problem == "" && len(problems) > 0:
			t.Errorf("%s: %v, want no problem", tc.name, problems)
		case tc.problem == "":
		case len(problems) != 1 || problems[0].ID != "6.4.1" || !strings.Contains(problems[0].What, tc.problem):
			t.Errorf("%s: %v, want one of case 6.4.1 about %q", tc.name, problems, tc.problem)
		}
	}
}

// No file of expectations can make the gate pass a case that is excluded
// without a reason: such a file cannot be read.
func TestUnreasonedExclusionFails(t *testing.T) {
	text := "1.1.1|OK|OK|OK|OK\nexclude|server|6.4.1|NON-STRICT|OK|%s\n"
	e, err := parseExpectations([]byte(strings.ReplaceAll(text, "%s", "the suite is wrong")))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]result{"1.1.1": {outcome: ok}, "6.4.1": {outcome: nonStrict}}
	if problems := judge(e[roleServer], nil, got); len(problems) > 0 {
		t.Errorf("with a reason: %v", problems)
	}
	if _, err := parseExpectations([]byte(strings.ReplaceAll(text, "%s", ""))); err == nil {
		t.Error("without a reason: accepted")
	}
}

func TestExplain(t *testing.T) {
	results, err := readIndex("testdata")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]expectation{"1.1.1": {ok, ""}, "6.4.1": {ok, ""}, "7.1.6": {informational, ""}, "7.1.7": {ok, ""}}
	problems := judge(want, nil, results)
	var out bytes.Buffer
	explain(&out, roleServer, "testdata", problems)
	for _, text := range []string{
		"FAIL server case 6.4.1: NON-STRICT, close OK, want OK, close OK\n",
		"  case: Send invalid UTF-8 text message in 3 fragments",
		"  received: [ [ \"timeout\", \"A\" ], [ \"timeout\", \"B\" ] ]\n",
		"  ended: lazywebsocket closed with 1007 \"invalid UTF-8\"; not a clean close\n",
		"lazywebsocket_case_6_4_1.html\n",
		"FAIL server case 7.1.7: expected, but did not run\n",
	} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("no %q in\n%s", text, &out)
		}
	}
	if strings.Contains(out.String(), "1.1.1") {
		t.Errorf("a case that passed is explained in\n%s", &out)
	}
	// A case whose report is not there is a failure as well.
	out.Reset()
	explain(&out, roleClient, t.TempDir(), problems)
	if !strings.Contains(out.String(), "FAIL client case 6.4.1") || !strings.Contains(out.String(), "cannot be read") {
		t.Errorf("got\n%s", &out)
	}
}

func TestShorten(t *testing.T) {
	if got := shorten(" one<br/>two\n\n three "); got != "one two three" {
		t.Errorf("got %q", got)
	}
	if got := shorten(strings.Repeat("é", 1<<20)); got != strings.Repeat("é", longestLine)+" ..." {
		t.Errorf("got %q", got)
	}
}
