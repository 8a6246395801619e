package poll

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// An edge during a read may tell of bytes that the read has not seen.
func TestEdgeDuringRead(t *testing.T) {
	s, _ := adopted(t, newPoller(t, 1))
	v, _ := s.acquire()
	s.edge(syscall.EPOLLIN)
	s.releaseRead(v, true)
	if s.state.Load()&drained != 0 {
		t.Error("the edge is forgotten")
	}
	v, _ = s.acquire()
	s.releaseRead(v, true)
	if s.state.Load()&drained == 0 {
		t.Error("the next read is not saved")
	}
	s.edge(syscall.EPOLLIN)
	if s.state.Load()&drained != 0 {
		t.Error("the edge is forgotten")
	}
}

// What happened between a call's look and its wait ends the wait before it begins.
func TestParkLooksAgain(t *testing.T) {
	s, _ := adopted(t, newPoller(t, 1))
	edges := s.state.Load() >> edgeShift
	s.edge(syscall.EPOLLIN)
	must(t, s.park(waitRead, edges))
	must(t, s.park(waitTurn, 0)) // nobody has it
	must(t, s.SetDeadline(past))
	must(t, s.park(waitRead, s.state.Load()>>edgeShift))
	must(t, s.park(waitWrite, 0))
	must(t, s.SetDeadline(noDeadline))
	must(t, s.Close())
	must(t, s.park(waitRead, s.state.Load()>>edgeShift))
}

// The counts of references and edges leave each other and the flags alone, also
// where the edges wrap around.
func TestCounts(t *testing.T) {
	s := new(Socket)
	s.state.Store(^uint64(0)&^(refMask|closed|calling|again) | refOne)
	before := s.state.Load()
	v, ok := s.acquire()
	if !ok || v != before || s.state.Load() != before+refOne {
		t.Errorf("%x", s.state.Load())
	}
	s.edge(0)
	if got := s.state.Load(); got>>edgeShift != 0 || got&refMask != 2*refOne || got&writing == 0 || got&drained != 0 {
		t.Errorf("%x", got)
	}
	s.release()
	if got := s.state.Load(); got&refMask != refOne {
		t.Errorf("%x", got)
	}
}

// A closed socket is in no epoll, even if the open file lives on elsewhere.
func TestCloseLeavesTheEpolls(t *testing.T) {
	p := newPoller(t, 1)
	s, _ := adopted(t, p)
	fill(t, s)
	go func() { _, _ = s.Write([]byte("x")) }()
	parked(t, s, 1)
	for s.state.Load()&outAdded == 0 {
		runtime.Gosched()
	}
	raw, err := s.SyscallConn()
	must(t, err)
	var other int
	must(t, raw.Control(func(fd uintptr) { other, err = duplicate(int(fd)) }))
	must(t, err)
	defer syscall.Close(other)
	registered := func() (n int) {
		for _, l := range p.loops {
			info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", l.epfd))
			must(t, err)
			n += strings.Count(string(info), "tfd:")
		}
		return n
	}
	if n := registered(); n != 4 { // and the two eventfds
		t.Fatal(n)
	}
	must(t, s.Close())
	if n := registered(); n != 2 {
		t.Error(n)
	}
}
