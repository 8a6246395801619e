// Command autobahn runs the Autobahn WebSocket test suite against the library,
// as server and as client, and fails unless every case ends as the file
// expect.txt says.
//
//	go run ./conformance/autobahn [flags]
//
// See conformance/README.md.
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
	"slices"
	"strings"
	"syscall"
	"time"

	"golazy.dev/lazywebsocket"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		say(os.Stderr, "autobahn: %v\n", err)
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	patterns []pattern
	roles    []role
	root     string // The module's directory.
	out      string
	expect   string
	update   bool
	timeout  time.Duration
	echo     func(*lazywebsocket.Conn)
	http2    bool // The server is reached over HTTP/2.
}

func parseFlags(args []string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("autobahn", flag.ContinueOnError)
	flags.SetOutput(stderr)
	groups := flags.String("groups", strings.Join(allGroups, ","), "run these `groups` of cases")
	cases := flags.String("cases", "", "run these `cases` instead: 7.1.3 or 7.1.*, separated by commas")
	quick := flags.Bool("quick", false, "leave out the slow cases of groups 9, 12 and 13, which move megabytes")
	roleFlag := flags.String("role", "both", "the library's `role`: server, client or both")
	mode := flags.String("mode", "blocking", "read in this `way`: blocking, or by the event loops of a Poller, loop or inline")
	flags.BoolVar(&cfg.http2, "http2", false, "reach the library's server over HTTP/2, through haproxy; with -role server")
	flags.StringVar(&cfg.out, "out", "", "write the suite's reports to this `directory` (default conformance/autobahn/reports)")
	flags.StringVar(&cfg.expect, "expect", "", "the `file` of expectations (default conformance/autobahn/expect.txt)")
	flags.BoolVar(&cfg.update, "update", false, "rewrite the expectations; refused for anything but OK and INFORMATIONAL")
	flags.DurationVar(&cfg.timeout, "timeout", time.Hour, "give up after this `time`")
	if err := flags.Parse(args); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			err = fmt.Errorf("flags: %w", err)
		}
		return config{}, err
	}
	if flags.NArg() > 0 {
		return config{}, fmt.Errorf("argument %q, want flags only", flags.Arg(0))
	}
	var ok bool
	if cfg.echo, ok = modes[*mode]; !ok {
		return config{}, fmt.Errorf("mode %q, want blocking, loop or inline", *mode)
	}
	var err error
	if cfg.patterns, err = choosePatterns(*groups, *cases, *quick); err != nil {
		return config{}, err
	}
	if cfg.roles, err = chooseRoles(*roleFlag); err != nil {
		return config{}, err
	}
	if cfg.http2 && !slices.Equal(cfg.roles, []role{roleServer}) {
		return config{}, errors.New("-http2 wants -role server: the suite's server speaks HTTP/1.1")
	}
	return cfg, nil
}

func choosePatterns(groups, cases string, quick bool) ([]pattern, error) {
	byDefault := groups == strings.Join(allGroups, ",")
	switch {
	case cases != "" && (quick || !byDefault), quick && !byDefault:
		return nil, errors.New("only one of -groups, -cases and -quick makes sense")
	case cases != "":
		return parsePatterns(cases)
	case quick:
		return quickPatterns(), nil
	}
	patterns, err := parsePatterns(strings.ReplaceAll(groups, ",", ".*,") + ".*")
	if err != nil {
		return nil, fmt.Errorf("-groups %s: %w", groups, err)
	}
	return patterns, nil
}

func chooseRoles(name string) ([]role, error) {
	if name == "both" {
		return roles, nil
	}
	if !slices.Contains(roles, role(name)) {
		return nil, fmt.Errorf("role %q, want server, client or both", name)
	}
	return []role{role(name)}, nil
}

// locate fills in the paths that the flags left open.
func (cfg *config) locate() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	cfg.root = root
	home := filepath.Join(root, "conformance", "autobahn")
	if cfg.out == "" {
		cfg.out = filepath.Join(home, "reports")
	}
	if cfg.expect == "" {
		cfg.expect = filepath.Join(home, "expect.txt")
	}
	// The suite runs in a process of its own, perhaps elsewhere.
	cfg.out, err = filepath.Abs(cfg.out)
	return err
}

// moduleRoot looks for the clone of the module that the working directory is in.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod")) //nolint:gosec // G304: where the user is.
		if err == nil && strings.HasPrefix(string(data), "module golazy.dev\n") {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("not inside a clone of golazy.dev")
		}
		dir = up
	}
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cfg, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	echo = cfg.echo
	if err := cfg.locate(); err != nil {
		return err
	}
	expected, err := readExpectations(cfg.expect)
	if err != nil {
		if !cfg.update || !errors.Is(err, os.ErrNotExist) {
			return err
		}
		expected = newExpectations()
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.timeout)
	defer cancel()
	python, err := findPython(ctx, cfg.root, stderr)
	if err != nil {
		return err
	}
	if cfg.update {
		return cfg.rewrite(ctx, python, expected, stdout)
	}
	return cfg.check(ctx, python, expected, stdout)
}

// check runs the cases in every role and compares them with the expectations.
func (cfg config) check(ctx context.Context, python []string, expected expectations, stdout io.Writer) error {
	for _, r := range cfg.roles {
		// Nothing expected is nothing checked, which must not look like success.
		if len(expected.selected(r, cfg.patterns)) == 0 {
			return fmt.Errorf("%s expects nothing of the %s in these cases", cfg.expect, r)
		}
	}
	passed, failed := 0, 0
	for _, r := range cfg.roles {
		run, err := cfg.run(ctx, python, r, stdout)
		if err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
		problems := judge(expected.selected(r, cfg.patterns), run.planned, run.results)
		explain(stdout, r, run.dir, problems)
		passed += len(run.results) - countRan(problems, run.results)
		failed += len(problems)
	}
	say(stdout, "autobahn: %d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return fmt.Errorf("%d cases are not as %s says", failed, cfg.expect)
	}
	return nil
}

func countRan(problems []problem, results map[string]result) int {
	n := 0
	for _, p := range problems {
		if _, ran := results[p.ID]; ran {
			n++
		}
	}
	return n
}

// rewrite runs the cases in every role and makes what it saw the expectations,
// for all roles or for none.
func (cfg config) rewrite(ctx context.Context, python []string, expected expectations, stdout io.Writer) error {
	var refused []error
	for _, r := range cfg.roles {
		run, err := cfg.run(ctx, python, r, stdout)
		if err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
		if err := expected.update(r, cfg.patterns, run.planned, run.results); err != nil {
			refused = append(refused, err)
			problems := judge(expected.selected(r, cfg.patterns), run.planned, run.results)
			explain(stdout, r, run.dir, problems)
		}
	}
	if err := errors.Join(refused...); err != nil {
		return fmt.Errorf("expectations not updated:\n%w", err)
	}
	if err := os.WriteFile(cfg.expect, expected.format(), 0o644); err != nil { //nolint:gosec // G306: a file of the tree.
		return err
	}
	say(stdout, "autobahn: %s updated\n", cfg.expect)
	return nil
}
