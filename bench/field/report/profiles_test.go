package report

import (
	"testing"
	"time"

	"golazy.dev/bench/field/parts"
)

func TestProfiles(t *testing.T) {
	p := Profiles{Title: "an echo", Servers: []Profile{
		{"a", 1234 * time.Nanosecond, "2.00 (read 2.00)", parts.Shares{Samples: 8, Of: map[parts.Part]int64{parts.Kernel: 7, parts.Turns: 1}}},
		{"b", time.Microsecond, "-", parts.Shares{Samples: 4, Of: map[parts.Part]int64{parts.Kernel: 4}}},
	}}
	want := `
### an echo

| share of the CPU time, % | a | b |
|---|--:|--:|
| system calls | 87.5 | 100.0 |
| library: turns, held and queued writes | 12.5 | 0.0 |
| samples | 8 | 4 |
| CPU per message, us | 1.234 | 1.000 |
| system calls per message | 2.00 (read 2.00) | - |
`
	if got := p.Markdown(); got != want {
		t.Errorf("%s", got)
	}
}
