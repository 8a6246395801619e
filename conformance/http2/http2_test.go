package http2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"golazy.dev/lazyroutes"
	"golazy.dev/lazywebsocket"
)

// router draws an action for GET.
func router(action func(http.ResponseWriter, *http.Request) error) http.Handler {
	s := lazyroutes.New(lazyroutes.WithLogger(context.Background(), slog.New(slog.DiscardHandler)))
	s.HandleFunc(http.MethodGet, "/ws", action)
	return s
}

// echo is the guide's handler, with an upgrader.
func echo(u *lazywebsocket.Upgrader) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			return nil
		}
		defer conn.Close()
		for {
			messageType, data, err := conn.ReadMessage()
			if err != nil || string(data) == "leave" {
				return err
			}
			if err := conn.WriteMessage(messageType, data); err != nil {
				return err
			}
		}
	}
}

// The answer has what was agreed and what the application has added, and nothing else.
func TestAnswer(t *testing.T) {
	u := lazywebsocket.Upgrader{EnableCompression: true, Subprotocols: []string{"b", "a"}}
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip") // of a middleware
		conn, err := u.Upgrade(w, r, http.Header{"Set-Cookie": {"x=1", "y=2"}, "x-lower": {"z"}})
		if err == nil { // the client may have gone with the answer
			_ = conn.Close()
		}
	}))
	resp, stream, err := w.connect(t.Context(), "/", http.Header{
		"Sec-Websocket-Protocol":   {"a, b"},
		"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	defer resp.Body.Close()
	resp.Header.Del("Date")
	want := http.Header{
		"Sec-Websocket-Protocol":   {"b"},
		"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits=12"},
		"Set-Cookie":               {"x=1", "y=2"},
		"X-Lower":                  {"z"},
	}
	if resp.StatusCode != 200 || resp.ProtoMajor != 2 || fmt.Sprint(resp.Header) != fmt.Sprint(want) {
		t.Errorf("%s %s %v", resp.Proto, resp.Status, resp.Header)
	}
}

// A refusal is a response like any other.
func TestRefusal(t *testing.T) {
	w := newWorld(t, router(echo(new(lazywebsocket.Upgrader))))
	resp, stream, err := w.connect(t.Context(), "/ws", http.Header{"Origin": {"https://evil.example"}})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != 403 || string(body) != "Forbidden\n" || err != nil || resp.Header.Get("Sec-Websocket-Version") != "13" {
		t.Errorf("%s %q %v %v", resp.Status, body, err, resp.Header)
	}
}

// Forty sockets on one connection, compressed and not, small messages and large
// ones, closed by either side.
func TestManySockets(t *testing.T) {
	u := lazywebsocket.Upgrader{EnableCompression: true, PingInterval: 50 * time.Millisecond, PongTimeout: 5 * time.Minute}
	var poller lazywebsocket.Poller
	for name, handler := range map[string]http.Handler{
		"handler": router(echo(&u)),
		"poller": router(func(w http.ResponseWriter, r *http.Request) error {
			conn, err := u.Upgrade(w, r, nil)
			if err != nil {
				return nil //nolint:nilerr // Upgrade has answered
			}
			return poller.Serve(conn, served{})
		}),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, handler)
			e := newExchanges(t, w, 40)
			for i := range 40 {
				e.all.Go(func() { e.exchange(i) })
			}
			e.all.Wait()
			if n := w.conns.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

type served struct{}

func (served) ServeMessage(conn *lazywebsocket.Conn, messageType int, data []byte) error {
	if string(data) == "leave" {
		return conn.Close()
	}
	return conn.WriteMessage(messageType, data)
}

func (served) ServeClosed(*lazywebsocket.Conn, error) {}

// exchanges are sockets of one connection, which send at the same time, and leave few at
// a time when all have sent: what Close waits for, a quarter of a second and a second, is
// little where a busy machine works off what dozens of sockets want at once.
type exchanges struct {
	t       *testing.T
	w       *world
	all     sync.WaitGroup
	sending sync.WaitGroup
	leaving chan struct{}
}

func newExchanges(t *testing.T, w *world, n int) *exchanges {
	e := &exchanges{t: t, w: w, leaving: make(chan struct{}, 4)}
	e.sending.Add(n)
	return e
}

// exchange is socket i: it sends messages, compares what comes back, and leaves.
func (e *exchanges) exchange(i int) {
	sent := sync.OnceFunc(e.sending.Done)
	defer sent()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	d := e.w.dialer(e.t, lazywebsocket.Dialer{EnableCompression: i%2 == 0, HandshakeTimeout: time.Minute})
	conn, resp, err := d.DialContext(ctx, "ws://"+strings.TrimPrefix(e.w.server.URL, "https://")+"/ws", nil)
	if err != nil {
		e.t.Error(err)
		return
	}
	defer resp.Body.Close()
	defer conn.Close()
	if err := echoes(conn, i); err != nil {
		e.t.Errorf("socket %d: %v", i, err)
		return
	}
	sent()
	e.sending.Wait()
	e.leaving <- struct{}{}
	defer func() { <-e.leaving }()
	if i%3 == 0 {
		if err := conn.Shutdown(ctx, 4000, "enough"); err != nil {
			e.t.Errorf("socket %d: %v", i, err)
		}
		return
	}
	if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte("leave")); err != nil {
		e.t.Errorf("socket %d: %v", i, err)
	}
	if _, _, err := conn.ReadMessage(); !lazywebsocket.IsCloseError(err, lazywebsocket.CloseNormalClosure) {
		e.t.Errorf("socket %d: ended with %v", i, err)
	}
}

// echoes sends messages, small and large, and compares what comes back.
func echoes(conn *lazywebsocket.Conn, seed int) error {
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	for range 20 {
		message := make([]byte, random.IntN(1<<random.IntN(17)))
		for at := range message {
			message[at] = byte(random.IntN(1 + seed%200))
		}
		if err := conn.WriteMessage(lazywebsocket.BinaryMessage, message); err != nil {
			return err
		}
		if _, got, err := conn.ReadMessage(); err != nil || !bytes.Equal(got, message) {
			return fmt.Errorf("%d bytes, want %d: %w", len(got), len(message), err)
		}
	}
	return nil
}

// Handlers that return while others write to their connections: those get an error, the
// server lives, and nothing of it reaches another stream.
func TestHandlersThatReturn(t *testing.T) {
	var stray sync.WaitGroup
	var u lazywebsocket.Upgrader
	s := lazyroutes.New(lazyroutes.WithLogger(context.Background(), slog.New(slog.DiscardHandler)))
	s.HandleFunc(http.MethodGet, "/ws", echo(&u))
	s.HandleFunc(http.MethodGet, "/stray", func(w http.ResponseWriter, r *http.Request) error {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			return nil //nolint:nilerr // Upgrade has answered
		}
		stray.Go(func() {
			for err == nil {
				err = conn.WriteMessage(lazywebsocket.TextMessage, []byte("stray"))
			}
		})
		if r.Header.Get("X-Close") != "" {
			return conn.Close()
		}
		time.AfterFunc(10*time.Millisecond, func() { _ = conn.NetConn().Close() })
		return nil // the router waits
	})
	w := newWorld(t, s)
	e := newExchanges(t, w, 20)
	for i := range 20 {
		e.all.Go(func() { e.exchange(i) })
		e.all.Go(func() {
			h := http.Header{}
			if i%2 == 0 {
				h.Set("X-Close", "1")
			}
			resp, stream, err := w.connect(t.Context(), "/stray", h)
			if errors.As(err, new(xhttp2.StreamError)) {
				return // the reset has overtaken the answer
			}
			if err != nil {
				t.Error(err)
				return
			}
			defer stream.Close()
			b, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if rest := bytes.ReplaceAll(b, []byte("\x81\x05stray"), nil); len(rest) > 4 {
				t.Errorf("a stream got %q, %v", rest, err)
			}
		})
	}
	e.all.Wait()
	stray.Wait()
}

// The server stops: everybody is told, and the listener's Shutdown does not hang.
func TestShutdown(t *testing.T) {
	g := lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{Code: lazywebsocket.CloseServiceRestart, Spread: 300 * time.Millisecond}}
	var u lazywebsocket.Upgrader
	w := newWorld(t, router(func(w http.ResponseWriter, r *http.Request) error {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			return nil
		}
		defer conn.Close()
		g.Add(conn)
		_, _, err = conn.ReadMessage()
		return err
	}))
	g.ShutdownOn(w.server.Config)
	var all sync.WaitGroup
	for range 30 {
		d := w.dialer(t, lazywebsocket.Dialer{})
		conn, resp, err := d.DialContext(t.Context(), "ws://"+strings.TrimPrefix(w.server.URL, "https://")+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		all.Go(func() {
			defer conn.Close()
			if _, _, err := conn.ReadMessage(); !lazywebsocket.IsCloseError(err, lazywebsocket.CloseServiceRestart) {
				t.Errorf("ended with %v", err)
			}
		})
	}
	for g.Len() < 30 {
		time.Sleep(time.Millisecond) // the handlers' turn: nothing tells of it
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	start := time.Now()
	if err := errors.Join(w.server.Config.Shutdown(ctx), g.Shutdown(ctx)); err != nil {
		t.Error(err)
	}
	all.Wait()
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}
