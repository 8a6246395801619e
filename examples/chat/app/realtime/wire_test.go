package realtime

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyroutes"
	"golazy.dev/lazywebsocket/wstest"
)

// plainPeer is in the lobby as the guide's block is, in a bubble.
func plainPeer(t *testing.T) *wstest.Peer {
	t.Helper()
	freshLobby(t)
	router := lazyroutes.New(t.Context())
	router.HandleFunc(http.MethodGet, "/chat/socket", ChatSocket)
	p := wstest.Serve(t, router).Peer()
	p.Request("/chat/socket")
	p.Response()
	p.Text("hello")
	p.WantText("hello")
	return p
}

// wantGone checks that the socket has ended after so much time, and that nobody is left in the lobby.
func wantGone(t *testing.T, p *wstest.Peer, started time.Time, after time.Duration) {
	t.Helper()
	p.WantEOF()
	if took := time.Since(started); took != after {
		t.Errorf("the socket ended after %v, want %v", took, after)
	}
	synctest.Wait()
	if n := len(lobby.members); n != 0 {
		t.Errorf("%d members are left", n)
	}
}

// The handler closes the connection behind a closing handshake.
func TestSocketEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		p := plainPeer(t)
		p.Close(1000, "")
		p.WantClose(1000)
		wantGone(t, p, started, 0)
	})
}

// A phone that went away answers no ping.
func TestSocketKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		p := plainPeer(t)
		time.Sleep(chatUpgrader.PingInterval) // by the bubble's clock
		if first, payload := p.Next(); first != 0x89 {
			t.Fatalf("got a frame %#x with %q, want a ping", first, payload)
		}
		time.Sleep(chatUpgrader.PongTimeout)
		wantGone(t, p, started, chatUpgrader.PingInterval+chatUpgrader.PongTimeout)
	})
}
