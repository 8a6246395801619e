// Command realtime compares lazyrealtime with centrifuge, the library, on one
// machine and with the same load: CPU per delivery, latency, memory per
// subscription, and how long a storm of reconnects takes.
//
//	go run ./realtime -runs 10 -out realtime/RESULTS.md -raw realtime/results.txt
//
// Each run starts a server in a process of its own on core 0 and the load on core
// 1. Rounds are interleaved.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"

	"golazy.dev/bench/realtime/load"
	"golazy.dev/bench/realtime/server"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "serve" {
		if err := server.Run(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type config struct {
	runs      int
	only      *regexp.Regexp
	out, raw  string
	scenarios []load.Scenario
}

func run() error {
	var c config
	flag.IntVar(&c.runs, "runs", 10, "rounds")
	only := flag.String("only", "", "`expression` that the names of scenario/server match")
	flag.StringVar(&c.out, "out", "", "`file` for the tables")
	flag.StringVar(&c.raw, "raw", "", "`file` for the lines that benchstat reads")
	again := flag.Bool("report", false, "only draw the tables of -raw again")
	quick := flag.Bool("quick", false, "a tenth of the messages")
	flag.Parse()
	var err error
	if c.only, err = regexp.Compile(*only); err != nil {
		return err
	}
	if runtime.NumCPU() < 2 {
		return errors.New("the benchmark needs two cores")
	}
	c.scenarios = load.Scenarios(*quick)
	if *again {
		lines, err := os.ReadFile(c.raw)
		if err != nil {
			return err
		}
		return c.write(string(lines))
	}
	return c.measure()
}

// memoryRuns is how often memory is measured.
const memoryRuns = 3

// measure runs all rounds, and writes what came out.
func (c config) measure() error {
	var raw strings.Builder
	var failed error
	for round := range c.runs {
		for _, s := range c.scenarios {
			if s.Kind == load.Memory && round >= memoryRuns {
				continue // it hardly varies
			}
			for i := range server.Names {
				name := server.Names[(i+round)%len(server.Names)]
				if s.Kind == load.Memory && name == "lazyrealtime-sqlite" {
					continue // what a hub holds is the same on any engine
				}
				if !c.only.MatchString(s.Name + "/" + name) {
					continue
				}
				line, err := one(s, name)
				if err != nil {
					failed = errors.Join(failed, fmt.Errorf("%s, %s: %w", s.Name, name, err))
					continue
				}
				fmt.Fprintf(os.Stderr, "round %d %s", round+1, line)
				raw.WriteString(line)
			}
		}
	}
	if c.raw != "" {
		failed = errors.Join(failed, os.WriteFile(c.raw, []byte(raw.String()), 0o600))
	}
	return errors.Join(failed, c.write(raw.String()))
}

// write draws the tables of lines.
func (c config) write(raw string) error {
	table, err := report(raw)
	if err != nil {
		return err
	}
	if c.out == "" {
		fmt.Print(table)
		return nil
	}
	return os.WriteFile(c.out, []byte(table), 0o600)
}

// one measures a server in a scenario, as a line for benchstat.
func one(s load.Scenario, name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	process := exec.Command("taskset", "-c", "0", self, "serve", name) //nolint:gosec // ourselves
	process.Env = append(os.Environ(), "GOMAXPROCS=1")
	p, err := load.Start(process)
	if err != nil {
		return "", err
	}
	defer p.Stop()
	if err := load.Pin(1); err != nil {
		return "", err
	}
	result, err := s.Run(p, server.Protocols[name])
	if err != nil {
		return "", err
	}
	return "Benchmark" + s.Name + "/server=" + name + " " + result + "\n", nil
}
