//go:build go1.26

package lazywebsocket_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/http2"
)

// Sockets on one connection end cleanly, 40 of 40, from both sides: the server's stream
// stays until the peer's Close frame has come, and is not reset.
func TestHTTP2CleanCloses(t *testing.T) {
	for name, handler := range map[string]http.Handler{"net/http": plain(guide), "lazyroutes": routed(guide)} {
		bubble(t, name, func(t *testing.T) {
			c := h2Server(t, &http.Server{Handler: handler})(1 << 20)
			for i := range 40 {
				s := c.socket(t, "/ws")
				s.send(0x81, "hello")
				s.want(0x81, "hello")
				if i%2 == 0 {
					s.send(0x81, "leave")
					s.want(0x88, code(1000))
					time.Sleep(time.Duration(i) * 20 * time.Millisecond) // the way there and back
					s.mu(func() {
						if s.ended || s.reset {
							t.Error("the stream ended before the peer's goodbye")
						}
					})
					s.goodbye(1000, i%4 == 0)
				} else {
					s.goodbye(1001, i%4 == 1)
					s.want(0x88, code(1001))
				}
				s.wantEnd()
				synctest.Wait()
				s.mu(func() {
					if s.reset && s.code != 0 {
						t.Errorf("reset with %d", s.code)
					}
				})
			}
		})
	}
}

// A peer that breaks the protocol and then answers the goodbye ends the stream at once,
// in whatever pieces that comes: the handler waits for the answer and for nothing more.
// Where the lengths are nonsense nothing can be found, and it waits its second.
func TestHTTP2GoodbyeBehindABreach(t *testing.T) {
	mask := "\x00\x00\x00\x00"
	for name, tc := range map[string]struct {
		breach string
		code   int
		took   time.Duration
	}{
		"reserved bit":           {"\xc1\x82" + mask + "hi", 1002, 0},
		"reserved opcode, large": {"\x83\xfe\x12\x34" + mask + strings.Repeat("\x88", 0x1234), 1002, 0},
		"not masked":             {"\x81\x02hi", 1002, 0},
		"not UTF-8":              {"\x81\x89" + mask + "\xff\x88\x82345678", 1007, 0},
		"ping that is too long":  {"\x89\xfe\x00\x7e" + mask + strings.Repeat("\x88", 126), 1002, 0},
		"close that is too long": {"\x88\xfe\x00\x7e" + mask + strings.Repeat("\x88", 126), 1002, 0},
		"too big":                {"\x82\xfe\x04\x01" + mask + strings.Repeat("\x88", 0x401), 1009, 0},
		"frames follow":          {"\x80\x80" + mask + "\x81\x82" + mask + "hi\x89\x80" + mask, 1002, 0},
		"a length with its sign": {"\x82\xff\xff" + strings.Repeat("\x88", 11), 1002, time.Second},
		"a length too long":      {"\x82\xfe\x00\x01" + mask + "\x88", 1002, time.Second},
	} {
		for _, piece := range []int{1, 3, 1 << 20} {
			bubble(t, fmt.Sprintf("%s, %d", name, piece), func(t *testing.T) {
				u := lazywebsocket.Upgrader{ReadLimit: 1024}
				took := make(chan time.Duration, 1)
				c := h2Server(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					conn, err := u.Upgrade(w, r, nil)
					if err != nil {
						t.Error(err)
						return
					}
					_, _, err = conn.ReadMessage()
					if broken := new(lazywebsocket.ProtocolError); !errors.As(err, &broken) {
						t.Errorf("read: %v, want a breach of the protocol", err)
					}
					start := time.Now()
					must(t, conn.Close())
					took <- time.Since(start)
				})})(1 << 20)
				s := c.socket(t, "/")
				for rest := tc.breach; rest != ""; rest = rest[min(piece, len(rest)):] {
					_, _ = s.Write([]byte(rest[:min(piece, len(rest))]))
				}
				first, payload, err := s.receive()
				if err != nil || first != 0x88 || !strings.HasPrefix(payload, code(tc.code)) {
					t.Fatalf("%02x %q %v, want a Close frame with %d", first, payload, err, tc.code)
				}
				s.goodbye(tc.code, false)
				if d := <-took; d != tc.took {
					t.Errorf("Close took %v, want %v", d, tc.took)
				}
				s.wantEnd()
			})
		}
	}
}

// A peer that does not answer holds the handler up for a second.
func TestHTTP2SilentPeer(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		took := make(chan time.Duration, 1)
		c := h2Server(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			start := time.Now()
			must(t, conn.Close())
			must(t, conn.Close())
			took <- time.Since(start)
		})})(1 << 20)
		s := c.socket(t, "/")
		s.want(0x88, code(1000))
		if d := <-took; d != time.Second {
			t.Errorf("Close took %v", d)
		}
		s.wantEnd()
	})
}

// A connection whose handler panics, and that nobody closes, ends, too, and says why.
func TestHTTP2PanicLeavesNothing(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWitness()
		var g lazywebsocket.Group
		u := lazywebsocket.Upgrader{Observer: &w.Observer}
		handler := http2.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := u.Upgrade(w, r, nil)
			must(t, err)
			g.Add(conn)
			_, _, _ = conn.ReadMessage()
			panic(http.ErrAbortHandler)
		}))
		s := h2Server(t, &http.Server{Handler: handler})(1<<20).socket(t, "/ws")
		s.send(0x81, "go on")
		if _, payload, err := s.receive(); err != nil || payload != code(1011) {
			t.Errorf("%q, %v", payload, err)
		}
		s.send(0x88, code(1011))
		synctest.Wait()
		if e := w.end(t); e.Cause != lazywebsocket.EndPanic || g.Len() != 0 {
			t.Errorf("it ended by %v, and the group has %d members", e.Cause, g.Len())
		}
	})
}
