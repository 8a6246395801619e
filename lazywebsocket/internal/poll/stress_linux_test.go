package poll

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Thousands of connections are echoed at once, half of them by goroutines that
// wait and half by watchers, and all bytes come back in order.
func TestManyEchoes(t *testing.T) {
	const many, rounds = 2000, 10
	p := newPoller(t, 2)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	var servers sync.WaitGroup
	peers := make([]net.Conn, many)
	for i := range peers {
		server, client := connect(t, l)
		peers[i] = client
		s, err := p.Adopt(server)
		must(t, err)
		if i%2 == 0 {
			s.Watch(&echoer{s: s, t: t})
			continue
		}
		servers.Go(func() {
			_, _ = io.CopyBuffer(struct{ io.Writer }{s}, struct{ io.Reader }{s}, make([]byte, 600))
			_ = s.Close()
		})
	}
	var clients sync.WaitGroup
	for c := range 20 {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(c), 0))
			for range rounds {
				if err := echoAll(peers[c*many/20:(c+1)*many/20], random); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	must(t, p.Close())
	servers.Wait()
}

// echoAll sends something to all peers, then reads it back from all.
func echoAll(peers []net.Conn, random *rand.Rand) error {
	sizes := make([]int, len(peers))
	for i, peer := range peers {
		sizes[i] = 4 + random.IntN(2000)
		text := make([]byte, sizes[i])
		for at := 0; at+4 <= len(text); at += 4 {
			binary.BigEndian.PutUint32(text[at:], uint32(i*1000+at))
		}
		if _, err := peer.Write(text); err != nil {
			return err
		}
	}
	for i, peer := range peers {
		text := make([]byte, sizes[i])
		if _, err := io.ReadFull(peer, text); err != nil {
			return err
		}
		for at := 0; at+4 <= len(text); at += 4 {
			if got := binary.BigEndian.Uint32(text[at:]); got != uint32(i*1000+at) {
				return fmt.Errorf("%d at %d of %d", got, at, i)
			}
		}
	}
	return nil
}

// Sockets are closed while other goroutines read and write them, and their
// descriptors are used again at once: no byte goes astray.
func TestCloseUnderUse(t *testing.T) {
	p := newPoller(t, 2)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for range 100 {
				closeUnderUse(t, p, l, byte(worker))
			}
		})
	}
	wg.Wait()
	if n := p.Sockets(); n != 0 {
		t.Error(n)
	}
}

var connecting sync.Mutex

func closeUnderUse(t *testing.T, p *Poller, l net.Listener, id byte) {
	connecting.Lock() // or the ends would not belong together
	client, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	server, err := l.Accept()
	connecting.Unlock()
	must(t, err)
	defer client.Close()
	s, err := p.Adopt(server)
	must(t, err)
	var users sync.WaitGroup
	var started sync.WaitGroup
	use := func(f func([]byte) (int, error), check bool) {
		started.Add(1)
		users.Go(func() {
			first := true
			for {
				one := []byte{id}
				n, err := f(one)
				if check && n == 1 && one[0] != id {
					t.Errorf("byte of %d in %d", one[0], id)
				}
				if first {
					started.Done()
					first = false
				}
				if err != nil && !errors.Is(err, ErrWouldBlock) {
					return
				}
				runtime.Gosched()
			}
		})
	}
	s.Watch(watchFunc(func() { _, _ = s.TryRead(make([]byte, 1)) }))
	_, _ = client.Write([]byte{id, id, id, id, id, id})
	use(s.TryRead, true)
	use(s.TryWrite, false)
	use(s.Write, false)
	users.Go(func() {
		buf := make([]byte, 1000)
		for {
			n, err := client.Read(buf)
			for _, b := range buf[:n] {
				if b != id {
					t.Errorf("byte of %d at the peer of %d", b, id)
				}
			}
			if err != nil {
				return
			}
		}
	})
	started.Wait()
	must(t, s.Close())
	users.Wait()
}

// Deadlines, hand-overs, posts and closes of the same sockets meet in every order.
func TestEverythingAtOnce(t *testing.T) {
	p := newPoller(t, 1)
	var wg sync.WaitGroup
	for range 4 {
		s, peer := adopted(t, p)
		s.Watch(&echoer{s: s, t: t})
		var stop atomic.Bool
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, 2))
			for range 300 {
				switch random.IntN(4) {
				case 0:
					_ = s.SetReadDeadline(past)
				case 1:
					_ = s.SetDeadline(noDeadline)
				case 2:
					s.Watch(&echoer{s: s, t: t})
				default:
					_ = s.SetWriteDeadline(past)
				}
			}
			must(t, s.Close())
			stop.Store(true)
		})
		wg.Go(func() {
			for !stop.Load() {
				if _, err := peer.Write(make([]byte, 3000)); err != nil {
					return
				}
			}
		})
		wg.Go(func() { _, _ = io.Copy(io.Discard, peer) })
	}
	wg.Wait()
}

// crypto/tls works on a Socket, and on its TryRead.
func TestTLS(t *testing.T) {
	certs := httptest.NewTLSServer(nil)
	defer certs.Close()
	p := newPoller(t, 1)
	s, peer := adopted(t, p)
	client := tls.Client(peer, &tls.Config{InsecureSkipVerify: true})
	sw := &tryReader{Socket: s}
	server := tls.Server(sw, certs.TLS)
	shaken := make(chan error)
	go func() { shaken <- client.Handshake() }()
	must(t, server.Handshake())
	must(t, <-shaken)
	sw.try = true
	readable := make(watch, 1)
	s.Watch(readable)
	for range 3 {
		send(t, client, "secret")
		var text []byte
		buf := make([]byte, 10)
		for len(text) < 6 {
			n, err := server.Read(buf)
			if errors.Is(err, ErrWouldBlock) {
				<-readable
				continue
			}
			must(t, err)
			text = append(text, buf[:n]...)
		}
		if string(text) != "secret" {
			t.Fatalf("%q", text)
		}
	}
	must(t, server.Close())
}

type tryReader struct {
	*Socket
	try bool
}

func (r *tryReader) Read(p []byte) (int, error) {
	if r.try {
		return r.TryRead(p)
	}
	return r.Socket.Read(p)
}
