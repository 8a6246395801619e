package lazywebsocket_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

func TestConnReports(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		if got := fmt.Sprintf("%s to %s", conn.LocalAddr(), conn.RemoteAddr()); conn.OverStream() && got != "server.wstest:80 to client.wstest:49152" {
			t.Error(got)
		}
		if !conn.OverStream() && (conn.LocalAddr() != p.Conn.RemoteAddr() || conn.RemoteAddr() != p.Conn.LocalAddr()) {
			t.Errorf("%v to %v", conn.LocalAddr(), conn.RemoteAddr())
		}
		if conn.NetConn() == nil || conn.NetConn() != conn.UnderlyingConn() {
			t.Errorf("%v, %v", conn.NetConn(), conn.UnderlyingConn())
		}
		if _, ok := conn.NetConn().(*wstest.PipeConn); !ok && !conn.OverStream() {
			t.Errorf("NetConn is a %T", conn.NetConn())
		}
		if conn.Subprotocol() != "" {
			t.Errorf("subprotocol %q", conn.Subprotocol())
		}
	})
}

// A million connections are a million of these.
func TestSizeofConn(t *testing.T) {
	const budget = 384
	if lazywebsocket.SizeofConn > budget {
		t.Errorf("a Conn has %d bytes, more than %d", lazywebsocket.SizeofConn, budget)
	}
	t.Logf("a Conn has %d bytes", lazywebsocket.SizeofConn)
}

// The read buffer comes with the first read.
func TestNoBufferBeforeTheFirstRead(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		if n := conn.ReadBuffered(); n != 0 {
			t.Errorf("a new connection holds %d bytes", n)
		}
		p.Text("x")
		wantRead(t, conn, `text "x"`)
		p.Frame(0x83, nil)
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "protocol 1002")
		if conn.OverStream() { // where who lingers looks for the peer's Close frame in it
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		if n := conn.ReadBuffered(); n != 0 {
			t.Errorf("a failed connection holds %d bytes", n)
		}
	})
}
