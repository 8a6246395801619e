package sqlite

import "time"

const (
	lingerMost = time.Millisecond
	// lingerPart is which part of the last commit's time the writer waits at most.
	lingerPart = 4
)

// linger is how long the writer waits for ops that are about to come. Those whom a
// commit has answered often come back at once with their next message: without
// waiting for them half of the publishers would be in each commit, and the disk
// would have twice the fsyncs to do. Whoever is alone does not wait.
type linger struct {
	expected [2]int // ops of the latest commits
	most     time.Duration
	began    time.Time // of the wait for the batch that is being gathered, if any
	timer    *time.Timer
}

// committed notes a commit: how many ops, and how long it took.
func (g *linger) committed(ops int, took time.Duration) {
	g.expected[0], g.expected[1] = ops, g.expected[0]
	g.most = min(took/lingerPart, lingerMost)
	g.began = time.Time{}
}

// wait returns the next op, or nil if no more is worth waiting for.
func (g *linger) wait(queue <-chan *op, have int) *op {
	if have >= max(g.expected[0], g.expected[1]) {
		return nil
	}
	if g.began.IsZero() {
		g.began = time.Now()
	}
	left := g.most - time.Since(g.began)
	if left <= 0 {
		return nil
	}
	if g.timer == nil {
		g.timer = time.NewTimer(left)
	} else {
		g.timer.Reset(left)
	}
	defer g.timer.Stop()
	select {
	case o := <-queue: // nil when it is closed
		return o
	case <-g.timer.C:
		return nil
	}
}
