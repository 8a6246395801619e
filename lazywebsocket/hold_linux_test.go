package lazywebsocket_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// packets is the client's end of a socket that keeps the borders of writes
// (SOCK_SEQPACKET): each read gets what one write has sent.
type packets struct{ net.Conn }

func (p packets) next(t *testing.T) string {
	t.Helper()
	must(t, p.SetReadDeadline(time.Now().Add(20*time.Second))) // a failure, not a hang
	b := make([]byte, 200_000)
	n, err := p.Read(b)
	must(t, err)
	return string(b[:n])
}

// packetServer returns a server's connection over such a socket.
func packetServer(t *testing.T) (*lazywebsocket.Conn, packets) {
	t.Helper()
	l, err := net.Listen("unixpacket", t.TempDir()+"/s")
	must(t, err)
	conns := make(chan *lazywebsocket.Conn, 1)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		conns <- conn
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	nc, err := net.Dial("unixpacket", l.Addr().String())
	must(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	p := packets{nc}
	_, err = p.Write([]byte("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"))
	must(t, err)
	if answer := p.next(t); !strings.HasPrefix(answer, "HTTP/1.1 101 ") {
		t.Fatalf("answered %q", answer)
	}
	conn := <-conns
	t.Cleanup(func() { _ = conn.Close() })
	return conn, p
}

// On a socket of the system too, the answers to a burst are one write; but for
// those bursts in which a slow machine lets the guard come.
func TestHoldOnSocketsSavesWrites(t *testing.T) {
	conn, p := packetServer(t)
	echoed := result(func() error {
		for {
			if err := answer(conn, 1, answerWays["WriteMessage"].write); err != nil {
				return err
			}
		}
	})
	writes := 0
	const rounds = 50
	for round := range rounds {
		for _, n := range []int{1, 2, 16} {
			var in, out []string
			for i := range n {
				in = append(in, fmt.Sprintf("81 02|'%c%c'", 'a'+round%20, 'a'+i))
				out = append(out, fmt.Sprintf("81 02 '%c%c'", 'a'+round%20, 'a'+i))
			}
			_, err := p.Write(wire(t, server, strings.Join(in, " / ")))
			must(t, err)
			want := string(unhex(t, strings.Join(out, " ")))
			got := ""
			for len(got) < len(want) {
				got += p.next(t)
				writes++
			}
			if got != want {
				t.Errorf("%d messages: received %q, want %q", n, got, want)
			}
		}
	}
	if writes < 3*rounds || writes > 6*rounds {
		t.Errorf("%d writes for %d bursts", writes, 3*rounds)
	}
	_ = p.Close()
	<-echoed
}

// A handler that reads no more after a burst: the guard sends what is held, and
// then every message leaves in its own write.
func TestGuardOnSocketsEndsTheHold(t *testing.T) {
	conn, p := packetServer(t)
	_, err := p.Write(wire(t, server, "81 01|'a' / 81 01|'b' / 81 01|'c'"))
	must(t, err)
	must(t, answer(conn, 2, answerWays["WriteMessage"].write))
	got := p.next(t)
	if got == "\x81\x01a" { // the guard came in between
		got += p.next(t)
	}
	if got != "\x81\x01a\x81\x01b" {
		t.Errorf("received %q", got)
	}
	for range 3 {
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("x")))
		if got := p.next(t); got != "\x81\x01x" {
			t.Errorf("received %q", got)
		}
	}
}
