package lazywebsocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// watched is a handler that checks the order of its calls.
type watched struct {
	t       *testing.T
	message func(c *lazywebsocket.Conn, messageType int, data []byte) error // nil: does nothing
	inside  atomic.Int32
	over    atomic.Bool
	closed  chan error
}

func newWatched(t *testing.T, message func(c *lazywebsocket.Conn, messageType int, data []byte) error) *watched {
	return &watched{t: t, message: message, closed: make(chan error, 1)}
}

func (h *watched) enter() {
	if h.inside.Add(1) != 1 {
		h.t.Error("two calls of a handler at once")
	}
	if h.over.Load() {
		h.t.Error("a call after ServeClosed")
	}
}

func (h *watched) ServeMessage(c *lazywebsocket.Conn, messageType int, data []byte) error {
	h.enter()
	defer h.inside.Add(-1)
	if h.message == nil {
		return nil
	}
	return h.message(c, messageType, data)
}

func (h *watched) ServeClosed(_ *lazywebsocket.Conn, err error) {
	h.enter()
	h.over.Store(true)
	h.inside.Add(-1)
	if err == nil {
		h.t.Error("ServeClosed got no error")
	}
	h.closed <- err
}

// everyPoller runs f in a bubble for each way of being served, server and client.
func everyPoller(t *testing.T, n wstest.Network, o options, f func(t *testing.T, s *driven, p *wstest.Peer)) {
	t.Helper()
	everyDriver(t, n, o, func(t *testing.T, conn *driven, p *wstest.Peer) {
		if conn.poller != nil {
			f(t, conn, p)
		}
	})
}

var errBoom = errors.New("boom")

// Whatever ends a connection, ServeClosed is called once and last, with the reason,
// the peer is told, and nothing of it is left.
func TestPollerClosed(t *testing.T) {
	for name, tc := range map[string]struct {
		options options
		message func(c *lazywebsocket.Conn, messageType int, data []byte) error
		end     func(t *testing.T, conn *driven, p *wstest.Peer)
		want    string // see summary
		code    int    // of the Close frame that the peer gets; zero: none
	}{
		"peer's Close": {end: func(_ *testing.T, _ *driven, p *wstest.Peer) { p.Close(4000, "bye") }, want: "close 4000 bye", code: 4000},
		"end of stream": {
			end:  func(t *testing.T, _ *driven, p *wstest.Peer) { must(t, p.Conn.CloseWrite()) },
			want: "close 1006 unexpected EOF", code: 1000,
		},
		"breach":     {end: func(_ *testing.T, _ *driven, p *wstest.Peer) { p.Frame(0x83, nil) }, want: "protocol 1002", code: 1002},
		"bad text":   {end: func(_ *testing.T, _ *driven, p *wstest.Peer) { p.Frame(0x01, []byte{0xff}) }, want: "protocol 1007", code: 1007},
		"read limit": {options: options{readLimit: 3}, end: func(_ *testing.T, _ *driven, p *wstest.Peer) { p.Binary(make([]byte, 4)) }, want: "limit", code: 1009},
		"deadline": {
			end: func(t *testing.T, conn *driven, _ *wstest.Peer) {
				must(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
			},
			want: "read timeout", code: 1000,
		},
		"Close":           {end: func(t *testing.T, conn *driven, _ *wstest.Peer) { must(t, conn.Conn.Close()) }, want: "read closed", code: 1000},
		"Close by itself": {message: func(c *lazywebsocket.Conn, _ int, _ []byte) error { return c.Close() }, end: say("x"), want: "read closed", code: 1000},
		"Shutdown": {
			end: func(t *testing.T, conn *driven, p *wstest.Peer) {
				done := result(func() error { return conn.Shutdown(t.Context(), 4001, "") })
				synctest.Wait()
				p.Close(4001, "")
				must(t, <-done)
			},
			want: "close 4001", code: 4001,
		},
		"Shutdown by itself": {
			message: func(c *lazywebsocket.Conn, _ int, _ []byte) error {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				return c.Shutdown(ctx, 4001, "")
			},
			end: say("x"), want: "shutdown: context deadline exceeded", code: 4001,
		},
		"dead peer": {options: everySecond, end: func(*testing.T, *driven, *wstest.Peer) {}, want: "read timeout"},
		"error":     {message: func(*lazywebsocket.Conn, int, []byte) error { return errBoom }, end: say("x"), want: "boom", code: 1011},
		"panic": {
			message: func(*lazywebsocket.Conn, int, []byte) error { panic(errBoom) },
			end:     say("x"), want: "lazywebsocket: a message handler panicked: boom", code: 1011,
		},
		"error of a ping": {
			end: func(_ *testing.T, conn *driven, p *wstest.Peer) {
				conn.SetPingHandler(func(string) error { return errBoom })
				p.Ping("")
			},
			want: "boom", code: 1000,
		},
		"Poller.Close": {end: func(_ *testing.T, conn *driven, _ *wstest.Peer) { _ = conn.poller.Close() }, want: "read closed", code: 1001},
	} {
		t.Run(name, func(t *testing.T) {
			everyPoller(t, wstest.Network{}, tc.options, func(t *testing.T, conn *driven, p *wstest.Peer) {
				h := newWatched(t, tc.message)
				must(t, conn.serveWith(h))
				if stats := conn.poller.Stats(); stats.Polled+stats.Goroutines != 1 || (conn.hidden || conn.http2) != (stats.Goroutines == 1) {
					t.Errorf("stats are %+v", stats)
				}
				synctest.Wait()
				tc.end(t, conn, p)
				err := <-h.closed
				wantSummary(t, err, tc.want)
				var panicked *lazywebsocket.PanicError
				if is := errors.As(err, &panicked); is != (name == "panic") || is && (!errors.Is(err, errBoom) || !strings.Contains(string(panicked.Stack), "poller_closed_test.go")) {
					t.Errorf("closed with %#v", err)
				}
				wantGoodbye(p, name, tc.code)
				_ = p.Conn.Close()
				synctest.Wait()
				if stats := conn.poller.Stats(); stats != (lazywebsocket.PollerStats{}) {
					t.Errorf("stats in the end: %+v", stats)
				}
				if err := conn.serveWith(h); err == nil {
					t.Error("served again")
				}
			})
		})
	}
}

func wantGoodbye(p *wstest.Peer, name string, code int) {
	if name == "dead peer" {
		p.Next()
		return
	}
	p.WantClose(code)
	p.WantEOF()
}

// say makes the peer send a text message.
func say(text string) func(*testing.T, *driven, *wstest.Peer) {
	return func(_ *testing.T, _ *driven, p *wstest.Peer) { p.Text(text) }
}

// What only the peer has ended can still be written to.
func TestPollerWritesInServeClosed(t *testing.T) {
	everyPoller(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		must(t, conn.serveWith(handlerFuncs{closed: func(c *lazywebsocket.Conn, _ error) {
			if err := c.WriteMessage(lazywebsocket.TextMessage, []byte("last")); err != nil {
				t.Errorf("write: %v", err)
			}
		}}))
		must(t, p.Conn.CloseWrite())
		p.WantText("last")
		p.WantClose(1000)
		p.WantEOF()
	})
}

// A deadline that was set before the hand-over holds after it, one that a handler
// sets holds for what follows.
func TestPollerReadDeadlines(t *testing.T) {
	everyPoller(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		start := time.Now()
		must(t, conn.SetReadDeadline(start.Add(time.Second)))
		h := newWatched(t, func(c *lazywebsocket.Conn, _ int, _ []byte) error {
			return c.SetReadDeadline(time.Now().Add(time.Second))
		})
		must(t, conn.serveWith(h))
		for range 3 {
			time.Sleep(time.Second / 2)
			p.Text("x")
		}
		wantSummary(t, <-h.closed, "read timeout")
		wantAt(t, "the end", start, 2500*time.Millisecond)
	})
	everyPoller(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		must(t, conn.SetReadDeadline(time.Now().Add(-time.Second)))
		h := newWatched(t, nil)
		must(t, conn.serveWith(h))
		wantSummary(t, <-h.closed, "read timeout")
		must(t, conn.Close())
		p.WantClose(1000)
	})
	everyPoller(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) { // taken away again
		h := newWatched(t, nil)
		must(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
		must(t, conn.serveWith(h))
		must(t, conn.SetReadDeadline(noDeadline))
		time.Sleep(time.Minute)
		p.Close(1000, "")
		wantSummary(t, <-h.closed, "close 1000")
	})
}

// A handler that works for an hour, while pings wait to be judged, loses nothing.
func TestPollerBusyHandlerIsAlive(t *testing.T) {
	everyPoller(t, wstest.Network{}, everySecond, func(t *testing.T, conn *driven, p *wstest.Peer) {
		done := make(chan bool)
		h := newWatched(t, func(*lazywebsocket.Conn, int, []byte) error {
			time.Sleep(time.Hour)
			done <- true
			return nil
		})
		must(t, conn.serveWith(h))
		p.WriteBytes(wire(t, roleOf(p), "81 01|'1' / 81 01|'2' / 81 05|'3'"))
		<-done
		<-done
		must(t, conn.Close())
		<-h.closed
	})
}

// Shutdown while messages arrive, compressed and in pieces, and a part of one.
func TestPollerShutdownWhileMessagesArrive(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":                "",
		"messages":               "c1 07|f248cdc9c90700 / 81 05|'plain' / c1 05|f200110000",
		"a part":                 "41 03|f248cd",
		"a part of a plain one":  "01 02|'he'",
		"a header":               "c1",
		"a ping in the midst":    "41 03|f248cd / 89 02|'p'",
		"an unfinished fragment": "41 03|f248cd / 00 04|c9",
	} {
		rest := map[string]string{
			"a part": "/ 80 04|c9c90700", "a part of a plain one": "/ 80 03|'llo'", "a header": " 07|f248cdc9c90700",
			"a ping in the midst": " 'i' / 80 04|c9c90700", "an unfinished fragment": "c90700 / 80 00",
		}[name]
		for way, d := range drivers() {
			if d.poller == nil {
				continue
			}
			for _, r := range []role{server, client} {
				bubble(t, name+"/"+way+"/"+r.String(), func(t *testing.T) {
					d := drivers()[way]
					defer d.poller.Close()
					conn, p := deals[wholeWindows].connect(t, r, wstest.Network{Chunk: wstest.Bytewise}, options{})
					if d.hidden {
						conn.HideReadiness()
					}
					h := newWatched(t, nil)
					must(t, d.poller.Serve(conn, h))
					script := in + rest + " / c1 07|f248cdc9c90700 / 88 02|03e9"
					whole := wire(t, r, strings.TrimPrefix(script, " / "))
					cut := len(wire(t, r, in))
					if name == "a header" {
						cut = 1
					}
					if in == "" {
						cut = 0
					}
					p.WriteBytes(whole[:cut])
					synctest.Wait()
					done := result(func() error { return conn.Shutdown(t.Context(), 1001, "") })
					synctest.Wait()
					p.WriteBytes(whole[cut:])
					// A read that is in progress takes the peer's Close frame.
					if err := <-done; err != nil && !errors.Is(err, io.EOF) {
						t.Errorf("Shutdown: %v", err)
					}
					wantSummary(t, <-h.closed, "close 1001")
					must(t, p.Conn.CloseWrite())
				})
			}
		}
	}
}

// Serve and the end of the connection, or of the Poller, at the same time: either
// Serve fails and the handler is not called, or ServeClosed is.
func TestPollerServeRacesTheEnd(t *testing.T) {
	for name, end := range map[string]func(conn *driven, p *wstest.Peer){
		"Close":        func(conn *driven, _ *wstest.Peer) { _ = conn.Conn.Close() },
		"Poller.Close": func(conn *driven, _ *wstest.Peer) { _ = conn.poller.Close() },
		"peer":         func(_ *driven, p *wstest.Peer) { _ = p.Conn.Close() },
		"Shutdown":     func(conn *driven, _ *wstest.Peer) { _ = conn.Shutdown(context.Background(), 1000, "") },
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				everyPoller(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
					h := newWatched(t, nil)
					served := result(func() error { return conn.serveWith(h) })
					go end(conn, p)
					if name == "Shutdown" {
						p.Close(1000, "")
					}
					err := <-served
					switch {
					case err == nil:
						<-h.closed
					case !errors.Is(err, net.ErrClosed):
						t.Errorf("Serve: %v", err)
					default:
						synctest.Wait()
						if h.over.Load() {
							t.Error("Serve failed and the handler was called")
						}
					}
				})
			}
		})
	}
}
