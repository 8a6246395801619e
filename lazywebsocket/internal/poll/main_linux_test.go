package poll

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run if a goroutine of the package is left at its end, or a
// descriptor of an epoll.
func TestMain(m *testing.M) {
	if spec := os.Getenv(clientEnv); spec != "" {
		if err := runClients(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	for wait := time.Millisecond; code == 0; wait *= 2 {
		left := leaked() + epolls()
		if left == "" {
			break
		}
		if wait > time.Second {
			fmt.Fprintf(os.Stderr, "left:\n%s\n", left)
			code = 1
		}
		time.Sleep(wait) // nothing can be waited for: the condition is polled
	}
	os.Exit(code)
}

// leaked returns the stacks of the goroutines that run this package's code,
// without that of TestMain.
func leaked() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var left []string
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "internal/poll.(*runner)") || strings.Contains(stack, "internal/poll.(*Socket)") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}

// epolls returns what is left of epolls and eventfds but for the runtime's own.
func epolls() string {
	kinds := map[string]int{}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err.Error()
	}
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, "anon_inode:[event") {
			kinds[to]++
		}
	}
	for kind, n := range kinds {
		if n > 1 {
			return fmt.Sprintf("%d %s", n, kind)
		}
	}
	return ""
}
