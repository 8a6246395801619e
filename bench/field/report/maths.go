package report

import (
	"math"
	"slices"

	"golazy.dev/bench/maths"
)

// Median is the median of a server's runs in a unit, NaN if there are none.
func (d Data) Median(scenario, server, unit string) float64 {
	var all []float64
	for _, s := range d.Runs[Key{scenario, server}] {
		if v, ok := s[unit]; ok {
			all = append(all, v)
		}
	}
	return maths.Median(all)
}

// Split divides the CPU time per message into that of the program and that of
// the kernel. A run has too few of the kernel's ticks for that; all have enough.
func (d Data) Split(scenario, server string) (user, system float64) {
	for _, s := range d.Runs[Key{scenario, server}] {
		user += s[User]
		system += s[System]
	}
	cpu := d.Median(scenario, server, CPU) / (user + system)
	return user * cpu, system * cpu
}

// Ratio compares with another server round by round: the median, the least and
// the greatest of the rounds' ratios; NaN if there are none.
func (d Data) Ratio(scenario, server, base, unit string) (mid, least, most float64) {
	of, to := d.Runs[Key{scenario, server}], d.Runs[Key{scenario, base}]
	var all []float64
	for i := range min(len(of), len(to)) {
		a, has := of[i][unit]
		if b := to[i][unit]; has && b > 0 {
			all = append(all, a/b)
		}
	}
	if len(all) == 0 {
		return math.NaN(), math.NaN(), math.NaN()
	}
	return maths.Median(all), slices.Min(all), slices.Max(all)
}

// unit is what a scenario is compared by.
func (d Data) unit(scenario string) string {
	for k, runs := range d.Runs {
		if k.Scenario == scenario && len(runs) > 0 {
			if _, ok := runs[0][Resident]; ok {
				return Resident
			}
		}
	}
	return CPU
}
