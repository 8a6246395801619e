package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// A run is one pass of the suite over its cases, with the library in one role.
type run struct {
	dir     string // Of the suite's reports.
	planned []string
	results map[string]result
}

func (cfg config) run(ctx context.Context, python []string, r role, stdout io.Writer) (*run, error) {
	dir := filepath.Join(cfg.out, string(r))
	if err := makeReportDir(dir); err != nil {
		return nil, err
	}
	start := time.Now()
	runRole := cfg.runServerRole
	if r == roleClient {
		runRole = cfg.runClientRole
	}
	planned, err := runRole(ctx, python, dir, stdout)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w (%w)", cause, err) // It has led to the other.
		}
		return nil, err
	}
	results, err := readIndex(dir)
	if err != nil {
		return nil, err
	}
	say(stdout, "%s: %s in %.0f s, reports in %s\n",
		r, tally(results), time.Since(start).Seconds(), filepath.Join(dir, "index.html"))
	return &run{dir, planned, results}, nil
}

// makeReportDir makes the directory, or removes what an earlier run left in it:
// reports of that run must not pass for ours. Other files stay.
func makeReportDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // G301: reports are for everybody.
		return err
	}
	for _, ours := range []string{"index.html", "index.json", agent + "_case_*"} {
		old, err := filepath.Glob(filepath.Join(dir, ours))
		if err != nil {
			return err
		}
		for _, path := range old {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// tally counts outcomes: "301 cases, 298 OK, 3 INFORMATIONAL, 0 other".
func tally(results map[string]result) string {
	var ok, informational int
	for _, r := range results {
		switch {
		case r.Behavior == outcomeOK && r.BehaviorClose == outcomeOK:
			ok++
		case r.acceptable():
			informational++
		}
	}
	return fmt.Sprintf("%d cases, %d %s, %d %s, %d other", len(results),
		ok, outcomeOK, informational, outcomeInformational, len(results)-ok-informational)
}

func newSpec(dir string, patterns []pattern) map[string]any {
	return map[string]any{
		"outdir":              dir,
		"cases":               patterns,
		"exclude-cases":       []string{},
		"exclude-agent-cases": map[string]any{},
	}
}

// runServerRole lets the suite's fuzzing client loose on our echo server.
func (cfg config) runServerRole(ctx context.Context, python []string, dir string, stdout io.Writer) ([]string, error) {
	server, err := startEchoServer(stdout)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	address := server.address
	if cfg.http2 {
		proxy, err := startHaproxy(ctx, dir, address)
		if err != nil {
			return nil, err
		}
		defer proxy.stop()
		address = proxy.address
	}
	spec := newSpec(dir, cfg.patterns)
	spec["servers"] = []any{map[string]any{"agent": agent, "url": "ws://" + address}}
	fuzzer, err := startSuite(ctx, python, "fuzzingclient", dir, spec)
	if err != nil {
		return nil, err
	}
	defer fuzzer.stop()
	say(stdout, "server: %d cases against ws://%s\n", len(fuzzer.cases), address)
	if err := fuzzer.wait(); err != nil {
		return nil, fmt.Errorf("the suite: %w", withLog(ctx, err, dir))
	}
	return fuzzer.cases, server.spoke(cfg.http2)
}

// runClientRole takes our client through the cases of the suite's server.
func (cfg config) runClientRole(ctx context.Context, python []string, dir string, stdout io.Writer) ([]string, error) {
	fuzzer, err := startSuite(ctx, python, "fuzzingserver", dir, newSpec(dir, cfg.patterns))
	if err != nil {
		return nil, err
	}
	defer fuzzer.stop()
	server := fuzzingServer{fuzzer.address}
	say(stdout, "client: %d cases from ws://%s\n", len(fuzzer.cases), server.address)
	count, err := server.count(ctx)
	if err != nil {
		return nil, err
	}
	if count != len(fuzzer.cases) {
		return nil, fmt.Errorf("the suite offers %d cases, want %d", count, len(fuzzer.cases))
	}
	for n := range count {
		if err := server.run(ctx, n+1); err != nil {
			return nil, fmt.Errorf("case %s: %w", fuzzer.cases[n], err)
		}
	}
	if err := server.report(ctx); err != nil {
		return nil, err
	}
	return fuzzer.cases, nil
}
