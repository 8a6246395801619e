package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golazy.dev/bench/field/load"
	"golazy.dev/bench/field/parts"
	"golazy.dev/bench/field/report"
	"golazy.dev/bench/field/scenario"
)

// profileTime is the CPU time that a profile is of: at 100 Hz 2,000 samples.
const profileTime = 20 * time.Second

// profiled are the servers whose CPU time is divided.
func profiled() []string {
	return []string{"lazywebsocket", "lazywebsocket-loop", "lazywebsocket-inline"}
}

// profileAll writes where the CPU time of our servers goes.
func (c config) profileAll() error {
	if err := load.CanCount(); err != nil {
		return err
	}
	m := machine()
	text := fmt.Sprintf("%s, %s, %d cores, %s, Linux %s\n", m.Date, m.CPU, m.Cores, m.Go, m.Kernel)
	for _, s := range c.scenarios() {
		if s.Kind == scenario.Idle {
			continue
		}
		table, err := c.profileScenario(s)
		if err != nil {
			return err
		}
		text += table
		if err := os.WriteFile(c.profiles, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// profileScenario is a table of a scenario.
func (c config) profileScenario(s scenario.Scenario) (string, error) {
	t := report.Profiles{Title: s.Title}
	for _, name := range profiled() {
		if !c.servers.MatchString(name) {
			continue
		}
		p, err := c.profileServer(name, s)
		if err != nil {
			return "", fmt.Errorf("%s, %s: %w", s.Name, name, err)
		}
		fmt.Fprintf(os.Stderr, "%-18s %-22s %d samples, %.0f %% of them in the kernel\n",
			s.Name, name, p.Shares.Samples, p.Shares.Percent(parts.Kernel))
		t.Servers = append(t.Servers, p)
	}
	return t.Markdown(), nil
}

// profileServer runs a server three times: to see how many messages it takes, to
// count its system calls, which a profile's signals would add to, and with a
// profile.
func (c config) profileServer(name string, s scenario.Scenario) (p report.Profile, err error) {
	first, err := measure(name, s.Scaled(countScale), options{})
	if err != nil {
		return p, err
	}
	counted, err := count(name, s)
	if err != nil {
		return p, err
	}
	dir, err := os.MkdirTemp("", "field")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // of temporary files
	want := float64(profileTime) * c.scale / max(float64(first.CPU), 1) * float64(first.Messages)
	s.Messages = max(int(want), 1)
	file := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
	run, err := measure(name, s, options{profile: file})
	if err != nil {
		return p, err
	}
	f, err := os.Open(file) //nolint:gosec // its own
	if err != nil {
		return p, err
	}
	defer f.Close() //nolint:errcheck // only read
	p = report.Profile{Server: name, CPU: perMessage(run), Calls: report.PerMessage(counted)}
	p.Shares, err = parts.Read(f)
	return p, err
}

func perMessage(r load.Result) time.Duration { return r.CPU / time.Duration(max(r.Messages, 1)) }
