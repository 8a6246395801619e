package http3_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"golazy.dev/lazywebsocket"
	sockets "golazy.dev/lazywebsocket/http3"
)

// Sockets on one connection end cleanly, 40 of 40, from both sides: the server's stream
// stays until the peer's Close frame has come, and ends with FIN.
func TestCleanCloses(t *testing.T) {
	for name, handler := range map[string]http.Handler{
		"net/http":   plain(echo(new(lazywebsocket.Upgrader))),
		"lazyroutes": routed(echo(new(lazywebsocket.Upgrader))),
	} {
		bubble(t, name, func(t *testing.T) {
			c := newWorld(t, handler).client(1 << 20)
			for i := range 40 {
				s := c.socket("/ws")
				s.send(0x81, "hello")
				s.want(0x81, "hello")
				if i%2 == 0 {
					s.send(0x81, "leave")
					s.want(0x88, code(1000))
					time.Sleep(time.Duration(i) * 20 * time.Millisecond) // the way there and back
					s.goodbye(1000, i%4 == 0)
				} else {
					s.goodbye(1001, i%4 == 1)
					s.want(0x88, code(1001))
				}
				s.wantEnd()
			}
		})
	}
}

// A peer that does not answer holds the handler up for a second.
func TestSilentPeer(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		took := make(chan time.Duration, 1)
		c := newWorld(t, plain(func(w http.ResponseWriter, r *http.Request) error {
			conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			must(t, err)
			start := time.Now()
			must(t, conn.Close())
			must(t, conn.Close())
			took <- time.Since(start)
			return nil
		})).client(1 << 20)
		s := c.socket("/")
		s.want(0x88, code(1000))
		if d := <-took; d != time.Second {
			t.Errorf("Close took %v", d)
		}
		s.wantEnd()
	})
}

// A tab that is closed resets its stream, a machine that is switched off is noticed by
// QUIC: reads say that nobody said goodbye, and the handler ends.
func TestPeerVanishes(t *testing.T) {
	for name, vanish := range map[string]func(*client, socket){
		"tab":           func(_ *client, s socket) { cancel(s.RequestStream) },
		"its direction": func(_ *client, s socket) { s.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled)) },
		"stream":        func(_ *client, s socket) { _ = s.Close() },
		"connection":    func(c *client, _ socket) { _ = c.quic.CloseWithError(0, "") },
		"machine":       func(c *client, _ socket) { _ = c.host.Close() },
	} {
		bubble(t, name, func(t *testing.T) {
			returned := make(chan error, 1)
			c := newWorld(t, routed(func(w http.ResponseWriter, r *http.Request) error {
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
				return err
			})).client(1 << 20)
			s := c.socket("/ws")
			synctest.Wait()
			start := time.Now()
			vanish(c, s)
			if err := <-returned; !lazywebsocket.IsCloseError(err, lazywebsocket.CloseAbnormalClosure) {
				t.Errorf("ended with %v", err)
			}
			if d := time.Since(start); (name == "machine") != (d > time.Second) || d > 46*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

// A handler that panics tells the peer, and ends its connection, whoever sees to it: a
// deferred Close, a router or nobody. The server lives.
func TestPanic(t *testing.T) {
	var g lazywebsocket.Group
	upgraded := func(t *testing.T, w http.ResponseWriter, r *http.Request) *lazywebsocket.Conn {
		conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
		must(t, err)
		g.Add(conn)
		return conn
	}
	for name, handler := range map[string]func(t *testing.T) http.Handler{
		"deferred": func(t *testing.T) http.Handler {
			return plain(func(w http.ResponseWriter, r *http.Request) error {
				defer upgraded(t, w, r).Close()
				panic(http.ErrAbortHandler)
			})
		},
		"routed": func(t *testing.T) http.Handler {
			return routed(func(w http.ResponseWriter, r *http.Request) error {
				upgraded(t, w, r)
				panic(http.ErrAbortHandler)
			})
		},
		"bare": func(t *testing.T) http.Handler {
			return plain(func(w http.ResponseWriter, r *http.Request) error {
				upgraded(t, w, r)
				panic(http.ErrAbortHandler)
			})
		},
	} {
		bubble(t, name, func(t *testing.T) {
			c := newWorld(t, handler(t)).client(1 << 20)
			for range 2 {
				s := c.socket("/ws")
				s.want(0x88, code(1011))
				time.Sleep(100 * time.Millisecond)
				s.send(0x88, code(1011))
				_, err := io.ReadAll(s.r)
				wantCode(t, err, http3.ErrCodeInternalError)
				if n := g.Len(); n != 0 {
					t.Errorf("%d connections are left", n)
				}
			}
		})
	}
	bubble(t, "before it has upgraded", func(t *testing.T) {
		handler := sockets.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		_, _, err := newWorld(t, handler).client(1 << 20).do(request("/ws", nil))
		wantCode(t, err, http3.ErrCodeInternalError)
	})
}

// wantCode says whether an error is that of a stream that the server has reset.
func wantCode(t testing.TB, err error, code http3.ErrCode) {
	t.Helper()
	var e *http3.Error
	if !errors.As(err, &e) || e.ErrorCode != code || !e.Remote {
		t.Errorf("error is %v, want %v", err, code)
	}
}

// Who holds the connection of a handler that has gone, as by a panic, gets an error, and
// nothing more is sent.
func TestHandlerGone(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conns := make(chan *lazywebsocket.Conn, 1)
		reads := make(chan error, 1)
		c := newWorld(t, plain(func(w http.ResponseWriter, r *http.Request) error {
			conn, err := (&lazywebsocket.Upgrader{PingInterval: time.Second}).Upgrade(w, r, nil)
			must(t, err)
			go func() {
				_, _, err := conn.ReadMessage()
				reads <- err
			}()
			synctest.Wait() // it waits
			conns <- conn
			panic(http.ErrAbortHandler)
		})).client(1 << 20)
		s, _, _ := c.do(request("/", nil))
		conn := <-conns
		synctest.Wait()
		var op *lazywebsocket.OpError
		if err := <-reads; !errors.As(err, &op) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v", err)
		}
		if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte("too late")); !errors.Is(err, lazywebsocket.ErrCloseSent) {
			t.Errorf("write: %v", err)
		}
		time.Sleep(time.Minute) // for the keepalive
		_ = conn.NetConn().SetDeadline(time.Now().Add(-time.Second))
		if err := conn.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		cancel(s)
	})
}

// A request waits for the connection that was left to a goroutine, with a router and
// without.
func TestLeftToAGoroutine(t *testing.T) {
	for name, leave := range map[string]func(socket){
		"served": func(s socket) {
			s.send(0x81, "still here")
			s.want(0x81, "still here")
			s.goodbye(1000, false)
			s.want(0x88, code(1000))
			s.wantEnd()
		},
		"reset":  func(s socket) { cancel(s.RequestStream) },
		"nobody": func(s socket) { cancel(s.RequestStream) }, // reads
	} {
		for kind, handler := range map[string]func(action) http.Handler{"plain": plain, "routed": routed} {
			bubble(t, name+" "+kind, func(t *testing.T) {
				returned := make(chan struct{})
				served := handler(func(w http.ResponseWriter, r *http.Request) error {
					ctx, stop := context.WithCancel(r.Context())
					defer stop() // a middleware's
					conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r.WithContext(ctx), nil)
					must(t, err)
					if name == "nobody" {
						return nil
					}
					go func() {
						defer conn.Close()
						for {
							messageType, data, err := conn.ReadMessage()
							if err != nil {
								return
							}
							must(t, conn.WriteMessage(messageType, data))
						}
					}()
					return nil
				})
				c := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(returned)
					served.ServeHTTP(w, r)
				})).client(1 << 20)
				s := c.socket("/ws")
				time.Sleep(10 * time.Second) // longer than a stream's end is waited for
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
}
