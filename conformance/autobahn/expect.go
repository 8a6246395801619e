package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// role is the part that the library plays; the suite plays the other.
type role string

const (
	roleServer role = "server"
	roleClient role = "client"
)

var roles = []role{roleServer, roleClient}

// The suite's words for an outcome that the gate knows what to do with. It has
// others (NON-STRICT, FAILED, UNCLEAN, WRONG CODE, ...), all of them failures.
const (
	outcomeOK            = "OK"
	outcomeInformational = "INFORMATIONAL"
)

// outcome is what the suite says of a case: of the messages exchanged, and of
// how the connection ended.
type outcome struct {
	Behavior      string
	BehaviorClose string
}

func (o outcome) acceptable() bool {
	return acceptable(o.Behavior) && acceptable(o.BehaviorClose)
}

func acceptable(word string) bool {
	return word == outcomeOK || word == outcomeInformational
}

func (o outcome) String() string { return o.Behavior + ", close " + o.BehaviorClose }

// expectation is the outcome that a case must have. An outcome that is not
// acceptable can be expected for a reason only: that is an exclusion.
type expectation struct {
	outcome
	Reason string
}

// expectations hold, for each role, what is expected of each case.
type expectations map[role]map[string]expectation

func newExpectations() expectations {
	e := expectations{}
	for _, r := range roles {
		e[r] = map[string]expectation{}
	}
	return e
}

// selected returns the expectations of one role that the patterns select.
func (e expectations) selected(r role, patterns []pattern) map[string]expectation {
	out := map[string]expectation{}
	for id, want := range e[r] {
		if anyMatches(patterns, id) {
			out[id] = want
		}
	}
	return out
}

const expectHeader = `# What the Autobahn test suite must say of each case, and of how it closed, with
# the library as server and as client. Rewritten by
#
#     go run ./conformance/autobahn -update
#
# which accepts nothing but OK and INFORMATIONAL. A case that cannot be so (there
# is none) has "-" in the table and a line of its own, written by hand:
#
#     exclude|ROLE|CASE|BEHAVIOR|CLOSE|the reason
#
# case|server|its close|client|its close
`

func readExpectations(path string) (expectations, error) {
	data, err := os.ReadFile(path) //nolint:gosec // G304: the user names it.
	if err != nil {
		return nil, err
	}
	e, err := parseExpectations(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

func parseExpectations(data []byte) (expectations, error) {
	e := newExpectations()
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parse := e.parseRow
		columns := fields(line)
		if columns[0] == "exclude" {
			parse = e.parseExclusion
		}
		if err := parse(columns); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return e, lines.Err()
}

func fields(line string) []string {
	parts := strings.Split(line, "|")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// parseRow reads "case|server|its close|client|its close".
func (e expectations) parseRow(f []string) error {
	if len(f) != 1+2*len(roles) {
		return fmt.Errorf("%d columns, want %d", len(f), 1+2*len(roles))
	}
	for i, r := range roles {
		o := outcome{f[1+2*i], f[2+2*i]}
		if o == (outcome{"-", "-"}) {
			continue
		}
		if !o.acceptable() {
			return fmt.Errorf("case %s, %s: %s: only %s and %s need no reason", f[0], r, o, outcomeOK, outcomeInformational)
		}
		if err := e.add(r, f[0], expectation{outcome: o}); err != nil {
			return err
		}
	}
	return nil
}

// parseExclusion reads "exclude|role|case|behavior|close|reason".
func (e expectations) parseExclusion(f []string) error {
	if len(f) != 6 {
		return fmt.Errorf("an exclusion of %d columns, want exclude|ROLE|CASE|BEHAVIOR|CLOSE|the reason", len(f))
	}
	r, id := role(f[1]), f[2]
	if !slices.Contains(roles, r) {
		return fmt.Errorf("exclusion of case %s: no role %q", id, r)
	}
	want := expectation{outcome{f[3], f[4]}, f[5]}
	if want.Reason == "" {
		return fmt.Errorf("exclusion of case %s, %s: no reason", id, r)
	}
	if want.acceptable() {
		return fmt.Errorf("exclusion of case %s, %s: %s needs none", id, r, want.outcome)
	}
	return e.add(r, id, want)
}

func (e expectations) add(r role, id string, want expectation) error {
	if _, err := caseNumbers(id); err != nil {
		return err
	}
	if want.Behavior == "" || want.BehaviorClose == "" {
		return fmt.Errorf("case %s, %s: empty outcome", id, r)
	}
	if _, ok := e[r][id]; ok {
		return fmt.Errorf("case %s, %s: stated twice", id, r)
	}
	e[r][id] = want
	return nil
}

// format is the inverse of parseExpectations.
func (e expectations) format() []byte {
	ids := map[string]bool{}
	for _, r := range roles {
		for id := range e[r] {
			ids[id] = true
		}
	}
	sorted := slices.SortedFunc(maps.Keys(ids), compareCases)
	var out bytes.Buffer
	out.WriteString(expectHeader)
	table := tabwriter.NewWriter(&out, 0, 0, 0, ' ', tabwriter.Debug)
	var exclusions bytes.Buffer
	for _, id := range sorted {
		say(table, "%s ", id)
		for _, r := range roles {
			want, ok := e[r][id]
			o := want.outcome
			if !ok || want.Reason != "" {
				o = outcome{"-", "-"}
			}
			say(table, "\t%s\t%s", o.Behavior, o.BehaviorClose)
			if want.Reason != "" {
				say(&exclusions, "exclude|%s|%s|%s|%s|%s\n", r, id, want.Behavior, want.BehaviorClose, want.Reason)
			}
		}
		say(table, "\n")
	}
	_ = table.Flush() // A bytes.Buffer takes everything.
	out.Write(exclusions.Bytes())
	return out.Bytes()
}

// update puts results in place of what was expected of the cases that the
// patterns select. It refuses, and changes nothing, if a result is not
// acceptable (unless its exclusion says exactly that), or if a case that was
// expected, or that the suite planned, has no result.
func (e expectations) update(r role, patterns []pattern, planned []string, results map[string]result) error {
	next := maps.Clone(e[r])
	var refused []error
	for _, id := range slices.SortedFunc(maps.Keys(results), compareCases) {
		got := results[id].outcome
		if next[id].Reason != "" && next[id].outcome == got {
			continue
		}
		if !got.acceptable() {
			refused = append(refused, fmt.Errorf("%s: case %s: %s is not acceptable", r, id, got))
			continue
		}
		next[id] = expectation{outcome: got}
	}
	for _, p := range judge(e.selected(r, patterns), planned, results) {
		if _, ran := results[p.ID]; !ran {
			refused = append(refused, fmt.Errorf("%s: %s", r, p))
		}
	}
	if len(refused) > 0 {
		return errors.Join(refused...)
	}
	e[r] = next
	return nil
}
