package lazywebsocket_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run if a goroutine of the package is left at its end.
func TestMain(m *testing.M) {
	code := m.Run()
	for wait := time.Millisecond; code == 0; wait *= 2 {
		left := leaked()
		if left == "" {
			break
		}
		if wait > 4*time.Second { // a connection lingers for two
			fmt.Fprintf(os.Stderr, "goroutines left:\n%s\n", left)
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
		if strings.Contains(stack, "golazy.dev/lazywebsocket") && !strings.Contains(stack, ".TestMain(") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}
