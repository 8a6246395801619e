package lazywebsocket_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// observers are ways to look at a connection, from none to all.
func observers() map[string]*lazywebsocket.Observer {
	closed := func(lazywebsocket.ClosedEvent) {}
	return map[string]*lazywebsocket.Observer{
		"nil":     nil,
		"events":  {Closed: closed},
		"traffic": {Closed: closed, Traffic: new(lazywebsocket.Traffic)},
		"all": {
			Closed: closed, Traffic: new(lazywebsocket.Traffic),
			Handshake: func(lazywebsocket.HandshakeEvent) {},
			RoundTrip: func(*lazywebsocket.Conn, time.Duration) {},
			Message:   func(lazywebsocket.MessageEvent) {},
		},
	}
}

// BenchmarkObservedBurst is BenchmarkBurst with an Observer: what counting costs a
// message, beside the system calls.
func BenchmarkObservedBurst(b *testing.B) {
	for name, o := range observers() {
		b.Run(name, func(b *testing.B) {
			nc := &burstConn{}
			for range 16 {
				nc.burst = append(nc.burst, 0x81, 0x80|125, 1, 2, 3, 4)
				nc.burst = append(nc.burst, make([]byte, 125)...)
			}
			for i, at := 0, 6; i < 16; i, at = i+1, at+131 {
				for j := range 125 {
					nc.burst[at+j] = 'a' ^ byte(j%4+1)
				}
			}
			c := lazywebsocket.NewServerConn(nc)
			c.Observe(o)
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				messageType, data, err := c.AppendMessage(buf[:0])
				if err != nil || len(data) != 125 {
					b.Fatal(len(data), err)
				}
				buf = data
				if err := c.WriteMessage(messageType, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkObservedEcho is an echo over loopback TCP, one message at a time.
func BenchmarkObservedEcho(b *testing.B) {
	for name, o := range observers() {
		b.Run(name, func(b *testing.B) {
			u := lazywebsocket.Upgrader{Observer: o}
			peer := echoPeer(b, &u)
			question, answer := []byte("\x81\x85\x00\x00\x00\x00hello"), make([]byte, 7)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := peer.Write(question); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(peer, answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// echoPeer returns a bare peer of an echo server, behind the handshake.
func echoPeer(t testing.TB, u *lazywebsocket.Upgrader) net.Conn {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		go echoOn(conn)
	}))
	t.Cleanup(s.Close)
	peer, err := net.Dial("tcp", s.Listener.Addr().String())
	must(t, err)
	t.Cleanup(func() { _ = peer.Close() })
	_, err = io.WriteString(peer, request())
	must(t, err)
	for answer := []byte{}; len(answer) < 4 || string(answer[len(answer)-4:]) != "\r\n\r\n"; {
		var b [1]byte
		_, err := peer.Read(b[:])
		must(t, err)
		answer = append(answer, b[0])
	}
	return peer
}

// Being observed, and counted, allocates nothing for a message.
func TestObservedAllocatesNothing(t *testing.T) {
	if lazywebsocket.PoisonBuffers {
		t.Skip("the race detector allocates")
	}
	for name, o := range observers() {
		t.Run(name, func(t *testing.T) {
			peer := echoPeer(t, &lazywebsocket.Upgrader{Observer: o})
			question, answer := []byte("\x81\x85\x00\x00\x00\x00hello"), make([]byte, 7)
			if n := testing.AllocsPerRun(500, func() {
				_, err := peer.Write(question)
				must(t, err)
				_, err = io.ReadFull(peer, answer)
				must(t, err)
			}); n > 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
