package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// allCalls is the kernel's trace point for system calls. It is used with a filter
// for each of them: those that each has of its own take the kernel seconds to
// attach to.
const allCalls = "raw_syscalls:sys_enter"

// Other counts the calls that are not among those with a name.
const Other = "other"

type call struct {
	name   string
	number int // of amd64
}

// named are the calls that are counted by name.
func named() []call {
	return []call{
		{"read", 0},
		{"write", 1},
		{"readv", 19},
		{"writev", 20},
		{"recvfrom", 45},
		{"sendto", 44},
		{"recvmsg", 47},
		{"sendmsg", 46},
		{"epoll_wait", 232},
		{"epoll_pwait", 281},
		{"epoll_ctl", 233},
		{"accept4", 288},
		{"shutdown", 48},
		{"close", 3},
		{"setsockopt", 54},
		{"getsockname", 51},
		{"futex", 202},
		{"nanosleep", 35},
		{"madvise", 28},
	}
}

// counting are perf's arguments: a line of its output is of all calls, and then
// comes one for each that is named.
func counting() []string {
	args := []string{"stat", "-x,", "--log-fd", "1", "-e", allCalls}
	for _, c := range named() {
		args = append(args, "-e", allCalls, "--filter", "id=="+strconv.Itoa(c.number))
	}
	return args
}

// counter is perf, which counts a process's system calls while it is told to.
// The kernel counts for it: strace would stop the server twice for each call, and
// messages would gather meanwhile.
type counter struct {
	perf    *exec.Cmd
	out     bytes.Buffer // the counts, when it ends
	said    bytes.Buffer
	control *os.File
	answers *bufio.Reader
	closers []*os.File
}

// CanCount is an error if system calls cannot be counted here.
func CanCount() error {
	if runtime.GOARCH != "amd64" {
		return errors.New("load: system calls have their numbers for amd64 only")
	}
	cmd := exec.Command("perf", append(counting(), "true")...) //nolint:gosec,noctx // as above; it ends by itself
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("load: perf cannot count system calls: %w: %s", err, bytes.TrimSpace(said))
	}
	return nil
}

// count begins to count the server's system calls, if that is wanted.
func (t Task) count() (stop func() (map[string]int, error), err error) {
	if !t.Calls {
		return func() (map[string]int, error) { return nil, nil }, nil //nolint:nilnil // nothing was counted
	}
	c := new(counter)
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err := c.start(t.PID); err != nil {
		return nil, err
	}
	if err := c.tell("enable"); err != nil {
		return nil, err
	}
	return c.stop, nil
}

// start attaches perf, which counts nothing yet.
func (c *counter) start(pid int) error {
	theirControl, control, err := os.Pipe()
	if err != nil {
		return err
	}
	c.closers = append(c.closers, theirControl, control)
	answers, theirAnswers, err := os.Pipe()
	if err != nil {
		return err
	}
	c.closers = append(c.closers, answers, theirAnswers)
	c.control, c.answers = control, bufio.NewReader(answers)
	args := append(counting(), "-D", "-1", "--control", "fd:3,4", "-p", strconv.Itoa(pid))
	c.perf = exec.Command("perf", args...) //nolint:gosec,noctx // a number; stop ends it
	c.perf.Stdout, c.perf.Stderr = &c.out, &c.said
	c.perf.ExtraFiles = []*os.File{theirControl, theirAnswers}
	if err := c.perf.Start(); err != nil {
		return fmt.Errorf("load: system calls are counted by perf: %w", err)
	}
	_ = theirAnswers.Close() // so that its end is seen
	return nil
}

// tell waits until perf has obeyed.
func (c *counter) tell(command string) error {
	if _, err := c.control.WriteString(command + "\n"); err != nil {
		return err
	}
	if answer, err := c.answers.ReadString('\n'); err != nil {
		_ = c.perf.Wait() // all that it says
		return fmt.Errorf("load: perf answers %q to %s: %w: %s", answer, command, err, c.said.String())
	}
	return nil
}

// stop returns how often each system call was made.
func (c *counter) stop() (map[string]int, error) {
	defer c.close()
	if err := c.tell("disable"); err != nil {
		return nil, err
	}
	if err := c.perf.Process.Signal(syscall.SIGINT); err != nil {
		return nil, err
	}
	_ = c.perf.Wait() // which the signal ended
	return parseCounts(c.out.String())
}

func (c *counter) close() {
	for _, f := range c.closers {
		_ = f.Close()
	}
}

// parseCounts reads lines of the form "12,,raw_syscalls:sys_enter,...". Calls
// that were never made are left out.
func parseCounts(out string) (map[string]int, error) {
	var counts []int
	for line := range strings.Lines(out) {
		fields := strings.Split(line, ",")
		if len(fields) < 3 || fields[2] != allCalls {
			continue
		}
		n, err := strconv.Atoi(fields[0])
		if err != nil {
			return nil, fmt.Errorf("load: perf says %q: %w", line, err)
		}
		counts = append(counts, n)
	}
	calls := named()
	if len(counts) != 1+len(calls) {
		return nil, fmt.Errorf("load: perf has counted %d of %d: %q", len(counts), 1+len(calls), out)
	}
	other, byName := counts[0], map[string]int{}
	for i, n := range counts[1:] {
		other -= n
		if n > 0 {
			byName[calls[i].name] = n
		}
	}
	if other > 0 {
		byName[Other] = other
	}
	return byName, nil
}
