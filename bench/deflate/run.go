package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golazy.dev/bench/deflate/chat"
	"golazy.dev/bench/deflate/load"
	"golazy.dev/bench/deflate/peers"
	"golazy.dev/bench/deflate/report"
)

// Cores of the server and of the load.
const (
	serverCore = "0"
	loadCore   = "1"
)

func (c config) run() error {
	if runtime.NumCPU() < 2 {
		return errors.New("the benchmark needs two cores")
	}
	var names []string
	for _, s := range peers.All() {
		if c.only.MatchString(s.Name) {
			names = append(names, s.Name)
		}
	}
	rounds, err := c.rounds(names)
	if err != nil {
		return err
	}
	if c.raw != "" {
		if err := os.WriteFile(c.raw, []byte(report.Benchstat(rounds)), 0o600); err != nil {
			return err
		}
	}
	return c.print(report.Rows(names, rounds))
}

// rounds runs every server once in each, beginning with another one each time.
func (c config) rounds(names []string) ([][]report.Run, error) {
	var rounds [][]report.Run
	for round := range max(c.runs, c.idleRuns) {
		var runs []report.Run
		for i := range names {
			name := names[(i+round*5)%len(names)]
			run, err := c.one(name, round)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			runs = append(runs, run)
		}
		rounds = append(rounds, runs)
	}
	return rounds, nil
}

// one measures a server in a round.
func (c config) one(name string, round int) (report.Run, error) {
	run := report.Run{Server: name}
	if round < c.runs {
		var t load.Traffic
		if err := measure(name, &t, "traffic", c.messages); err != nil {
			return run, err
		}
		n := float64(t.Messages)
		run.Answer = t.Answer
		run.CPU = float64(t.CPU) / n
		run.Out, run.In, run.Plain = float64(t.BytesOut)/n, float64(t.BytesIn)/n, float64(t.BytesPlain)/n
		fmt.Fprintf(os.Stderr, "round %d %-24s %6.1f us/message of %.1f, %.1f bytes\n",
			round+1, name, run.CPU/1000, float64(t.Elapsed.Microseconds())/n, run.Out)
	}
	if round < c.idleRuns {
		var i load.Idle
		if err := measure(name, &i, "idle", c.conns); err != nil {
			return run, err
		}
		run.Heap, run.Stack, run.RSS, run.Conns = i.Heap, i.Stack, i.RSS, i.Conns
		fmt.Fprintf(os.Stderr, "round %d %-24s %6.1f KiB of heap, %.1f of stack, %.1f resident, for each of %d connections\n",
			round+1, name, run.Heap/1024, run.Stack/1024, run.RSS/1024, run.Conns)
	}
	return run, nil
}

// measure starts a server, and a load whose result is the outcome.
func measure(name string, outcome any, part string, n int) error {
	server, err := pinned(serverCore, "serve", name)
	if err != nil {
		return err
	}
	in, err := server.StdinPipe()
	if err != nil {
		return err
	}
	out, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		err = runLoad(outcome, part, strings.TrimSpace(addr), strconv.Itoa(n))
	}
	_ = in.Close() // which ends the server
	return errors.Join(err, server.Wait())
}

func runLoad(outcome any, args ...string) error {
	client, err := pinned(loadCore, args...)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	client.Stdout = &out
	if err := client.Run(); err != nil {
		return err
	}
	return json.Unmarshal(out.Bytes(), outcome)
}

// pinned is this program, to run on one core.
func pinned(core string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("taskset", append([]string{"-c", core, self}, args...)...) //nolint:gosec,noctx // this program; it ends with its input
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	return cmd, nil
}

func (c config) print(rows []report.Row) error {
	sessions, err := chat.Load()
	if err != nil {
		return err
	}
	st, err := chat.Describe(sessions)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s, %d cores, %s\n\n", time.Now().UTC().Format(time.DateOnly), cpuModel(), runtime.NumCPU(), runtime.Version())
	fmt.Printf("Traffic: %d rounds, %d connections, %d messages on each. Idle: %d rounds, at most %d connections, %d messages on each.\n\n",
		c.runs, busyConns, c.messages, c.idleRuns, c.conns, idleMessages)
	fmt.Printf("Corpus: %s.\n\n", st)
	if c.runs > 0 {
		fmt.Println(report.Traffic(rows))
		fmt.Printf("Agreed:\n\n%s\n", report.Answers(rows))
	}
	if c.idleRuns > 0 {
		fmt.Println(report.Idle(rows))
	}
	return nil
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
