package poll

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestReadWrite(t *testing.T) {
	s, peer := adopted(t, newPoller(t, 1))
	buf := make([]byte, 100)
	for range 3 {
		go send(t, peer, "hello")
		n, err := io.ReadFull(s, buf[:5])
		if err != nil || string(buf[:n]) != "hello" {
			t.Fatal(n, err)
		}
		send(t, s, "answer")
		n, err = io.ReadFull(peer, buf[:6])
		if err != nil || string(buf[:n]) != "answer" {
			t.Fatal(n, err)
		}
	}
	wantRead(t, s, "", ErrWouldBlock)
	if n, err := s.Read(nil); n != 0 || err != nil {
		t.Fatal(n, err)
	}
}

// wantRead reads once without waiting.
func wantRead(t testing.TB, s *Socket, text string, want error) {
	t.Helper()
	buf := make([]byte, 100)
	n, err := s.TryRead(buf)
	if string(buf[:n]) != text || !errors.Is(err, want) {
		t.Fatalf("read %q, %v, want %q, %v", buf[:n], err, text, want)
	}
}

// A read that was not filled saves the next one: the bytes that are in the kernel
// by then are seen only when the loop has told of them.
func TestSavedRead(t *testing.T) {
	p := newPoller(t, 1)
	s, peer := adopted(t, p)
	readable := make(watch, 1)
	s.Watch(readable)
	send(t, peer, "one")
	arrived(t, s, 3)
	release := hold(t, p) // behind the event of "one"
	wantRead(t, s, "one", nil)
	send(t, peer, "two")
	arrived(t, s, 3)
	wantRead(t, s, "", ErrWouldBlock)
	for len(readable) > 0 {
		<-readable
	}
	release()
	<-readable
	wantRead(t, s, "two", nil)
	wantRead(t, s, "", ErrWouldBlock)
}

// A read that was filled proves nothing.
func TestFilledReadIsNotTheLast(t *testing.T) {
	p := newPoller(t, 1)
	s, peer := adopted(t, p)
	hold(t, p)
	send(t, peer, "abcdef")
	arrived(t, s, 6)
	var buf [3]byte
	for _, want := range []string{"abc", "def"} {
		if n, err := s.TryRead(buf[:]); err != nil || string(buf[:n]) != want {
			t.Fatal(n, err)
		}
	}
	wantRead(t, s, "", ErrWouldBlock)
}

// The end that came with the data is in the same event as the data, and no other
// follows.
func TestEndWithData(t *testing.T) {
	for name, end := range map[string]func(*net.TCPConn) error{
		"close":      (*net.TCPConn).Close,
		"half-close": (*net.TCPConn).CloseWrite,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPoller(t, 1)
			s, peer := adopted(t, p)
			release := hold(t, p)
			send(t, peer, "last")
			must(t, end(peer))
			tcpState(t, s, tcpCloseWait)
			readable := make(watch, 1)
			s.Watch(readable)
			release()
			<-readable
			hold(t, p) // all of the event has been seen
			wantRead(t, s, "last", nil)
			wantRead(t, s, "", io.EOF)
			wantRead(t, s, "", io.EOF)
		})
	}
}

// A read that finds the end saves no later one.
func TestEndBeforeItsEvent(t *testing.T) {
	p := newPoller(t, 1)
	s, peer := adopted(t, p)
	hold(t, p)
	must(t, peer.Close())
	tcpState(t, s, tcpCloseWait)
	wantRead(t, s, "", io.EOF)
	wantRead(t, s, "", io.EOF)
}

// The end that comes after the data was read is an event of its own.
func TestEndAfterData(t *testing.T) {
	s, peer := adopted(t, newPoller(t, 1))
	readable := make(watch, 1)
	s.Watch(readable)
	send(t, peer, "last")
	buf := make([]byte, 100)
	if n, err := s.Read(buf); err != nil || n != 4 {
		t.Fatal(n, err)
	}
	must(t, peer.Close())
	for {
		<-readable
		n, err := s.TryRead(buf)
		if errors.Is(err, ErrWouldBlock) {
			continue // the event of the data
		}
		if n != 0 || !errors.Is(err, io.EOF) {
			t.Fatal(n, err)
		}
		break
	}
	if n, err := s.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatal(n, err)
	}
}

// What came before the connection was adopted is read too.
func TestDataBeforeAdoption(t *testing.T) {
	p := newPoller(t, 1)
	server, client := tcpPair(t)
	send(t, client, "early")
	must(t, client.Close())
	s, err := p.Adopt(server)
	must(t, err)
	defer s.Close()
	text, err := io.ReadAll(s)
	if err != nil || string(text) != "early" {
		t.Fatalf("%q, %v", text, err)
	}
}

func TestReset(t *testing.T) {
	p := newPoller(t, 1)
	s, peer := adopted(t, p)
	failed := make(chan error)
	go func() {
		_, err := s.Read(make([]byte, 1))
		failed <- err
	}()
	parked(t, s, 1)
	must(t, peer.SetLinger(0))
	must(t, peer.Close())
	err := <-failed
	wantErr(t, err, syscall.ECONNRESET)
	var sys *os.SyscallError
	if !errors.As(err, &sys) || sys.Syscall != "read" {
		t.Fatal(err)
	}
	_, err = s.Write([]byte("x"))
	wantErr(t, err, syscall.EPIPE)
	if addr := s.RemoteAddr(); addr == nil || addr.String() != ":0" {
		t.Fatal(addr)
	}
}

// Urgent data stops a read short of what is behind it, though no event follows.
func TestUrgentData(t *testing.T) {
	p := newPoller(t, 1)
	s, peer := adopted(t, p)
	release := hold(t, p)
	send(t, peer, "before")
	raw, err := peer.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) { err = syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil) }))
	must(t, err)
	send(t, peer, "behind")
	delivered(t, peer)
	release()
	hold(t, p) // the event has been seen
	wantRead(t, s, "before", nil)
	wantRead(t, s, "behind", nil)
	wantRead(t, s, "", ErrWouldBlock)
}

// On Unix sockets a read stops short where a message has descriptors with it.
func TestUnixShortReads(t *testing.T) {
	p := newPoller(t, 1)
	server, client := unixPair(t)
	s, err := p.Adopt(server)
	must(t, err)
	defer s.Close()
	release := hold(t, p)
	rights := syscall.UnixRights(0)
	for range 3 {
		_, _, err := client.WriteMsgUnix([]byte("text"), rights, nil)
		must(t, err)
	}
	readable := make(watch, 1)
	s.Watch(readable)
	release()
	<-readable
	hold(t, p)
	for range 3 {
		wantRead(t, s, "text", nil)
	}
	wantRead(t, s, "", ErrWouldBlock)
}

func unixPair(t testing.TB) (server, client *net.UnixConn) {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/s")
	must(t, err)
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	must(t, err)
	a, err := l.Accept()
	must(t, err)
	t.Cleanup(func() { _, _ = a.Close(), c.Close() })
	return a.(*net.UnixConn), c.(*net.UnixConn)
}
