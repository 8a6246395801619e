//go:build unix

package nats_test

import (
	"context"
	"syscall"
	"testing"
	"time"
)

// A server that led the control log, and is cut off from the others, answers for a while
// as if it still did. What it says is not taken for all there is: a node that is on its
// side has to learn that it hears of no revocation.
func TestControlsOfALeaderThatIsCutOff(t *testing.T) {
	c := startProcesses(t, false)
	o := testOptions()
	l := open(t, c.url(), o)
	c.whole(o.Name + "_control")
	leader := c.leader(o.Name + "_control")
	alone := open(t, addresses([]int{c.options[leader].Port}), o)
	put(t, l, "anna")
	after := wantControls(t, alone, 0, "anna")
	signal := func(s syscall.Signal) {
		for i, cmd := range c.cmds {
			if i != leader {
				if err := cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	signal(syscall.SIGSTOP)
	for cut := time.Now(); time.Since(cut) < 5*time.Second; {
		begin := time.Since(cut)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, _, err := alone.Controls(ctx, after)
		cancel()
		if err == nil && begin > 500*time.Millisecond { // who has the signal already
			t.Fatalf("%v after the cut it says that there is nothing new", begin)
		}
	}
	signal(syscall.SIGCONT)
	put(t, l, "berta")
	wantControls(t, alone, after, "berta")
}
