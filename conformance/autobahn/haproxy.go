package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// haproxyConfig makes an extended CONNECT (RFC 8441) of each upgrade, and one stream
// of each connection. The socket that it takes them from is inherited.
const haproxyConfig = `global
	maxconn 1024
defaults
	mode http
	timeout connect 5s
	timeout client 2m
	timeout server 2m
	timeout tunnel 2m
	timeout client-fin 10s
	timeout server-fin 10s
frontend suite
	bind fd@3
	default_backend echo
backend echo
	server echo %s proto h2
`

// A haproxy stands between the suite, which speaks HTTP/1.1 only, and the library.
type haproxy struct {
	address string
	cmd     *exec.Cmd
	exited  chan struct{}
}

// startHaproxy starts one in front of a server of HTTP/2 without TLS. What it prints
// goes to haproxy.log in dir. It takes connections at once: the socket listens.
func startHaproxy(ctx context.Context, dir, server string) (_ *haproxy, err error) {
	path, err := findHaproxy()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(config, fmt.Appendf(nil, haproxyConfig, server), 0o600); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	log, logErr := os.Create(filepath.Join(dir, "haproxy.log")) //nolint:gosec // G304: in the report directory.
	socket, socketErr := listener.(*net.TCPListener).File()
	defer func() {
		for _, f := range []io.Closer{listener, log, socket} { // the process has its own
			_ = f.Close()
		}
	}()
	if err := errors.Join(logErr, socketErr); err != nil {
		return nil, err
	}
	p := &haproxy{address: listener.Addr().String(), exited: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, path, "-db", "-f", config) //nolint:gosec // G204: found in PATH.
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.ExtraFiles = log, log, []*os.File{socket}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait()
	}()
	return p, nil
}

// findHaproxy looks where Debian has it, too, which is not in every user's PATH.
func findHaproxy() (string, error) {
	for _, name := range []string{"haproxy", "/usr/sbin/haproxy"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("-http2 needs haproxy: install Debian's package haproxy")
}

// stop ends the process and waits for that.
func (p *haproxy) stop() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}
