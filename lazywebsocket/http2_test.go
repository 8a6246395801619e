//go:build go1.26

package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyroutes"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/http2"
)

func TestHTTP2Refuses(t *testing.T) {
	ok := []string{
		":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/ws",
		":authority", "example.com", "sec-websocket-version", "13",
	}
	with := func(fields ...string) []string {
		all := slices.Clone(ok)
		for i := 0; i < len(fields); i += 2 {
			if at := slices.Index(all, fields[i]); at >= 0 && at%2 == 0 {
				all[at+1] = fields[i+1]
			} else {
				all = append(all, fields[i:i+2]...)
			}
		}
		return all
	}
	for name, tc := range map[string]struct {
		fields []string
		end    bool
		want   int
	}{
		"good":                  {fields: ok, want: 200},
		"upper case":            {fields: with(":protocol", "WebSocket"), want: 200},
		"with a key":            {fields: with("sec-websocket-key", "x"), want: 200},
		"own origin":            {fields: with("origin", "http://example.com"), want: 200},
		"Host as well":          {fields: with("host", "example.com"), want: 200},
		"foreign origin":        {fields: with("origin", "http://evil.example"), want: 403},
		"no origin's":           {fields: with("origin", "null"), want: 403},
		"two origins":           {fields: append(with("origin", "http://example.com"), "origin", "http://example.com"), want: 400},
		"another Host":          {fields: with("host", "evil.example", "origin", "http://evil.example"), want: 400},
		"another version":       {fields: with("sec-websocket-version", "8"), want: 400},
		"no version":            {fields: ok[:10], want: 400},
		"two versions":          {fields: append(slices.Clone(ok), "sec-websocket-version", "13"), want: 400},
		"no body":               {fields: ok, end: true, want: 400},
		"a length":              {fields: with("content-length", "10"), want: 400},
		"no length":             {fields: with("content-length", "0"), want: 400},
		"another protocol":      {fields: with(":protocol", "connect-udp"), want: 405},
		"another path":          {fields: with(":path", "/other"), want: 404},
		"a GET":                 {fields: with(":method", "GET"), want: 500},
		"a plain CONNECT":       {fields: []string{":method", "CONNECT", ":authority", "example.com"}, want: 404},
		"a GET without frames":  {fields: []string{":method", "GET", ":scheme", "http", ":path", "/ws", ":authority", "h"}, end: true, want: 500},
		"handshakes are scarce": {fields: with(":path", "/full"), want: 503},
		"a bad subprotocol":     {fields: with(":path", "/bad"), want: 500},
	} {
		bubble(t, name, func(t *testing.T) {
			router := lazyroutes.New(lazyroutes.WithLogger(t.Context(), slog.New(slog.DiscardHandler)))
			router.HandleFunc("GET", "/ws", guide)
			router.HandleFunc("GET", "/full", func(w http.ResponseWriter, r *http.Request) error {
				b := &lazywebsocket.Budget{Handshakes: 1}
				u := lazywebsocket.Upgrader{Budget: b, CheckOrigin: func(r *http.Request) bool {
					_, err := (&lazywebsocket.Upgrader{Budget: b}).Upgrade(w, r, nil)
					wantBudget(t, err)
					return false
				}}
				_, err := u.Upgrade(w, r, nil)
				if err == nil {
					t.Error("upgraded")
				}
				return nil
			})
			router.HandleFunc("GET", "/bad", func(w http.ResponseWriter, r *http.Request) error {
				if _, err := new(lazywebsocket.Upgrader).Upgrade(w, r, http.Header{"Sec-Websocket-Protocol": {"a b"}}); err == nil {
					t.Error("upgraded")
				}
				return nil
			})
			c := h2Server(t, &http.Server{Handler: router})(1 << 20)
			must(t, c.wait(func() bool { return c.connect }))
			s := c.open(tc.end, tc.fields...)
			if got := s.response(); got != tc.want {
				t.Errorf("status %d, want %d", got, tc.want)
			}
			s.cancel()
		})
	}
}

func wantBudget(t *testing.T, err error) {
	t.Helper()
	var full *lazywebsocket.BudgetError
	if !errors.As(err, &full) {
		t.Errorf("error is %v", err)
	}
}

// A tab that is closed resets its stream, and a machine that is switched off loses the
// connection: reads say that nobody said goodbye, and the handler ends.
func TestHTTP2PeerVanishes(t *testing.T) {
	for name, vanish := range map[string]func(h2Socket){
		"tab":        func(s h2Socket) { s.cancel() },
		"connection": func(s h2Socket) { _ = s.c.nc.Close() },
		"stream":     func(s h2Socket) { s.end() },
		"no error":   func(s h2Socket) { s.c.frame(h2Reset, 0, s.id, make([]byte, 4)) },
	} {
		bubble(t, name, func(t *testing.T) {
			returned := make(chan error, 1)
			c := h2Server(t, &http.Server{Handler: routed(func(w http.ResponseWriter, r *http.Request) error {
				conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
				must(t, err)
				defer func() {
					start := time.Now()
					_ = conn.Close()
					if d := time.Since(start); d > time.Second {
						t.Errorf("Close took %v", d)
					}
					returned <- err
				}()
				_, _, err = conn.ReadMessage()
				if name != "stream" {
					_ = conn.WriteMessage(lazywebsocket.TextMessage, make([]byte, 100_000))
				}
				return err
			})})(1 << 20)
			s := c.socket(t, "/ws")
			synctest.Wait()
			vanish(s)
			wantSummary(t, <-returned, "close 1006 unexpected EOF")
		})
	}
}

// The server's Shutdown waits for the streams, which the group ends.
func TestHTTP2Shutdown(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		g := lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{Spread: 10 * time.Second}}
		server := &http.Server{Handler: plain(func(w http.ResponseWriter, r *http.Request) error {
			conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			if err != nil {
				return err
			}
			defer conn.Close()
			g.Add(conn)
			_, _, err = conn.ReadMessage()
			return err
		})}
		g.ShutdownOn(server)
		c := h2Server(t, server)(1 << 20)
		var sockets []h2Socket
		for range 5 {
			sockets = append(sockets, c.socket(t, "/"))
		}
		synctest.Wait()
		start := time.Now()
		for i, s := range sockets {
			go func() {
				_, payload, err := s.receive()
				if err != nil || payload != code(1001) {
					t.Errorf("%q, %v", payload, err)
				}
				if i < 4 {
					s.send(0x88, payload)
					s.wantEnd()
				} // the last one does not answer
			}()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		must(t, errors.Join(server.Shutdown(ctx), g.Shutdown(ctx)))
		if d := time.Since(start); d < 8*time.Second || d > 20*time.Second {
			t.Errorf("Shutdown took %v", d)
		}
	})
}

// A member that takes nothing delays none of those on the same connection, and loses
// its stream alone.
func TestHTTP2SlowReader(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var g lazywebsocket.Group
		ended := make(chan error, 3)
		u := lazywebsocket.Upgrader{Queue: lazywebsocket.QueueOptions{Bytes: 100_000, Patience: 10 * time.Second}}
		c := h2Server(t, &http.Server{Handler: plain(func(w http.ResponseWriter, r *http.Request) error {
			conn, err := u.Upgrade(w, r, nil)
			must(t, err)
			defer conn.Close()
			g.Add(conn)
			_, _, err = conn.ReadMessage()
			ended <- err
			return err
		})})(20_000)
		sockets := []h2Socket{c.socket(t, "/"), c.socket(t, "/"), c.socket(t, "/")}
		synctest.Wait()
		text := strings.Repeat("x", 10_000)
		start := time.Now()
		for range 30 {
			must(t, g.BroadcastMessage(lazywebsocket.TextMessage, []byte(text)))
			for _, s := range sockets[1:] {
				s.want(0x81, text)
			}
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("it took %v", d)
		}
		err := <-ended
		if !errors.Is(err, lazywebsocket.ErrQueueFull) {
			t.Errorf("the slow one ended with %v", err)
		}
		if g.Len() != 2 {
			t.Errorf("%d members", g.Len())
		}
		for _, s := range sockets[1:] {
			s.send(0x88, code(1000))
			s.want(0x88, code(1000))
			s.wantEnd()
		}
	})
}

// Handlers that do not read: with Config as many as it says leave the others of their
// connection room. Nothing beyond that is kept of what they do not take.
func TestHTTP2Neighbours(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		release := make(chan struct{})
		mux := http.NewServeMux()
		mux.Handle("/echo", plain(guide))
		mux.HandleFunc("/deaf", func(w http.ResponseWriter, r *http.Request) {
			conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			must(t, err)
			<-release
			_ = conn.NetConn().Close()
		})
		c := h2Server(t, &http.Server{Handler: mux, HTTP2: http2.Config()})(1 << 20)
		for range 15 {
			deaf := c.socket(t, "/deaf")
			go func() { _, _ = deaf.Write(make([]byte, 1<<20)) }()
		}
		synctest.Wait()
		s := c.socket(t, "/echo")
		for range 100 {
			text := strings.Repeat("y", 10_000)
			s.send(0x81, text)
			s.want(0x81, text)
		}
		close(release)
		s.send(0x88, "")
		s.want(0x88, "")
	})
}

// A handler that returns before the connection's end, without a word: whoever holds the
// connection gets an error, and nothing panics.
func TestHTTP2HandlerReturns(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conns := make(chan *lazywebsocket.Conn, 1)
		c := h2Server(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := (&lazywebsocket.Upgrader{PingInterval: time.Second}).Upgrade(w, r, nil)
			must(t, err)
			conns <- conn
		})})(1 << 20)
		s := c.socket(t, "/")
		s.wantEnd()
		synctest.Wait()
		conn := <-conns
		err := conn.WriteMessage(lazywebsocket.TextMessage, []byte("too late"))
		var op *lazywebsocket.OpError
		if !errors.As(err, &op) || !errors.Is(err, lazywebsocket.ErrHandlerReturned) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("write: %v", err)
		}
		_, _, err = conn.ReadMessage()
		if !errors.As(err, &op) || !errors.Is(err, lazywebsocket.ErrHandlerReturned) {
			t.Errorf("read: %v", err)
		}
		time.Sleep(time.Minute) // for the keepalive
		must(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
		must(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
		_ = conn.NetConn().SetDeadline(time.Now().Add(-time.Second))
		_ = conn.Close()
	})
}

// A router, and http2.Handler, make the request wait for the connection that was left to
// a goroutine.
func TestHTTP2LeftToAGoroutine(t *testing.T) {
	leftToAGoroutine(t, routed)
	t.Run("http2.Handler", func(t *testing.T) {
		leftToAGoroutine(t, func(action func(http.ResponseWriter, *http.Request) error) http.Handler {
			return http2.Handler(plain(action))
		})
	})
}

func leftToAGoroutine(t *testing.T, handler func(func(http.ResponseWriter, *http.Request) error) http.Handler) {
	for name, leave := range map[string]func(h2Socket){
		"served": func(s h2Socket) {
			s.send(0x81, "still here")
			s.want(0x81, "still here")
			s.send(0x88, code(1000))
			s.want(0x88, code(1000))
			s.wantEnd()
		},
		"reset":   func(s h2Socket) { s.cancel() },
		"nobody":  func(s h2Socket) { s.cancel() },
		"failing": func(s h2Socket) { s.send(0x88, code(1000)); s.want(0x88, code(1000)); s.wantEnd() },
	} {
		bubble(t, name, func(t *testing.T) {
			returned := make(chan struct{})
			router := handler(func(w http.ResponseWriter, r *http.Request) error {
				conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
				must(t, err)
				if name != "nobody" {
					go func() {
						defer conn.Close()
						for {
							messageType, data, err := conn.ReadMessage()
							if err != nil {
								if name == "reset" {
									wantSummary(t, err, "close 1006 unexpected EOF")
								}
								return
							}
							must(t, conn.WriteMessage(messageType, data))
						}
					}()
				}
				if name == "failing" {
					return errors.New("of no consequence")
				}
				return nil
			})
			c := h2Server(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(returned)
				router.ServeHTTP(w, r)
			})})(1 << 20)
			s := c.socket(t, "/ws")
			synctest.Wait()
			select {
			case <-returned:
				t.Error("the handler has returned")
			default:
			}
			leave(s)
			<-returned
		})
	}
}

// The server's deadlines are those of requests.
func TestHTTP2OutlivesTheServersDeadlines(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		c := h2Server(t, &http.Server{
			Handler: plain(guide), ReadTimeout: time.Second, WriteTimeout: time.Second,
			ReadHeaderTimeout: time.Second, IdleTimeout: time.Second,
		})(1 << 20)
		s := c.socket(t, "/")
		for range 3 {
			time.Sleep(time.Minute)
			s.send(0x81, "alive")
			s.want(0x81, "alive")
		}
		s.send(0x88, "")
		s.want(0x88, "")
	})
}

// A request's context that a middleware ends does not end the connection.
func TestHTTP2OutlivesTheContext(t *testing.T) {
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"net/http": func(h http.Handler) http.Handler { return h },
		"lazyroutes": func(h http.Handler) http.Handler {
			return routed(func(w http.ResponseWriter, r *http.Request) error { h.ServeHTTP(w, r); return nil })
		},
	} {
		bubble(t, name, func(t *testing.T) {
			c := h2Server(t, &http.Server{Handler: wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithTimeout(r.Context(), time.Second)
				defer cancel()
				_ = guide(w, r.WithContext(ctx))
			}))})(1 << 20)
			s := c.socket(t, "/ws")
			time.Sleep(time.Minute)
			s.send(0x81, "alive")
			s.want(0x81, "alive")
			s.send(0x88, "")
			s.want(0x88, "")
		})
	}
}

// A Poller serves a stream in the handler's own goroutine, until its end.
func TestHTTP2Poller(t *testing.T) {
	for name, end := range map[string]func(*lazywebsocket.Poller, h2Socket){
		"peer": func(_ *lazywebsocket.Poller, s h2Socket) {
			s.send(0x88, code(1000))
			s.want(0x88, code(1000))
		},
		"Poller.Close": func(p *lazywebsocket.Poller, s h2Socket) {
			closed := result(p.Close)
			s.want(0x88, code(1001))
			s.send(0x88, code(1001))
			<-closed
		},
		"panic": func(_ *lazywebsocket.Poller, s h2Socket) {
			s.send(0x81, "panic")
			s.want(0x88, code(1011))
			s.send(0x88, code(1011))
		},
		"tab": func(_ *lazywebsocket.Poller, s h2Socket) { s.cancel() },
	} {
		bubble(t, name, func(t *testing.T) {
			p := &lazywebsocket.Poller{Inline: true}
			returned := make(chan error, 2)
			c := h2Server(t, &http.Server{Handler: plain(func(w http.ResponseWriter, r *http.Request) error {
				conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
				must(t, err)
				err = p.Serve(conn, handlerFuncs{message: func(c *lazywebsocket.Conn, messageType int, data []byte) error {
					if string(data) == "panic" {
						panic("as it was told")
					}
					return c.WriteMessage(messageType, data)
				}})
				returned <- err
				returned <- p.Serve(conn, nil)
				return nil
			})})(1 << 20)
			s := c.socket(t, "/")
			s.send(0x81, "hello")
			s.want(0x81, "hello")
			synctest.Wait()
			if stats := p.Stats(); stats != (lazywebsocket.PollerStats{Goroutines: 1}) {
				t.Errorf("%+v", stats)
			}
			if len(returned) > 0 {
				t.Error("Serve has returned")
			}
			end(p, s)
			must(t, <-returned)
			if err := <-returned; err == nil {
				t.Error("served again")
			}
			_ = p.Close()
		})
	}
}

// A handler that panics tells the peer, with and without a deferred Close.
func TestHTTP2Panic(t *testing.T) {
	for name, handler := range map[string]http.Handler{
		"deferred": plain(func(w http.ResponseWriter, r *http.Request) error {
			conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			must(t, err)
			defer conn.Close()
			panic(http.ErrAbortHandler)
		}),
		"routed": routed(func(w http.ResponseWriter, r *http.Request) error {
			_, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			must(t, err)
			panic(http.ErrAbortHandler)
		}),
	} {
		bubble(t, name, func(t *testing.T) {
			c := h2Server(t, &http.Server{Handler: handler})(1 << 20)
			s := c.socket(t, "/ws")
			s.want(0x88, code(1011))
			time.Sleep(100 * time.Millisecond)
			s.mu(func() {
				if s.ended || s.reset {
					t.Error("the stream ended before the peer's goodbye")
				}
			})
			s.send(0x88, code(1011))
			_, _ = io.ReadAll(s.r)
		})
	}
}

// nosy is a response writer of a middleware: it changes what is written through it.
type nosy struct {
	http.ResponseWriter
	status atomic.Int32
}

func (n *nosy) WriteHeader(status int) {
	n.status.Store(int32(status))
	n.ResponseWriter.WriteHeader(status)
}

func (n *nosy) Write(p []byte) (int, error) { return n.ResponseWriter.Write(append([]byte("?"), p...)) }
func (n *nosy) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// Frames go past response writers that wrap the server's, which hear of the answer.
func TestHTTP2WrappedWriter(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var status int32
		c := h2Server(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := &nosy{ResponseWriter: w}
			_ = guide(n, r)
			status = n.status.Load()
		})})(1 << 20)
		s := c.socket(t, "/")
		s.send(0x81, "hello")
		s.want(0x81, "hello")
		s.send(0x88, "")
		s.want(0x88, "")
		s.wantEnd()
		if status != 200 {
			t.Errorf("the wrapper heard of %d", status)
		}
	})
	bubble(t, "cannot be used", func(t *testing.T) {
		c := h2Server(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = guide(struct{ http.ResponseWriter }{w}, r)
		})})(1 << 20)
		if status := c.dial("/").response(); status != 500 {
			t.Errorf("status %d", status)
		}
	})
}

// A stream is taken once, and counts for its address until it is closed.
func TestHTTP2Address(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		u := lazywebsocket.Upgrader{Budget: &lazywebsocket.Budget{ConnectionsPerAddress: 1}}
		c := h2Server(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.RemoteAddr = "192.0.2.1:1234"
			conn, err := u.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			if got := fmt.Sprint(conn.RemoteAddr()); got != "192.0.2.1:1234" {
				t.Error(got)
			}
			if _, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil); err == nil {
				t.Error("taken twice")
			}
			_, _, _ = conn.ReadMessage()
		})})(1 << 20)
		for range 3 {
			s := c.socket(t, "/")
			if status := c.dial("/").response(); status != 429 {
				t.Errorf("status %d", status)
			}
			s.cancel()
			synctest.Wait()
		}
	})
}

// A handler that ends its goroutine, which is that of the request, says goodbye all the
// same.
func TestHTTP2PollerExits(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		p := new(lazywebsocket.Poller)
		c := h2Server(t, &http.Server{Handler: plain(func(w http.ResponseWriter, r *http.Request) error {
			conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			must(t, err)
			return p.Serve(conn, handlerFuncs{message: func(*lazywebsocket.Conn, int, []byte) error {
				runtime.Goexit()
				return nil
			}})
		})})(1 << 20)
		s := c.socket(t, "/")
		s.send(0x81, "x")
		s.want(0x88, code(1011))
		s.goodbye(1011, false)
		must(t, p.Close())
	})
}

// A connection that was left to nobody ends with its stream: it is counted no more, and is
// in no group.
func TestHTTP2LeftToNobody(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWitness()
		var g lazywebsocket.Group
		u := lazywebsocket.Upgrader{Observer: &w.Observer, PingInterval: time.Minute}
		c := h2Server(t, &http.Server{Handler: routed(func(w http.ResponseWriter, r *http.Request) error {
			conn, err := u.Upgrade(w, r, nil)
			must(t, err)
			g.Add(conn)
			return nil
		})})(1 << 20)
		s := c.socket(t, "/ws")
		synctest.Wait() // Upgrade may still be looking for the answer's end
		s.cancel()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if e := w.end(t); e.Cause != lazywebsocket.EndNetwork || g.Len() != 0 {
			t.Errorf("it ended by %v, and the group has %d members", e.Cause, g.Len())
		}
	})
}
