package proxies_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// process is a program that runs, with a process group of its own.
type process struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
	out   buffer        // what it says, for when the test fails
}

// startProcess starts a program, which ends with the test at the latest, its
// children too.
func startProcess(t testing.TB, dir, name string, args ...string) *process {
	t.Helper()
	p := newProcess(t, name, args...)
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	p.cmd.Stdout = &p.out
	p.start()
	return p
}

func newProcess(t testing.TB, name string, args ...string) *process {
	return &process{t: t, name: name, cmd: exec.Command(name, args...), ended: make(chan struct{})}
}

// start starts it, as startProcess says.
func (p *process) start() {
	p.t.Helper()
	p.cmd.Stderr = &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	p.t.Cleanup(func() {
		p.kill()
		if p.t.Failed() {
			p.t.Logf("%s:\n%s", strings.Join(p.cmd.Args, " "), p.out.String())
		}
	})
}

// kill ends the process and its children, now.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// stop sends a signal and waits for the end. It returns the exit code; -1 for a
// signal.
func (p *process) stop(s os.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	return p.wait()
}

// wait waits for the end, and returns what stop does.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("%s did not end", p.name)
		return 0
	}
}

// freePort returns the number of a port that nobody has, and gives each once: tests run
// beside each other. It is none of those that the system gives to clients.
func freePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		if _, given := ports.LoadOrStore(port, true); given {
			continue
		}
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

var ports sync.Map // that were given

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// ready waits until a URL answers 200.
func ready(t testing.TB, url string) {
	t.Helper()
	eventually(t, url+" is ready", func() bool { return status(url) == http.StatusOK })
}

// status asks for a URL, over a connection of its own. It returns 0 where nobody
// answers.
func status(url string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}
