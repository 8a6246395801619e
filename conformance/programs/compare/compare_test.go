package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// log writes events as go test -json does: "pkg Test action" each, and "pkg
// action" for the package.
func log(events ...string) string {
	var s strings.Builder
	for _, e := range events {
		f := strings.Fields(e)
		if len(f) == 2 {
			fmt.Fprintf(&s, `{"Action":%q,"Package":%q,"Elapsed":0.1}`+"\n", f[1], f[0])
			continue
		}
		fmt.Fprintf(&s, `{"Action":%q,"Package":%q,"Test":%q}`+"\n", f[2], f[0], f[1])
	}
	return s.String()
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name string
		in   string
		want results
	}{
		{
			"a test and its package",
			log("p start", "p TestA run", "p TestA pass", "p pass"),
			results{{pkg: "p", name: "TestA"}: "pass"},
		},
		{
			"subtests stand for their parent",
			log("p T run", "p T/a run", "p T/a/b run", "p T/a/b pass", "p T/a pass", "p T/c skip", "p T pass", "p pass"),
			results{{pkg: "p", name: "T/a/b"}: "pass", {pkg: "p", name: "T/c"}: "skip"},
		},
		{
			"a failing subtest is reported once",
			log("p T/a fail", "p T fail", "p fail"),
			results{{pkg: "p", name: "T/a"}: "fail"},
		},
		{
			"a parent's own failure stays",
			log("p T/a pass", "p T fail", "p fail"),
			results{{pkg: "p", name: "T/a"}: "pass", {pkg: "p", name: "T"}: "fail"},
		},
		{
			"a package's own failure stays",
			log("p T pass", "p fail"),
			results{{pkg: "p", name: "T"}: "pass", {pkg: "p"}: "fail"},
		},
		{
			"a test that the process took with it",
			log("p T pass", "p U run", "p fail"),
			results{{pkg: "p", name: "T"}: "pass", {pkg: "p", name: "U"}: "run"},
		},
		{
			"a package that does not build",
			`{"ImportPath":"p","Action":"build-output","Output":"# p\n"}` + "\n" +
				`{"ImportPath":"p","Action":"build-fail"}` + "\n" + log("p start", "p fail"),
			results{{pkg: "p"}: "fail"},
		},
		{
			"a package without tests",
			log("p start", "p skip"),
			results{{pkg: "p"}: "skip"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			have, err := parse(strings.NewReader(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(have, c.want) {
				t.Errorf("have %v\nwant %v", have, c.want)
			}
		})
	}
	if _, err := parse(strings.NewReader("FAIL\n")); err == nil {
		t.Error("a log that is not JSON was read without an error")
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name          string
		gorilla, ours string
		expected      string
		broken, notes []string
	}{
		{name: "the same", gorilla: log("p T pass", "p U skip"), ours: log("p T pass", "p U skip")},
		{
			name: "a test fails", gorilla: log("p T pass", "p U pass"), ours: log("p T pass", "p U fail"),
			broken: []string{"BROKEN: x p U: pass on gorilla, fail on lazywebsocket"},
		},
		{
			name: "a test does not end", gorilla: log("p T pass", "q T pass"), ours: log("p T run", "p fail", "q T pass"),
			broken: []string{"BROKEN: x p T: pass on gorilla, run on lazywebsocket"},
		},
		{
			name: "a test skips itself", gorilla: log("p T pass", "q T pass"), ours: log("p T skip", "q T pass"),
			broken: []string{"BROKEN: x p T: pass on gorilla, skip on lazywebsocket"},
		},
		{
			name: "a skipped test fails", gorilla: log("p T pass", "p U skip"), ours: log("p T pass", "p U fail"),
			broken: []string{"BROKEN: x p U: skip on gorilla, fail on lazywebsocket"},
		},
		{
			name: "a test is gone", gorilla: log("p T pass", "p U pass"), ours: log("p T pass"),
			broken: []string{"BROKEN: x p U: pass on gorilla, did not run on lazywebsocket"},
		},
		{
			name: "a package does not build", gorilla: log("p T pass", "p U pass", "q T pass"), ours: log("p fail", "q T pass"),
			broken: []string{"BROKEN: x p (package): fail on lazywebsocket only"},
		},
		{
			name: "a package fails after its tests", gorilla: log("p T pass", "p pass"), ours: log("p T pass", "p fail"),
			broken: []string{"BROKEN: x p (package): fail on lazywebsocket only"},
		},
		{
			name: "a subtest that only we come to fails", gorilla: log("p T pass"), ours: log("p T/a fail", "p T fail"),
			broken: []string{
				"x: no test passes on lazywebsocket",
				"BROKEN: x p T/a: fail on lazywebsocket only",
			},
		},
		{
			name: "it fails there too", gorilla: log("p T pass", "p U fail"), ours: log("p T pass", "p U fail"),
			notes: []string{"fails on gorilla too: x p U"},
		},
		{
			name: "better than gorilla", gorilla: log("p T pass", "p U fail"), ours: log("p T pass", "p U pass"),
			notes: []string{"fails on gorilla too: x p U"},
		},
		{
			name: "expected", gorilla: log("p T pass", "p U pass"), ours: log("p T pass", "p U fail"),
			expected: "# why\nx p U closes with 1007\n\n",
			notes:    []string{"expected: x p U: pass on gorilla, fail on lazywebsocket: closes with 1007"},
		},
		{
			name: "expected in another program", gorilla: log("p T pass", "p U pass"), ours: log("p T pass", "p U fail"),
			expected: "y p U closes with 1007",
			broken:   []string{"BROKEN: x p U: pass on gorilla, fail on lazywebsocket"},
		},
		{
			name: "expected, and passes", gorilla: log("p T pass"), ours: log("p T pass"),
			expected: "x p T once needed",
			broken:   []string{"STALE: x p T: expected to fail, and did not"},
		},
		{
			name: "nothing ran", gorilla: log("p skip"), ours: log("p skip"),
			broken: []string{"x: no test passes on gorilla", "x: no test passes on lazywebsocket"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			expectations := filepath.Join(dir, "expectations.txt")
			write(t, filepath.Join(dir, "x.gorilla.json"), c.gorilla)
			write(t, filepath.Join(dir, "x.ours.json"), c.ours)
			write(t, filepath.Join(dir, "x.version"), "v1.5.3\n")
			write(t, expectations, c.expected)
			var out strings.Builder
			err := run(&out, dir, expectations, []string{"x=example.com/x@v1"})
			if (err != nil) != (len(c.broken) > 0) {
				t.Errorf("error %v", err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if !strings.Contains(lines[1], "example.com/x@v1") || !strings.Contains(lines[1], "v1.5.3") {
				t.Errorf("the table has the row %q", lines[1])
			}
			if want := slices.Concat(c.notes, c.broken); !slices.Equal(lines[2:], want) {
				t.Errorf("have %q\nwant %q", lines[2:], want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	have := table([]report{{
		name: "x", module: "m@v1", version: "v1.5.0",
		gorilla: tally{passed: 3}, ours: tally{passed: 1, failed: 1, skipped: 1},
	}})
	for _, want := range []string{"v1.5.0: 3 passed, 0 failed", "1 passed, 1 failed, 1 skipped"} {
		if !strings.Contains(have, want) {
			t.Errorf("the table lacks %q:\n%s", want, have)
		}
	}
}

func TestExpectationsNeedAReason(t *testing.T) {
	if _, err := parseExpectations(strings.NewReader("x p T")); err == nil {
		t.Error("an entry without a reason was read without an error")
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
