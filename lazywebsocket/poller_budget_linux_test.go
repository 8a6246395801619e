//go:build !race

package lazywebsocket_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"golazy.dev/lazywebsocket"
)

// An echo from the event loop allocates nothing: one message at a time and
// sixteen, on the loop and on a goroutine.
func TestPollerEchoAllocatesNothing(t *testing.T) {
	for _, inline := range []bool{false, true} {
		for _, burst := range []int{1, 16} {
			t.Run(fmt.Sprintf("inline=%v/%d", inline, burst), func(t *testing.T) {
				peer := polledEcho(t, &lazywebsocket.Poller{Inline: inline})
				var question, answer []byte
				for range burst {
					question = append(question, "\x81\x85\x00\x00\x00\x00hello"...)
					answer = append(answer, "\x81\x05hello"...)
				}
				got := make([]byte, len(answer))
				allocs := testing.AllocsPerRun(500, func() {
					_, err := peer.Write(question)
					must(t, err)
					_, err = io.ReadFull(peer, got)
					must(t, err)
				})
				if string(got) != string(answer) {
					t.Errorf("the answer is %q", got)
				}
				if allocs > 0 {
					t.Errorf("%v allocations", allocs)
				}
			})
		}
	}
}

// polledEcho returns a peer of an echo server that the Poller serves, behind the
// handshake.
func polledEcho(t *testing.T, poller *lazywebsocket.Poller) net.Conn {
	h := newEchoHandler()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		must(t, poller.Serve(conn, h))
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { _ = poller.Close() })
	peer, err := net.Dial("tcp", s.Listener.Addr().String())
	must(t, err)
	t.Cleanup(func() { _ = peer.Close() })
	_, err = peer.Write([]byte(request()))
	must(t, err)
	must(t, skipHead(peer))
	return peer
}
