package api

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Diff reports what of want is missing from got or different there, one line
// each, and what got has beyond want.
func Diff(want, got []Entry) (broken, extra []string) {
	have := make(map[string]string, len(got))
	for _, e := range got {
		have[e.Subject] = e.Detail
	}
	known := make(map[string]bool, len(want))
	for _, e := range want {
		known[e.Subject] = true
		switch detail, ok := have[e.Subject]; {
		case !ok:
			broken = append(broken, fmt.Sprintf("missing: %s", e))
		case detail != e.Detail:
			broken = append(broken, fmt.Sprintf("changed: %s: want %s, have %s", e.Subject, e.Detail, detail))
		}
	}
	for _, e := range got {
		if !known[e.Subject] {
			extra = append(extra, e.String())
		}
	}
	return broken, extra
}

// Read reads a description file: an entry a line, '#' starts a comment line.
func Read(r io.Reader) ([]Entry, error) {
	var entries []Entry
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		subject, detail, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("api: line %d: no \": \" in %q", n, line)
		}
		entries = append(entries, Entry{subject, detail})
	}
	return entries, lines.Err()
}

// Write writes entries as Read reads them, below the lines of comment.
func Write(w io.Writer, comment string, entries []Entry) error {
	var out strings.Builder
	for line := range strings.Lines(comment) {
		fmt.Fprintf(&out, "# %s\n", strings.TrimRight(line, "\n"))
	}
	for _, e := range entries {
		fmt.Fprintln(&out, e)
	}
	_, err := io.WriteString(w, out.String())
	return err
}
