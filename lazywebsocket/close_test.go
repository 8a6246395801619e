package lazywebsocket_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyroutes"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

func TestCloseSaysGoodbye(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("last")))
		start := time.Now()
		for range 3 {
			if err := conn.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v", d)
		}
		p.WantText("last")
		p.Want("88 02 03e8")
		p.WantEOF()
		p.Close(1000, "")
		must(t, p.Conn.Close())
		if err := conn.WriteMessage(lazywebsocket.TextMessage, nil); err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
			t.Errorf("write after Close: %v", err)
		}
		if _, err := conn.NextWriter(lazywebsocket.TextMessage); err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
			t.Errorf("NextWriter after Close: %v", err)
		}
		if err := conn.SetReadDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetReadDeadline after Close: %v", err)
		}
		synctest.Wait()
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "read closed")
	})
}

// A Close frame that the application has sent is the goodbye.
func TestCloseAfterCloseMessage(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		must(t, conn.WriteMessage(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(4000, "mine")))
		for _, err := range []error{
			conn.WriteMessage(lazywebsocket.BinaryMessage, nil),
			conn.WriteMessage(lazywebsocket.CloseMessage, nil),
			conn.WriteControl(lazywebsocket.PingMessage, nil, time.Time{}),
			conn.WriteJSON(1),
		} {
			if err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
				t.Errorf("write after a Close frame: %v", err)
			}
		}
		// The peer's messages still arrive, until it answers.
		p.Text("late")
		wantRead(t, conn, `text "late"`)
		must(t, conn.Close())
		p.Want("88 06 0fa0 'mine'")
		p.WantEOF()
	})
}

func TestCloseWakesTheReader(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		read := result(func() error { _, _, err := conn.ReadMessage(); return err })
		synctest.Wait()
		start := time.Now()
		must(t, conn.Close())
		wantSummary(t, <-read, "read closed")
		if d := time.Since(start); d != 0 {
			t.Errorf("the reader woke after %v", d)
		}
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "read closed")
		p.WantClose(1000)
	})
}

// A reader in the middle of a message hears of Close too, and what the peer sends
// meanwhile does not confuse the drain: the connection ends as soon as the peer
// has ended its stream.
func TestCloseInsideAMessage(t *testing.T) {
	for name, in := range map[string]string{
		"header":              "82",
		"payload":             "82 05|'he'",
		"large payload":       "82 7e 4000|61*10000",
		"between fragments":   "02 02|'he'",
		"header of a ping":    "89 04|'p'",
		"ping in a message":   "02 02|'he' / 89 04|'p'",
		"behind a whole text": "81 01|'x' / 82 02|'h'",
	} {
		rest := map[string]string{
			"header": "05|'hello'", "payload": "'llo'", "large payload": "61*6384", "between fragments": "",
			"header of a ping": "'ing'", "ping in a message": "'ing'", "behind a whole text": "'i'",
		}[name]
		t.Run(name, func(t *testing.T) {
			everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
				r := roleOf(p)
				whole := wire(t, r, in+" "+rest)
				cut := len(wire(t, r, in))
				if name == "header" {
					cut = 1
				}
				read := result(func() error { _, err := readAll(conn); return err })
				p.WriteBytes(whole[:cut])
				synctest.Wait()
				start := time.Now()
				must(t, conn.Close())
				wantSummary(t, <-read, "read closed")
				p.WantClose(1000)
				p.WriteBytes(whole[cut:])
				p.Close(1000, "")
				p.WantEOF()
				must(t, p.Conn.CloseWrite())
				synctest.Wait()
				if d := time.Since(start); d != 0 {
					t.Errorf("the connection took %v to end", d)
				}
				if _, err := p.Conn.Write([]byte("x")); err == nil {
					if _, err = p.Conn.Write([]byte("x")); err == nil {
						t.Error("the connection beneath is open after both goodbyes")
					}
				}
			})
		})
	}
}

// A peer that has vanished, or does not read, cannot hold Close up.
func TestCloseIsBounded(t *testing.T) {
	t.Run("stuck writer", func(t *testing.T) {
		everyDriver(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			wrote := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 5000)) })
			synctest.Wait()
			queued := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, nil) })
			synctest.Wait()
			start := time.Now()
			must(t, conn.Close())
			if d := time.Since(start); d > 250*time.Millisecond {
				t.Errorf("Close took %v", d)
			}
			wantStuck(t, <-wrote)
			if err := <-queued; err == nil {
				t.Error("a queued write was done after Close")
			}
			if d := time.Since(start); d > 250*time.Millisecond {
				t.Errorf("the writers were stuck for %v", d)
			}
			// The torn frame is all that the peer gets: no Close frame in its midst.
			got, _ := io.ReadAll(p.Conn)
			if len(got) != 1000 {
				t.Errorf("the peer got %d bytes", len(got))
			}
		})
	})
	t.Run("stuck stream", func(t *testing.T) {
		everyDriver(t, wstest.Network{Buffer: 1000}, options{writeBuffer: 512}, func(t *testing.T, conn *driven, _ *wstest.Peer) {
			w, err := conn.NextWriter(lazywebsocket.BinaryMessage)
			must(t, err)
			wrote := result(func() error { _, err := w.Write(make([]byte, 5000)); return err })
			synctest.Wait()
			start := time.Now()
			must(t, conn.Close())
			if d := time.Since(start); d > 250*time.Millisecond {
				t.Errorf("Close took %v", d)
			}
			wantStuck(t, <-wrote)
		})
	})
	t.Run("full buffer", func(t *testing.T) {
		everyDriver(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			for p.Conn.Unread() < 1000 && !conn.http2 { // fill it to the brim
				must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, min(100, max(0, 1000-p.Conn.Unread()-6)))))
				if 1000-p.Conn.Unread() < 6 {
					break
				}
			}
			start := time.Now()
			must(t, conn.Close())
			if d := time.Since(start); d > 250*time.Millisecond {
				t.Errorf("Close took %v", d)
			}
		})
	})
	t.Run("open stream", func(t *testing.T) {
		everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			w, err := conn.NextWriter(lazywebsocket.BinaryMessage)
			must(t, err)
			_, err = w.Write(make([]byte, 5000))
			must(t, err)
			waiting := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, nil) })
			synctest.Wait()
			start := time.Now()
			must(t, conn.Close())
			if d := time.Since(start); d != 0 {
				t.Errorf("Close took %v", d)
			}
			if err := w.Close(); err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
				t.Errorf("closing the writer: %v", err)
			}
			if err := <-waiting; err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
				t.Errorf("a message that waited: %v", err)
			}
			if first, payload := p.Next(); first != 0x02 || len(payload) != 5000 {
				t.Errorf("%02x, %d bytes", first, len(payload))
			}
			p.WantClose(1000)
		})
	})
	t.Run("abandoned stream", func(t *testing.T) {
		everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			_, err := conn.NextWriter(lazywebsocket.BinaryMessage) // and nobody closes it
			must(t, err)
			waiting := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, nil) })
			synctest.Wait()
			start := time.Now()
			must(t, conn.Close())
			if err := <-waiting; err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
				t.Errorf("a message that waited: %v", err)
			}
			if d := time.Since(start); d > 250*time.Millisecond {
				t.Errorf("it waited for %v more", d)
			}
			p.WantClose(1000)
		})
	})
	t.Run("vanished peer", func(t *testing.T) {
		everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			must(t, p.Conn.Close())
			start := time.Now()
			must(t, conn.Close())
			if d := time.Since(start); d != 0 {
				t.Errorf("Close took %v", d)
			}
		})
	})
}

// wantStuck checks what a blocked write returns when Close ends it: its deadline
// passes in the moment in which the connection beneath is closed.
func wantStuck(t *testing.T, err error) {
	t.Helper()
	if got := summary(err); got != "write timeout" && got != "write closed" {
		t.Errorf("the stuck write returned %v", err)
	}
}

// The peer that never answers our goodbye, and the one that sends for ever.
func TestLingerIsBounded(t *testing.T) {
	t.Run("silent peer", func(t *testing.T) {
		everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			start := time.Now()
			must(t, conn.Close())
			p.WantClose(1000)
			p.WantEOF()
			_, _, err := conn.ReadMessage() // does not take part in the drain
			wantSummary(t, err, "read closed")
			if d := time.Since(start); d != 0 && !conn.http2 { // where the end that the peer has seen is the handler's
				t.Errorf("a read after Close waited for %v", d)
			}
			untilGone(t, p, []byte("x"), func() { time.Sleep(10 * time.Millisecond) })
			if d := time.Since(start); d < conn.linger()-100*time.Millisecond || d > conn.linger()+100*time.Millisecond {
				t.Errorf("the connection beneath ended after %v, want %v", d, conn.linger())
			}
		})
	})
	t.Run("endless data", func(t *testing.T) {
		everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			start := time.Now()
			must(t, conn.Close())
			sent := untilGone(t, p, make([]byte, 1<<10), synctest.Wait)
			if sent < 256 || sent > 256+10 || time.Since(start) != 0 {
				t.Errorf("the connection beneath ended after %d KiB and %v, want 256", sent, time.Since(start))
			}
		})
	})
	t.Run("endless data after the peer's Close", func(t *testing.T) {
		everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			p.Close(1000, "")
			_, _, err := conn.ReadMessage()
			wantSummary(t, err, "close 1000")
			must(t, conn.Close())
			if sent := untilGone(t, p, make([]byte, 1<<10), synctest.Wait); sent > 256+10 {
				t.Errorf("the connection beneath ended after %d KiB", sent)
			}
		})
	})
	t.Run("endless data after a breach", func(t *testing.T) {
		everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			p.Write("83 00")
			_, _, err := conn.ReadMessage()
			wantSummary(t, err, "protocol 1002")
			if sent := untilGone(t, p, make([]byte, 1<<10), synctest.Wait); sent > 256+10 {
				t.Errorf("the connection beneath ended after %d KiB", sent)
			}
		})
	})
}

// untilGone writes until the connection is gone and returns how often.
func untilGone(t *testing.T, p *wstest.Peer, b []byte, between func()) int {
	t.Helper()
	must(t, p.Conn.SetWriteDeadline(time.Now().Add(time.Minute)))
	for n := range 10000 {
		if _, err := p.Conn.Write(b); err != nil {
			return n
		}
		between()
	}
	t.Fatal("the connection is never gone")
	return 0
}

// No reset eats what was written before Close, although the peer has sent things
// that nobody reads, and reads late itself.
func TestWhatWasWrittenBeforeCloseArrives(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		for range 20 {
			p.Text("nobody reads this")
		}
		must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 50000)))
		must(t, conn.Close())
		synctest.Wait()
		time.Sleep(conn.linger() / 2)
		for range 20 {
			p.Text("nor this")
		}
		p.WantBinary(make([]byte, 50000))
		p.WantClose(1000)
		p.WantEOF()
	})
}

// Both sides say goodbye at the same time, and the peer's Close frame comes in
// two pieces: the data that the peer has not read must survive that.
func TestCrossingCloseSplitInPayload(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 50000)))
		must(t, conn.Close())
		goodbye := []byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8}
		if roleOf(p) == client {
			goodbye = []byte{0x88, 0x02, 0x03, 0xe8}
		}
		p.WriteBytes(goodbye[:len(goodbye)-2])
		synctest.Wait()
		p.WriteBytes(goodbye[len(goodbye)-2:])
		synctest.Wait()
		p.WantBinary(make([]byte, 50000))
		p.WantClose(1000)
		p.WantEOF()
	})
}

func TestCloseConcurrently(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() { _, _, _ = conn.ReadMessage() })
			wg.Go(func() { _ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("x")) })
		}
		wg.Wait()
		for {
			first, payload := p.Next()
			if first == 0x88 {
				if string(payload) != "\x03\xe8" {
					t.Errorf("goodbye % x", payload)
				}
				break
			}
		}
		p.WantEOF()
	})
}

// Close from within a handler, inside a read.
func TestCloseInAHandler(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		conn.SetPingHandler(func(string) error { return conn.Close() })
		p.Ping("")
		start := time.Now()
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "read closed")
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
		p.WantClose(1000)
		p.WantEOF()
	})
}

// panicking is the guide's handler with a bug.
func panicking(w http.ResponseWriter, r *http.Request) error {
	var u lazywebsocket.Upgrader
	conn, err := u.Upgrade(w, r, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, _, _ = conn.ReadMessage()
	panic("a bug")
}

// withoutDefer forgets the deferred Close.
func withoutDefer(w http.ResponseWriter, r *http.Request) error {
	var u lazywebsocket.Upgrader
	conn, err := u.Upgrade(w, r, nil)
	if err != nil {
		return err
	}
	_, _, _ = conn.ReadMessage()
	panic("a bug")
}

func TestPanicEndsWith1011(t *testing.T) {
	routes := lazyroutes.New(lazyroutes.WithLogger(t.Context(), slog.New(slog.DiscardHandler)))
	routes.HandleFunc(http.MethodGet, "/guide", panicking)
	routes.HandleFunc(http.MethodGet, "/forgetful", withoutDefer)
	for name, tc := range map[string]struct {
		handler http.Handler
		path    string
	}{
		"net/http":             {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = panicking(w, r) }), "/"},
		"lazyroutes":           {routes, "/guide"},
		"lazyroutes, no defer": {routes, "/forgetful"},
		"net/http, ErrAbort":   {http.HandlerFunc(abort), "/"},
		"net/http, closure":    {http.HandlerFunc(inClosure), "/"},
	} {
		bubble(t, name, func(t *testing.T) {
			s := wstest.Serve(t, tc.handler)
			for range 2 { // the process lives on
				p := s.Peer()
				p.Request(tc.path)
				p.Response()
				p.Text("go")
				p.WantClose(1011)
				p.WantEOF()
				must(t, p.Conn.Close())
			}
		})
	}
}

func abort(w http.ResponseWriter, r *http.Request) {
	var u lazywebsocket.Upgrader
	conn, err := u.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	panic(http.ErrAbortHandler)
}

func inClosure(w http.ResponseWriter, r *http.Request) {
	var u lazywebsocket.Upgrader
	conn, err := u.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	panic("a bug")
}

// The panic goes on as it was.
func TestCloseKeepsThePanic(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conn, p := wstest.PeerOfServer(t, nil)
		boom := errors.New("boom")
		func() {
			defer func() {
				if v := recover(); v != boom { //nolint:errorlint // the same value
					t.Errorf("recovered %v", v)
				}
			}()
			defer conn.Close()
			panic(boom)
		}()
		p.WantClose(1011)
	})
}

func TestShutdown(t *testing.T) {
	type test func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer)
	for name, f := range map[string]test{
		"the peer answers": func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			done := result(func() error { return conn.Shutdown(t.Context(), 4001, "go") })
			p.Want("88 04 0fa1 'go'")
			synctest.Wait()
			p.Text("dropped")
			p.Close(4001, "")
			must(t, <-done)
			p.WantEOF()
			must(t, conn.Shutdown(t.Context(), 1000, ""))
			must(t, conn.Close())
		},
		"with a reader": func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			var messages []string
			read := result(func() (err error) { messages, err = readAll(conn); return err })
			synctest.Wait()
			done := result(func() error { return conn.Shutdown(t.Context(), 1001, "") })
			p.WantClose(1001)
			p.Text("still read")
			p.Close(1001, "ok")
			wantSummary(t, <-read, "close 1001 ok")
			if len(messages) != 1 {
				t.Errorf("read %q", messages)
			}
			must(t, <-done)
			p.WantEOF()
		},
		"the context ends": func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			err := conn.Shutdown(ctx, 1000, "")
			wantOpError(t, err, "shutdown", context.DeadlineExceeded)
			if d := time.Since(start); d != time.Second {
				t.Errorf("took %v", d)
			}
			p.WantClose(1000)
			p.WantEOF()
		},
		"the context ends, with a reader": func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			read := result(func() error { _, _, err := conn.ReadMessage(); return err })
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			done := result(func() error { return conn.Shutdown(ctx, 1000, "") })
			p.WantClose(1000)
			synctest.Wait()
			cancel()
			wantOpError(t, <-done, "shutdown", context.Canceled)
			wantSummary(t, <-read, "read closed")
			p.WantEOF()
		},
		"the context has ended": func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			wantOpError(t, conn.Shutdown(ctx, 1000, ""), "shutdown", context.Canceled)
			p.WantClose(1000)
			p.WantEOF()
		},
		"the peer vanishes": func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			done := result(func() error { return conn.Shutdown(t.Context(), 1000, "") })
			p.WantClose(1000)
			must(t, p.Conn.Close())
			err := <-done
			var op *lazywebsocket.OpError
			if !errors.As(err, &op) || op.Op != "shutdown" || !lazywebsocket.IsCloseError(err, 1006) {
				t.Errorf("error is %v", err)
			}
		},
		"a Close frame was sent before": func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			must(t, conn.WriteControl(lazywebsocket.CloseMessage, nil, time.Time{}))
			done := result(func() error { return conn.Shutdown(t.Context(), 1000, "") })
			p.Want("88 00")
			p.Close(0, "")
			must(t, <-done)
			p.WantEOF()
		},
		"the peer goes first": func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			p.Close(1001, "")
			done := result(func() error { return conn.Shutdown(t.Context(), 1000, "") })
			must(t, <-done)
			p.WantClose(1000)
			p.WantEOF()
		},
		"after Close": func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			must(t, conn.Close())
			must(t, conn.Shutdown(t.Context(), 1001, ""))
			p.WantClose(1000)
			p.WantEOF()
		},
		"after the peer's Close": func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			p.Close(1000, "")
			_, _, err := conn.ReadMessage()
			wantSummary(t, err, "close 1000")
			must(t, conn.Shutdown(t.Context(), 1001, ""))
			p.WantClose(1000)
			p.WantEOF()
		},
		"in the middle of a message": func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			p.Frame(0x01, []byte("half"))
			_, r, err := conn.NextReader()
			must(t, err)
			if _, err := r.Read(make([]byte, 2)); err != nil {
				t.Fatal(err)
			}
			done := result(func() error { return conn.Shutdown(t.Context(), 1000, "") })
			p.WantClose(1000)
			p.Frame(0x80, []byte("other half"))
			p.Close(1000, "")
			must(t, <-done)
			p.WantEOF()
		},
		"bad codes and reasons": func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			for code, reason := range map[int]string{
				999: "", 1004: "", 1006: "", 1015: "", 5000: "", -1: "", 66536: "",
				1000: strings.Repeat("x", 124), 1001: "\xff",
			} {
				var op *lazywebsocket.OpError
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				err := conn.Shutdown(ctx, code, reason)
				cancel()
				if !errors.As(err, &op) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("code %d, %q: %v", code, reason, err)
				}
			}
			// Nothing has happened yet.
			p.Text("alive")
			wantRead(t, conn, `text "alive"`)
			must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("alive")))
			p.WantText("alive")
		},
	} {
		t.Run(name, func(t *testing.T) { bothRoles(t, options{}, f) })
	}
}

// wantOpError compares an error's operation and cause.
func wantOpError(t *testing.T, err error, op string, cause error) {
	t.Helper()
	var got *lazywebsocket.OpError
	if !errors.As(err, &got) || got.Op != op || !errors.Is(err, cause) {
		t.Errorf("error is %v, want %s: %v", err, op, cause)
		return
	}
	if n := strings.Count(err.Error(), "lazywebsocket:"); n != 1 {
		t.Errorf("the prefix stands %d times in %q", n, err)
	}
}

// A Shutdown behind a stuck writer ends with its context.
func TestShutdownBehindAStuckWriter(t *testing.T) {
	everyDriver(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		wrote := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 5000)) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := conn.Shutdown(ctx, 1000, "")
		wantOpError(t, err, "shutdown", context.DeadlineExceeded)
		if d := time.Since(start); d > 1250*time.Millisecond {
			t.Errorf("took %v", d)
		}
		wantStuck(t, <-wrote)
		if got, _ := io.ReadAll(p.Conn); len(got) != 1000 { // no Close frame in the midst of a message
			t.Errorf("the peer got %d bytes", len(got))
		}
	})
}
