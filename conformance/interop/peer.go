package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// peer is another library, in a process of its own.
type peer struct {
	name     string
	command  []string
	messages string // the file with the corpus
	repeats  string // the file with the repeated message
	stderr   io.Writer
}

// job is what a peer is told, once.
type job struct {
	Cases []peerJob `json:"cases"`
}

type peerJob struct {
	Name     string       `json:"name"`
	URL      string       `json:"url,omitempty"`
	Messages string       `json:"messages"`
	Deflate  *peerOptions `json:"deflate"`
	Fragment bool         `json:"fragment"`
}

// event is what a peer tells: where the server of a case listens, or how a
// connection ended.
type event struct {
	Case       string `json:"case"`
	Port       int    `json:"port"`
	Extensions string `json:"extensions"`
	Received   int    `json:"received"`
	Closed     int    `json:"closed"`
	Error      string `json:"error"`
}

// process is a running peer. It ends when its standard input does.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	events *bufio.Scanner
}

func (p peer) start(ctx context.Context, role string, j job) (*process, error) {
	cmd := exec.CommandContext(ctx, p.command[0], append(p.command[1:], role)...) //nolint:gosec // G204: the flags name it.
	cmd.Stderr = p.stderr
	cmd.WaitDelay = 10 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	out := &process{cmd: cmd, stdin: stdin, events: bufio.NewScanner(stdout)}
	if err := json.NewEncoder(stdin).Encode(j); err != nil {
		return nil, errors.Join(err, out.stop())
	}
	return out, nil
}

// next returns the next thing that the peer tells.
func (p *process) next() (event, error) {
	if !p.events.Scan() {
		if err := p.events.Err(); err != nil {
			return event{}, err
		}
		return event{}, errors.New("the peer ended early")
	}
	var e event
	if err := json.Unmarshal(p.events.Bytes(), &e); err != nil {
		return event{}, fmt.Errorf("the peer said %q: %w", p.events.Text(), err)
	}
	return e, nil
}

// stop ends the peer.
func (p *process) stop() error {
	_ = p.stdin.Close()
	return p.cmd.Wait()
}

func (p peer) jobOf(tc testCase, url string) peerJob {
	file := p.messages
	if tc.repeats {
		file = p.repeats
	}
	return peerJob{Name: tc.name, URL: url, Messages: file, Deflate: tc.peer, Fragment: tc.fragment}
}
