package lazywebsocket_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// onLoop reports whether the caller runs on an event loop.
func onLoop() bool {
	stack := make([]byte, 64<<10)
	return strings.Contains(string(stack[:runtime.Stack(stack, false)]), "(*runner).run(")
}

// Of what is there for long, a loop takes a part and leaves the rest to a
// goroutine.
func TestPollerInlineBurstIsBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		frame string
		most  int
	}{
		"pings":    {"89 80 00000000", 17 * 1024 / 6},
		"messages": {"82 80 00000000", 256},
	} {
		t.Run(name, func(t *testing.T) {
			p := &lazywebsocket.Poller{Loops: 1, Inline: true}
			inside, release := make(chan bool), make(chan bool)
			on, off, done := 0, 0, make(chan bool)
			count := func() {
				if onLoop() {
					on++
				} else if off++; off == 1 {
					close(done)
				}
			}
			url := pollingServer(t, p, &lazywebsocket.Upgrader{ReadBufferSize: 1024}, handlerFuncs{
				message: func(c *lazywebsocket.Conn, _ int, data []byte) error {
					switch string(data) {
					case "set":
						c.SetPingHandler(func(string) error { count(); return nil })
						return c.WriteMessage(lazywebsocket.TextMessage, data)
					case "hold":
						inside <- true
						<-release
					default:
						count()
					}
					return nil
				},
			})
			flooder, holder := dialURL(t, url), dialURL(t, url)
			wantEcho(t, flooder, "set")
			must(t, holder.WriteMessage(lazywebsocket.TextMessage, []byte("hold")))
			<-inside
			flood := strings.Repeat(string(unhex(t, tc.frame)), 64<<10/6)
			_, err := io.WriteString(flooder.NetConn(), flood)
			must(t, err)
			close(release)
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatal("all was done on the loop")
			}
			if on > tc.most {
				t.Errorf("the loop stayed for %d, want %d at most", on, tc.most)
			}
		})
	}
}

// Handlers of an inline Poller run on the loop, those of others beside it.
func TestPollerInlineRunsOnTheLoop(t *testing.T) {
	onKinds(t, 1, func(t *testing.T, p *lazywebsocket.Poller) {
		on := make(chan bool, 1)
		url := pollingServer(t, p, nil, handlerFuncs{message: func(c *lazywebsocket.Conn, messageType int, data []byte) error {
			on <- onLoop()
			return c.WriteMessage(messageType, data)
		}})
		conn := dialURL(t, url)
		// The first may have come before the hand-over, and one that comes while its
		// goroutine has not ended is that one's too.
		ran := false
		for range 200 {
			wantEcho(t, conn, "message")
			ran = <-on || ran
		}
		if ran != p.Inline {
			t.Errorf("on the loop: %v", ran)
		}
	})
}

// A read deadline goes over with the connection.
func TestPollerTakesTheDeadlineOver(t *testing.T) {
	for _, name := range []string{"tcp", "unix", "tls, our listener", "tls"} {
		t.Run(name, func(t *testing.T) {
			onKinds(t, 1, func(t *testing.T, p *lazywebsocket.Poller) {
				h := newWatched(t, nil)
				dial := overTransport(t, name, func(conn *lazywebsocket.Conn) {
					_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
					_ = p.Serve(conn, h)
				})
				dial(lazywebsocket.Dialer{})
				wantSummary(t, <-h.closed, "read timeout")
			})
		})
	}
}

// A message that arrives while somebody else is inside the gate of reading, here
// who is refused, is not forgotten.
func TestPollerIsToldWhoWasInside(t *testing.T) {
	onKinds(t, 1, func(t *testing.T, p *lazywebsocket.Poller) {
		conns := make(chan *lazywebsocket.Conn, 1)
		dial := overTransport(t, "tcp", func(conn *lazywebsocket.Conn) {
			_ = p.Serve(conn, handlerFuncs{})
			conns <- conn
		})
		peer := dial(lazywebsocket.Dialer{})
		conn := <-conns
		var inside sync.WaitGroup
		for i := range 1000 {
			var answered atomic.Bool
			inside.Go(func() {
				// Not for ever: where Go has one processor, who spins on it keeps
				// the network's news from the others for 10 ms at a time.
				for n := 0; n < 2000 && !answered.Load(); n++ {
					_, _, _ = conn.ReadMessage()
				}
			})
			wantEcho(t, peer, fmt.Sprint(i))
			answered.Store(true)
		}
		inside.Wait()
	})
}
