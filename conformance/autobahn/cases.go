package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// allGroups are the suite's groups that the library is held to, which are all
// that it has. Groups 12 and 13 test permessage-deflate.
var allGroups = []string{"1", "2", "3", "4", "5", "6", "7", "9", "10", "12", "13"}

// quickGroups and quickLimits are what -quick runs: everything but the parts of
// group 9 that move megabytes, and the messages of groups 12 and 13 beyond 8
// KiB and those in thousands of fragments.
var (
	quickGroups = []string{"1", "2", "3", "4", "5", "6", "7", "10"}
	quickLimits = []string{
		"9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3",
		"9.5.6", "9.6.6", "9.7.1", "9.8.1",
	}
	// Each section of groups 12 and 13 has the same 18 cases: 1000 messages of 16
	// bytes to 128 KiB, then some of these in fragments.
	quickDeflate = []string{"1", "3", "4", "6", "11"}
)

// deflateSections are the sections of groups 12 (five payloads) and 13 (seven
// sets of offers).
var deflateSections = []string{
	"12.1", "12.2", "12.3", "12.4", "12.5",
	"13.1", "13.2", "13.3", "13.4", "13.5", "13.6", "13.7",
}

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
	for _, section := range deflateSections {
		for _, n := range quickDeflate {
			out = append(out, pattern(section+"."+n))
		}
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
