package http3_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"golazy.dev/lazywebsocket"
	sockets "golazy.dev/lazywebsocket/http3"
)

// A write that runs out of its time, or that another goroutine ends, resets the stream
// at once: the client does not wait for the handler.
func TestStuckWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		limit time.Duration // of the write; zero: none
		end   func(*lazywebsocket.Conn)
		want  error
		after time.Duration
	}{
		"deadline":       {limit: 5 * time.Second, want: os.ErrDeadlineExceeded, after: 5 * time.Second},
		"deadline later": {end: func(c *lazywebsocket.Conn) { _ = c.NetConn().SetWriteDeadline(time.Now()) }, want: os.ErrDeadlineExceeded, after: 3 * time.Second},
		"Close":          {end: func(c *lazywebsocket.Conn) { _ = c.NetConn().Close() }, after: 3 * time.Second},
	} {
		bubble(t, name, func(t *testing.T) {
			ctx, release := context.WithCancel(t.Context())
			defer release()
			c := newWorld(t, plain(func(w http.ResponseWriter, r *http.Request) error {
				conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
				must(t, err)
				start := time.Now()
				if tc.limit > 0 {
					must(t, conn.SetWriteDeadline(start.Add(tc.limit)))
				}
				if tc.end != nil {
					time.AfterFunc(tc.after, func() { tc.end(conn) })
				}
				err = conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 10<<20))
				if d := time.Since(start); err == nil || tc.want != nil && !errors.Is(err, tc.want) || d/time.Second != tc.after/time.Second {
					t.Errorf("after %v: %v", d, err)
				}
				if err := conn.WriteMessage(lazywebsocket.TextMessage, nil); err == nil {
					t.Error("written behind that")
				}
				<-ctx.Done()
				return conn.Close()
			})).client(100_000)
			s := c.socket("/")
			time.Sleep(8 * time.Second)
			var err error
			n := 0
			for b := make([]byte, 64<<10); err == nil; {
				var m int
				m, err = s.Read(b)
				n += m
			}
			wantCode(t, err, http3.ErrCodeRequestCanceled)
			if n > 100_000 {
				t.Errorf("%d bytes came", n)
			}
			_, err = s.Write([]byte("x"))
			wantCode(t, err, http3.ErrCodeRequestCanceled)
		})
	}
}

// A large message comes whole through small windows.
func TestBackPressure(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		c := newWorld(t, plain(echo(new(lazywebsocket.Upgrader)))).client(20_000)
		s := c.socket("/")
		text := strings.Repeat("0123456789", 6000)
		for range 20 {
			var sent sync.WaitGroup
			sent.Go(func() { s.send(0x81, text) })
			s.want(0x81, text)
			sent.Wait()
		}
		s.goodbye(1000, true)
		s.want(0x88, code(1000))
		s.wantEnd()
	})
}

// A member of a group that takes nothing delays none of those on the same connection,
// and loses its stream alone.
func TestSlowReader(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var g lazywebsocket.Group
		ended := make(chan error, 3)
		u := lazywebsocket.Upgrader{Queue: lazywebsocket.QueueOptions{Bytes: 100_000, Patience: 10 * time.Second}}
		c := newWorld(t, plain(func(w http.ResponseWriter, r *http.Request) error {
			conn, err := u.Upgrade(w, r, nil)
			must(t, err)
			defer conn.Close()
			g.Add(conn)
			_, _, err = conn.ReadMessage()
			ended <- err
			return err
		})).client(20_000)
		members := []socket{c.socket("/"), c.socket("/"), c.socket("/")}
		synctest.Wait()
		text := strings.Repeat("x", 10_000)
		start := time.Now()
		for range 30 {
			must(t, g.BroadcastMessage(lazywebsocket.TextMessage, []byte(text)))
			for _, s := range members[1:] {
				s.want(0x81, text)
			}
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("it took %v", d)
		}
		if err := <-ended; !errors.Is(err, lazywebsocket.ErrQueueFull) {
			t.Errorf("the slow one ended with %v", err)
		}
		if g.Len() != 2 {
			t.Errorf("%d members", g.Len())
		}
		for _, s := range members[1:] {
			s.goodbye(1000, false)
			s.want(0x88, code(1000))
			s.wantEnd()
		}
	})
}

// Handlers that do not read: with Config as many as it says leave the others of their
// connection room.
func TestNeighbours(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		ctx, release := context.WithCancel(t.Context())
		defer release()
		c := newWorld(t, routedWith(map[string]action{
			"/echo": echo(new(lazywebsocket.Upgrader)),
			"/deaf": func(w http.ResponseWriter, r *http.Request) error {
				conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
				must(t, err)
				<-ctx.Done()
				return conn.NetConn().Close()
			},
		})).client(1 << 20)
		for range 16 {
			deaf := c.socket("/deaf")
			go func() { _, _ = deaf.Write(make([]byte, 1<<20)) }()
		}
		synctest.Wait()
		time.Sleep(time.Second) // the network's
		s := c.socket("/echo")
		for range 100 {
			text := strings.Repeat("y", 10_000)
			s.send(0x81, text)
			s.want(0x81, text)
		}
		release()
		s.send(0x88, "")
		s.want(0x88, "")
	})
}

// However a socket ends, its stream's place is free again.
func TestStreamsComeBack(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		config := sockets.Config()
		config.MaxIncomingStreams = 3
		c := newWorldWith(t, &http3.Server{QUICConfig: config, Handler: routedWith(map[string]action{
			"/ws":    echo(new(lazywebsocket.Upgrader)),
			"/panic": func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) },
			"/stuck": func(w http.ResponseWriter, r *http.Request) error {
				conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
				must(t, err)
				_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
				_ = conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 1<<20))
				return conn.Close()
			},
		})}).client(20_000)
		ctx, cancelAll := context.WithTimeout(t.Context(), time.Hour)
		defer cancelAll()
		for i := range 60 {
			if ctx.Err() != nil {
				t.Fatalf("socket %d found no place", i)
			}
			switch i % 6 {
			case 0:
				cancel(c.socket("/ws").RequestStream)
			case 1:
				_ = c.socket("/ws").Close()
			case 2, 3:
				s := c.socket("/ws")
				s.goodbye(1000, i%6 == 2)
				s.want(0x88, code(1000))
				s.wantEnd()
				_ = s.Close()
			case 4:
				cancel(c.socket("/stuck").RequestStream)
			case 5:
				s, _, err := c.do(request("/panic", nil))
				wantCode(t, err, http3.ErrCodeInternalError)
				cancel(s)
			}
		}
	})
}

// A socket without a message outlives QUIC's own patience, with Config.
func TestIdle(t *testing.T) {
	for name, config := range map[string]*quic.Config{"Config": sockets.Config(), "quic-go's": nil} {
		bubble(t, name, func(t *testing.T) {
			w := newWorldWith(t, &http3.Server{Handler: plain(echo(new(lazywebsocket.Upgrader))), QUICConfig: config, IdleTimeout: time.Second})
			s := w.client(1 << 20).socket("/")
			time.Sleep(10 * time.Minute)
			_, err := s.Write(frame(0x81, "alive"))
			if (err == nil) != (config != nil) {
				t.Fatal(err)
			}
			if err == nil {
				s.want(0x81, "alive")
				s.goodbye(1000, true)
				s.want(0x88, code(1000))
				s.wantEnd()
			}
		})
	}
}

// The settings are the caller's.
func TestConfig(t *testing.T) {
	c := sockets.Config()
	if c == sockets.Config() || c.MaxIncomingStreams <= 100 || c.MaxStreamReceiveWindow*17 > c.MaxConnectionReceiveWindow/4*3 {
		t.Errorf("%+v", c)
	}
}
