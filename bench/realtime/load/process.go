// Package load is what drives the servers: clients that speak their protocols,
// scenarios, and the reading of what a server's process has taken.
package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is a server's process.
type Process struct {
	cmd  *exec.Cmd
	addr string
}

// Start starts a server, and waits until it listens.
func Start(cmd *exec.Cmd) (*Process, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(err, cmd.Wait())
	}
	return &Process{cmd, strings.TrimSpace(addr)}, nil
}

// Addr is where it listens.
func (p *Process) Addr() string { return p.addr }

// Stop kills the server.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	_ = p.cmd.Wait()                          // killed
}

// Pin keeps this process on a core.
func Pin(core int) error {
	var set unix.CPUSet
	set.Set(core)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		var tid int
		if _, err := fmt.Sscan(t.Name(), &tid); err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// Usage is what a server has taken.
type Usage struct {
	CPU      int64 `json:"cpu"`      // ns
	Resident int64 `json:"resident"` // bytes
}

// Usage asks the server, after a collection if memory is set.
func (p *Process) Usage(memory bool) (u Usage, err error) {
	path := "/usage"
	if memory {
		path += "?memory"
	}
	body, err := p.do(http.MethodGet, path)
	if err == nil {
		err = json.Unmarshal(body, &u)
	}
	return u, err
}

// publish lets the server publish, and returns when it has.
func (p *Process) publish(topics, messages, bytes, rate int) error {
	_, err := p.do(http.MethodPost, fmt.Sprintf("/publish?topics=%d&messages=%d&bytes=%d&rate=%d", topics, messages, bytes, rate))
	return err
}

func (p *Process) do(method, path string) ([]byte, error) {
	r, err := http.NewRequest(method, "http://"+p.addr+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it has been read
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return body, err
}
