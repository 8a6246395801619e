package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// usageError is a fault of the command line or of the environment.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// flagSet are the flags of a command. What is not on the command line comes from
// the environment, so that keys need not show in the list of processes.
type flagSet struct {
	*flag.FlagSet
	p                *program
	arguments, about string
}

// newFlagSet returns the flags of a command whose arguments and purpose are these.
func newFlagSet(p *program, name, arguments, about string) *flagSet {
	f := &flagSet{flag.NewFlagSet(name, flag.ContinueOnError), p, arguments, strings.TrimSpace(about)}
	f.SetOutput(io.Discard) // main says what is wrong, and parse prints the help
	f.Usage = func() {}
	return f
}

// parse parses the arguments and then the environment, and returns what is behind
// the flags.
func (f *flagSet) parse(args []string) ([]string, error) {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, errors.Join(err, f.help())
		}
		return nil, &usageError{err}
	}
	given := map[string]bool{}
	f.Visit(func(flag *flag.Flag) { given[flag.Name] = true })
	var err error
	f.VisitAll(func(flag *flag.Flag) {
		name := variable(flag.Name)
		value := f.p.getenv(name)
		if value == "" || given[flag.Name] || err != nil {
			return
		}
		if fault := flag.Value.Set(value); fault != nil {
			// Not the value: it may be a key.
			err = usagef("the environment's %s: %w", name, fault)
		}
	})
	return f.Args(), err
}

// help prints what the command is for, and its flags.
func (f *flagSet) help() error {
	_, err := fmt.Fprintf(f.p.out, "Usage: lazyws %s [flags]%s\n\n%s\n\nFlags:\n", f.Name(), f.arguments, f.about)
	f.SetOutput(f.p.out)
	f.PrintDefaults()
	return err
}

// variable returns the name of a flag in the environment.
func variable(flag string) string {
	return "LAZYWS_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// key is a flag whose value is a secret: @FILE reads it from a file. It is never
// printed.
type key []byte

func (k *key) String() string { return "" }

// Set implements flag.Value. The error does not repeat the value.
func (k *key) Set(text string) error {
	name, ok := strings.CutPrefix(text, "@")
	if !ok {
		*k = []byte(text)
		return nil
	}
	content, err := os.ReadFile(name) //nolint:gosec // the user has named it
	if err != nil {
		return err
	}
	if *k = bytes.TrimSpace(content); len(*k) == 0 {
		return fmt.Errorf("%s is empty", name)
	}
	return nil
}

// list is a flag that may be given several times; in one value commas separate.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *list) Set(text string) error {
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}
