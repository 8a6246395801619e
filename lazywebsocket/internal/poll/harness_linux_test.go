package poll

import (
	"encoding/binary"
	"errors"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"unsafe"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newPoller returns a Poller that ends with the test.
func newPoller(t testing.TB, loops int) *Poller {
	t.Helper()
	p, err := New(loops)
	must(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// tcpPair returns both ends of a connection over the loopback interface.
func tcpPair(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return connect(t, l)
}

func connect(t testing.TB, l net.Listener) (a, b *net.TCPConn) {
	t.Helper()
	client, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	server, err := l.Accept()
	must(t, err)
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return server.(*net.TCPConn), client.(*net.TCPConn)
}

// adopted returns a socket of p and its peer.
func adopted(t testing.TB, p *Poller) (*Socket, *net.TCPConn) {
	t.Helper()
	server, client := tcpPair(t)
	s, err := p.Adopt(server)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s, client
}

// send writes text to a peer.
func send(t testing.TB, to net.Conn, text string) {
	t.Helper()
	_, err := to.Write([]byte(text))
	must(t, err)
}

// watch is a Watcher that counts its calls in a channel of any capacity: calls
// that find it full are those that nobody waits for.
type watch chan struct{}

func (w watch) Readable() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// watchFunc is a Watcher that is a function.
type watchFunc func()

func (f watchFunc) Readable() { f() }

// option sets a socket option of level SOL_SOCKET.
func option(t testing.TB, c syscall.Conn, name, value int) {
	t.Helper()
	raw, err := c.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, name, value)
	}))
	must(t, err)
}

// hold keeps the only loop of p busy until release is called: events that come
// meanwhile are fetched together.
func hold(t testing.TB, p *Poller) (release func()) {
	t.Helper()
	s, _ := adopted(t, p)
	inside, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.Watch(watchFunc(func() {
		once.Do(func() {
			close(inside)
			<-leave
		})
	}))
	<-inside
	release = sync.OnceFunc(func() { close(leave) })
	t.Cleanup(release)
	return release
}

// arrived waits until the kernel has n bytes for s.
func arrived(t testing.TB, s *Socket, n int) {
	t.Helper()
	buf := make([]byte, n)
	for {
		m, _, err := syscall.Recvfrom(int(s.fd), buf, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if m == n {
			return
		}
		if err != nil && err != syscall.EAGAIN {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

// tcpState waits until the connection of s is in one of these states of TCP.
func tcpState(t testing.TB, s *Socket, state byte) {
	t.Helper()
	for {
		info, err := syscall.GetsockoptInt(int(s.fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
		must(t, err)
		var first [4]byte // of struct tcp_info
		binary.NativeEndian.PutUint32(first[:], uint32(info))
		if first[0] == state {
			return
		}
		runtime.Gosched()
	}
}

// tcpCloseWait is the state of who has seen the peer's end.
const tcpCloseWait = 8

// delivered waits until the other end's TCP has everything that peer has sent.
func delivered(t testing.TB, peer syscall.Conn) {
	t.Helper()
	raw, err := peer.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		for left := int32(1); left != 0; runtime.Gosched() {
			_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&left)))
			if errno != 0 {
				t.Error(errno)
				return
			}
		}
	}))
}

// wantErr fails unless err is, or wraps, want, and is a *net.OpError.
func wantErr(t testing.TB, err, want error) {
	t.Helper()
	var op *net.OpError
	if !errors.As(err, &op) || !errors.Is(err, want) {
		t.Fatalf("%v (%T), want %v in a *net.OpError", err, err, want)
	}
}

// parked waits until n calls wait in s.
func parked(t testing.TB, s *Socket, n int) {
	t.Helper()
	for {
		s.mu.Lock()
		waiting := 0
		for w := s.waiters; w != nil; w = w.next {
			waiting++
		}
		s.mu.Unlock()
		if waiting == n {
			return
		}
		runtime.Gosched()
	}
}

// fill writes until the socket takes no more, and returns how much it took. It
// leaves the socket with less room than is in use, so that it stays full until
// the peer reads.
func fill(t testing.TB, s *Socket) (total int) {
	t.Helper()
	block := make([]byte, 64<<10)
	for again := 0; again < 3; {
		n, err := s.TryWrite(block)
		total += n
		if err == nil {
			continue
		}
		if !errors.Is(err, ErrWouldBlock) {
			t.Fatal(err)
		}
		// The peer's side may still take some of it.
		if n == 0 {
			again++
		} else {
			again = 0
		}
		runtime.Gosched()
	}
	option(t, s, syscall.SO_SNDBUF, 4096)
	return total
}

// noDescriptors lets the process open none until restore is called.
func noDescriptors(t testing.TB) (restore func()) {
	t.Helper()
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	restore = sync.OnceFunc(func() { must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) })
	t.Cleanup(restore)
	none := limit
	none.Cur = 1
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
	if _, err := duplicate(0); !errors.Is(err, syscall.EMFILE) {
		t.Fatal("there are descriptors left:", err)
	}
	return restore
}
