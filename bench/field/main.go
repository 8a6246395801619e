// Command field compares Go's WebSocket servers: CPU, latency and memory of
// echoes, broadcasts, handshakes and idle connections.
//
//	go run ./field [-runs 10] [-idle 3] [-quick] [-only scenarios] [-servers names] [-raw file] [-out file]
//	go run ./field -runs 0 -idle 0 -syscalls
//	go run ./field -profiles field/PROFILES.md
//	go run ./field -draw results.svg [-raw field/results.txt]
//
// Every run starts a server in a process of its own, on one core, and the load
// in another one, on another core. Rounds are interleaved: each runs every
// server once for every scenario. It needs Linux, taskset and two cores.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"

	"golazy.dev/bench/field/load"
	"golazy.dev/bench/field/scenario"
	"golazy.dev/bench/field/servers"
	"golazy.dev/bench/field/servers/uws"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "field: %v\n", err)
		os.Exit(1)
	}
}

// command runs the benchmark, or the part of it that the first argument names:
// the program starts itself for those.
func command(args []string) error {
	if len(args) > 1 {
		switch args[0] {
		case "serve":
			return serve(args[1], len(args) > 2)
		case "load":
			return runLoad(args[1])
		}
	}
	c, err := parse(args)
	if err != nil {
		return err
	}
	switch {
	case c.build:
		return uws.Build(context.Background(), os.Stderr)
	case c.draw != "":
		return c.drawRaw()
	case c.again:
		return c.reportRaw()
	case c.profiles != "":
		return c.profileAll()
	case c.profile != "" || c.strace != "":
		return c.inspect()
	}
	return c.run()
}

// serve has the name of a server, and whether there is TLS.
func serve(name string, overTLS bool) error {
	s, err := servers.Find(name)
	if err != nil {
		return err
	}
	return servers.Serve(s, overTLS, os.Stdin, os.Stdout)
}

// runLoad has a task as JSON.
func runLoad(task string) error {
	var t load.Task
	if err := json.Unmarshal([]byte(task), &t); err != nil {
		return err
	}
	_ = servers.RaiseFiles() // who started this has looked
	r, err := load.Run(t)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// config is what the flags say.
type config struct {
	runs, idleRuns int
	scale          float64
	conns          int
	binary, many   bool
	only, servers  *regexp.Regexp
	raw, out, draw string
	again          bool
	profile        string
	strace         string
	calls          bool
	profiles       string
	build          bool
}

func parse(args []string) (c config, err error) {
	flags := flag.NewFlagSet("field", flag.ExitOnError)
	flags.IntVar(&c.runs, "runs", 10, "rounds of all but the idle scenarios")
	flags.IntVar(&c.idleRuns, "idle", 3, "rounds of the idle scenarios")
	flags.Float64Var(&c.scale, "scale", 1, "a factor for the number of messages")
	flags.IntVar(&c.conns, "conns", 0, "idle connections; zero: as the scenario says")
	flags.BoolVar(&c.binary, "binary", false, "binary messages of random bytes, instead of text")
	flags.BoolVar(&c.many, "many", false, "100,000 idle connections too")
	flags.StringVar(&c.raw, "raw", "", "a `file` for the single runs, in benchstat's format")
	flags.StringVar(&c.out, "out", "", "a `file` for the tables, instead of standard output")
	flags.StringVar(&c.draw, "draw", "", "measure nothing, draw this SVG `file` from -raw (field/results.txt)")
	flags.BoolVar(&c.again, "report", false, "measure nothing, print the tables of -raw (field/results.txt)")
	flags.StringVar(&c.profile, "profile", "", "write CPU profiles of the servers into this `directory`, one run each, and print no table")
	flags.StringVar(&c.strace, "strace", "", "write counts of system calls by strace into this `directory`, one run each, and print no table")
	flags.BoolVar(&c.calls, "syscalls", false, "count system calls by perf, in a short round after the others")
	flags.StringVar(&c.profiles, "profiles", "", "measure where the CPU of our servers goes, and write it to this Markdown `file`")
	flags.BoolVar(&c.build, "build-uwebsockets", false, "measure nothing, build the C++ server with cargo, gcc and g++")
	quick := flags.Bool("quick", false, "two short rounds and one of 1000 idle connections, unless other flags say more")
	only := flags.String("only", "", "run the scenarios that match this `regexp`")
	names := flags.String("servers", "", "run the servers that match this `regexp`")
	_ = flags.Parse(args) // exits
	if *quick {
		c.hurry(flags)
	}
	if c.only, err = regexp.Compile(*only); err != nil {
		return c, err
	}
	c.servers, err = regexp.Compile(*names)
	return c, err
}

// hurry sets what the flags have not.
func (c *config) hurry(flags *flag.FlagSet) {
	set := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { set[f.Name] = true })
	for name, v := range map[string]func(){
		"runs":  func() { c.runs = 2 },
		"idle":  func() { c.idleRuns = 1 },
		"conns": func() { c.conns = 1000 },
		"scale": func() { c.scale = 0.1 },
	} {
		if !set[name] {
			v()
		}
	}
}

// scenarios are the chosen ones, as the flags change them.
func (c config) scenarios() []scenario.Scenario {
	var chosen []scenario.Scenario
	for _, s := range scenario.All() {
		if !c.only.MatchString(s.Name) || s.Rare && !c.many {
			continue
		}
		s = s.Scaled(c.scale)
		s.Binary = c.binary
		if s.Kind == scenario.Idle && c.conns > 0 {
			s.Conns = c.conns
		}
		chosen = append(chosen, s)
	}
	return chosen
}

// chosen are the servers that the flags choose and that can run here; the others
// are named.
func (c config) chosen() []servers.Server {
	var chosen []servers.Server
	for _, s := range servers.All() {
		if !c.servers.MatchString(s.Name) {
			continue
		}
		if s.Unavailable != nil {
			if why := s.Unavailable(); why != "" {
				fmt.Fprintf(os.Stderr, "without %s: %s\n", s.Name, why)
				continue
			}
		}
		chosen = append(chosen, s)
	}
	return chosen
}
