package report

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		k, n   int
		want   float64
	}{
		{nil, 2, 4, 0},
		{[]float64{7}, 2, 4, 7},
		{[]float64{9, 1, 5}, 2, 4, 5},
		{[]float64{4, 1, 3, 2}, 2, 4, 2.5},
		{[]float64{5, 4, 3, 2, 1}, 1, 4, 2},
		{[]float64{4, 1, 3, 2}, 1, 4, 1.75},
		{[]float64{4, 1, 3, 2}, 3, 4, 3.25},
		{[]float64{4, 1, 3, 2}, 0, 1, 1},
		{[]float64{4, 1, 3, 2}, 1, 1, 4},
	} {
		before := slices.Clone(c.values)
		if got := quantile(c.values, c.k, c.n); got != c.want {
			t.Errorf("part %d of %d of %v is %v, not %v", c.k, c.n, c.values, got, c.want)
		}
		if !slices.Equal(c.values, before) {
			t.Errorf("%v was changed to %v", before, c.values)
		}
	}
	if got := Median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("the median of 1, 2, 3 is %v", got)
	}
}

// The second round is on a machine that is twice as slow: the ratios are not.
var rounds = [][]Run{
	{
		{Server: "a/off", CPU: 500, Out: 101, In: 106, Plain: 100, Heap: 1000, Stack: 2048, RSS: 4000, Conns: 9},
		{Server: "a/x", Answer: "yes", CPU: 1500, Out: 44, In: 50, Plain: 100, Heap: 1900, Stack: 3072, RSS: 5000, Conns: 9},
		{Server: Gorilla, CPU: 3000, Out: 60, Plain: 100, Heap: 700},
		{Server: Live, CPU: 1000, Out: 40, Plain: 100},
	},
	{
		{Server: Live, CPU: 2000, Out: 40, Plain: 100},
		{Server: "a/x", Answer: "yes", CPU: 3000, Out: 44, In: 50, Plain: 100},
		{Server: Gorilla, CPU: 6000, Out: 60, Plain: 100},
	},
	{
		{Server: "a/x", CPU: 1700, Out: 44, In: 50, Plain: 100},
		{Server: Live, CPU: 1000, Out: 40, Plain: 100},
		{Server: Gorilla, CPU: 3400, Out: 60, Plain: 100},
	},
}

func TestRows(t *testing.T) {
	rows := Rows([]string{"a/off", "a/x", Gorilla, Live}, rounds)
	want := Row{
		Server: "a/x", Answer: "yes", CPU: 1700, CPULow: 1600, CPUHigh: 2350,
		Gorilla: .5, GorillaLow: .5, GorillaHigh: .5, Live: 1.5, LiveLow: 1.5, LiveHigh: 1.7,
		Out: 44, OutRatio: .44, InRatio: .5, OutLive: 1.1, Heap: 1900, Added: 900, Stack: 3072, AddedStack: 1024, RSS: 5000, Conns: 9,
	}
	got := rows[1]
	if math.Abs(got.OutLive-want.OutLive) > 1e-12 {
		t.Errorf("wire x live is %v", got.OutLive)
	}
	got.OutLive = want.OutLive
	if got != want {
		t.Errorf("row is\n%+v, not\n%+v", got, want)
	}
	if rows[0].Gorilla != 500./3000 || rows[0].Added != 0 {
		t.Errorf("the row without compression is %+v", rows[0])
	}
	if rows[2].Added != 0 {
		t.Errorf("%v added to a server that was not measured without compression", rows[2].Added)
	}
}

func TestTables(t *testing.T) {
	rows := Rows([]string{"a/off", "a/x"}, rounds) // without the live server there is no ratio of bytes
	for _, c := range []struct{ table, want string }{
		{Traffic(rows), "| a/x | 1.7 (1.6 to 2.4) | 0.50 (0.50 to 0.50) | 1.50 (1.50 to 1.70) | 44 | 0.440 | - | 0.500 |"},
		{Idle(rows), "| a/x | 1.9 | 0.9 | 3.0 | 1.0 | 4.9 | 9 |"},
	} {
		lines := strings.Split(strings.TrimSpace(c.table), "\n")
		if len(lines) != 4 {
			t.Fatalf("%d lines", len(lines))
		}
		for _, l := range lines {
			if strings.Count(l, "|") != strings.Count(lines[0], "|") {
				t.Errorf("a line has other columns: %s", l)
			}
		}
		if lines[3] != c.want {
			t.Errorf("row is\n%s, not\n%s", lines[3], c.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	if got := Answers(Rows([]string{"a/off", "a/x"}, rounds)); got != "- a/x: `yes`\n" {
		t.Errorf("%q", got)
	}
}

func TestBenchstat(t *testing.T) {
	got := Benchstat(rounds[:1])
	want := "BenchmarkEcho/server=a-x 1 1500 cpu-ns/msg 44.0 out-B/msg 50.0 in-B/msg 100.0 text-B/msg\n" +
		"BenchmarkEcho/server=a-x 1 1900 heap-B/conn 3072 stack-B/conn 5000 rss-B/conn\n"
	if !strings.Contains(got, want) || strings.Count(got, "\n") != 6 {
		t.Errorf("%s", got)
	}
}
