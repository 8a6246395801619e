package report

import (
	"fmt"
	"strings"
	"time"

	"golazy.dev/bench/field/parts"
)

// Profile is where a server's CPU time goes.
type Profile struct {
	Server string
	CPU    time.Duration // per message, with the profile running
	Calls  string        // system calls per message
	Shares parts.Shares
}

// Profiles are those of a scenario.
type Profiles struct {
	Title   string
	Servers []Profile
}

// Markdown is a table; parts in which no server has a sample are left out.
func (p Profiles) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n", p.Title)
	row := func(name string, cell func(Profile) string) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, s := range p.Servers {
			fmt.Fprintf(&b, " %s |", cell(s))
		}
		b.WriteString("\n")
	}
	row("share of the CPU time, %", func(s Profile) string { return s.Server })
	b.WriteString("|---|" + strings.Repeat("--:|", len(p.Servers)) + "\n")
	for _, part := range parts.All() {
		if p.any(part) {
			row(string(part), func(s Profile) string { return fmt.Sprintf("%.1f", s.Shares.Percent(part)) })
		}
	}
	row("samples", func(s Profile) string { return fmt.Sprint(s.Shares.Samples) })
	row("CPU per message, us", func(s Profile) string { return micros(float64(s.CPU)) })
	row("system calls per message", func(s Profile) string { return s.Calls })
	return b.String()
}

func (p Profiles) any(part parts.Part) bool {
	for _, s := range p.Servers {
		if s.Shares.Of[part] > 0 {
			return true
		}
	}
	return false
}
