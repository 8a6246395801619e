package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golazy.dev/bench/field/load"
	"golazy.dev/bench/field/scenario"
	"golazy.dev/bench/field/servers"
)

// The test binary is the program too, because the benchmark starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "serve", "load":
			if err := command(os.Args[1:]); err != nil {
				os.Stderr.WriteString(err.Error() + "\n")
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

func TestParse(t *testing.T) {
	c, err := parse(nil)
	if err != nil || c.runs != 10 || c.idleRuns != 3 || c.scale != 1 || !c.only.MatchString("anything") {
		t.Errorf("no flags mean %+v, %v", c, err)
	}
	c, err = parse([]string{"-quick", "-conns", "3", "-only", "^echo", "-servers", "gorilla$"})
	if err != nil || c.runs != 2 || c.idleRuns != 1 || c.conns != 3 || c.scale != 0.1 || c.servers.MatchString("gorilla-best") {
		t.Errorf("-quick with others means %+v, %v", c, err)
	}
	for _, flag := range []string{"-only", "-servers"} {
		if _, err := parse([]string{flag, "("}); err == nil {
			t.Errorf("a broken %s was accepted", flag)
		}
	}
}

func TestScenarios(t *testing.T) {
	has := func(args ...string) map[string]scenario.Scenario {
		c, err := parse(args)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]scenario.Scenario{}
		for _, s := range c.scenarios() {
			all[s.Name] = s
		}
		return all
	}
	if _, ok := has()["idle-100k"]; ok {
		t.Error("100,000 connections without being asked for")
	}
	if _, ok := has("-many")["idle-100k"]; !ok {
		t.Error("no 100,000 connections")
	}
	chosen := has("-only", "^(echo|idle)", "-conns", "7", "-binary", "-scale", "0.5")
	if chosen["idle"].Conns != 7 || chosen["echo-20B-x1"].Conns != 50 || !chosen["echo-20B-x1"].Binary {
		t.Errorf("%+v", chosen)
	}
	if _, ok := chosen["handshake"]; ok {
		t.Error("a handshake is no echo")
	}
	if half, whole := chosen["echo-20B-x1"].Messages, has()["echo-20B-x1"].Messages; half*2 != whole {
		t.Errorf("half of %d messages is %d", whole, half)
	}
}

// Two short rounds with server and load in processes of their own; then the
// tables and the chart again, from the file.
func TestRounds(t *testing.T) {
	dir := t.TempDir()
	raw, out, svg := filepath.Join(dir, "raw.txt"), filepath.Join(dir, "out.md"), filepath.Join(dir, "out.svg")
	err := command([]string{
		"-runs", "2", "-idle", "1", "-conns", "4", "-scale", "0.001",
		"-only", "^(echo-20B-x1|idle)$", "-servers", "^(gorilla|floor)$", "-raw", raw, "-out", out,
	})
	if err != nil {
		t.Fatal(err)
	}
	table := read(t, out)
	for _, want := range []string{"| echo 20 B, 1 in flight, 50 connections | 1.00 | ", "| memory per idle connection | 1.00 | "} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in %s", want, table)
		}
	}
	lines := read(t, raw)
	for _, want := range []string{
		"BenchmarkField/scenario=echo-20B-x1/server=floor 1 ", " cpu-ns/msg ",
		"BenchmarkField/scenario=idle/server=gorilla 1 ", " heap-B/conn ",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %q in %s", want, lines)
		}
	}
	if n, m := strings.Count(lines, "scenario=echo"), strings.Count(lines, "scenario=idle"); n != 4 || m != 2 {
		t.Errorf("%d echoes and %d idle runs", n, m)
	}
	again := filepath.Join(dir, "again.md")
	if err := command([]string{"-only", "^idle$", "-conns", "100000000"}); err == nil {
		t.Error("more connections than the system allows were measured")
	}
	if err := command([]string{"-report", "-raw", raw, "-out", again}); err != nil || read(t, again) != table {
		t.Errorf("the tables of the file are others: %v\n%s", err, read(t, again))
	}
	if err := command([]string{"-draw", svg, "-raw", raw}); err != nil || !strings.HasPrefix(read(t, svg), "<svg ") {
		t.Errorf("the chart: %v", err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What fails ends the program with an error, and the others are measured.
func TestRunFails(t *testing.T) {
	if _, err := measure("nobody", scenario.All()[0], options{}); err == nil {
		t.Error("a server that does not exist was measured")
	}
	if err := command([]string{"-only", "^idle$", "-conns", "100000000"}); err == nil {
		t.Error("more connections than the system allows were measured")
	}
	if err := command([]string{"-report", "-raw", filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("a file that does not exist was reported")
	}
}

// The chart's servers exist.
func TestFigure(t *testing.T) {
	f := figure()
	shown := append([]string{f.Base}, f.Best...)
	for _, b := range append(f.Before, f.After...) {
		shown = append(shown, b.Server)
	}
	for _, name := range append(shown, profiled()...) {
		if _, err := servers.Find(name); err != nil {
			t.Error(err)
		}
	}
}

// A short profile of one server.
func TestProfiles(t *testing.T) {
	if err := load.CanCount(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	out := filepath.Join(t.TempDir(), "out.md")
	err := command([]string{"-profiles", out, "-scale", "0.01", "-only", "^(echo-20B-x1|idle)$", "-servers", "^lazywebsocket$"})
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, out)
	for _, want := range []string{"\n### echo 20 B, 1 in flight", "\n| system calls | ", "| system calls per message | ", "sendto 1.00"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(text, "memory per") {
		t.Errorf("what is idle has a profile in %s", text)
	}
}

// System calls are counted after the rounds.
func TestCounts(t *testing.T) {
	if err := load.CanCount(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	raw := filepath.Join(t.TempDir(), "raw.txt")
	err := command([]string{
		"-runs", "0", "-idle", "0", "-syscalls", "-scale", "0.01", "-raw", raw, "-out", raw + ".md",
		"-only", "^echo-20B-x1$", "-servers", "^lazywebsocket$",
	})
	if lines := read(t, raw); err != nil || !strings.Contains(lines, "server=lazywebsocket 1 ") || !strings.Contains(lines, " 1 sys-sendto/msg") {
		t.Errorf("%v in\n%s", err, lines)
	}
}
