package main

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// problem is one reason why a run fails.
type problem struct {
	ID   string
	What string
	// ReportFile is the case's report, if it ran.
	ReportFile string
}

func (p problem) String() string { return "case " + p.ID + ": " + p.What }

// judge compares a run with what was expected of it. planned are the cases that
// the suite said it would run. Whatever is not exactly as expected is a problem,
// a better outcome too: the expectations then want updating.
func judge(want map[string]expectation, planned []string, got map[string]result) []problem {
	ids := map[string]bool{}
	for id := range want {
		ids[id] = true
	}
	for id := range got {
		ids[id] = true
	}
	for _, id := range planned {
		ids[id] = true
	}
	var out []problem
	for _, id := range slices.SortedFunc(maps.Keys(ids), compareCases) {
		if what := judgeCase(id, want, got); what != "" {
			out = append(out, problem{ID: id, What: what, ReportFile: got[id].ReportFile})
		}
	}
	return out
}

func judgeCase(id string, want map[string]expectation, got map[string]result) string {
	expected, known := want[id]
	result, ran := got[id]
	switch {
	case !ran && known:
		return "expected, but did not run"
	case !ran:
		return "planned by the suite, but did not run"
	case !known:
		return fmt.Sprintf("%s, but the expectations do not know it", result.outcome)
	case result.outcome == expected.outcome:
		return ""
	case expected.Reason != "" && result.acceptable():
		return fmt.Sprintf("%s: its exclusion is no longer needed", result.outcome)
	}
	return fmt.Sprintf("%s, want %s", result.outcome, expected.outcome)
}

// explain writes the problems with what the suite's reports in dir say of them.
func explain(w io.Writer, r role, dir string, problems []problem) {
	for _, p := range problems {
		say(w, "FAIL %s %s\n", r, p)
		if p.ReportFile == "" {
			continue
		}
		path := filepath.Join(dir, filepath.Base(p.ReportFile))
		report, err := readCaseReport(path)
		if err != nil {
			say(w, "  its report cannot be read: %v\n", err)
			continue
		}
		report.write(w)
		say(w, "  %s\n", strings.TrimSuffix(path, ".json")+".html")
	}
}

func (r caseReport) write(w io.Writer) {
	line := func(name, text string) {
		if text = shorten(text); text != "" {
			say(w, "  %s: %s\n", name, text)
		}
	}
	line("case", r.Description)
	line("should", r.Expectation)
	line("messages", r.Result)
	line("expected", string(r.Expected))
	line("received", string(r.Received))
	line("close", r.ResultClose)
	line("expected close", string(r.ExpectedClose))
	closed := "no close frame from " + agent
	if r.RemoteCloseCode != nil {
		closed = fmt.Sprintf("%s closed with %d %q", agent, *r.RemoteCloseCode, shorten(r.RemoteCloseReason))
	}
	if !r.WasClean {
		closed += "; not a clean close"
	}
	if r.WasNotCleanReason != "" {
		closed += ": " + r.WasNotCleanReason
	}
	line("ended", closed)
}

// say prints to somebody who may have gone; that changes no verdict.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

const longestLine = 300

// shorten makes one line of a text that may be a megabyte.
func shorten(s string) string {
	if len(s) > 4*longestLine {
		s = s[:4*longestLine]
	}
	s = strings.NewReplacer("<br>", " ", "<br/>", " ").Replace(s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > longestLine {
		return string(r[:longestLine]) + " ..."
	}
	return s
}
