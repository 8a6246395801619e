package main

import (
	"cmp"
	"slices"
	"testing"
)

func TestPatternMatches(t *testing.T) {
	for _, tc := range []struct {
		pattern pattern
		id      string
		want    bool
	}{
		{"7.1.3", "7.1.3", true},
		{"7.1.3", "7.1.31", false},
		{"7.1.*", "7.1.3", true},
		{"7.1.*", "7.13.1", false},
		{"1.*", "1.2.8", true},
		{"1.*", "10.1.1", false},
		{"1.*", "12.1.1", false},
		{"2.*", "2.1", true},
	} {
		if got := tc.pattern.matches(tc.id); got != tc.want {
			t.Errorf("%s matches %s: %v, want %v", tc.pattern, tc.id, got, tc.want)
		}
	}
}

func TestParsePatterns(t *testing.T) {
	got, err := parsePatterns("7.1.*, 2.1,9.*")
	if want := []pattern{"7.1.*", "2.1", "9.*"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", " , ", "*", "7.1*", "7..1", "seven", "7.01", "0.1", "-1.2", "7.*.1"} {
		if got, err := parsePatterns(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

func TestChoosePatterns(t *testing.T) {
	all := "1,2,3,4,5,6,7,9,10,12,13"
	for _, tc := range []struct {
		name, groups, cases string
		quick               bool
		selects, leaves     []string
	}{
		{"default", all, "", false, []string{"1.1.1", "9.1.6", "10.1.1", "12.1.1", "13.7.18"}, []string{"8.1.1", "11.1.1", "14.1.1"}},
		{"without deflate", "1,10", "", false, []string{"1.1.1", "10.1.1"}, []string{"12.1.1", "13.7.18"}},
		{"groups", "2,12", "", false, []string{"2.11", "12.1.1"}, []string{"1.1.1"}},
		{"cases", all, "7.1.*", false, []string{"7.1.6"}, []string{"7.3.1", "1.1.1"}},
		{"quick", all, "", true, []string{"6.4.1", "9.1.1", "10.1.1", "12.1.1", "12.5.11", "13.7.6"}, []string{"9.1.6", "9.3.1", "12.1.8", "12.2.10", "13.7.12", "13.1.18"}},
	} {
		patterns, err := choosePatterns(tc.groups, tc.cases, tc.quick)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		for _, id := range tc.selects {
			if !anyMatches(patterns, id) {
				t.Errorf("%s leaves out case %s", tc.name, id)
			}
		}
		for _, id := range tc.leaves {
			if anyMatches(patterns, id) {
				t.Errorf("%s selects case %s", tc.name, id)
			}
		}
	}
	for _, bad := range []struct {
		groups, cases string
		quick         bool
	}{{"1", "1.1.1", false}, {"1", "", true}, {all, "1.1.1", true}, {"", "", false}, {"one", "", false}} {
		if got, err := choosePatterns(bad.groups, bad.cases, bad.quick); err == nil {
			t.Errorf("%+v: got %v, want an error", bad, got)
		}
	}
}

func TestCompareCases(t *testing.T) {
	want := []string{"1.1.1", "1.1.2", "1.1.10", "1.2.1", "2.1", "2.10", "9.1.1", "10.1.1", "what"}
	got := slices.Clone(want)
	slices.Sort(got)
	if slices.Equal(got, want) {
		t.Fatal("the table is in plain order, which shows nothing")
	}
	if slices.SortFunc(got, compareCases); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for i, a := range want {
		for j, b := range want {
			if got := compareCases(a, b); cmp.Compare(got, 0) != cmp.Compare(i, j) {
				t.Errorf("%s, %s: %d", a, b, got)
			}
		}
	}
}
