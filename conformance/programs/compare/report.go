package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A report is what comparing one program's two runs found.
type report struct {
	name, module, version string
	gorilla, ours         tally
	notes                 []string // worth knowing, no reason to fail
	broken                []string // a reason to fail each
}

type tally struct{ passed, failed, skipped int }

func (t tally) String() string {
	s := fmt.Sprintf("%d passed, %d failed", t.passed, t.failed)
	if t.skipped > 0 {
		s += fmt.Sprintf(", %d skipped", t.skipped)
	}
	return s
}

func count(r results) tally {
	var t tally
	for _, how := range r {
		switch {
		case failed(how):
			t.failed++
		case how == "skip":
			t.skipped++
		default:
			t.passed++
		}
	}
	return t
}

func compare(program string, gorilla, ours results, expected map[test]string) report {
	r := report{name: program, gorilla: count(gorilla), ours: count(ours)}
	// A pattern that matches nothing must not look like success.
	if r.gorilla.passed == 0 {
		r.broken = append(r.broken, program+": no test passes on gorilla")
	}
	if r.ours.passed == 0 {
		r.broken = append(r.broken, program+": no test passes on lazywebsocket")
	}
	used := map[test]bool{}
	judge := func(t test, how string) {
		named := test{program, t.pkg, t.name}
		if reason, ok := expected[named]; ok {
			used[named] = true
			r.notes = append(r.notes, fmt.Sprintf("expected: %s: %s: %s", named, how, reason))
			return
		}
		r.broken = append(r.broken, fmt.Sprintf("BROKEN: %s: %s", named, how))
	}
	for _, t := range sorted(gorilla) {
		how, ran := ours[t]
		switch {
		case failed(gorilla[t]):
			r.notes = append(r.notes, fmt.Sprintf("fails on gorilla too: %s", test{program, t.pkg, t.name}))
		case ran && (failed(how) || how != gorilla[t]):
			judge(t, fmt.Sprintf("%s on gorilla, %s on lazywebsocket", gorilla[t], how))
		case !ran && !reported(ours, t):
			judge(t, gorilla[t]+" on gorilla, did not run on lazywebsocket")
		}
	}
	for _, t := range sorted(ours) {
		if _, known := gorilla[t]; !known && failed(ours[t]) {
			judge(t, ours[t]+" on lazywebsocket only")
		}
	}
	for t := range expected {
		if t.program == program && !used[t] {
			r.broken = append(r.broken, fmt.Sprintf("STALE: %s: expected to fail, and did not", t))
		}
	}
	return r
}

// failed reports whether a test ended badly, or not at all.
func failed(how string) bool { return how != "pass" && how != "skip" }

// reported tells whether the reason that t did not run is in r by itself: its
// package failed as a whole, or t is there with subtests that gorilla's run did
// not come to.
func reported(r results, t test) bool {
	if how, ok := r[test{"", t.pkg, ""}]; ok && failed(how) {
		return true
	}
	for sub := range r {
		if sub.pkg == t.pkg && strings.HasPrefix(sub.name, t.name+"/") {
			return true
		}
	}
	return false
}

func sorted(r results) []test {
	return slices.SortedFunc(maps.Keys(r), func(a, b test) int {
		return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.name, b.name))
	})
}

// table returns a line a program, its columns separated by tabs.
func table(reports []report) string {
	var s strings.Builder
	s.WriteString("program\tversion\ton gorilla\ton lazywebsocket\n")
	for _, r := range reports {
		fmt.Fprintf(&s, "%s\t%s\t%s: %s\t%s\n", r.name, r.module, r.version, r.gorilla, r.ours)
	}
	return s.String()
}
