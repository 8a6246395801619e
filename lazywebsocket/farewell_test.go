//go:build unix

package lazywebsocket_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// farewellPair returns a server's connection on a socket, and the raw peer behind
// its handshake.
func farewellPair(t *testing.T, u *lazywebsocket.Upgrader) (*lazywebsocket.Conn, net.Conn) {
	t.Helper()
	conns := make(chan *lazywebsocket.Conn, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		conns <- conn
	}))
	t.Cleanup(s.Close)
	peer, err := net.Dial("tcp", s.Listener.Addr().String())
	must(t, err)
	t.Cleanup(func() { _ = peer.Close() })
	must(t, peer.SetDeadline(time.Now().Add(10*time.Second))) // of a test that fails
	_, err = peer.Write([]byte(request()))
	must(t, err)
	answer := make([]byte, 129) // of no more bytes than that
	_, err = io.ReadFull(peer, answer)
	must(t, err)
	conn := <-conns
	t.Cleanup(func() { _ = conn.Close() })
	return conn, peer
}

// wantBye reads to the end of the stream and compares.
func wantBye(t *testing.T, peer net.Conn, want string) {
	t.Helper()
	rest, err := io.ReadAll(peer)
	if err != nil || string(rest) != string(wire(t, client, want)) {
		t.Errorf("% x, %v, want %s", rest, err, want)
	}
}

// open reports whether the socket beneath is open.
func open(conn *lazywebsocket.Conn) bool {
	return !errors.Is(conn.NetConn().SetWriteDeadline(time.Time{}), net.ErrClosed)
}

// When the read returns that has met the peer's Close frame, the answer has left
// and the socket is closed: a server goes first and has nothing to wait for.
func TestFarewellClosesTheSocket(t *testing.T) {
	for name, tc := range map[string]struct{ says, hears, summary string }{
		"code":      {"88 02|03 e8", "88 02|03 e8", "close 1000"},
		"reason":    {"88 04|0f a0 'hi'", "88 02|0f a0", "close 4000 hi"},
		"no status": {"88 00", "88 00", "close 1005"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, peer := farewellPair(t, &lazywebsocket.Upgrader{})
			_, err := peer.Write(wire(t, server, tc.says))
			must(t, err)
			_, _, err = conn.ReadMessage()
			wantSummary(t, err, tc.summary)
			if open(conn) {
				t.Error("the socket is open")
			}
			wantBye(t, peer, tc.hears)
			if err := conn.WriteMessage(lazywebsocket.TextMessage, nil); !errors.Is(err, lazywebsocket.ErrCloseSent) {
				t.Errorf("a write behind the end: %v", err)
			}
		})
	}
}

// What the application has written before arrives before the answer.
func TestFarewellBehindMessages(t *testing.T) {
	conn, peer := farewellPair(t, &lazywebsocket.Upgrader{})
	message := make([]byte, 1<<20)
	written := result(func() error {
		return errors.Join(conn.WriteMessage(lazywebsocket.BinaryMessage, message), conn.WriteMessage(lazywebsocket.TextMessage, []byte("x")))
	})
	got := make([]byte, 10+len(message))
	_, err := io.ReadFull(peer, got)
	must(t, err)
	must(t, <-written)
	_, err = peer.Write(wire(t, server, "88 02|03 e8"))
	must(t, err)
	_, _, err = conn.ReadMessage()
	wantSummary(t, err, "close 1000")
	wantBye(t, peer, "81 01|'x' / 88 02|03 e8")
}

// A peer that goes on behind its Close frame hears the answer all the same: the
// connection lingers for it.
func TestFarewellToAPeerThatGoesOn(t *testing.T) {
	conn, peer := farewellPair(t, &lazywebsocket.Upgrader{})
	_, err := peer.Write(wire(t, server, "88 02|03 e8 / 81 00"))
	must(t, err)
	_, _, err = conn.ReadMessage()
	wantSummary(t, err, "close 1000")
	if !open(conn) {
		t.Error("the socket is closed")
	}
	_, err = peer.Write(make([]byte, 100<<10))
	must(t, err)
	wantBye(t, peer, "88 02|03 e8")
}

// Who waits for the end of an open message hears of the answer, and the open
// message cannot go on.
func TestFarewellInsideAMessage(t *testing.T) {
	conn, peer := farewellPair(t, &lazywebsocket.Upgrader{})
	w, err := conn.NextWriter(lazywebsocket.TextMessage)
	must(t, err)
	_, err = w.Write([]byte("x"))
	must(t, err)
	waiting := result(func() error { return conn.WriteMessage(lazywebsocket.TextMessage, nil) })
	_, err = peer.Write(wire(t, server, "88 02|03 e8"))
	must(t, err)
	_, _, err = conn.ReadMessage()
	wantSummary(t, err, "close 1000")
	if err := <-waiting; !errors.Is(err, lazywebsocket.ErrCloseSent) {
		t.Errorf("the waiting write: %v", err)
	}
	if err := w.Close(); !errors.Is(err, lazywebsocket.ErrCloseSent) {
		t.Errorf("the open message: %v", err)
	}
	wantBye(t, peer, "88 02|03 e8")
}

// With a write deadline of the application's the answer leaves as well.
func TestFarewellWithAWriteDeadline(t *testing.T) {
	conn, peer := farewellPair(t, &lazywebsocket.Upgrader{})
	must(t, conn.SetWriteDeadline(time.Now().Add(time.Minute)))
	must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("x")))
	_, err := peer.Write(wire(t, server, "88 02|03 e8"))
	must(t, err)
	_, _, err = conn.ReadMessage()
	wantSummary(t, err, "close 1000")
	wantBye(t, peer, "81 01|'x' / 88 02|03 e8")
}

// A write deadline that has passed, and is no more, does not keep the answer.
func TestFarewellBehindAWriteDeadline(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conn, p := wstest.PeerOfServer(t, nil)
		must(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("x")))
		must(t, conn.SetWriteDeadline(noDeadline))
		time.Sleep(time.Minute) // of the bubble
		p.WantText("x")
		p.Close(1000, "")
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "close 1000")
		p.WantClose(1000)
	})
}

// A client does not go first (RFC 6455, 7.1.1): it waits for the server's end.
func TestFarewellOfAClient(t *testing.T) {
	closed := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		must(t, conn.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(1000, ""), noDeadline))
		<-closed
	}))
	defer s.Close()
	conn, _, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
	must(t, err)
	_, _, err = conn.ReadMessage()
	wantSummary(t, err, "close 1000")
	if !open(conn) {
		t.Error("the client has closed its socket")
	}
	close(closed)
}

// A handler of Close frames that does not answer leaves the connection open, and
// Close answers then.
func TestFarewellOfAHandler(t *testing.T) {
	conn, peer := farewellPair(t, &lazywebsocket.Upgrader{})
	conn.SetCloseHandler(func(int, string) error { return nil })
	_, err := peer.Write(wire(t, server, "88 02|03 e8"))
	must(t, err)
	_, _, err = conn.ReadMessage()
	wantSummary(t, err, "close 1000")
	must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("x")))
	must(t, conn.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(4000, ""), noDeadline))
	must(t, conn.Close())
	wantBye(t, peer, "81 01|'x' / 88 02|0f a0")
}

// The peer's Close frame and our own Close at the same time: one goodbye, whoever
// says it.
func TestFarewellAndCloseTogether(t *testing.T) {
	for range 50 {
		conn, peer := farewellPair(t, &lazywebsocket.Upgrader{})
		_, err := peer.Write(wire(t, server, "88 02|03 e8"))
		must(t, err)
		var both sync.WaitGroup
		both.Go(func() { _, _, _ = conn.ReadMessage() })
		both.Go(func() { _ = conn.Close() })
		wantBye(t, peer, "88 02|03 e8")
		both.Wait()
	}
}
