package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed wstest.py
var wstestScript []byte

// pythonVariable names the environment variable with the command that runs a
// Python 2.7 which has the suite. It may have arguments, separated by blanks.
const pythonVariable = "AUTOBAHN_PYTHON"

// findPython returns that command: the one the user names, or else the one that
// the install script provides.
func findPython(ctx context.Context, root string, log io.Writer) ([]string, error) {
	if command := strings.Fields(os.Getenv(pythonVariable)); len(command) > 0 {
		if _, err := exec.LookPath(command[0]); err != nil {
			return nil, fmt.Errorf("%s is to run a Python 2.7 that has the Autobahn test suite (see conformance/README.md): %w", pythonVariable, err)
		}
		return command, nil
	}
	script := filepath.Join(root, "conformance", "install-autobahn.sh")
	install := exec.CommandContext(ctx, "bash", script) //nolint:gosec // G204: the script of this clone.
	install.Stderr = log
	out, err := install.Output()
	if err != nil {
		return nil, fmt.Errorf("the Autobahn test suite is not installed, and %s: %w (see above, and conformance/README.md)", script, err)
	}
	return []string{strings.TrimSpace(string(out))}, nil
}

// suite is a running process of the test suite.
type suite struct {
	// cases are the IDs that it is about to run.
	cases []string
	// address is where a fuzzing server listens.
	address string

	cmd    *exec.Cmd
	stdin  io.Closer
	lines  chan string // What it tells us, see output; closed at the end.
	exited chan struct{}
	err    error // Valid once exited is closed.
}

// stopGrace is how long the process may take to end after its input has. Tests
// make it shorter.
var stopGrace = 5 * time.Second

// startSuite starts a mode of the suite with its spec and reports in dir. The
// process ends with ctx, with stop, and with this process.
func startSuite(ctx context.Context, python []string, mode, dir string, spec map[string]any) (*suite, error) {
	script, specFile := filepath.Join(dir, "wstest.py"), filepath.Join(dir, "spec.json")
	data, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.WriteFile(script, wstestScript, 0o600), os.WriteFile(specFile, data, 0o600)); err != nil {
		return nil, err
	}
	args := append(python[1:len(python):len(python)], "-u", script, mode, specFile)
	cmd := exec.CommandContext(ctx, python[0], args...) //nolint:gosec // G204: the user's own command.
	s, err := launch(cmd, logPath(dir))
	if err != nil {
		return nil, err
	}
	if err := s.greet(mode); err != nil {
		s.stop()
		return nil, fmt.Errorf("the suite did not start with the command %q: %w", python, withLog(ctx, err, dir))
	}
	return s, nil
}

func launch(cmd *exec.Cmd, logFile string) (*suite, error) {
	log, err := os.Create(logFile) //nolint:gosec // G304: in the report directory.
	if err != nil {
		return nil, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	s := &suite{cmd: cmd, stdin: stdin, lines: make(chan string, 2), exited: make(chan struct{})}
	// The script ends at the end of its input. Killing is for when it does not,
	// since a container would outlive the docker command that started it.
	cmd.Cancel = stdin.Close
	cmd.WaitDelay = stopGrace
	out := &output{log: log, told: s.lines}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	go func() {
		s.err = errors.Join(cmd.Wait(), log.Close())
		close(s.lines)
		close(s.exited)
	}()
	return s, nil
}

// output receives what the process prints. All of it goes to the log; lines that
// begin with "@" are meant for us.
type output struct {
	log  io.Writer
	told chan<- string
	line []byte // What has come of the line so far.
}

func (o *output) Write(p []byte) (int, error) {
	for _, b := range p {
		if b != '\n' {
			o.line = append(o.line, b)
			continue
		}
		if bytes.HasPrefix(o.line, []byte("@")) {
			select {
			case o.told <- strings.TrimSpace(string(o.line)):
			default: // More than was agreed on: nobody waits for it.
			}
		}
		o.line = o.line[:0]
	}
	return o.log.Write(p)
}

// greet waits for the lines with which the script says that it runs.
func (s *suite) greet(mode string) error {
	for line := range s.lines {
		name, rest, _ := strings.Cut(line, " ")
		switch name {
		case "@cases":
			s.cases = strings.Fields(rest)
			if len(s.cases) == 0 {
				return errors.New("the suite has no such case")
			}
			if mode == "fuzzingclient" {
				return nil
			}
		case "@listening":
			s.address = rest
			return nil
		}
	}
	<-s.exited
	return orExited(s.err)
}

// wait waits until the process has ended by itself.
func (s *suite) wait() error {
	<-s.exited
	return s.err
}

// stop ends the process and waits for that. It may be called when it has ended.
func (s *suite) stop() {
	_ = s.stdin.Close() // The script takes this as the order to end.
	select {
	case <-s.exited:
	case <-time.After(stopGrace):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

func orExited(err error) error {
	if err == nil {
		return errors.New("it exited without a word")
	}
	return err
}

func logPath(dir string) string { return filepath.Join(dir, "wstest.log") }

// withLog adds to an error of the suite's process the end of what it printed,
// unless it was told to end.
func withLog(ctx context.Context, err error, dir string) error {
	if ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w; its last words:\n%s", err, tail(logPath(dir)))
}

// tail returns the last lines of a log.
func tail(path string) string {
	data, err := os.ReadFile(path) //nolint:gosec // G304: in the report directory.
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	lines = lines[max(0, len(lines)-15):]
	for i := range lines {
		lines[i] = "  " + shorten(lines[i])
	}
	return strings.Join(lines, "\n")
}
