// Package report is the arithmetic of the benchmark, and its output: single runs
// in benchstat's format, tables in Markdown, a chart in SVG.
package report

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golazy.dev/bench/field/load"
)

// Units of the single runs.
const (
	CPU      = "cpu-ns/msg"
	User     = "user-ns/msg"
	System   = "system-ns/msg"
	Rate     = "msg/s"
	P50      = "p50-ns"
	P99      = "p99-ns"
	P999     = "p99.9-ns"
	Calls    = "syscalls/msg"
	Resident = "resident-B/conn"
	Heap     = "heap-B/conn"
	Stack    = "stack-B/conn"
	Conns    = "conns"
)

// Machine is where it was measured.
type Machine struct {
	Date, CPU, Go, Kernel string
	Cores                 int
}

// Header begins a file of single runs. To benchstat its lines are comments, so
// that it compares files of different days.
func Header(m Machine) string {
	return fmt.Sprintf("# date: %s\n# cpu: %s\n# cores: %d\n# go: %s\n# kernel: %s\n", m.Date, m.CPU, m.Cores, m.Go, m.Kernel)
}

// Line is a single run in benchstat's format.
func Line(scenario, server string, r load.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "BenchmarkField/scenario=%s/server=%s 1", scenario, server)
	for _, v := range values(r) {
		fmt.Fprintf(&b, " %s %s", strconv.FormatFloat(v.value, 'f', -1, 64), v.unit)
	}
	return b.String() + "\n"
}

type value struct {
	unit  string
	value float64
}

func values(r load.Result) []value {
	if r.Conns > 0 {
		return []value{{Resident, round(r.RSS)}, {Heap, round(r.Heap)}, {Stack, round(r.Stack)}, {Conns, float64(r.Conns)}}
	}
	n := float64(max(r.Messages, 1))
	if r.Calls != nil { // counting has slowed all else
		return calls(r.Calls, n)
	}
	each := func(d time.Duration) float64 { return round(float64(d) / n) }
	return []value{
		{CPU, each(r.CPU)},
		{User, each(r.User)},
		{System, each(r.System)},
		{Rate, round(n / max(r.Elapsed.Seconds(), 1e-9))},
		{P50, float64(r.P50)},
		{P99, float64(r.P99)},
		{P999, float64(r.P999)},
	}
}

// round keeps four places.
func round(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'f', 4, 64), 64) // its own output
	return r
}

// Short is a single run for people.
func Short(scenario, server string, r load.Result) string {
	if r.Conns > 0 {
		return fmt.Sprintf("%-18s %-22s %8.2f KiB resident, %.2f heap, %.2f stack, for each of %d connections\n",
			scenario, server, r.RSS/1024, r.Heap/1024, r.Stack/1024, r.Conns)
	}
	n := float64(max(r.Messages, 1))
	if r.Calls != nil {
		return fmt.Sprintf("%-18s %-22s %s system calls per message\n", scenario, server, PerMessage(r))
	}
	return fmt.Sprintf("%-18s %-22s %8.3f us/message, %.2f s of %.2f, p99 %v\n",
		scenario, server, float64(r.CPU.Nanoseconds())/n/1000, r.CPU.Seconds(), r.Elapsed.Seconds(),
		r.P99.Round(time.Microsecond))
}

// Data are single runs.
type Data struct {
	About map[string]string // of the header
	Runs  map[Key][]Sample  // in the order of the rounds
}

// Key says of what a run was.
type Key struct{ Scenario, Server string }

// Sample is what a run measured, by unit.
type Sample map[string]float64

// Parse reads what Header and Line wrote.
func Parse(raw string) (Data, error) {
	d := Data{About: map[string]string{}, Runs: map[Key][]Sample{}}
	lines := bufio.NewScanner(strings.NewReader(raw))
	for lines.Scan() {
		line := lines.Text()
		rest, isRun := strings.CutPrefix(line, "BenchmarkField/scenario=")
		if !isRun {
			if name, v, ok := strings.Cut(strings.TrimPrefix(line, "# "), ": "); ok {
				d.About[name] = v
			}
			continue
		}
		key, sample, err := parseRun(rest)
		if err != nil {
			return d, fmt.Errorf("report: %q: %w", line, err)
		}
		d.Runs[key] = append(d.Runs[key], sample)
	}
	return d, lines.Err()
}

func parseRun(rest string) (Key, Sample, error) {
	fields := strings.Fields(rest)
	if len(fields) < 2 || len(fields)%2 != 0 {
		return Key{}, nil, fmt.Errorf("%d fields", len(fields))
	}
	scenario, server, ok := strings.Cut(fields[0], "/server=")
	if !ok {
		return Key{}, nil, fmt.Errorf("no server in %q", fields[0])
	}
	s := Sample{}
	for i := 2; i < len(fields); i += 2 {
		v, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return Key{}, nil, err
		}
		s[fields[i+1]] = v
	}
	return Key{scenario, server}, s, nil
}
