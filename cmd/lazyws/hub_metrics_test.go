package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golazy.dev/lazyrealtime"
)

// scrape returns what Prometheus would get.
func scrape(t *testing.T, m *metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	return w.Body.String()
}

// Whatever a newer hub counts is there, too.
func TestMetrics(t *testing.T) {
	m := newMetrics()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				m.Add(lazyrealtime.CountGaps, 2)
				m.Add(lazyrealtime.CountGaps, -1)
				m.Add("tests.run", 1)
				m.Record(lazyrealtime.TimeReplay, 0.5)
				m.Record("tests.duration", 0.25)
			}
		})
	}
	wg.Wait()
	text := scrape(t, m)
	for _, line := range []string{
		"lazyrealtime_replays_gaps_total 800", "lazyrealtime_tests_run_total 400",
		"lazyrealtime_replay_duration_seconds_sum 200", "lazyrealtime_tests_duration_seconds_sum 100",
		`lazyrealtime_replay_duration_seconds_bucket{le="0.25"} 0`, `lazyrealtime_replay_duration_seconds_bucket{le="0.5"} 400`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

// All that the hub counts is there before it happens, with a line of help.
func TestMetricsComplete(t *testing.T) {
	text := scrape(t, newMetrics())
	n := 0
	file, err := parser.ParseFile(token.NewFileSet(), "../../lazyrealtime/config.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		typ, ok := spec.Type.(*ast.Ident)
		if !ok {
			return true
		}
		suffix := map[string]string{"Counter": "_total", "Histogram": "_seconds"}[typ.Name]
		if suffix == "" {
			return true
		}
		n++
		name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		line := "\n# HELP " + metricName(name) + suffix + " "
		if _, help, ok := strings.Cut(text, line); !ok || strings.HasPrefix(help, "\n") {
			t.Errorf("no help for %s", name)
		}
		return true
	})
	if n < 20 {
		t.Errorf("only %d names were found", n)
	}
}
