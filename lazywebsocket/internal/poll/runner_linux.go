package poll

import (
	"os"
	"sync/atomic"
	"syscall"
)

// batch is how many events are fetched at once.
const batch = 128

// runner is the goroutine that serves a loop, until the loop ends or is handed
// over. It is never used again after that.
type runner struct {
	loop   *loop
	inside atomic.Pointer[Socket] // whose watcher runs; who sets it to nil meanwhile has the loop

	next, n int // events[next:n] are to be delivered
	events  [batch]syscall.EpollEvent
	over    bool // the loop has ended or is another's
}

// run serves the loop. It parks in Go's poller, in which the epoll is a
// descriptor like any other: a goroutine that blocked in epoll_wait would cost a
// thread and two switches of threads for each wake-up.
func (r *runner) run() {
	defer r.loop.poller.running.Done()
	r.over = !r.deliver() || r.work(r.loop.epfd)
	for !r.over {
		if !r.park() {
			r.block()
		}
	}
}

// park serves the loop inside of one read of the epoll's descriptor: between two
// of them a wake-up would be lost. It returns false when the descriptor cannot be
// had or cannot wait.
func (r *runner) park() bool {
	// A duplicate, because the file belongs to this read until it ends, and a
	// runner that takes over needs one while the old one is still inside.
	fd, err := duplicate(r.loop.epfd)
	if err != nil {
		return false
	}
	f := os.NewFile(uintptr(fd), "epoll")
	defer func() { _ = f.Close() }()
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	err = conn.Read(func(fd uintptr) bool {
		r.over = r.work(int(fd))
		return r.over
	})
	return err == nil
}

// block waits once in a thread of its own: out of descriptors a loop is slower,
// and does not stop.
func (r *runner) block() {
	n, _ := syscall.EpollWait(r.loop.epfd, r.events[:], -1)
	r.next, r.n = 0, max(n, 0)
	r.over = !r.deliver() || r.work(r.loop.epfd)
}

// work delivers what there is until nothing is left. It returns true when the
// runner is to end.
func (r *runner) work(epfd int) (over bool) {
	r.loop.asleep.Store(false)
	for {
		n := epollWait(epfd, r.events[:])
		r.next, r.n = 0, n
		if !r.deliver() || !r.deliverPosted() {
			return true
		}
		// Go's poller is told of the epoll only when something is added to what is
		// ready. It must not be left before it is empty, which a batch that was not
		// filled shows.
		if n == batch {
			continue
		}
		if r.loop.ending.Load() && r.loop.finish() {
			return true
		}
		if r.doze() {
			return false
		}
	}
}

// doze announces that the runner is about to wait. It returns false when there is
// something to do.
func (r *runner) doze() bool {
	l := r.loop
	l.asleep.Store(true)
	if l.waiting() == 0 && !l.ending.Load() {
		return true
	}
	l.asleep.Store(false)
	return false
}

// deliver hands out the batch. It returns false when the loop was handed over.
func (r *runner) deliver() bool {
	for r.next < r.n {
		event := &r.events[r.next]
		r.next++
		s := sockets.get(event.Fd, event.Pad)
		if s == nil {
			continue // closed since, or wakefd
		}
		if r.loop.out {
			s.writable()
		} else if !r.call(s, s.edge(event.Events)) {
			return false
		}
	}
	return true
}

// deliverPosted calls the watchers of the sockets that are in the list by now.
func (r *runner) deliverPosted() bool {
	for range r.loop.waiting() {
		s := r.loop.take()
		if s == nil {
			break
		}
		if !r.call(s, s.nudge()) {
			return false
		}
	}
	return true
}

// call calls the watcher w of s, if any. It returns false when the loop was
// handed over meanwhile.
func (r *runner) call(s *Socket, w Watcher) bool {
	if w == nil {
		return true
	}
	r.inside.Store(s)
	w.Readable()
	mine := r.inside.CompareAndSwap(s, nil)
	s.returned()
	return mine
}
