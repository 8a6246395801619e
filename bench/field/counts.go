package main

import (
	"errors"
	"fmt"
	"os"

	"golazy.dev/bench/field/load"
	"golazy.dev/bench/field/report"
	"golazy.dev/bench/field/scenario"
)

// countScale is the part of the messages in which system calls are counted.
const countScale = 0.2

// counts runs every server once for every scenario, and counts its system calls.
func (c config) counts() (lines string, failed error) {
	chosen := c.chosen()
	for _, s := range c.scenarios() {
		for _, server := range chosen {
			if s.Kind == scenario.Idle || lacks(server, s) != "" {
				continue
			}
			r, err := count(server.Name, s)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				failed = errors.Join(failed, err)
				continue
			}
			fmt.Fprint(os.Stderr, report.Short(s.Name, server.Name, r))
			lines += report.Line(s.Name, server.Name, r)
		}
	}
	return lines, failed
}

func count(server string, s scenario.Scenario) (load.Result, error) {
	r, err := measure(server, s.Scaled(countScale), options{calls: true})
	if err != nil {
		err = fmt.Errorf("%s, %s: %w", s.Name, server, err)
	}
	return r, err
}
