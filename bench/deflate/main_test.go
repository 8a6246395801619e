package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golazy.dev/bench/deflate/load"
	"golazy.dev/bench/deflate/peers"
)

// The test binary is the program too, because the benchmark starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "serve", "traffic", "idle":
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
	if err != nil || c.runs != 10 || c.conns != 10000 || !c.only.MatchString("anything") {
		t.Errorf("no flags mean %+v, %v", c, err)
	}
	c, err = parse([]string{"-quick", "-conns", "3", "-only", "^gws/"})
	if err != nil || c.runs != 2 || c.idleRuns != 1 || c.conns != 3 || c.only.MatchString("gorilla/off") {
		t.Errorf("-quick with others means %+v, %v", c, err)
	}
	if _, err := parse([]string{"-only", "("}); err == nil {
		t.Error("a broken expression was accepted")
	}
}

// One round of everything, with server and load in processes of their own.
func TestRounds(t *testing.T) {
	raw := filepath.Join(t.TempDir(), "raw.txt")
	c, err := parse([]string{"-quick", "-runs", "1", "-conns", "4", "-messages", "3", "-only", "default|live", "-raw", raw})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"BenchmarkEcho/server=lazywebsocket-default 1 ", "BenchmarkEcho/server=live-level=1 1 ",
		" cpu-ns/msg ", " heap-B/conn ",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %q in %s", want, b)
		}
	}
}

// A server that is not known ends the benchmark.
func TestMeasureFails(t *testing.T) {
	if err := measure("nobody/nothing", new(load.Traffic), "traffic", 1); err == nil {
		t.Error("a server that does not exist was measured")
	}
}

// Servers are told apart by their names.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range peers.All() {
		if seen[s.Name] || s.Setting == "" {
			t.Errorf("%q is there twice, or says nothing", s.Name)
		}
		seen[s.Name] = true
	}
}
