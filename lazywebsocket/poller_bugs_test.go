package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// handlerFuncs is a MessageHandler of two functions, either of which may be nil.
type handlerFuncs struct {
	message func(c *lazywebsocket.Conn, messageType int, data []byte) error
	closed  func(c *lazywebsocket.Conn, err error)
}

func (h handlerFuncs) ServeMessage(c *lazywebsocket.Conn, messageType int, data []byte) error {
	if h.message == nil {
		return c.WriteMessage(messageType, data)
	}
	return h.message(c, messageType, data)
}

func (h handlerFuncs) ServeClosed(c *lazywebsocket.Conn, err error) {
	if h.closed != nil {
		h.closed(c, err)
	}
}

// pollingServer serves every connection with the Poller and the handler, over
// TCP, with the Upgrader or nil.
func pollingServer(t *testing.T, p *lazywebsocket.Poller, u *lazywebsocket.Upgrader, h lazywebsocket.MessageHandler) (url string) {
	t.Helper()
	if u == nil {
		u = new(lazywebsocket.Upgrader)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		if err := p.Serve(conn, h); err != nil {
			_ = conn.Close()
		}
	}))
	t.Cleanup(func() {
		s.Close()
		_ = p.Close()
	})
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func dialURL(t *testing.T, url string) *lazywebsocket.Conn {
	t.Helper()
	conn, _, err := lazywebsocket.DefaultDialer.Dial(url, nil)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// wantEcho writes a message and reads its echo, in time.
func wantEcho(t *testing.T, conn *lazywebsocket.Conn, text string) {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(30*time.Second))) // a busy machine is not a lost message
	must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(text)))
	_, data, err := conn.ReadMessage()
	if err != nil || string(data) != text {
		t.Fatalf("echo of %q: %q, %v", text, data, err)
	}
	must(t, conn.SetReadDeadline(time.Time{}))
}

// awaitStuckWriters waits until n writers of sockets wait for room.
func awaitStuckWriters(n int) {
	stacks := make([]byte, 1<<20)
	for {
		all := string(stacks[:runtime.Stack(stacks, true)])
		if strings.Count(all, "(*Socket).writeAll(") >= n && strings.Count(all, "(*Socket).park(") >= n {
			return
		}
		runtime.Gosched()
	}
}

// A handler on the loop that waits for its turn behind a writer of its own
// connection, whose peer does not read, does not stop the other connections.
func TestPollerInlineWaitsForItsTurn(t *testing.T) {
	for name, wait := range map[string]func(c *lazywebsocket.Conn){
		"WriteMessage": func(c *lazywebsocket.Conn) { _ = c.WriteMessage(lazywebsocket.TextMessage, nil) },
		"WriteControl": func(c *lazywebsocket.Conn) {
			_ = c.WriteControl(lazywebsocket.PingMessage, nil, time.Now().Add(time.Minute))
		},
		"NextWriter": func(c *lazywebsocket.Conn) { _, _ = c.NextWriter(lazywebsocket.TextMessage) },
		"Flush":      func(c *lazywebsocket.Conn) { _ = c.Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			inside, conns := make(chan bool, 1), make(chan *lazywebsocket.Conn, 2)
			poller := &lazywebsocket.Poller{Loops: 1, Inline: true}
			url := pollingServer(t, poller, nil, handlerFuncs{message: func(c *lazywebsocket.Conn, messageType int, data []byte) error {
				switch string(data) {
				case "hello":
					conns <- c
				case "wait":
					inside <- true
					wait(c)
				default:
					return c.WriteMessage(messageType, data)
				}
				return nil
			}})
			lazy, other := dialURL(t, url), dialURL(t, url)
			wantEcho(t, other, "first")
			must(t, lazy.WriteMessage(lazywebsocket.TextMessage, []byte("hello")))
			conn := <-conns
			stuck := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 32<<20)) })
			awaitStuckWriters(1)
			must(t, lazy.WriteMessage(lazywebsocket.TextMessage, []byte("wait")))
			<-inside
			wantEcho(t, other, "second")
			must(t, conn.Close())
			<-stuck
		})
	}
}

// So with the answer to a Close frame.
func TestPollerInlineCloseBehindAStuckWriter(t *testing.T) {
	conns := make(chan *lazywebsocket.Conn, 1)
	poller := &lazywebsocket.Poller{Loops: 1, Inline: true}
	url := pollingServer(t, poller, nil, handlerFuncs{message: func(c *lazywebsocket.Conn, messageType int, data []byte) error {
		if string(data) == "hello" {
			conns <- c
			return nil
		}
		return c.WriteMessage(messageType, data)
	}})
	other := dialURL(t, url)
	wantEcho(t, other, "first")
	for i := range 3 {
		lazy := dialURL(t, url)
		must(t, lazy.WriteMessage(lazywebsocket.TextMessage, []byte("hello")))
		conn := <-conns
		go func() { _ = conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 32<<20)) }()
		awaitStuckWriters(i + 1)
		must(t, lazy.WriteControl(lazywebsocket.CloseMessage, nil, time.Time{}))
	}
	start := time.Now()
	wantEcho(t, other, "second")
	if d := time.Since(start); d > 500*time.Millisecond {
		t.Errorf("the loop was away for %v", d)
	}
}

// A peer that sends without a pause does not keep a loop for itself.
func TestPollerInlineFlood(t *testing.T) {
	for name, piece := range map[string]string{
		"pings":       "89 80 00000000",
		"long pings":  "89 fd 00000000 61*125",
		"pongs":       "8a 80 00000000",
		"messages":    "82 80 00000000",
		"fragments":   "00 80 00000000",
		"one message": "",
	} {
		t.Run(name, func(t *testing.T) {
			poller := &lazywebsocket.Poller{Loops: 1, Inline: true}
			u := &lazywebsocket.Upgrader{MaxFragments: -1, ReadLimit: -1}
			url := pollingServer(t, poller, u, handlerFuncs{})
			flooder, other := dialURL(t, url), dialURL(t, url)
			wantEcho(t, other, "first")
			nc := flooder.NetConn()
			flood := []byte(strings.Repeat(string(unhex(t, piece)), 1+(128<<10)/max(1, len(unhex(t, piece)))))
			switch name {
			case "fragments":
				_, err := nc.Write(unhex(t, "02 80 00000000"))
				must(t, err)
			case "one message":
				_, err := nc.Write(unhex(t, "82 ff 0000000f00000000 00000000"))
				must(t, err)
				flood = make([]byte, 64<<10)
			}
			go func() { _, _ = io.Copy(io.Discard, nc) }()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for {
					if _, err := nc.Write(flood); err != nil {
						return
					}
				}
			}()
			for range 5 {
				wantEcho(t, other, "second")
			}
			must(t, nc.Close())
			<-ended
		})
	}
}

// inChild runs the test of this name in a process of its own, with the variable
// CRASH set, and returns whether this is that process.
func inChild(t *testing.T) bool {
	t.Helper()
	if os.Getenv("LAZYWEBSOCKET_CHILD") != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=20s")
	cmd.Env = append(os.Environ(), "LAZYWEBSOCKET_CHILD=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%.600s", err, out)
	}
	return false
}

// A handler of control frames that panics ends its connection, not the process.
func TestPollerControlHandlerPanics(t *testing.T) {
	if !inChild(t) {
		return
	}
	for name, d := range drivers() {
		if d.poller == nil {
			continue
		}
		bubble(t, name, func(t *testing.T) {
			conn, p := wstest.PeerOfServer(t, nil)
			if d.hidden {
				conn.HideReadiness()
			}
			conn.SetPingHandler(func(string) error { panic("boom") })
			h := newEchoHandler()
			must(t, d.poller.Serve(conn, h))
			p.Ping("x")
			var panicked *lazywebsocket.PanicError
			if err := <-h.closed; !errors.As(err, &panicked) || panicked.Value != "boom" {
				t.Errorf("closed with %v", err)
			}
			p.WantClose(1011)
		})
	}
}

// ServeClosed that panics does not end the process either.
func TestPollerServeClosedPanics(t *testing.T) {
	if !inChild(t) {
		return
	}
	for name, d := range drivers() {
		if d.poller == nil {
			continue
		}
		bubble(t, name, func(t *testing.T) {
			conn, p := wstest.PeerOfServer(t, nil)
			if d.hidden {
				conn.HideReadiness()
			}
			must(t, d.poller.Serve(conn, handlerFuncs{closed: func(*lazywebsocket.Conn, error) { panic("boom") }}))
			p.Close(1000, "")
			p.WantClose(1000)
			p.WantEOF()
		})
	}
}

// A handler that ends its goroutine, as t.FailNow does, ends its connection and
// no other.
func TestPollerHandlerExits(t *testing.T) {
	for _, inline := range []bool{false, true} {
		t.Run(fmt.Sprintf("inline=%v", inline), func(t *testing.T) {
			poller := &lazywebsocket.Poller{Loops: 1, Inline: inline}
			closed := make(chan error, 2)
			url := pollingServer(t, poller, nil, handlerFuncs{
				message: func(c *lazywebsocket.Conn, messageType int, data []byte) error {
					if string(data) == "exit" {
						runtime.Goexit()
					}
					return c.WriteMessage(messageType, data)
				},
				closed: func(_ *lazywebsocket.Conn, err error) { closed <- err },
			})
			one, other := dialURL(t, url), dialURL(t, url)
			wantEcho(t, other, "first")
			must(t, one.WriteMessage(lazywebsocket.TextMessage, []byte("exit")))
			select {
			case <-closed:
			case <-time.After(3 * time.Second):
				t.Error("ServeClosed was not called")
			}
			wantEcho(t, other, "second")
		})
	}
}

// Shutdown drops the rest of a message of which a part has arrived; nobody gets
// that part for a message.
func TestPollerShutdownInsideAMessage(t *testing.T) {
	for name, rest := range map[string]string{
		"the message ends":  "80 02|'lo'",
		"another begins":    "80 02|'lo' / 01 03|'abc'",
		"another is whole":  "80 02|'lo' / 81 03|'abc'",
		"nothing more came": "",
	} {
		t.Run(name, func(t *testing.T) {
			for range 50 { // who gets the gate first is a matter of luck
				pollers(t, func(t *testing.T, poller *lazywebsocket.Poller) {
					conn, p := wstest.PeerOfServer(t, nil)
					closed := make(chan error, 1)
					must(t, poller.Serve(conn, handlerFuncs{
						message: func(_ *lazywebsocket.Conn, messageType int, data []byte) error {
							t.Errorf("a message: %s", message(messageType, data))
							return nil
						},
						closed: func(_ *lazywebsocket.Conn, err error) { closed <- err },
					}))
					p.WriteBytes(wire(t, server, "01 02|'he'"))
					synctest.Wait()
					ctx, cancel := context.WithCancel(t.Context())
					done := result(func() error { return conn.Shutdown(ctx, 1001, "") })
					p.WantClose(1001)
					synctest.Wait() // it reads
					if rest != "" {
						p.WriteBytes(wire(t, server, rest))
					}
					synctest.Wait()
					if strings.HasPrefix(name, "another begins") {
						more := wire(t, server, "00 01|'x' / 80 01|'y'")
						go func() { _, _ = p.Conn.Write(more) }()
					}
					cancel()
					if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
						t.Errorf("Shutdown: %v", err)
					}
					<-closed
				})
			}
		})
	}
}

// A message that a read has begun and left belongs to nobody, or is delivered
// whole.
func TestPollerServeInsideAMessage(t *testing.T) {
	for name, tc := range map[string]struct {
		leave func(t *testing.T, conn *lazywebsocket.Conn)
		want  string
	}{
		"a cancelled read": {func(t *testing.T, conn *lazywebsocket.Conn) {
			ctx, cancel := context.WithCancel(t.Context())
			read := result(func() error { _, _, err := conn.ReadMessageContext(ctx); return err })
			synctest.Wait()
			cancel()
			if err := <-read; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}, "hello"},
		"a reader": {func(t *testing.T, conn *lazywebsocket.Conn) {
			_, _, err := conn.NextReader()
			must(t, err)
		}, "next"},
	} {
		for _, rest := range []string{"05", "05|'hel'"} { // of the header, and of the payload
			if name == "a cancelled read" && rest != "05" {
				continue
			}
			for way, d := range drivers() {
				if d.poller == nil {
					continue
				}
				bubble(t, name+"/"+rest+"/"+way, func(t *testing.T) {
					conn, p := wstest.PeerOfServer(t, nil)
					if d.hidden {
						conn.HideReadiness()
					}
					whole := wire(t, server, "81 05|'hello' / 81 04|'next'")
					cut := 6 + len(unhex(t, strings.TrimPrefix(strings.TrimPrefix(rest, "05"), "|")))
					p.WriteBytes(whole[:cut])
					synctest.Wait()
					tc.leave(t, conn)
					h := newEchoHandler()
					must(t, d.poller.Serve(conn, h))
					p.WriteBytes(whole[cut:])
					p.WantText(tc.want)
					must(t, conn.Close())
					<-h.closed
				})
			}
		}
	}
}

// A reader of a message that was begun before the hand-over gets an error and
// breaks nothing.
func TestPollerReaderFromBefore(t *testing.T) {
	pollers(t, func(t *testing.T, poller *lazywebsocket.Poller) {
		conn, p := wstest.PeerOfServer(t, nil)
		whole := wire(t, server, "81 05|'hello' / 81 04|'next'")
		p.WriteBytes(whole[:8])
		_, r, err := conn.NextReader()
		must(t, err)
		h := newEchoHandler()
		must(t, poller.Serve(conn, h))
		synctest.Wait()
		read := result(func() error {
			_, err := io.ReadAll(r)
			return err
		})
		synctest.Wait()
		p.WriteBytes(whole[8:])
		synctest.Wait()
		if err := <-read; err == nil {
			t.Error("read beside the Poller")
		}
		p.WantText("next")
		must(t, conn.Close())
		<-h.closed
	})
}

// Close ends connections in memory too.
func TestPollerCloseInMemory(t *testing.T) {
	for name, d := range drivers() {
		if d.poller == nil {
			continue
		}
		bubble(t, name, func(t *testing.T) {
			conn, _ := wstest.PeerOfServer(t, nil)
			if d.hidden {
				conn.HideReadiness()
			}
			h := newEchoHandler()
			must(t, d.poller.Serve(conn, h))
			synctest.Wait()
			_ = d.poller.Close()
			select {
			case err := <-h.closed:
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("closed with %v", err)
				}
			case <-time.After(time.Minute):
				t.Error("ServeClosed was not called")
			}
		})
	}
}

// The addresses are those of the connection, after its end too.
func TestPollerAddresses(t *testing.T) {
	for name, end := range map[string]func(peer, conn *lazywebsocket.Conn){
		"reset": func(peer, _ *lazywebsocket.Conn) {
			_ = peer.NetConn().(*net.TCPConn).SetLinger(0)
			_ = peer.NetConn().Close()
		},
		"closed by the peer": func(peer, _ *lazywebsocket.Conn) { _ = peer.Close() },
		"closed by us":       func(_, conn *lazywebsocket.Conn) { _ = conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			conns, addrs := make(chan *lazywebsocket.Conn, 1), make(chan [2]string, 1)
			poller := &lazywebsocket.Poller{Loops: 1}
			url := pollingServer(t, poller, nil, handlerFuncs{
				message: func(c *lazywebsocket.Conn, _ int, _ []byte) error { conns <- c; return nil },
				closed: func(c *lazywebsocket.Conn, _ error) {
					addrs <- [2]string{c.LocalAddr().String(), c.RemoteAddr().String()}
				},
			})
			peer := dialURL(t, url)
			must(t, peer.WriteMessage(lazywebsocket.TextMessage, nil))
			conn := <-conns
			want := [2]string{conn.LocalAddr().String(), conn.RemoteAddr().String()}
			if want[1] != peer.LocalAddr().String() {
				t.Errorf("%q is not the peer", want[1])
			}
			end(peer, conn)
			if got := <-addrs; got != want {
				t.Errorf("in ServeClosed %q, want %q", got, want)
			}
		})
	}
}

// After Close a handler gets no message more, though more have arrived.
func TestPollerNoMessageAfterClose(t *testing.T) {
	for range 20 {
		pollers(t, func(t *testing.T, poller *lazywebsocket.Poller) {
			conn, p := wstest.PeerOfServer(t, nil)
			var calls atomic.Int32
			closed := make(chan error, 1)
			must(t, poller.Serve(conn, handlerFuncs{
				message: func(c *lazywebsocket.Conn, _ int, _ []byte) error { calls.Add(1); return c.Close() },
				closed:  func(_ *lazywebsocket.Conn, err error) { closed <- err },
			}))
			p.WriteBytes(wire(t, server, "81 01|'1' / 81 01|'2' / 81 01|'3'"))
			<-closed
			if n := calls.Load(); n != 1 {
				t.Errorf("%d messages, want one", n)
			}
		})
	}
}

// ServeClosed that ends its goroutine, which is the loop's, ends no loop.
func TestPollerServeClosedExits(t *testing.T) {
	onKinds(t, 1, func(t *testing.T, p *lazywebsocket.Poller) {
		url := pollingServer(t, p, nil, handlerFuncs{closed: func(*lazywebsocket.Conn, error) { runtime.Goexit() }})
		one, other := dialURL(t, url), dialURL(t, url)
		wantEcho(t, one, "first")
		wantEcho(t, other, "first")
		must(t, one.Close())
		wantEcho(t, other, "second")
	})
}

// An inline handler that waits for another's Shutdown of its connection does not
// stop the others.
func TestPollerInlineShutdownTwice(t *testing.T) {
	p := &lazywebsocket.Poller{Loops: 1, Inline: true}
	conns, shutting, heard := make(chan *lazywebsocket.Conn, 1), make(chan bool), make(chan bool)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := pollingServer(t, p, nil, handlerFuncs{message: func(c *lazywebsocket.Conn, messageType int, data []byte) error {
		switch string(data) {
		case "hello":
			conns <- c
			<-shutting
			close(heard)
			_ = c.Shutdown(ctx, 1000, "")
			return nil
		default:
			return c.WriteMessage(messageType, data)
		}
	}})
	one, other := dialURL(t, url), dialURL(t, url)
	wantEcho(t, other, "first")
	must(t, one.WriteMessage(lazywebsocket.TextMessage, []byte("hello")))
	conn := <-conns
	one.SetCloseHandler(func(int, string) error { return nil }) // does not answer
	go func() { _ = conn.Shutdown(ctx, 1001, "") }()
	if _, _, err := one.NextReader(); !lazywebsocket.IsCloseError(err, 1001) {
		t.Errorf("the peer read %v", err)
	}
	shutting <- true
	<-heard
	wantEcho(t, other, "second")
}

// countingHandler counts the messages and keeps the end.
type countingHandler struct {
	n   int
	end chan error
}

func (h *countingHandler) ServeMessage(*lazywebsocket.Conn, int, []byte) error {
	h.n++
	return nil
}

func (h *countingHandler) ServeClosed(_ *lazywebsocket.Conn, err error) { h.end <- err }

// The budget of inflated bytes is for messages in progress: many small ones, one
// after the other, do not use it up.
func TestPollerInflatesWithinTheBudget(t *testing.T) {
	u := &lazywebsocket.Upgrader{EnableCompression: true, Budget: &lazywebsocket.Budget{InflatedBytes: 256 << 10}}
	server, client := wstest.NewPair(t, u, &lazywebsocket.Dialer{EnableCompression: true})
	poller := new(lazywebsocket.Poller)
	h := &countingHandler{end: make(chan error, 1)}
	must(t, poller.Serve(server, h))
	message := make([]byte, 10<<10)
	for range 100 {
		must(t, client.WriteMessage(lazywebsocket.BinaryMessage, message))
	}
	must(t, client.Shutdown(t.Context(), 1000, ""))
	if err := <-h.end; h.n != 100 {
		t.Errorf("%d messages, then %v", h.n, err)
	}
	must(t, poller.Close())
}

// An empty message is empty and not nil, in fresh memory too.
func TestPollerEmptyMessage(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		runtime.GC() // twice empties the pools
		runtime.GC()
		p.Text("")
		if _, data, err := conn.ReadMessage(); data == nil || err != nil {
			t.Errorf("%v, %v", data, err)
		}
	})
}
