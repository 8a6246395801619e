package lazywebsocket

import "time"

// watch looks after a queue that somebody else is to send on his way: who is inside
// the write gate, or writes a message in fragments. He may be stuck, with a peer
// that takes nothing. It looks once a second, while something waits. Guarded by the
// mu of the write gate.
type watch struct {
	timer  *time.Timer
	moved  uint64    // of the queue, at the last look
	writes uint32    // of the writer, likewise
	since  time.Time // nothing has been taken, while somebody was inside, since then
}

// watchQueue looks after the queue, unless that is done already. The gate's mu is
// held.
func (c *Conn) watchQueue(q *queue) {
	if q.watch != nil || q.patient || q.ended {
		return
	}
	w := &watch{moved: q.moved, writes: c.w.writes.Load(), since: time.Now()}
	w.timer = time.AfterFunc(q.lookAfter(), func() { c.look(q, w) })
	q.watch = w
}

// lookAfter is the time between two looks.
func (q *queue) lookAfter() time.Duration {
	if patience := q.patience(); patience > 0 {
		return min(patience, slowAfter)
	}
	return slowAfter
}

// endWatch ends watchQueue. The gate's mu is held.
func (q *queue) endWatch() {
	if q.watch != nil {
		q.watch.timer.Stop()
		q.watch = nil
	}
}

// look counts in the budget what has waited since the last look, and ends the
// connection when the queue's patience is at its end.
func (c *Conn) look(q *queue, w *watch) {
	quiet, waits := c.lookInside(q, w)
	patience := q.patience()
	switch {
	case !waits:
		return
	case patience > 0 && quiet >= patience:
		c.setFate(q, errStalled)
		c.abort()
	case patience > 0 && quiet >= q.lookAfter() && !c.finalDeadlines():
		c.deadlines.probe() // what has left of a blocked write shows when it returns
	}
	if b := c.budget(); b.beyond() {
		b.relieve()
	}
}

// lookInside is the part of look that needs the gate's mu. It returns for how long
// the peer has taken nothing, and whether something waits still.
func (c *Conn) lookInside(q *queue, w *watch) (quiet time.Duration, waits bool) {
	g := &c.w.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if q.watch != w {
		return 0, false
	}
	if q.patient || q.ended || q.fate != nil || q.ring.n == 0 && q.leaving == 0 {
		q.watch = nil
		return 0, false
	}
	writes, now := c.w.writes.Load(), time.Now()
	if q.moved == w.moved {
		c.startBehind(q)
	}
	if q.moved != w.moved || writes != w.writes || !g.busy {
		w.since = now
	}
	w.moved, w.writes = q.moved, writes
	w.timer.Reset(q.lookAfter())
	return now.Sub(w.since), true
}
