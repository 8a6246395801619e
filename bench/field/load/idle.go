package load

import (
	"encoding/json"
)

// Usage is what a server's process answers to /usage, after forced collections.
type Usage struct {
	Heap  int // bytes of live objects
	Stack int // bytes of goroutines' stacks
}

const (
	idleMessages = 2
	// atOnce is how many connections are busy at a time; the others wait.
	atOnce = 50
)

// idle opens connections, exchanges messages on each, and measures what the
// server holds while all of them wait. What is there with the first one, which
// is made once for all, is not counted.
func idle(t Task) (Result, error) {
	group, err := openIdle(t)
	if err != nil {
		return Result{}, err
	}
	defer group.close()
	if err := group.grow(1); err != nil {
		return Result{}, err
	}
	base, err := t.usage()
	if err != nil {
		return Result{}, err
	}
	for left := t.Scenario.Conns; left > 0; left -= atOnce {
		if err := group.grow(min(left, atOnce)); err != nil {
			return Result{}, err
		}
	}
	now, err := t.usage()
	n := float64(t.Scenario.Conns)
	return Result{
		Conns: t.Scenario.Conns,
		Heap:  float64(now.Heap-base.Heap) / n,
		Stack: float64(now.Stack-base.Stack) / n,
		RSS:   float64(now.rss-base.rss) / n,
	}, err
}

// waiters are connections that wait once they have exchanged their messages.
type waiters interface {
	grow(n int) error
	close()
}

func openIdle(t Task) (waiters, error) {
	if t.Scenario.TLS {
		return &tlsWaiters{task: t, script: newScript(t.Scenario.Size, 1, t.Scenario.Binary)}, nil
	}
	t.Scenario.Conns = 0
	s := newScript(t.Scenario.Size, 1, t.Scenario.Binary)
	g, err := dialGroup(t, s)
	return &plainWaiters{g, t, s}, err
}

type plainWaiters struct {
	group  *group
	task   Task
	script *script
}

func (w *plainWaiters) grow(n int) error {
	had := len(w.group.players)
	if err := w.group.grow(w.task, n, w.script); err != nil {
		return err
	}
	return w.group.play(w.group.players[had:], idleMessages)
}

func (w *plainWaiters) close() { w.group.loop.close() }

type usage struct {
	Usage
	rss int
}

func (t Task) usage() (u usage, err error) {
	if t.Control != "" {
		b, err := t.ask("/usage")
		if err != nil {
			return u, err
		}
		if err := json.Unmarshal(b, &u.Usage); err != nil {
			return u, err
		}
	}
	u.rss, err = resident(t.PID)
	return u, err
}
