package lazywebsocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// What sends the held answers at once, before anything of its own. The peer gets
// the answers, and then what the script says.
var flushes = map[string]struct {
	act   func(t *testing.T, c tapped)
	after string // what the peer receives behind the answers
	ends  bool   // and then the end of the stream
}{
	"the reader waits": {act: func(_ *testing.T, c tapped) { // the third message first, unanswered
		_, _, _ = c.ReadMessage()
		go c.ReadMessage()
	}},
	"Flush": {act: func(t *testing.T, c tapped) { must(t, c.Flush()) }},
	"NetConn": {act: func(t *testing.T, c tapped) {
		if c.NetConn() == nil {
			t.Error("no net.Conn")
		}
	}},
	"UnderlyingConn": {act: func(t *testing.T, c tapped) {
		if c.UnderlyingConn() == nil {
			t.Error("no net.Conn")
		}
	}},
	"a ping": {act: func(t *testing.T, c tapped) {
		must(t, c.WriteControl(lazywebsocket.PingMessage, []byte("p"), noDeadline))
	}, after: "89 01 'p'"},
	"a pong of the application": {act: func(t *testing.T, c tapped) {
		must(t, c.WriteMessage(lazywebsocket.PongMessage, []byte("p")))
	}, after: "8a 01 'p'"},
	"a Close frame": {act: func(t *testing.T, c tapped) {
		must(t, c.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(4000, "x"), noDeadline))
	}, after: "88 03 0fa0 'x'"},
	"Close": {act: func(t *testing.T, c tapped) { must(t, c.Close()) }, after: "88 02 03e8", ends: true},
	"Close with more than fits": {act: func(t *testing.T, c tapped) {
		must(t, c.WriteMessage(lazywebsocket.BinaryMessage, bytes.Repeat([]byte("x"), 65500)))
		must(t, c.Close())
	}, after: "82 7e ffdc 'x'*65500 88 02 03e8", ends: true},
	"Shutdown": {act: func(_ *testing.T, c tapped) {
		go c.Shutdown(context.Background(), 4001, "y")
	}, after: "88 03 0fa1 'y'"},
	"Shutdown with a context": {act: func(t *testing.T, c tapped) {
		go c.Shutdown(t.Context(), 4001, "y")
	}, after: "88 03 0fa1 'y'"},
	"the end of the stream": {act: func(t *testing.T, c tapped) {
		_, _, _ = c.ReadMessage()
		must(t, c.p.Conn.CloseWrite())
		_, _, err := c.ReadMessage()
		wantSummary(t, err, "close 1006 unexpected EOF")
	}},
	"a panic": {act: func(_ *testing.T, c tapped) {
		defer func() { _ = recover() }()
		defer c.Close()
		panic("a handler's")
	}, after: "88 02 03f3", ends: true},
}

func TestHoldFlushes(t *testing.T) {
	for name, flush := range flushes {
		t.Run(name, func(t *testing.T) {
			onTapped(t, wstest.Network{Buffer: -1}, tappedOptions{}, func(t *testing.T, c tapped) {
				c.held(t, 2)
				start := time.Now()
				flush.act(t, c)
				synctest.Wait()
				c.wantEchoes(0, 2)
				c.p.Want(flush.after)
				if flush.ends {
					c.p.WantEOF()
				} else {
					c.p.WantNothing()
				}
				wantAt(t, "the answers", start, 0)
				if c.Held() != 0 {
					t.Errorf("%d bytes are held still", c.Held())
				}
			})
		})
	}
}

// The last thing in the buffer makes the reader wait, or fail, without a wait for
// a header before that.
func TestHoldBehindABurst(t *testing.T) {
	for name, tc := range map[string]struct {
		last string
		err  error
	}{
		"half a message":              {last: "81 05|'he'"},
		"half a large message":        {last: "82 7f 0000000000010000|'x'*10"},
		"half a ping":                 {last: "89 05|'he'"},
		"a fragment":                  {last: "01 02|'he'"},
		"a ping that a handler fails": {last: "89 00", err: io.ErrShortBuffer},
	} {
		t.Run(name, func(t *testing.T) {
			onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
				c.SetPingHandler(func(string) error { return tc.err })
				start := time.Now()
				c.p.WriteBytes(wire(t, c.r, "81 02|'m0' / 81 02|'m1' / "+tc.last))
				synctest.Wait()
				c.echo(t, 2)
				synctest.Wait()
				c.p.WantNothing()
				failed := result(func() error {
					_, _, err := c.ReadMessage()
					return err
				})
				c.wantEchoes(0, 2)
				wantAt(t, "the answers", start, 0)
				if tc.err == nil {
					must(t, c.p.Conn.CloseWrite())
				}
				if err := <-failed; err == nil || !errors.Is(err, tc.err) && tc.err != nil {
					t.Errorf("read: %v", err)
				}
			})
		})
	}
}

// What ends the connection from the wire, behind a burst: the answers leave
// before the Close frame.
func TestHoldBeforeTheEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		last string
		code int
		err  string
	}{
		"Close":          {"88 02|03e9", 1001, "close 1001"},
		"broken frame":   {"f1 00", 1002, "protocol 1002"},
		"not UTF-8":      {"81 02|c0c0", 1007, "protocol 1007"},
		"over the limit": {"82 7f 0000000000200000", 1009, "limit"},
		"half a message": {"01 01|'a' / 88 00", 0, "close 1005"},
	} {
		for procs := 1; procs <= 2; procs++ { // another order of the goroutines
			t.Run(name, func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
					start := time.Now()
					c.burst(t, 2)
					c.p.WriteBytes(wire(t, c.r, tc.last))
					synctest.Wait()
					c.echo(t, 2)
					_, _, err := c.ReadMessage()
					wantSummary(t, err, tc.err)
					_ = c.Close()
					c.wantEchoes(0, 2)
					c.p.WantClose(tc.code)
					c.p.WantEOF()
					wantAt(t, "all", start, 0)
				})
			})
		}
	}
}

// The peer shuts its direction behind a burst, and the handler closes as soon as
// its read fails.
func TestHoldBeforeCloseAfterEOF(t *testing.T) {
	for procs := 1; procs <= 2; procs++ {
		t.Run(fmt.Sprint(procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			for range 5 {
				onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
					c.burst(t, 3)
					must(t, c.p.Conn.CloseWrite())
					c.echo(t, 3)
					_, _, err := c.ReadMessage()
					wantSummary(t, err, "close 1006 unexpected EOF")
					_ = c.Close()
					c.wantEchoes(0, 3)
					c.p.WantClose(1000)
					c.p.WantEOF()
				})
			}
		})
	}
}

// The guard, or anybody who flushes, comes between the beginning of the end and
// its Close frame.
func TestHoldFlushDuringClose(t *testing.T) {
	for name, comes := range map[string]func(c tapped){
		"the guard": func(tapped) { time.Sleep(5 * lazywebsocket.GuardTick) },
		"NetConn":   func(c tapped) { c.NetConn() },
		"a writer": func(c tapped) {
			if err := c.WriteMessage(lazywebsocket.TextMessage, nil); !errors.Is(err, lazywebsocket.ErrCloseSent) {
				panic(err)
			}
		},
		"Flush": func(c tapped) { _ = c.Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
				c.held(t, 2)
				c.BeginEnd()
				comes(c)
				synctest.Wait()
				c.Goodbye()
				c.wantEchoes(0, 2)
				c.p.WantClose(1000)
				c.p.WantNothing()
			})
		})
	}
}

// Nothing follows the Close frame, neither from the guard nor from a writer.
func TestHoldNothingAfterClose(t *testing.T) {
	onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
		c.held(t, 2)
		must(t, c.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(1000, ""), noDeadline))
		for _, err := range []error{
			c.WriteMessage(lazywebsocket.TextMessage, []byte("x")),
			c.WriteControl(lazywebsocket.PingMessage, nil, noDeadline),
			c.Flush(),
		} {
			if !errors.Is(err, lazywebsocket.ErrCloseSent) {
				t.Errorf("after the Close frame: %v", err)
			}
		}
		c.p.Ping("answered by nothing")
		go c.ReadMessage()
		time.Sleep(10 * lazywebsocket.GuardTick)
		c.wantEchoes(0, 2)
		c.p.WantClose(1000)
		c.p.WantNothing()
	})
}

// A connection that is cut keeps nothing: neither bytes nor a goroutine.
func TestHoldCut(t *testing.T) {
	onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
		c.held(t, 2)
		_ = c.p.Conn.Close()
		_ = c.tap.Close()
		time.Sleep(10 * lazywebsocket.GuardTick)
		if !c.AtRest() {
			t.Errorf("%d bytes are held, or somebody is inside", c.Held())
		}
		err := c.WriteMessage(lazywebsocket.TextMessage, nil)
		if err == nil {
			t.Fatal("the write after a failed flush succeeds")
		}
		c.wantSame(t, err)
	})
}

// A peer that reads nothing does not keep Close waiting, and gets no torn frame
// and then another one.
func TestHoldCloseWithStuckPeer(t *testing.T) {
	onTapped(t, wstest.Network{Buffer: 300}, tappedOptions{}, func(t *testing.T, c tapped) {
		c.burst(t, 5)
		start := time.Now()
		must(t, answer(c.Conn, 4, func(conn *lazywebsocket.Conn, text string) error {
			return conn.WriteMessage(lazywebsocket.BinaryMessage, padded(text, 120))
		}))
		_ = c.Close()
		if d := time.Since(start); d > 300*time.Millisecond {
			t.Errorf("Close took %v", d)
		}
		c.p.WantBinary(padded("m0", 120))
		c.p.WantBinary(padded("m1", 120))
		time.Sleep(5 * time.Second)
		if !c.AtRest() {
			t.Errorf("%d bytes are held, or somebody is inside", c.Held())
		}
	})
}
