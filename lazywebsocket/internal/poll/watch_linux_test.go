package poll

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// 2,000 sockets that are readable at once are many batches: none is forgotten.
func TestManyAtOnce(t *testing.T) {
	const many = 2000
	for name, wait := range map[string]func(*testing.T, *Socket, func()){
		"watched": func(_ *testing.T, s *Socket, done func()) {
			var once sync.Once
			s.Watch(watchFunc(func() {
				if n, _ := s.TryRead(make([]byte, 10)); n > 0 {
					once.Do(done)
				}
			}))
		},
		"read": func(t *testing.T, s *Socket, done func()) {
			go func() {
				if n, err := s.Read(make([]byte, 10)); n != 2 {
					t.Error(n, err)
				}
				done()
			}()
			parked(t, s, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPoller(t, 1)
			var wg sync.WaitGroup
			wg.Add(many)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer l.Close()
			var peers []net.Conn
			var all []*Socket
			for range many {
				server, client := connect(t, l)
				s, err := p.Adopt(server)
				must(t, err)
				peers, all = append(peers, client), append(all, s)
				wait(t, s, wg.Done)
			}
			release := hold(t, p)
			for i, peer := range peers {
				send(t, peer, "go")
				arrived(t, all[i], 2)
			}
			release()
			wg.Wait()
			// And once more, with the loop awake.
			again := make(chan struct{}, many)
			for _, s := range all {
				wantRead(t, s, "", ErrWouldBlock)
				s.Watch(watchFunc(func() {
					if n, _ := s.TryRead(make([]byte, 10)); n > 0 {
						again <- struct{}{}
					}
				}))
			}
			for _, peer := range peers {
				send(t, peer, "go")
			}
			for range many {
				<-again
			}
		})
	}
}

// Watch calls soon if there may be something already, and not if there is not.
func TestWatchCallsSoon(t *testing.T) {
	p := newPoller(t, 1)
	s, peer := adopted(t, p)
	send(t, peer, "abc")
	arrived(t, s, 3)
	for range 3 {
		readable := make(watch, 1)
		s.Watch(readable)
		<-readable
	}
	wantRead(t, s, "abc", nil)
	wantRead(t, s, "", ErrWouldBlock)
	hold(t, p)() // the loop has seen all
	wantRead(t, s, "", ErrWouldBlock)
	readable := make(watch, 1)
	s.Watch(readable)
	hold(t, p)() // a call of s would have come before
	if len(readable) != 0 {
		t.Error("called for nothing")
	}
	s.Watch(nil)
	send(t, peer, "x")
	arrived(t, s, 1)
	hold(t, p)()
	if len(readable) != 0 {
		t.Error("called after Watch(nil)")
	}
}

// An event of a descriptor that was closed and used again is not the new socket's.
func TestStaleEvent(t *testing.T) {
	p := newPoller(t, 1)
	old, _ := adopted(t, p)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	var others []net.Conn
	for range 20 {
		server, _ := connect(t, l)
		others = append(others, server)
	}
	must(t, old.Close())
	var s *Socket
	for s == nil || s.fd != old.fd { // the lowest free number is given out again
		s, err = p.Adopt(others[0])
		must(t, err)
		defer s.Close()
		others = others[1:]
	}
	wantRead(t, s, "", ErrWouldBlock)
	s.Watch(watchFunc(func() { t.Error("called") }))
	before := s.state.Load()
	r := &runner{loop: s.loop, n: 1}
	r.events[0] = syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: old.fd, Pad: old.gen}
	if !r.deliver() || s.state.Load() != before {
		t.Error("the event of another socket was delivered")
	}
	if one, _ := adopted(t, p); one.Close() != nil || sockets.get(one.fd, one.gen) != nil {
		t.Error("a closed socket is in the table")
	}
	if sockets.get(1<<30, 1) != nil || sockets.get(s.fd, s.gen) != s {
		t.Error("the table")
	}
	s.Watch(nil)
}

// echoer answers what it reads, inline, and waits where it must.
type echoer struct {
	s      *Socket
	inside atomic.Int32
	t      *testing.T
	buf    [32 << 10]byte
}

func (e *echoer) Readable() {
	if e.inside.Add(1) != 1 {
		e.t.Error("called twice at a time")
	}
	defer e.inside.Add(-1)
	e.s.SetInline(true)
	defer e.s.SetInline(false)
	for {
		n, err := e.s.TryRead(e.buf[:])
		if err != nil {
			return
		}
		if _, err := e.s.Write(e.buf[:n]); err != nil {
			return
		}
	}
}

// A watcher that waits in Write hands the loop over: others are served meanwhile,
// those of the same batch too.
func TestHandOver(t *testing.T) {
	p := newPoller(t, 1)
	const stuck, free = 5, 20
	var slow, fast []net.Conn
	var all []*Socket
	add := func() net.Conn {
		s, peer := adopted(t, p)
		s.Watch(&echoer{s: s, t: t})
		all = append(all, s)
		return peer
	}
	for range stuck {
		peer := add()
		fill(t, all[len(all)-1])
		slow = append(slow, peer)
	}
	for range free {
		fast = append(fast, add())
	}
	release := hold(t, p)
	for i, peer := range append(slow, fast...) {
		send(t, peer, "x")
		arrived(t, all[i], 1)
	}
	release()
	for range 3 {
		for _, peer := range fast {
			var one [1]byte
			_, err := io.ReadFull(peer, one[:])
			must(t, err)
			send(t, peer, "x")
		}
	}
	for i := range stuck {
		parked(t, all[i], 1)
		send(t, slow[i], "y") // while the watcher waits
	}
	for _, peer := range slow {
		must(t, untilY(peer))
	}
	for runners() != 2 { // one for reading and one for writing
		runtime.Gosched()
	}
}

// runners counts the goroutines of all loops.
func runners() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return bytes.Count(stacks, []byte("(*runner).run("))
}

// What came while a watcher waited is told when it has returned.
func TestCalledAgain(t *testing.T) {
	p := newPoller(t, 1)
	s, peer := adopted(t, p)
	hold(t, p)() // the loop has seen that the socket can be written
	full := fill(t, s)
	wantRead(t, s, "", ErrWouldBlock)
	calls := make(chan int)
	n := 0
	s.Watch(watchFunc(func() {
		n++
		if n == 1 {
			s.SetInline(true)
			send(t, s, "x")
			s.SetInline(false)
		}
		calls <- n
	}))
	send(t, peer, "a")
	parked(t, s, 1)
	send(t, peer, "b")
	arrived(t, s, 2)
	hold(t, p)() // the loop has seen it
	_, err := io.CopyN(io.Discard, peer, int64(full)+1)
	must(t, err)
	for want := 1; want <= 2; want++ {
		if got := <-calls; got != want {
			t.Fatal(got)
		}
	}
	s.Watch(nil)
}

// untilY reads until there is a y.
func untilY(r io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if err != nil || bytes.ContainsRune(buf[:n], 'y') {
			return err
		}
	}
}

// A watcher may also wait in Read: its own events come by the new goroutine.
func TestHandOverInRead(t *testing.T) {
	p := newPoller(t, 1)
	s, peer := adopted(t, p)
	texts := make(chan string)
	s.Watch(watchFunc(func() {
		s.SetInline(true)
		defer s.SetInline(false)
		var buf [6]byte
		if _, err := io.ReadFull(s, buf[:]); err == nil {
			texts <- string(buf[:])
		}
	}))
	parked(t, s, 1)
	for range 3 {
		send(t, peer, "abc")
		send(t, peer, "def")
		if text := <-texts; text != "abcdef" {
			t.Fatal(text)
		}
	}
}

// Anybody can take the loop away from a watcher that blocks in something else.
func TestHandOverByAnother(t *testing.T) {
	p := newPoller(t, 1)
	stuck, _ := adopted(t, p)
	s, peer := adopted(t, p)
	s.Watch(&echoer{s: s, t: t})
	stuck.HandOver() // for nothing
	inside, leave := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	stuck.Watch(watchFunc(func() {
		if calls.Add(1) == 1 {
			close(inside)
			<-leave
		}
	}))
	<-inside
	send(t, peer, "x")
	arrived(t, s, 1)
	s.HandOver() // it is not the one
	stuck.HandOver()
	stuck.HandOver() // it is not inside any more
	var one [1]byte
	_, err := io.ReadFull(peer, one[:])
	must(t, err)
	for runners() != 3 { // one of another test may be at its very end
		runtime.Gosched()
	}
	close(leave)
	for runners() != 2 {
		runtime.Gosched()
	}
	stuck.Watch(nil)
}

// Without a descriptor to spare the loop goes on all the same.
func TestHandOverWithoutDescriptors(t *testing.T) {
	p := newPoller(t, 1)
	stuck, slow := adopted(t, p)
	s, peer := adopted(t, p)
	fill(t, stuck)
	stuck.Watch(&echoer{s: stuck, t: t})
	s.Watch(&echoer{s: s, t: t})
	restore := noDescriptors(t)
	send(t, slow, "x")
	parked(t, stuck, 1)
	var one [1]byte
	for i := range 10 {
		if i == 5 {
			restore()
		}
		send(t, peer, "x")
		_, err := io.ReadFull(peer, one[:])
		must(t, err)
	}
	send(t, slow, "y")
	must(t, untilY(slow))
}
