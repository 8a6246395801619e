// Package report turns the runs of the benchmark into a table: medians and
// ratios, and the lines that benchstat reads.
package report

import (
	"slices"
	"strings"
)

// Run is what one run of one server has measured. What it did not measure is
// zero.
type Run struct {
	Server  string
	Answer  string  // what the server answered to the offer
	CPU     float64 // nanoseconds of the server per message
	Out, In float64 // bytes on the wire per message, from the server and to it
	Plain   float64 // bytes of text per message, each way
	Heap    float64 // bytes of objects per idle connection
	Stack   float64 // bytes of its goroutine's stack
	RSS     float64 // resident bytes
	Conns   int     // that were idle
}

// Row is a line of the table: medians over the runs of a server.
type Row struct {
	Server, Answer        string
	CPU                   float64 // ns per message
	CPULow, CPUHigh       float64 // the middle half of the runs
	Gorilla, Live         float64 // CPU as a multiple of these servers'
	GorillaLow, LiveLow   float64 // the lowest and the highest of the rounds
	GorillaHigh, LiveHigh float64
	Out                   float64 // bytes per message
	OutRatio, InRatio     float64 // of the text
	OutLive               float64 // Out as a multiple of the live compressor's
	Heap, Stack, RSS      float64 // bytes per idle connection
	Added, AddedStack     float64 // more than the same library's without compression
	Conns                 int
}

// The servers that the ratios are to.
const (
	Gorilla = "gorilla/no-takeover"
	Live    = "live/level=1"
)

// Median returns the middle of the values, or the mean of the two in the
// middle; zero if there are none. It does not change them.
func Median(values []float64) float64 { return quantile(values, 2, 4) }

// quantile returns the k-th of n parts, by linear interpolation.
func quantile(values []float64, k, n int) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	at := k * (len(v) - 1)
	low, rest := at/n, at%n
	if rest == 0 {
		return v[low]
	}
	return v[low] + (v[low+1]-v[low])*float64(rest)/float64(n)
}

// Rows computes the table from the rounds, each of which has at most one run of
// a server. Ratios of time are taken within a round, where the machine was the
// same, and their median is shown.
func Rows(servers []string, rounds [][]Run) []Row {
	var rows []Row
	for _, name := range servers {
		rows = append(rows, row(name, rounds))
	}
	by := map[string]Row{}
	for _, r := range rows {
		by[r.Server] = r
	}
	for i := range rows {
		r := &rows[i]
		library, _, _ := strings.Cut(r.Server, "/")
		if off := by[library+"/off"]; off.Heap > 0 && r.Heap > 0 {
			r.Added, r.AddedStack = r.Heap-off.Heap, r.Stack-off.Stack
		}
		r.OutLive = over(r.Out, by[Live].Out)
	}
	return rows
}

func row(name string, rounds [][]Run) Row {
	r := Row{Server: name}
	values := map[string][]float64{}
	add := func(key string, v float64) {
		if v > 0 {
			values[key] = append(values[key], v)
		}
	}
	for _, round := range rounds {
		run := find(round, name)
		if run.Answer != "" {
			r.Answer = run.Answer
		}
		if run.Conns > 0 {
			r.Conns = run.Conns
		}
		add("cpu", run.CPU)
		add("out", run.Out)
		add("heap", run.Heap)
		add("stack", run.Stack)
		add("rss", run.RSS)
		add("gorilla", over(run.CPU, find(round, Gorilla).CPU))
		add("live", over(run.CPU, find(round, Live).CPU))
		add("outRatio", over(run.Out, run.Plain))
		add("inRatio", over(run.In, run.Plain))
	}
	m := func(key string) float64 { return Median(values[key]) }
	r.CPU, r.Gorilla, r.Live = m("cpu"), m("gorilla"), m("live")
	r.Out, r.OutRatio, r.InRatio = m("out"), m("outRatio"), m("inRatio")
	r.Heap, r.Stack, r.RSS = m("heap"), m("stack"), m("rss")
	r.CPULow, r.CPUHigh = quantile(values["cpu"], 1, 4), quantile(values["cpu"], 3, 4)
	r.GorillaLow, r.GorillaHigh = quantile(values["gorilla"], 0, 1), quantile(values["gorilla"], 1, 1)
	r.LiveLow, r.LiveHigh = quantile(values["live"], 0, 1), quantile(values["live"], 1, 1)
	return r
}

func find(round []Run, name string) Run {
	for _, run := range round {
		if run.Server == name {
			return run
		}
	}
	return Run{}
}

func over(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
