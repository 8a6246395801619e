package lazywebsocket_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// echoHandler answers every message and keeps the end.
type echoHandler struct {
	closed chan error
}

func newEchoHandler() *echoHandler { return &echoHandler{closed: make(chan error, 1)} }

func (*echoHandler) ServeMessage(c *lazywebsocket.Conn, messageType int, data []byte) error {
	return c.WriteMessage(messageType, data)
}

func (h *echoHandler) ServeClosed(_ *lazywebsocket.Conn, err error) { h.closed <- err }

// pollers are the ways to be served: both kinds of loops, and the goroutine.
func pollers(t *testing.T, test func(t *testing.T, p *lazywebsocket.Poller)) {
	for _, inline := range []bool{false, true} {
		t.Run(fmt.Sprintf("inline=%v", inline), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, &lazywebsocket.Poller{Inline: inline}) })
		})
	}
}

func TestPollerEchoes(t *testing.T) {
	pollers(t, func(t *testing.T, poller *lazywebsocket.Poller) {
		conn, p := wstest.PeerOfServer(t, nil)
		h := newEchoHandler()
		must(t, poller.Serve(conn, h))
		p.Text("one")
		p.WantText("one")
		p.Text("two")
		p.Text("three")
		p.WantText("two")
		p.WantText("three")
		p.Close(1000, "")
		p.WantClose(1000)
		err := <-h.closed
		if !lazywebsocket.IsCloseError(err, 1000) {
			t.Errorf("closed with %v", err)
		}
		p.WantEOF()
	})
}

// Over real sockets, with messages of all sizes, many connections, both kinds of
// loops.
func TestPollerOverSockets(t *testing.T) {
	for _, inline := range []bool{false, true} {
		t.Run(fmt.Sprintf("inline=%v", inline), func(t *testing.T) {
			poller := &lazywebsocket.Poller{Inline: inline}
			defer poller.Close()
			var u lazywebsocket.Upgrader
			u.EnableCompression = true
			closed := make(chan error, 100)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := u.Upgrade(w, r, nil)
				if err != nil {
					return
				}
				_ = poller.Serve(conn, &echoHandler{closed})
			}))
			defer s.Close()
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					d := lazywebsocket.Dialer{EnableCompression: i%2 == 0}
					c, _, err := d.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					for n := range 40 {
						text := strings.Repeat("word ", 1<<(n%16))
						go func() { _ = c.WriteMessage(lazywebsocket.TextMessage, []byte(text)) }()
						_, data, err := c.ReadMessage()
						if err != nil || string(data) != text {
							t.Errorf("%d bytes: %d, %v", len(text), len(data), err)
							return
						}
					}
				})
			}
			wg.Wait()
			for range 20 {
				if err := <-closed; !lazywebsocket.IsCloseError(err, 1000) {
					t.Errorf("closed with %v", err)
				}
			}
			must(t, poller.Close()) // waits until all are out of the numbers
			if got := poller.Stats(); got != (lazywebsocket.PollerStats{}) {
				t.Errorf("stats in the end: %+v", got)
			}
		})
	}
}

func TestPollerRefuses(t *testing.T) {
	pollers(t, func(t *testing.T, poller *lazywebsocket.Poller) {
		conn, _ := wstest.PeerOfServer(t, nil)
		h := newEchoHandler()
		must(t, poller.Serve(conn, h))
		if err := poller.Serve(conn, h); err == nil {
			t.Error("served twice")
		}
		if _, _, err := conn.ReadMessage(); err == nil {
			t.Error("read beside the Poller")
		}
		must(t, conn.Close())
		if err := <-h.closed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed with %v", err)
		}
		if err := poller.Serve(conn, h); err == nil {
			t.Error("served after the end")
		}
		time.Sleep(3 * time.Second)
	})
}
