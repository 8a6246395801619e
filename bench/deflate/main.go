// Command deflate compares permessage-deflate of Go's WebSocket libraries: CPU
// and bytes per message, and memory per idle connection, on the chat corpus.
//
//	go run ./deflate [-runs 10] [-idle 3] [-conns 10000] [-quick] [-only regexp] [-raw file]
//
// Every run starts a server in a process of its own, on one core, and the load
// in another one, on another core. Rounds are interleaved: each runs every
// server once. The table is printed as Markdown. It needs Linux, taskset, two
// cores, and as many open files as connections.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"golazy.dev/bench/deflate/load"
	"golazy.dev/bench/deflate/peers"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "deflate: %v\n", err)
		os.Exit(1)
	}
}

// command runs the benchmark, or the part of it that the first argument names:
// the program starts itself for those.
func command(args []string) error {
	if len(args) > 1 {
		switch args[0] {
		case "serve":
			return serve(args[1])
		case "traffic":
			return traffic(args[1:])
		case "idle":
			return idle(args[1:])
		}
	}
	c, err := parse(args)
	if err != nil {
		return err
	}
	return c.run()
}

// config is what the flags say.
type config struct {
	runs, idleRuns int
	conns          int // idle ones
	messages       int // per connection
	only           *regexp.Regexp
	raw            string
}

func parse(args []string) (c config, err error) {
	flags := flag.NewFlagSet("deflate", flag.ExitOnError)
	flags.IntVar(&c.runs, "runs", 10, "rounds that measure time and bytes")
	flags.IntVar(&c.idleRuns, "idle", 3, "rounds that measure memory")
	flags.IntVar(&c.conns, "conns", 10000, "idle connections")
	flags.IntVar(&c.messages, "messages", 400, "messages on each of the busy connections")
	flags.StringVar(&c.raw, "raw", "", "a `file` for the single runs, in benchstat's format")
	quick := flags.Bool("quick", false, "two short rounds and one of 1000 idle connections, unless other flags say more")
	only := flags.String("only", "", "run the servers that match this `regexp`")
	_ = flags.Parse(args) // exits
	if *quick {
		set := map[string]bool{}
		flags.Visit(func(f *flag.Flag) { set[f.Name] = true })
		for name, v := range map[string]func(){
			"runs":     func() { c.runs = 2 },
			"idle":     func() { c.idleRuns = 1 },
			"conns":    func() { c.conns = 1000 },
			"messages": func() { c.messages = 100 },
		} {
			if !set[name] {
				v()
			}
		}
	}
	c.only, err = regexp.Compile(*only)
	return c, err
}

const (
	busyConns    = 50
	warmMessages = 24
	idleMessages = 20
	// idleLimit is the memory of a server's heap that idle connections may take.
	idleLimit = 4 << 30
)

func serve(name string) error {
	s, err := peers.Find(name)
	if err != nil {
		return err
	}
	return peers.Serve(s, os.Stdin, os.Stdout)
}

// traffic has the arguments address and messages.
func traffic(args []string) error {
	messages, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	t, err := load.RunTraffic(args[0], busyConns, warmMessages, messages)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(t)
}

// idle has the arguments address and connections.
func idle(args []string) error {
	conns, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	i, err := load.RunIdle(args[0], conns, idleMessages, idleLimit)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(i)
}
