package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golazy.dev/bench/field/load"
)

// A system call's unit has its name between these.
const callBegin, callEnd = "sys-", "/msg"

// calls are the values of a run that counted system calls.
func calls(counts map[string]int, messages float64) []value {
	all := 0
	v := make([]value, 1, 1+len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		all += counts[name]
		v = append(v, value{callBegin + name + callEnd, round(float64(counts[name]) / messages)})
	}
	v[0] = value{Calls, round(float64(all) / messages)}
	return v
}

// PerMessage are a run's system calls: all, and the most frequent.
func PerMessage(r load.Result) string {
	s := Sample{}
	for _, v := range values(r) {
		s[v.unit] = v.value
	}
	return s.calls()
}

// mostCalls is how many system calls are named.
const mostCalls = 3

// calls are all system calls and the most frequent of them, per message.
func (s Sample) calls() string {
	all, counted := s[Calls]
	if !counted {
		return "-"
	}
	var names []string
	for unit, n := range s {
		if strings.HasPrefix(unit, callBegin) && n > 0 {
			names = append(names, unit)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(s[b], s[a]), cmp.Compare(a, b))
	})
	var most []string
	for _, unit := range names[:min(len(names), mostCalls)] {
		name := strings.TrimSuffix(strings.TrimPrefix(unit, callBegin), callEnd)
		most = append(most, name+" "+perMessage(s[unit]))
	}
	return perMessage(all) + " (" + strings.Join(most, ", ") + ")"
}

// calls are the system calls of the last run that counted them.
func (d Data) calls(scenario, server string) string {
	for _, s := range slices.Backward(d.Runs[Key{scenario, server}]) {
		if _, counted := s[Calls]; counted {
			return s.calls()
		}
	}
	return "-"
}

// perMessage has two places, and three digits where there is little.
func perMessage(v float64) string {
	if v < 0.095 {
		return strconv.FormatFloat(v, 'g', 1, 64)
	}
	return fmt.Sprintf("%.2f", v)
}
