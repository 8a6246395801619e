package report

import (
	"fmt"
	"strings"
)

// Traffic is the table of time and bytes, in Markdown.
func Traffic(rows []Row) string {
	var b strings.Builder
	b.WriteString("| server | CPU us/message (middle half) | x gorilla (rounds) | x live (rounds) " +
		"| wire B/message | of the text | x live | sent to it, of the text |\n" +
		"|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range rows {
		line(&b, r.Server,
			span(r.CPU/1000, r.CPULow/1000, r.CPUHigh/1000, 1),
			span(r.Gorilla, r.GorillaLow, r.GorillaHigh, 2),
			span(r.Live, r.LiveLow, r.LiveHigh, 2),
			number(r.Out, 0), number(r.OutRatio, 3), number(r.OutLive, 3), number(r.InRatio, 3))
	}
	return b.String()
}

// Idle is the table of memory, in Markdown.
func Idle(rows []Row) string {
	var b strings.Builder
	b.WriteString("| server | heap KiB/connection | of it for compression | stack KiB/connection " +
		"| of it for compression | RSS KiB/connection | connections |\n" +
		"|---|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range rows {
		line(&b, r.Server,
			number(r.Heap/1024, 1), number(r.Added/1024, 1),
			number(r.Stack/1024, 1), number(r.AddedStack/1024, 1),
			number(r.RSS/1024, 1), number(float64(r.Conns), 0))
	}
	return b.String()
}

func line(b *strings.Builder, cells ...string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// number shows nothing where nothing was measured.
func number(v float64, digits int) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.*f", digits, v)
}

func span(v, low, high float64, digits int) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, v, digits, low, digits, high)
}

// Answers lists what the servers have agreed to.
func Answers(rows []Row) string {
	var b strings.Builder
	for _, r := range rows {
		if r.Answer != "" {
			fmt.Fprintf(&b, "- %s: `%s`\n", r.Server, r.Answer)
		}
	}
	return b.String()
}

// Benchstat is the runs in the format of Go's benchmarks.
func Benchstat(rounds [][]Run) string {
	var b strings.Builder
	for _, round := range rounds {
		for _, run := range round {
			name := "BenchmarkEcho/server=" + strings.Replace(run.Server, "/", "-", 1)
			if run.CPU > 0 {
				fmt.Fprintf(&b, "%s 1 %.0f cpu-ns/msg %.1f out-B/msg %.1f in-B/msg %.1f text-B/msg\n",
					name, run.CPU, run.Out, run.In, run.Plain)
			}
			if run.Conns > 0 {
				fmt.Fprintf(&b, "%s 1 %.0f heap-B/conn %.0f stack-B/conn %.0f rss-B/conn\n", name, run.Heap, run.Stack, run.RSS)
			}
		}
	}
	return b.String()
}
