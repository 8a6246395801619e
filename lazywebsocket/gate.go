package lazywebsocket

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// gate is a lock whose waiters can give up, served in order of arrival. The
// zero value is open.
//
// The writing half of a connection needs a lock with two conditions: one frame
// at a time, and one message at a time, where a message that is streamed in
// fragments lets control frames through between them (RFC 6455, 5.4). One gate
// answers both, so that a whole message costs one lock: busy is the frame,
// stream is the open message. The reading half uses the same type without
// streams.
type gate struct {
	mu     sync.Mutex
	busy   bool // somebody is inside
	owed   bool // and has something to do before it leaves: see tryEnterOrOwe
	stream bool // a message in fragments is open: no other may begin
	torn   bool // and a part of it has left; only who is inside uses it
	queued bool // the queue has messages, or some that are about to leave
	closes bool // the application's Close frame is on its way: nothing can be queued behind it
	first  *waiter
	last   *waiter
}

// waiter is one caller that waits outside a gate; guarded by the gate's mu.
type waiter struct {
	ready   chan struct{} // closed when the gate was handed over
	next    *waiter
	message bool // wants to begin a message, not only to write a frame

	frame frame // the message, if along is set
	along bool  // who is in front may take it along: see takeAlong
	taken bool  // and has done so: err is what became of it
	err   error
}

// entrant says what a caller of enter wants and how long it waits.
type entrant struct {
	ctx      context.Context // nil: cannot be cancelled
	deadline time.Time       // zero: no deadline
	message  bool            // begins a message: waits while a stream is open
}

// streamWait bounds the wait for another writer's open message when the caller
// has no deadline: an application that forgot to close a writer hears of it.
const streamWait = 10 * time.Second

// tryEnter enters if nobody is inside.
func (g *gate) tryEnter() bool {
	g.mu.Lock()
	free := !g.busy
	g.busy = true
	g.mu.Unlock()
	return free
}

// tryBegin is tryEnter for who may want to begin a message.
func (g *gate) tryBegin(message bool) bool {
	g.mu.Lock()
	free := !g.busy && (!message || !g.stream)
	if free {
		g.busy = true
	}
	g.mu.Unlock()
	return free
}

// enterAlways enters, however long that takes.
func (g *gate) enterAlways() {
	if !g.tryEnter() {
		_ = g.enter(entrant{}) // waits without limit, so that it cannot fail
	}
}

// tryEnterOrOwe enters if nobody is inside. Otherwise whoever is inside owes what
// the caller came for: its leave says so.
func (g *gate) tryEnterOrOwe() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy {
		g.owed = true
		return false
	}
	g.busy = true
	return true
}

// enter waits for its turn. It returns os.ErrDeadlineExceeded, the context's
// error, or errWriterOpen, which is os.ErrDeadlineExceeded too.
func (g *gate) enter(e entrant) error {
	_, err := g.enterOrSend(e, nil)
	return err
}

// enterOrSend is enter for who can be taken along with his message: sent is not
// nil if that has happened, and the caller not inside then.
func (g *gate) enterOrSend(e entrant, along *frame) (sent *waiter, err error) {
	g.mu.Lock()
	if !g.busy && (!e.message || !g.stream) {
		g.busy = true
		g.mu.Unlock()
		return nil, nil
	}
	w := &waiter{ready: make(chan struct{}), message: e.message}
	if along != nil {
		w.frame, w.along = *along, true
	}
	if g.last == nil {
		g.first = w
	} else {
		g.last.next = w
	}
	g.last = w
	g.mu.Unlock()
	if err := g.wait(w, e); err != nil || !w.taken {
		return nil, err
	}
	return w, nil
}

func (g *gate) wait(w *waiter, e entrant) error {
	var done <-chan struct{}
	if e.ctx != nil {
		done = e.ctx.Done()
	}
	for {
		patience, bounded := streamWait, e.message
		if !e.deadline.IsZero() {
			patience, bounded = time.Until(e.deadline), true
		}
		var expired <-chan time.Time
		var timer *time.Timer
		if bounded {
			timer = time.NewTimer(patience)
			expired = timer.C
		}
		var err error
		select {
		case <-w.ready:
		case <-done:
			err = e.ctx.Err()
		case <-expired:
			err = os.ErrDeadlineExceeded
			if e.message && g.streaming() {
				err = errWriterOpen
			}
		}
		if timer != nil {
			timer.Stop()
		}
		// Behind a slow write, and not behind an open message, a caller without a
		// deadline waits on.
		if err == os.ErrDeadlineExceeded && e.deadline.IsZero() { //nolint:errorlint // made above
			continue
		}
		if err != nil && g.giveUp(w) {
			return err
		}
		<-w.ready // who was taken along has to wait
		return nil
	}
}

func (g *gate) streaming() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stream
}

// giveUp takes w out of the queue. It returns false when w was let in, or taken
// along, meanwhile.
func (g *gate) giveUp(w *waiter) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	var prev *waiter
	for q := g.first; q != nil; prev, q = q, q.next {
		if q == w {
			g.unlink(prev, w)
			return true
		}
	}
	return false
}

// unlink removes w, which stands behind prev. mu is held.
func (g *gate) unlink(prev, w *waiter) {
	if prev == nil {
		g.first = w.next
	} else {
		prev.next = w.next
	}
	if g.last == w {
		g.last = prev
	}
}

// setCloses says whether a Close frame is on its way. Only who is inside may call
// it.
func (g *gate) setCloses(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closes = on
}

// setStream says whether a message in fragments is open. Only who is inside may
// call it.
func (g *gate) setStream(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stream = open
}

// endStream says from outside that the message in fragments will not go on. It
// returns true where messages were queued meanwhile: the caller is inside then,
// and sends them.
func (g *gate) endStream() (entered bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stream = false
	if g.busy {
		return false
	}
	g.handOver()
	if g.busy || !g.queued {
		return false
	}
	g.busy = true
	return true
}

// leave goes out and lets in the first waiter that may enter. It returns true
// where something is owed, or queued and nobody comes who would send it: the
// caller is still inside then, does it, and leaves again.
func (g *gate) leave() (owed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.owed {
		g.owed = false
		return true
	}
	g.handOver()
	if g.busy || !g.queued || g.stream {
		return false
	}
	g.busy = true
	return true
}

// handOver gives the gate to the first waiter that may enter. mu is held.
func (g *gate) handOver() {
	var prev *waiter
	for w := g.first; w != nil; prev, w = w, w.next {
		if !w.message || !g.stream {
			g.unlink(prev, w)
			close(w.ready)
			g.busy = true
			return
		}
	}
	g.busy = false
}

// takeAlong takes the messages out of the line that stand directly behind the
// caller, who is inside, and that may leave with his: as many as fit into room,
// none that has less time than his deadline leaves, and none at all while others
// wait in the queue, which one of them may have published before. The caller tells
// each of them by tell.
func (g *gate) takeAlong(queue *atomic.Pointer[queue], room int, deadline time.Time) (company *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if q := queue.Load(); q != nil && q.ring.n > 0 {
		return nil
	}
	next := &company
	for w := g.first; w != nil && !g.stream && w.along && earliest(w.frame.deadline, deadline).Equal(deadline); w = g.first {
		if room -= w.frame.size() + learnCost; room < 0 {
			break
		}
		g.unlink(nil, w)
		w.next, w.taken = nil, true
		*next, next = w, &w.next
	}
	return company
}

// tell ends the wait of those who were taken along.
func (w *waiter) tell(err error) {
	for w != nil {
		next := w.next
		w.err = err
		close(w.ready)
		w = next
	}
}
