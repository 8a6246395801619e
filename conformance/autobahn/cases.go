package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// allGroups are the suite's groups that the library is held to. Groups 12 and
// 13 test permessage-deflate.
var allGroups = []string{"1", "2", "3", "4", "5", "6", "7", "9", "10"}

// quickGroups and quickLimits are what -quick runs: everything but the parts of
// group 9 that move megabytes.
var (
	quickGroups = []string{"1", "2", "3", "4", "5", "6", "7", "10"}
	quickLimits = []string{
		"9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3",
		"9.5.6", "9.6.6", "9.7.1", "9.8.1",
	}
)

// A pattern selects cases: an ID ("7.1.3"), or a prefix that ends with a
// star standing for the remaining parts ("7.1.*"). The suite understands the
// same two forms, and more that nobody needs.
type pattern string

func parsePatterns(list string) ([]pattern, error) {
	var out []pattern
	for _, field := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		id := strings.TrimSuffix(field, ".*")
		if _, err := caseNumbers(id); err != nil {
			return nil, fmt.Errorf("pattern %q is neither a case like 7.1.3 nor a prefix like 7.1.*", field)
		}
		out = append(out, pattern(field))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%q selects no case", list)
	}
	return out, nil
}

func groupPatterns(groups []string) []pattern {
	out := make([]pattern, len(groups))
	for i, group := range groups {
		out[i] = pattern(group + ".*")
	}
	return out
}

func quickPatterns() []pattern {
	out := groupPatterns(quickGroups)
	for _, id := range quickLimits {
		out = append(out, pattern(id))
	}
	return out
}

func (p pattern) matches(id string) bool {
	if prefix, ok := strings.CutSuffix(string(p), "*"); ok {
		return strings.HasPrefix(id, prefix)
	}
	return id == string(p)
}

func anyMatches(patterns []pattern, id string) bool {
	return slices.ContainsFunc(patterns, func(p pattern) bool { return p.matches(id) })
}

// caseNumbers takes an ID apart: "9.7.10" is 9, 7, 10.
func caseNumbers(id string) ([]int, error) {
	parts := strings.Split(id, ".")
	out := make([]int, len(parts))
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 || strconv.Itoa(n) != part {
			return nil, fmt.Errorf("case %q is not numbers with dots between", id)
		}
		out[i] = n
	}
	return out, nil
}

// compareCases orders IDs by their numbers. What is no ID comes after, as text.
func compareCases(a, b string) int {
	na, errA := caseNumbers(a)
	nb, errB := caseNumbers(b)
	switch {
	case errA == nil && errB == nil:
		return slices.Compare(na, nb)
	case errA == nil:
		return -1
	case errB == nil:
		return 1
	}
	return cmp.Compare(a, b)
}
