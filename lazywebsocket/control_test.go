package lazywebsocket_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

func TestHandlersAreCalled(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		var calls []string
		conn.SetPingHandler(func(s string) error { calls = append(calls, "ping "+s); return nil })
		conn.SetPongHandler(func(s string) error { calls = append(calls, "pong "+s); return nil })
		conn.SetCloseHandler(func(code int, s string) error { calls = append(calls, fmt.Sprint("close ", code, " ", s)); return nil })
		p.Ping("1")
		p.Frame(0x01, []byte("a"))
		p.Pong("2")
		p.Frame(0x80, []byte("b"))
		p.Close(4000, "why")
		wantRead(t, conn, `text "ab"`)
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "close 4000 why")
		if got := strings.Join(calls, ", "); got != "ping 1, pong 2, close 4000 why" {
			t.Errorf("calls: %s", got)
		}
		synctest.Wait()
		p.WantNothing() // the handlers answer, or nobody
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("still open")))
		p.WantText("still open")
		must(t, conn.Close())
		p.WantClose(1000)
		p.WantEOF()
	})
}

// An empty Close frame has the code 1005 for a handler.
func TestCloseHandlerOfAnEmptyClose(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		var got int
		conn.SetCloseHandler(func(code int, _ string) error { got = code; return conn.Close() })
		p.Close(0, "")
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "close 1005")
		if got != lazywebsocket.CloseNoStatusReceived {
			t.Errorf("code %d", got)
		}
		p.WantClose(1000)
	})
}

// What a handler returns, the read returns as it is, and again.
func TestHandlerErrors(t *testing.T) {
	for _, boom := range []error{
		errors.New("boom"),
		&lazywebsocket.CloseError{Code: 4001, Text: "mine"},
		&lazywebsocket.ProtocolError{Code: 1002, Reason: "mine"},
		lazywebsocket.ErrReadLimit,
		net.ErrClosed,
	} {
		for name, set := range map[string]func(c *lazywebsocket.Conn, p *wstest.Peer){
			"ping": func(c *lazywebsocket.Conn, p *wstest.Peer) {
				c.SetPingHandler(func(string) error { return boom })
				p.Ping("")
			},
			"pong": func(c *lazywebsocket.Conn, p *wstest.Peer) {
				c.SetPongHandler(func(string) error { return boom })
				p.Pong("x")
			},
			"close": func(c *lazywebsocket.Conn, p *wstest.Peer) {
				c.SetCloseHandler(func(int, string) error { return boom })
				p.Close(1000, "")
			},
		} {
			t.Run(name+" "+boom.Error(), func(t *testing.T) {
				everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
					set(conn.Conn, p)
					for range 2 {
						if _, _, err := conn.ReadMessage(); err != boom { //nolint:errorlint // as it was
							t.Errorf("error is %v", err)
						}
					}
					synctest.Wait()
					p.WantNothing() // it is the application's affair
					must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("w")))
					p.WantText("w")
				})
			})
		}
	}
}

// The getters never return nil, and what they return works when it is set or
// called by another handler.
func TestHandlerGetters(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		called := 0
		check := func() {
			t.Helper()
			ping, pong, closing := conn.PingHandler(), conn.PongHandler(), conn.CloseHandler()
			conn.SetPingHandler(func(s string) error { called++; return ping(s) })
			conn.SetPongHandler(func(s string) error { called++; return pong(s) })
			conn.SetCloseHandler(func(code int, s string) error { called++; return closing(code, s) })
		}
		check() // the defaults
		check() // those that wrap the defaults
		p.Ping("p")
		p.Pong("q")
		p.Text("t")
		wantRead(t, conn, `text "t"`)
		p.WantPong("p")
		if called != 4 {
			t.Errorf("%d calls, want 4", called)
		}
		conn.SetPingHandler(nil)
		conn.SetPongHandler(nil)
		conn.SetCloseHandler(nil)
		p.Ping("default")
		p.Pong("q")
		p.Text("t")
		wantRead(t, conn, `text "t"`)
		p.WantPong("default")
		if called != 4 {
			t.Errorf("handlers that were taken away are called")
		}
		check()
		p.Close(1001, "bye")
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "close 1001 bye")
		p.WantClose(1001)
		if called != 5 {
			t.Errorf("%d calls, want 5", called)
		}
	})
}

// The default answer has the peer's code and not its reason, and ends the
// connection without the application.
func TestDefaultCloseAnswer(t *testing.T) {
	for code, want := range map[int]string{1000: "88 02 03e8", 4999: "88 02 1387", 0: "88 00"} {
		everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			p.Close(code, strings.Repeat("r", min(code, 9)))
			_, _, err := conn.ReadMessage()
			if !lazywebsocket.IsCloseError(err, code) && code != 0 {
				t.Error(err)
			}
			p.Want(want)
			p.WantEOF()
			if err := conn.WriteMessage(lazywebsocket.TextMessage, nil); err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
				t.Errorf("write: %v", err)
			}
			must(t, conn.Close())
		})
	}
}

// Handlers may write.
func TestHandlersMayWrite(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		conn.SetPingHandler(func(s string) error {
			return errors.Join(
				conn.WriteMessage(lazywebsocket.TextMessage, []byte(s)),
				conn.WriteControl(lazywebsocket.PongMessage, []byte(s), time.Time{}),
			)
		})
		p.Ping("x")
		p.Text("t")
		wantRead(t, conn, `text "t"`)
		p.WantText("x")
		p.WantPong("x")
	})
}

// A handler that panics leaves the connection closable.
func TestHandlerPanics(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		conn.SetPingHandler(func(string) error { panic("boom") })
		p.Ping("x")
		func() {
			defer func() {
				if v := recover(); v != "boom" {
					t.Errorf("recovered %v", v)
				}
			}()
			defer conn.Close()
			_, _, _ = conn.ReadMessage()
		}()
		p.WantClose(1011)
		p.WantEOF()
	})
}

// A stuck writer does not hold up the reader that answers a Close frame.
func TestCloseAnswerBehindAStuckWriter(t *testing.T) {
	everyDriver(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		stuck := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 3000)) })
		synctest.Wait()
		conn.serve() // which waits for the writer too, and then does without the loop
		start := time.Now()
		p.Close(1000, "")
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "close 1000")
		if d := time.Since(start); d > time.Second {
			t.Errorf("took %v", d)
		}
		must(t, conn.Close())
		if <-stuck == nil {
			t.Error("the stuck write was done")
		}
	})
}

// A handler that is set leaves the others at their defaults.
func TestOneHandlerLeavesTheOthers(t *testing.T) {
	for name, set := range map[string]func(conn *lazywebsocket.Conn){
		"ping":  func(c *lazywebsocket.Conn) { c.SetPingHandler(c.PingHandler()) },
		"pong":  func(c *lazywebsocket.Conn) { c.SetPongHandler(func(string) error { return nil }) },
		"close": func(c *lazywebsocket.Conn) { c.SetCloseHandler(c.CloseHandler()) },
	} {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
				set(conn.Conn)
				p.Ping("p")
				p.Pong("q")
				p.Close(1000, "")
				_, _, err := conn.ReadMessage()
				wantSummary(t, err, "close 1000")
				p.WantPong("p")
				p.WantClose(1000)
			})
		})
	}
}
