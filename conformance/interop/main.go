// Command interop lets other people's WebSocket libraries talk to lazywebsocket
// with permessage-deflate (RFC 7692), in both roles, and fails unless every
// message arrives as it was sent and every negotiation is one that the RFC allows.
//
//	conformance/interop/run.sh
//
// installs the peers and runs it. See conformance/README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		say(os.Stderr, "interop: %v\n", err)
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	peers   []peer
	verbose bool
	timeout time.Duration
}

func parseFlags(args []string, stderr io.Writer) (config, error) {
	flags := flag.NewFlagSet("interop", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "conformance/interop", "the `directory` that has the peers' programs")
	node := flags.String("node", "", "`path` of node, which finds the package ws")
	python := flags.String("python", "", "`path` of a python that has the package websockets")
	var cfg config
	flags.BoolVar(&cfg.verbose, "v", false, "show what was negotiated, and the bytes on the wire")
	flags.DurationVar(&cfg.timeout, "timeout", 5*time.Minute, "give up after this `time`")
	if err := flags.Parse(args); err != nil {
		return config{}, err
	}
	if *node == "" || *python == "" || flags.NArg() > 0 {
		return config{}, errors.New("want -node and -python, and no arguments: run.sh knows them")
	}
	cfg.peers = []peer{
		{name: ws, command: []string{*node, filepath.Join(*dir, "node", "peer.mjs")}},
		{name: websockets, command: []string{*python, filepath.Join(*dir, "python", "peer.py")}},
	}
	return cfg, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cfg, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.timeout)
	defer cancel()
	m := sequences{corpus: corpus(), repeated: repeated()}
	corpusFile, err := writeMessages(m.corpus)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(corpusFile) }()
	repeatedFile, err := writeMessages(m.repeated)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(repeatedFile) }()
	failed := 0
	for _, p := range cfg.peers {
		p.messages, p.repeats, p.stderr = corpusFile, repeatedFile, stderr
		n, err := cfg.both(ctx, p, m, stdout)
		if err != nil {
			return err
		}
		failed += n
	}
	if failed > 0 {
		return fmt.Errorf("%d cases failed", failed)
	}
	return nil
}

// both runs all cases with one peer, in both roles, and counts those that fail.
func (cfg config) both(ctx context.Context, p peer, m sequences, stdout io.Writer) (failed int, err error) {
	for _, role := range []struct {
		name string
		run  func(context.Context, peer, sequences) ([]report, error)
	}{{"our server, client of " + p.name, asServer}, {"our client, server of " + p.name, asClient}} {
		start := time.Now()
		reports, err := role.run(ctx, p, m)
		if err != nil {
			return failed, fmt.Errorf("%s: %w", role.name, err)
		}
		bad := 0
		for _, r := range reports {
			if err := r.judge(len(m.of(r.testCase))); err != nil {
				bad++
				say(stdout, "FAIL %s: %s: %v\n", role.name, r.name, err)
			}
			if cfg.verbose {
				say(stdout, "%s: %s\n", role.name, r)
			}
		}
		failed += bad
		say(stdout, "%s: %d cases passed, %d failed, in %.1f s\n",
			role.name, len(reports)-bad, bad, time.Since(start).Seconds())
	}
	return failed, nil
}

// sequences are the messages that cases send.
type sequences struct{ corpus, repeated []message }

func (s sequences) of(tc testCase) []message {
	if tc.repeats {
		return s.repeated
	}
	return s.corpus
}

// say prints to somebody who may have gone; that changes no verdict.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
