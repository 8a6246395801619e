package main

import (
	"fmt"
	"os"

	"golazy.dev/bench/field/report"
	"golazy.dev/bench/field/scenario"
	"golazy.dev/bench/field/servers"
)

// print writes the tables of what has been measured.
func (c config) print(raw string) error {
	data, err := report.Parse(raw)
	if err != nil {
		return err
	}
	text := report.Markdown(data, c.names(), servers.Baseline)
	if c.out != "" {
		return os.WriteFile(c.out, []byte(text), 0o600)
	}
	_, err = fmt.Print(text)
	return err
}

// names are the titles of what the flags choose, and the order.
func (c config) names() report.Names {
	var n report.Names
	for _, s := range scenario.All() {
		if !c.only.MatchString(s.Name) {
			continue
		}
		n.Scenarios = append(n.Scenarios, report.Name{Name: s.Name, Title: s.Title})
	}
	for _, s := range servers.All() {
		if !c.servers.MatchString(s.Name) {
			continue
		}
		n.Servers = append(n.Servers, report.Name{Name: s.Name, Title: s.Setting})
	}
	return n
}

func (c config) readRaw() (string, error) {
	file := c.raw
	if file == "" {
		file = "field/results.txt"
	}
	b, err := os.ReadFile(file) //nolint:gosec // the file that was asked for
	return string(b), err
}

func (c config) reportRaw() error {
	raw, err := c.readRaw()
	if err != nil {
		return err
	}
	return c.print(raw)
}

func (c config) drawRaw() error {
	raw, err := c.readRaw()
	if err != nil {
		return err
	}
	data, err := report.Parse(raw)
	if err != nil {
		return err
	}
	return os.WriteFile(c.draw, []byte(report.Draw(data, c.names(), figure())), 0o600)
}

// figure has few servers: gorilla's, the best of the other Go libraries, the C++
// server and ours.
func figure() report.Figure {
	return report.Figure{
		Base:   servers.Baseline,
		Before: []report.Bar{{Server: servers.Baseline, Label: "gorilla"}},
		Best:   []string{"gorilla-best", "coder", "gobwas", "gws", "nbio", "nbio-inline"},
		After: []report.Bar{
			{Server: "uwebsockets", Label: "uWebSockets (C++)", Class: "other"},
			{Server: "lazywebsocket", Label: "lazywebsocket", Class: "own"},
			{Server: "lazywebsocket-inline", Label: "lazywebsocket, inline", Class: "own"},
		},
	}
}
