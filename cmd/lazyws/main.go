// Lazyws is a tool for WebSockets and a hub of its own.
//
//	lazyws hub      topics over WebSockets, with replay, for programs in any language
//	lazyws sign     sign the name of a topic for a hub
//	lazyws token    make a token to connect to a hub with
//	lazyws connect  talk to a WebSocket server from the terminal
//	lazyws serve    an echo server to try clients with
//	lazyws load     measure a server
//	lazyws conform  try whether a server keeps the protocol's rules
//
// lazyws COMMAND -h says more.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit codes. Two is what the flag package uses for faults of the command line.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// program is what a command has of the process: tests have their own.
type program struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
}

// command is what the first argument names.
type command struct {
	name, summary string
	run           func(ctx context.Context, p *program, args []string) error
}

var commands = []command{
	{"hub", "topics over WebSockets, with replay, for programs in any language", runHub},
	{"sign", "sign the name of a topic for a hub", runSign},
	{"token", "make a token to connect to a hub with", runToken},
	{"connect", "talk to a WebSocket server from the terminal", runConnect},
	{"serve", "an echo server to try clients with", runServe},
	{"load", "measure a server", runLoad},
	{"conform", "try whether a server keeps the protocol's rules", runConform},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv}
	os.Exit(p.main(ctx, os.Args[1:]))
}

// main runs the command that the arguments name and returns the exit code.
func (p *program) main(ctx context.Context, args []string) int {
	if len(args) == 0 {
		p.complain(usage())
		return exitUsage
	}
	if name := args[0]; name == "help" || name == "-h" || name == "-help" || name == "--help" {
		return p.help(ctx, args[1:])
	}
	for _, c := range commands {
		if c.name == args[0] {
			return p.exitCode(c.name, c.run(ctx, p, args[1:]))
		}
	}
	p.complain(fmt.Sprintf("lazyws: there is no command %q\n\n%s", args[0], usage()))
	return exitUsage
}

// help answers "lazyws help" and "lazyws help COMMAND".
func (p *program) help(ctx context.Context, args []string) int {
	if len(args) > 0 {
		return p.main(ctx, []string{args[0], "-h"})
	}
	_, err := io.WriteString(p.out, usage())
	return p.exitCode("help", err)
}

// exitCode says what went wrong and returns the code for it.
func (p *program) exitCode(name string, err error) int {
	var fault *usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &fault):
		p.complain(fmt.Sprintf("lazyws %s: %v\nlazyws %s -h lists the flags.\n", name, err, name))
		return exitUsage
	default:
		p.complain(fmt.Sprintf("lazyws %s: %v\n", name, err))
		return exitError
	}
}

// complain writes to the standard error; there is nobody to tell if that fails.
func (p *program) complain(text string) { _, _ = io.WriteString(p.err, text) }

func usage() string {
	var b strings.Builder
	b.WriteString("Usage: lazyws COMMAND [flags] [arguments]\n\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "  %-9s %s\n", c.name, c.summary)
	}
	b.WriteString("\nlazyws COMMAND -h lists the flags of a command. Each can be set in the environment,\n" +
		"in capitals behind LAZYWS_: -publish-key is LAZYWS_PUBLISH_KEY.\n")
	return b.String()
}
