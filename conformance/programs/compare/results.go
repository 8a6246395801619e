package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A test is named by its program, its package, and its own name. An empty name
// stands for the package as a whole: that it builds, and ends without a panic.
type test struct{ program, pkg, name string }

func (t test) String() string {
	if t.name == "" {
		return t.program + " " + t.pkg + " (package)"
	}
	return t.program + " " + t.pkg + " " + t.name
}

// results says how each test of one program ended: "pass", "fail" or "skip", and
// "run" for a test that never ended because its process did.
type results map[test]string

// parse reads the output of go test -json. The program of its tests is unset.
func parse(r io.Reader) (results, error) {
	out := results{}
	dec := json.NewDecoder(r)
	for {
		var event struct{ Action, Package, Test string }
		switch err := dec.Decode(&event); {
		case err == io.EOF:
			return out.leaves(), nil
		case err != nil:
			return nil, fmt.Errorf("go test -json: %w", err)
		}
		switch event.Action {
		case "run", "pass", "fail", "skip":
			out[test{"", event.Package, event.Test}] = event.Action
		}
	}
}

// leaves drops every test that only stands for others: a test with subtests, and
// a package with tests. One that failed stays when none of those it stands for
// did, for then the failure is its own.
func (r results) leaves() results {
	stands := map[test]bool{}
	blamed := map[test]bool{}
	for t, how := range r {
		for t.name != "" {
			t = t.parent()
			stands[t] = true
			if failed(how) {
				blamed[t] = true
			}
		}
	}
	out := results{}
	for t, how := range r {
		ownFailure := failed(how) && !blamed[t]
		if !stands[t] || ownFailure {
			out[t] = how
		}
	}
	return out
}

func (t test) parent() test {
	if i := strings.LastIndexByte(t.name, '/'); i >= 0 {
		return test{t.program, t.pkg, t.name[:i]}
	}
	return test{t.program, t.pkg, ""}
}

// parseExpectations reads lines of program, package, test and reason.
func parseExpectations(r io.Reader) (map[test]string, error) {
	out := map[test]string{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 4 {
			return nil, fmt.Errorf("expectations, line %d: want program, package, test, reason", n)
		}
		out[test{f[0], f[1], f[2]}] = strings.Join(f[3:], " ")
	}
	return out, lines.Err()
}
