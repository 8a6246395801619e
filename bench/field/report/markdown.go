package report

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Name is a name, and what it means.
type Name struct{ Name, Title string }

// Names are all there are, in their order.
type Names struct{ Scenarios, Servers []Name }

// of leaves those that were measured.
func (n Names) of(d Data) Names {
	var has Names
	for _, s := range n.Scenarios {
		if d.any(func(k Key) bool { return k.Scenario == s.Name }) {
			has.Scenarios = append(has.Scenarios, s)
		}
	}
	for _, s := range n.Servers {
		if d.any(func(k Key) bool { return k.Server == s.Name }) {
			has.Servers = append(has.Servers, s)
		}
	}
	return has
}

func (d Data) any(is func(Key) bool) bool {
	for k := range d.Runs {
		if is(k) {
			return true
		}
	}
	return false
}

// Markdown is all tables.
func Markdown(d Data, all Names, base string) string {
	n := all.of(d)
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %s cores, %s, Linux %s\n\n", d.About["date"], d.About["cpu"], d.About["cores"], d.About["go"], d.About["kernel"])
	b.WriteString(overview(d, n, base))
	for _, s := range n.Scenarios {
		fmt.Fprintf(&b, "\n### %s\n\n", s.Title)
		if d.unit(s.Name) == Resident {
			b.WriteString(memory(d, s.Name, n, base))
		} else {
			b.WriteString(detail(d, s.Name, n, base))
		}
	}
	b.WriteString("\n### Servers\n\n")
	for _, s := range n.Servers {
		fmt.Fprintf(&b, "- `%s`: %s\n", s.Name, s.Title)
	}
	return b.String()
}

// overview has the ratios of all.
func overview(d Data, n Names, base string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The server's CPU per message, delivery or handshake, or resident memory per idle connection; %s = 1.00.\n"+
		"Medians of the rounds' ratios.\n\n| scenario |", base)
	for _, s := range n.Servers {
		fmt.Fprintf(&b, " %s |", s.Name)
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(n.Servers)) + "\n")
	for _, sc := range n.Scenarios {
		fmt.Fprintf(&b, "| %s |", sc.Title)
		for _, s := range n.Servers {
			mid, _, _ := d.Ratio(sc.Name, s.Name, base, d.unit(sc.Name))
			fmt.Fprintf(&b, " %s |", ratio(mid))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// detail has everything of a scenario.
func detail(d Data, scenario string, n Names, base string) string {
	var b strings.Builder
	b.WriteString("| server | CPU | of rounds | us per message | user | system | messages/s | busy | p50 | p99 | p99.9 | system calls |\n" +
		"|---|" + strings.Repeat("--:|", 10) + "---|\n")
	for _, s := range n.Servers {
		m := func(unit string) float64 { return d.Median(scenario, s.Name, unit) }
		if math.IsNaN(m(CPU)) {
			continue
		}
		mid, least, most := d.Ratio(scenario, s.Name, base, CPU)
		user, system := d.Split(scenario, s.Name)
		fmt.Fprintf(&b, "| %s | %s | %s to %s | %s | %s | %s | %.0f | %.0f %% | %s | %s | %s | %s |\n",
			s.Name, ratio(mid), ratio(least), ratio(most), micros(m(CPU)), micros(user), micros(system), m(Rate), m(CPU)*m(Rate)/1e7,
			duration(m(P50)), duration(m(P99)), duration(m(P999)), d.calls(scenario, s.Name))
	}
	return b.String()
}

func memory(d Data, scenario string, n Names, base string) string {
	var b strings.Builder
	b.WriteString("KiB per connection, after forced collections.\n\n" +
		"| server | connections | resident | ratio | heap | stacks |\n|---|--:|--:|--:|--:|--:|\n")
	for _, s := range n.Servers {
		m := func(unit string) float64 { return d.Median(scenario, s.Name, unit) / 1024 }
		if math.IsNaN(m(Resident)) {
			continue
		}
		mid, _, _ := d.Ratio(scenario, s.Name, base, Resident)
		fmt.Fprintf(&b, "| %s | %.0f | %.2f | %s | %s | %s |\n",
			s.Name, m(Conns)*1024, m(Resident), ratio(mid), some(m(Heap)), some(m(Stack)))
	}
	return b.String()
}

// ratio has two places, and three where there is little.
func ratio(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case v < 0.095:
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// micros has three digits or so.
func micros(ns float64) string {
	switch {
	case math.IsNaN(ns):
		return "-"
	case ns < 10_000:
		return fmt.Sprintf("%.3f", ns/1000)
	case ns < 100_000:
		return fmt.Sprintf("%.2f", ns/1000)
	}
	return fmt.Sprintf("%.0f", ns/1000)
}

// some has two places; nothing was counted where there is none.
func some(v float64) string {
	if v == 0 || math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.2f", v)
}

// duration has three digits.
func duration(ns float64) string {
	d := time.Duration(ns)
	switch {
	case d < 10*time.Microsecond:
		return d.Round(10 * time.Nanosecond).String()
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
