package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golazy.dev/bench/field/load"
	"golazy.dev/bench/field/report"
	"golazy.dev/bench/field/scenario"
	"golazy.dev/bench/field/servers"
)

// Cores of the server and of the load.
const (
	serverCore = "0"
	loadCore   = "1"
)

// run measures, and prints the tables. What fails is left out of them, and ends
// the program with an error after all the rest.
func (c config) run() error {
	if runtime.NumCPU() < 2 {
		return errors.New("the benchmark needs two cores")
	}
	if err := c.enoughFiles(); err != nil {
		return err
	}
	if c.calls {
		if err := load.CanCount(); err != nil {
			return err
		}
	}
	raw := report.Header(machine())
	var failed error
	rounds := max(c.runs, c.idleRuns)
	for round := range rounds + 1 {
		var lines string
		var err error
		switch {
		case round < rounds:
			lines, err = c.round(round)
		case c.calls:
			lines, err = c.counts()
		}
		raw += lines
		failed = errors.Join(failed, err)
		if c.raw == "" {
			continue
		}
		if err := os.WriteFile(c.raw, []byte(raw), 0o600); err != nil {
			return err
		}
	}
	return errors.Join(c.print(raw), failed)
}

// enoughFiles is an error if a process may not open as many files as a scenario
// has connections.
func (c config) enoughFiles() error {
	const others = 100
	limit := servers.RaiseFiles()
	for _, s := range c.scenarios() {
		if s.Conns+others > limit {
			return fmt.Errorf("%s needs %d open files, the limit is %d (ulimit -n)", s.Name, s.Conns+others, limit)
		}
	}
	return nil
}

// round runs every server once for every scenario, beginning with another one
// each time.
func (c config) round(round int) (lines string, failed error) {
	chosen := c.chosen()
	for _, s := range c.scenarios() {
		if s.Kind == scenario.Idle && round >= c.idleRuns || s.Kind != scenario.Idle && round >= c.runs {
			continue
		}
		for i := range chosen {
			server := chosen[(i+round*5)%len(chosen)]
			if lacks(server, s) != "" {
				continue
			}
			result, err := measure(server.Name, s, options{})
			if err != nil {
				err = fmt.Errorf("%s, %s: %w", s.Name, server.Name, err)
				fmt.Fprintln(os.Stderr, err)
				failed = errors.Join(failed, err)
				continue
			}
			line := report.Line(s.Name, server.Name, result)
			fmt.Fprintf(os.Stderr, "round %d %s", round+1, report.Short(s.Name, server.Name, result))
			lines += line
		}
	}
	return lines, failed
}

// lacks says why a server has no part in a scenario, or nothing.
func lacks(server servers.Server, s scenario.Scenario) string {
	if s.TLS && !server.TLS {
		return "no TLS here"
	}
	if why := server.Without[s.Path]; why != "" {
		return why
	}
	return server.Without[string(s.Kind)]
}

// inspect runs each server once for each scenario, with a profile or strace.
func (c config) inspect() error {
	var failed error
	for _, s := range c.scenarios() {
		for _, server := range c.chosen() {
			if lacks(server, s) != "" {
				continue
			}
			name := s.Name + "." + server.Name
			var o options
			if c.profile != "" && s.Kind != scenario.Idle {
				o.profile = filepath.Join(c.profile, name+".pprof")
			}
			if c.strace != "" {
				o.before = []string{"strace", "-f", "-c", "-qq", "-o", filepath.Join(c.strace, name+".strace")}
			}
			result, err := measure(server.Name, s, o)
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
				continue
			}
			fmt.Fprint(os.Stderr, report.Short(s.Name, server.Name, result))
		}
	}
	return failed
}

// options are how a run is watched.
type options struct {
	before  []string // a command that runs the server
	profile string   // a file for the CPU profile
	calls   bool     // count system calls
}

// measure starts a server and a load.
func measure(name string, s scenario.Scenario, o options) (load.Result, error) {
	args := []string{"serve", name}
	if s.TLS {
		args = append(args, "tls")
	}
	server, err := pinned(serverCore, o.before, args...)
	if err != nil {
		return load.Result{}, err
	}
	in, err := server.StdinPipe()
	if err != nil {
		return load.Result{}, err
	}
	out, err := server.StdoutPipe()
	if err != nil {
		return load.Result{}, err
	}
	if err := server.Start(); err != nil {
		return load.Result{}, err
	}
	var ready servers.Ready
	var result load.Result
	err = json.NewDecoder(out).Decode(&ready)
	if err == nil {
		result, err = apply(ready, s, o)
	}
	_ = in.Close() // which ends the server
	return result, errors.Join(err, server.Wait())
}

// apply runs a load on a server.
func apply(ready servers.Ready, s scenario.Scenario, o options) (r load.Result, err error) {
	t := load.Task{Scenario: s, PID: ready.PID, Control: ready.Control, Profile: o.profile, Calls: o.calls}
	if t.Addr, err = netip.ParseAddrPort(ready.Addr); err != nil {
		return r, err
	}
	task, err := json.Marshal(t)
	if err != nil {
		return r, err
	}
	client, err := pinned(loadCore, nil, "load", string(task))
	if err != nil {
		return r, err
	}
	var out bytes.Buffer
	client.Stdout = &out
	if err := client.Run(); err != nil {
		return r, err
	}
	return r, json.Unmarshal(out.Bytes(), &r)
}

// pinned is this program, to run on one core.
func pinned(core string, before []string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	all := append([]string{"-c", core}, before...)
	all = append(append(all, self), args...)
	cmd := exec.Command("taskset", all...) //nolint:gosec,noctx // this program; it ends with its input
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	return cmd, nil
}

func machine() report.Machine {
	m := report.Machine{
		Date: time.Now().UTC().Format(time.DateOnly), CPU: runtime.GOARCH, Cores: runtime.NumCPU(),
		Go: runtime.Version(), Kernel: "unknown",
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}
