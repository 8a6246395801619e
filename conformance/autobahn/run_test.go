package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const fakeExpectations = "1.1.1|OK|OK|OK|OK\n1.1.2|OK|OK|OK|OK\n7.1.6|OK|OK|OK|OK\n"

// runCommand runs the command in a directory of its own, with a file of
// expectations, and returns what it printed and that file afterwards.
func runCommand(t *testing.T, expect string, args ...string) (string, string, error) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "expect.txt")
	if expect != "" {
		if err := os.WriteFile(file, []byte(expect), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	args = append([]string{"-out", filepath.Join(dir, "reports"), "-expect", file}, args...)
	err := command(t.Context(), args, &out, &out)
	after, readErr := os.ReadFile(file)
	if readErr != nil && expect != "" {
		t.Fatal(readErr)
	}
	return out.String(), string(after), err
}

func TestCheckPasses(t *testing.T) {
	fakeSuite(t, fakeGood)
	out, _, err := runCommand(t, fakeExpectations)
	if err != nil || !strings.HasSuffix(out, "autobahn: 6 passed, 0 failed\n") {
		t.Errorf("got %v\n%s", err, out)
	}
	// Once in each role.
	for _, text := range []string{"server: 3 cases against ws://127.0.0.1:", "client: 3 cases from ws://127.0.0.1:"} {
		if strings.Count(out, text) != 1 {
			t.Errorf("no %q in\n%s", text, out)
		}
	}
	out, _, err = runCommand(t, fakeExpectations, "-role", "client")
	if err != nil || !strings.HasSuffix(out, "autobahn: 3 passed, 0 failed\n") {
		t.Errorf("client: got %v\n%s", err, out)
	}
}

func TestCheckFails(t *testing.T) {
	for name, tc := range map[string]struct{ manner, expect, says string }{
		"non-strict":     {fakeNonStrict, fakeExpectations, "autobahn: 4 passed, 2 failed\n"},
		"case missing":   {fakeShort, fakeExpectations, "case 7.1.6: expected, but did not run"},
		"case unknown":   {fakeGood, "1.1.1|OK|OK|OK|OK\n1.1.2|OK|OK|OK|OK\n", "case 7.1.6: OK, close OK, but the expectations do not know it"},
		"another result": {fakeGood, strings.Replace(fakeExpectations, "7.1.6|OK", "7.1.6|INFORMATIONAL", 1), "case 7.1.6: OK, close OK, want INFORMATIONAL"},
	} {
		t.Run(name, func(t *testing.T) {
			fakeSuite(t, tc.manner)
			out, _, err := runCommand(t, tc.expect)
			if err == nil || !strings.Contains(out, tc.says) {
				t.Errorf("got %v, want an error, and %q in\n%s", err, tc.says, out)
			}
		})
	}
}

// A run that could not be made is an error, never a skip.
func TestCheckCannotRun(t *testing.T) {
	for name, tc := range map[string]struct {
		manner, expect string
		says           string
		args           []string
	}{
		"suite crashes":    {fakeCrash, fakeExpectations, "no module named autobahntestsuite", nil},
		"suite is silent":  {fakeSilent, fakeExpectations, "context deadline exceeded", []string{"-timeout", "1s"}},
		"suite never ends": {fakeEndless, fakeExpectations, "context deadline exceeded", []string{"-timeout", "1s"}},
		"no cases":         {fakeEmpty, fakeExpectations, "the suite has no such case", nil},
		"wrong count":      {fakeMiscount, fakeExpectations, "offers 2 cases, want 3", nil},
		"no index":         {fakeNoIndex, fakeExpectations, "wrote no index", nil},
		"nothing expected": {fakeGood, fakeExpectations, "expects nothing of the server", []string{"-groups", "12"}},
		"no file":          {fakeGood, "", "no such file", nil},
		"bad file":         {fakeGood, "1.1.1|NON-STRICT|OK|OK|OK", "NON-STRICT", nil},
		"bad role":         {fakeGood, fakeExpectations, `role "peer"`, []string{"-role", "peer"}},
		"HTTP/2 client":    {fakeGood, fakeExpectations, "-http2 wants -role server", []string{"-http2"}},
		"bad flag":         {fakeGood, fakeExpectations, "-strict", []string{"-strict"}},
		"an argument":      {fakeGood, fakeExpectations, `argument "7"`, []string{"7"}},
	} {
		t.Run(name, func(t *testing.T) {
			fakeSuite(t, tc.manner)
			out, _, err := runCommand(t, tc.expect, tc.args...)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want an error that says %q; printed:\n%s", err, tc.says, out)
			}
		})
	}
}

func TestSuiteMissing(t *testing.T) {
	t.Setenv(pythonVariable, filepath.Join(t.TempDir(), "python2.7")+" -x")
	_, _, err := runCommand(t, fakeExpectations)
	if err == nil || !strings.Contains(err.Error(), pythonVariable) || !strings.Contains(err.Error(), "Autobahn test suite") {
		t.Errorf("got %v", err)
	}
}

func TestHelp(t *testing.T) {
	if err := command(t.Context(), []string{"-h"}, io.Discard, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v", err)
	}
}

// An interrupt ends the suite's process too, or stop would never return.
func TestInterrupt(t *testing.T) {
	for _, manner := range []string{fakeEndless, fakeSilent} {
		t.Run(manner, func(t *testing.T) {
			fakeSuite(t, manner)
			ctx, cancel := context.WithCancel(t.Context())
			dir := t.TempDir()
			done := make(chan error, 1)
			started := make(chan struct{})
			go func() {
				cmd, err := startSuite(ctx, []string{os.Args[0]}, "fuzzingclient", dir, map[string]any{})
				close(started)
				if err == nil {
					err = cmd.wait()
				}
				done <- err
			}()
			if manner == fakeEndless {
				<-started
			}
			cancel()
			if err := <-done; err == nil {
				t.Error("no error")
			}
			if manner != fakeEndless {
				return // It may not have started.
			}
			log, err := os.ReadFile(logPath(dir))
			if err != nil || !strings.Contains(string(log), fakeLastWords) {
				t.Errorf("it was killed, not told to end: %v, it said %q", err, log)
			}
		})
	}
}

// stop tells the process to end, and kills it only if it does not.
func TestStop(t *testing.T) {
	fakeSuite(t, fakeEndless)
	dir := t.TempDir()
	s, err := startSuite(t.Context(), []string{os.Args[0]}, "fuzzingclient", dir, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	if log, err := os.ReadFile(logPath(dir)); err != nil || !strings.Contains(string(log), fakeLastWords) {
		t.Errorf("it was killed: %v, it said %q", err, log)
	}
	s.stop() // Once more does no harm.
}

// A process that does not end when told to is killed.
func TestStopKills(t *testing.T) {
	defer func(before time.Duration) { stopGrace = before }(stopGrace)
	stopGrace = 10 * time.Millisecond
	fakeSuite(t, fakeDeaf)
	for _, end := range []string{"stop", "context"} {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := startSuite(ctx, []string{os.Args[0]}, "fuzzingclient", t.TempDir(), map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		if end == "stop" {
			s.stop()
		}
		cancel()
		if err := s.wait(); err == nil {
			t.Errorf("%s: no error", end)
		}
	}
}

func TestUpdateCommand(t *testing.T) {
	fakeSuite(t, fakeGood)
	_, after, err := runCommand(t, "", "-update")
	if err != nil {
		t.Fatal(err)
	}
	e, err := parseExpectations([]byte(after))
	if err != nil || len(e[roleServer]) != len(fakeCases) || len(e[roleClient]) != len(fakeCases) {
		t.Errorf("got %v, %v", e, err)
	}
	if _, _, err := runCommand(t, after); err != nil {
		t.Errorf("the updated expectations are not met: %v", err)
	}
}

func TestUpdateCommandRefuses(t *testing.T) {
	for _, manner := range []string{fakeNonStrict, fakeShort} {
		fakeSuite(t, manner)
		out, after, err := runCommand(t, fakeExpectations, "-update")
		if err == nil || after != fakeExpectations {
			t.Errorf("%s: got %v, and the file is now\n%s\nprinted:\n%s", manner, err, after, out)
		}
	}
}
