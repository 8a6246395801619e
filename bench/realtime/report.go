package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golazy.dev/bench/maths"
)

const head = `# lazyrealtime and centrifuge

Medians, and the ratio to centrifuge.
` + "`go run ./realtime -runs 10 -out realtime/RESULTS.md -raw realtime/results.txt`" + ` measures,
with ` + "`-report`" + ` it draws the tables again; ` + "`benchstat -col /server realtime/results.txt`" + `
reads the lines. Both keep 100 messages of history for each topic, in memory or, where
it says so, in an fsynced file; clients check that every message comes once and in
order.

The server has a core, and the load, a thousand clients in one process, has the other:
load-cpu-ms is what it computed while all-ms passed, from the first publish or subscribe
to the last delivery. In Fanout1000Burst everything is published back to back:
centrifuge's Publish takes as long as its deliveries, so that messages are published
later and wait less; lazyrealtime's are published at once and wait for the load, which is
busy nearly all of the time. In Storm, centrifuge answers a client with one reply that
holds 100 messages, and lazyrealtime with 100 frames, because that is what its clients
speak: there, too, the load is what is busy.

The machine had nothing else to do. Fanout1000Burst and Storm are of the day before the
others.
`

// report draws tables of medians, and ratios to centrifuge.
func report(raw string) (string, error) {
	values := make(map[string]map[string]map[string][]float64) // scenario, unit, server
	for line := range strings.Lines(raw) {
		fields := strings.Fields(line)
		name, server, ok := strings.Cut(strings.TrimPrefix(fields[0], "Benchmark"), "/server=")
		if !ok || len(fields)%2 != 0 {
			return "", fmt.Errorf("not a line of results: %q", line)
		}
		for i := 2; i < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return "", err
			}
			units := values[name]
			if units == nil {
				units = make(map[string]map[string][]float64)
				values[name] = units
			}
			if units[fields[i+1]] == nil {
				units[fields[i+1]] = make(map[string][]float64)
			}
			units[fields[i+1]][server] = append(units[fields[i+1]][server], v)
		}
	}
	var b strings.Builder
	b.WriteString(head)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "\n## %s\n\n| | ", name)
		units := slices.Sorted(maps.Keys(values[name]))
		b.WriteString(strings.Join(units, " | ") + " |\n|---|" + strings.Repeat("--:|", len(units)) + "\n")
		for _, server := range slices.Sorted(maps.Keys(values[name][units[0]])) {
			b.WriteString("| " + server + " |")
			for _, unit := range units {
				v, first := maths.Median(values[name][unit][server]), maths.Median(values[name][unit]["centrifuge"])
				fmt.Fprintf(&b, " %.0f", v)
				if first > 0 && server != "centrifuge" {
					fmt.Fprintf(&b, " (%.2f)", v/first)
				}
				b.WriteString(" |")
			}
			b.WriteString("\n")
		}
	}
	return b.String(), nil
}
