package poll

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// loop is one epoll and the list of the sockets that have to be called for other
// reasons: a deadline, Close, Watch. One runner at a time serves it.
type loop struct {
	poller *Poller
	epfd   int // sockets are added here; runners wait on duplicates
	wakefd int // an eventfd in the epoll, written to and never read
	out    bool

	runner atomic.Pointer[runner]
	asleep atomic.Bool // the runner waits, or is about to, and has seen the list empty
	ending atomic.Bool // the runner is to end when the list is empty

	mu     sync.Mutex // guards the fields below
	list   []*Socket
	head   int  // of list
	closed bool // there is no runner any more
}

func newLoop(p *Poller, out bool) (*loop, error) {
	epfd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	l := &loop{poller: p, epfd: epfd, wakefd: -1, out: out}
	// os.NewFile gives only non-blocking descriptors to Go's poller.
	if err := syscall.SetNonblock(epfd, true); err != nil {
		l.close()
		return nil, os.NewSyscallError("fcntl", err)
	}
	if l.wakefd, err = newEventfd(); err != nil {
		l.close()
		return nil, os.NewSyscallError("eventfd2", err)
	}
	// Generation 0 is no socket's, so that the event of wakefd finds none.
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | edgeTriggered, Fd: int32(l.wakefd)} //nolint:gosec // a descriptor
	if err := syscall.EpollCtl(epfd, syscall.EPOLL_CTL_ADD, l.wakefd, &event); err != nil {
		l.close()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return l, nil
}

// start begins the loop's first runner.
func (l *loop) start() {
	l.begin(&runner{loop: l})
}

func (l *loop) begin(r *runner) {
	l.runner.Store(r)
	l.poller.running.Add(1)
	go r.run()
}

// post has the loop call the watcher of s, soon.
func (l *loop) post(s *Socket) {
	if s.state.Or(posted)&posted != 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		// Only closed sockets outlive their loop. A watcher hears even so.
		s.state.And(^posted)
		go s.callNow()
		return
	}
	l.list = append(l.list, s)
	l.wake()
}

// wake makes the runner look at the list. mu is held.
func (l *loop) wake() {
	if l.asleep.CompareAndSwap(true, false) {
		one := [8]byte{1}                      // in any byte order more than zero
		_, _ = syscall.Write(l.wakefd, one[:]) // cannot fail before 2^8 times 2^56 calls
	}
}

// take returns the next socket of the list, nil when it is empty.
func (l *loop) take() *Socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.head == len(l.list) {
		return nil
	}
	s := l.list[l.head]
	l.list[l.head] = nil
	l.head++
	if l.head == len(l.list) {
		l.list, l.head = l.list[:0], 0
	}
	s.state.And(^posted)
	return s
}

// waiting returns how many sockets are in the list.
func (l *loop) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.list) - l.head
}

// end lets the runner end once the list is empty.
func (l *loop) end() {
	l.ending.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake()
}

// finish says whether the list is empty, and then lets nothing into it any more.
func (l *loop) finish() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = l.head == len(l.list)
	return l.closed
}

// close closes the descriptors. There is no runner.
func (l *loop) close() {
	_ = syscall.Close(l.epfd)
	if l.wakefd >= 0 {
		_ = syscall.Close(l.wakefd)
	}
}

// handOver gives the loop to a new runner if the one that it has is inside the
// watcher of s, which is about to wait. The new one gets what is left of the
// batch; the old one ends when the watcher returns.
func (l *loop) handOver(s *Socket) {
	old := l.runner.Load()
	if !old.inside.CompareAndSwap(s, nil) {
		return
	}
	r := &runner{loop: l}
	r.n = copy(r.events[:], old.events[old.next:old.n])
	l.begin(r)
}
