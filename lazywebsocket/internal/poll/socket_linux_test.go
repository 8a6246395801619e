package poll

import (
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// One socket more is one of the 64-byte class and eight bytes of the table.
func TestSocketSize(t *testing.T) {
	if size := unsafe.Sizeof(Socket{}); size > 64 {
		t.Errorf("%d bytes", size)
	}
}

func TestErrWouldBlock(t *testing.T) {
	var ne net.Error
	if !errors.As(ErrWouldBlock, &ne) || ne.Timeout() || !ne.Temporary() { //nolint:staticcheck // crypto/tls asks it
		t.Error("crypto/tls would not go on")
	}
}

func TestAddresses(t *testing.T) {
	p := newPoller(t, 1)
	server, _ := tcpPair(t)
	local, remote := server.LocalAddr().String(), server.RemoteAddr().String()
	s, err := p.Adopt(server)
	must(t, err)
	if s.LocalAddr().String() != local || s.RemoteAddr().String() != remote {
		t.Error(s.LocalAddr(), s.RemoteAddr())
	}
	_, err = s.Read(nil)
	must(t, err)
	if err := s.opError("read", syscall.EIO); err.Error() != "read tcp "+local+"->"+remote+": input/output error" {
		t.Error(err)
	}
	must(t, s.Close())
	if s.LocalAddr().String() != ":0" || s.RemoteAddr().Network() != "tcp" {
		t.Error(s.LocalAddr(), s.RemoteAddr())
	}

	unix, _ := unixPair(t)
	path := unix.LocalAddr().String()
	s, err = p.Adopt(unix)
	must(t, err)
	if s.LocalAddr().String() != path || s.RemoteAddr().Network() != "unix" {
		t.Error(s.LocalAddr(), s.RemoteAddr())
	}
	must(t, s.Close())
	if s.LocalAddr().Network() != "unix" || !strings.HasPrefix(s.Close().Error(), "close unix:") {
		t.Error(s.LocalAddr(), s.Close())
	}
}

func TestAddressesOfIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	must(t, err)
	defer l.Close()
	server, _ := connect(t, l)
	local := server.LocalAddr().String()
	s, err := newPoller(t, 1).Adopt(server)
	must(t, err)
	if s.LocalAddr().String() != local {
		t.Error(s.LocalAddr())
	}
	if zone(1<<30) != "1073741824" || zone(0) != "" {
		t.Error("zones")
	}
}

func TestSyscallConn(t *testing.T) {
	s, _ := adopted(t, newPoller(t, 1))
	option(t, s, syscall.SO_KEEPALIVE, 0)
	raw, err := s.SyscallConn()
	must(t, err)
	if err := raw.Read(nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if err := raw.Write(nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	// Close does not take the descriptor away from who uses it.
	must(t, raw.Control(func(fd uintptr) {
		must(t, s.Close())
		_, err := syscall.Getsockname(int(fd))
		must(t, err)
	}))
	wantErr(t, raw.Control(func(uintptr) { t.Error("called") }), net.ErrClosed)
	_, err = s.SyscallConn()
	wantErr(t, err, net.ErrClosed)
}

// Adopt leaves a connection alone that it does not take.
func TestAdoptFails(t *testing.T) {
	p := newPoller(t, 1)
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := p.Adopt(a); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	packets, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: t.TempDir() + "/s", Net: "unixgram"})
	must(t, err)
	defer packets.Close()
	if _, err := p.Adopt(packets); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	server, client := tcpPair(t)
	must(t, p.Close())
	if _, err := p.Adopt(server); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	send(t, client, "x")
	if n, err := server.Read(make([]byte, 10)); n != 1 || err != nil {
		t.Error(n, err)
	}
	must(t, server.Close())
	if _, err := p.Adopt(server); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// Without descriptors nothing is taken and nothing is left behind.
func TestOutOfDescriptors(t *testing.T) {
	p := newPoller(t, 1)
	server, client := tcpPair(t)
	restore := noDescriptors(t)
	if _, err := p.Adopt(server); !errors.Is(err, syscall.EMFILE) {
		t.Error(err)
	}
	if _, err := New(1); !errors.Is(err, syscall.EMFILE) {
		t.Error(err)
	}
	restore()
	send(t, client, "x")
	if n, err := server.Read(make([]byte, 10)); n != 1 || err != nil {
		t.Error(n, err)
	}
	s, err := p.Adopt(server)
	must(t, err)
	send(t, s, "x")
}

func TestCloseWakesAll(t *testing.T) {
	p := newPoller(t, 1)
	s, peer := adopted(t, p)
	fill(t, s)
	errs := make(chan error)
	for range 2 {
		go func() {
			_, err := s.Read(make([]byte, 1))
			errs <- err
		}()
		go func() {
			_, err := s.Write([]byte("x"))
			errs <- err
		}()
	}
	parked(t, s, 4)
	must(t, s.Close())
	for range 4 {
		wantErr(t, <-errs, net.ErrClosed)
	}
	wantErr(t, s.Close(), net.ErrClosed)
	_, err := s.TryRead(make([]byte, 1))
	wantErr(t, err, net.ErrClosed)
	_, err = s.TryWrite([]byte("x"))
	wantErr(t, err, net.ErrClosed)
	_, err = s.Read(nil)
	wantErr(t, err, net.ErrClosed)
	if _, err := io.Copy(io.Discard, peer); err != nil {
		t.Error(err) // what was written is still sent, and then the end
	}
	if p.Sockets() != 0 {
		t.Error(p.Sockets())
	}
}

func TestCloseCallsTheWatcher(t *testing.T) {
	p := newPoller(t, 1)
	for name, f := range map[string]func(*Socket, Watcher){
		"watched before":    func(s *Socket, w Watcher) { s.Watch(w); must(t, s.Close()) },
		"watched after":     func(s *Socket, w Watcher) { must(t, s.Close()); s.Watch(w) },
		"closed by poller":  func(s *Socket, w Watcher) { s.Watch(w); must(t, p.Close()) },
		"watched after all": func(s *Socket, w Watcher) { must(t, p.Close()); s.Watch(w) },
	} {
		t.Run(name, func(t *testing.T) {
			p = newPoller(t, 1)
			s, _ := adopted(t, p)
			wantRead(t, s, "", ErrWouldBlock)
			closed := make(chan struct{})
			f(s, watchFunc(func() {
				if _, err := s.TryRead(make([]byte, 1)); errors.Is(err, net.ErrClosed) {
					close(closed)
					s.Watch(nil)
				}
			}))
			<-closed
		})
	}
}

// The epolls stay open while somebody uses a socket.
func TestPollerCloseWaitsForUsers(t *testing.T) {
	p := newPoller(t, 1)
	s, _ := adopted(t, p)
	raw, err := s.SyscallConn()
	must(t, err)
	ended := make(chan error, 1)
	must(t, raw.Control(func(uintptr) {
		go func() { ended <- p.Close() }()
		for s.state.Load()&closed == 0 {
			runtime.Gosched()
		}
		for range 1000 {
			runtime.Gosched()
		}
		if len(ended) != 0 || p.loops[0].ending.Load() {
			t.Error("closed")
		}
	}))
	must(t, <-ended)
}

func TestPollerClose(t *testing.T) {
	p := newPoller(t, 3)
	if n := p.Sockets(); n != 0 {
		t.Error(n)
	}
	errs := make(chan error)
	for range 10 {
		s, _ := adopted(t, p)
		go func() {
			_, err := s.Read(make([]byte, 1))
			errs <- err
		}()
		parked(t, s, 1)
	}
	if n := p.Sockets(); n != 10 {
		t.Error(n)
	}
	must(t, p.Close())
	if n := p.Sockets(); n != 0 {
		t.Error(n)
	}
	for range 10 {
		wantErr(t, <-errs, net.ErrClosed)
	}
	if err := p.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	for leaked() != "" { // they have only to return
		runtime.Gosched()
	}
}
