//go:build go1.26

package lazywebsocket_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/http2"
	"golazy.dev/lazywebsocket/wstest"
)

// stalled is a client's end of a network connection, which stops reading when it is
// told so: nothing that the server does to a stream arrives from then on, its reset
// included.
type stalled struct {
	net.Conn
	on  atomic.Bool
	end chan struct{}
}

func (s *stalled) Read(p []byte) (int, error) {
	if s.on.Load() {
		<-s.end
	}
	return s.Conn.Read(p)
}

// stuck is a WebSocket whose client reads nothing from the network while the server
// writes.
type stuck struct {
	g       lazywebsocket.Group
	p       lazywebsocket.Poller
	conn    *lazywebsocket.Conn
	closed  chan time.Duration // how long the handler's Close took
	handled chan struct{}      // the handler has returned
	pings   int                // so many are written to, instead of messages
}

func (s *stuck) serves() action {
	return func(http.ResponseWriter, *http.Request) error { return s.p.Serve(s.conn, handlerFuncs{}) }
}

func (s *stuck) reads() action {
	return func(http.ResponseWriter, *http.Request) error {
		_, _, err := s.conn.ReadMessage()
		start := time.Now()
		_ = s.conn.Close()
		s.closed <- time.Since(start)
		return err
	}
}

func (s *stuck) shutdown(ctx context.Context) error { return s.g.Shutdown(ctx) }

// open returns what ends the client and the server.
func (s *stuck) open(t *testing.T, server *http.Server, outer func(action) http.Handler, a action) (end func()) {
	s.closed, s.handled = make(chan time.Duration, 1), make(chan struct{})
	inner := outer(func(w http.ResponseWriter, r *http.Request) (err error) {
		s.conn, err = new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
		must(t, err)
		s.g.Add(s.conn)
		return a(w, r)
	})
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(s.handled)
		inner.ServeHTTP(w, r)
	})
	emptyPools()
	server.Protocols = new(http.Protocols)
	server.Protocols.SetUnencryptedHTTP2(true)
	l := wstest.Network{Buffer: 20_000}.Listen()
	served := result(func() error { return server.Serve(l) })
	nc, err := l.Dial(context.Background())
	must(t, err)
	client := &stalled{Conn: nc, end: make(chan struct{})}
	socket := newH2Client(client, 1<<20).socket(t, "/ws")
	synctest.Wait()
	client.on.Store(true)
	for range s.pings {
		socket.send(0x89, strings.Repeat("x", 125))
		synctest.Wait() // the pong leaves alone
	}
	for range 3 - min(3, s.pings) { // what the client reads before it looks, what the network holds, and more
		must(t, s.g.BroadcastMessage(lazywebsocket.BinaryMessage, make([]byte, 100_000)))
		synctest.Wait()
	}
	return func() {
		close(client.end)
		_ = nc.Close()
		_ = server.Close()
		<-served
	}
}

type action = func(http.ResponseWriter, *http.Request) error

// A client that reads nothing from the network holds up nobody but its handler: not the
// end of a group, nor that of a Poller.
func TestHTTP2StuckNetwork(t *testing.T) {
	for name, tc := range map[string]struct {
		action func(*stuck) action
		end    func(*stuck, context.Context) error
		want   error
		within time.Duration
	}{
		"group":    {(*stuck).reads, (*stuck).shutdown, context.DeadlineExceeded, 6 * time.Second},
		"patience": {(*stuck).reads, func(s *stuck, _ context.Context) error { return s.g.Shutdown(context.Background()) }, nil, 11 * time.Second},
		"poller":   {(*stuck).serves, func(s *stuck, _ context.Context) error { return s.p.Close() }, nil, 2 * time.Second},
	} {
		bubble(t, name, func(t *testing.T) {
			s := new(stuck)
			defer s.open(t, new(http.Server), plain, tc.action(s))()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			start := time.Now()
			select {
			case err := <-result(func() error { return tc.end(s, ctx) }):
				if d := time.Since(start); d > tc.within || !errors.Is(err, tc.want) {
					t.Errorf("%v after %v", err, d)
				}
			case <-time.After(time.Hour):
				t.Error("it waits for the client")
			}
			select {
			case <-s.handled:
				t.Error("the handler has returned, while net/http uses what is its")
			default:
			}
		})
	}
}

// Close waits no longer for such a client where the request does, or until net/http
// ends the connection.
func TestHTTP2StuckClose(t *testing.T) {
	for name, tc := range map[string]struct {
		outer  func(action) http.Handler
		config *http.HTTP2Config
		least  time.Duration
		most   time.Duration
	}{
		"lazyroutes":    {outer: routed, most: 2 * time.Second},
		"http2.Handler": {outer: func(a action) http.Handler { return http2.Handler(plain(a)) }, most: 2 * time.Second},
		"http2.Config":  {outer: plain, config: http2.Config(), least: 25 * time.Second, most: 61 * time.Second},
	} {
		bubble(t, name, func(t *testing.T) {
			s := new(stuck)
			defer s.open(t, &http.Server{HTTP2: tc.config}, tc.outer, s.reads())()
			go func() { _ = s.conn.Close() }()
			select {
			case d := <-s.closed:
				if d < tc.least || d > tc.most {
					t.Errorf("Close took %v", d)
				}
			case <-time.After(time.Hour):
				t.Error("Close waits for the client")
			}
			if tc.config != nil {
				<-s.handled
				return
			}
			select {
			case <-s.handled:
				t.Error("the handler has returned, while net/http uses what is its")
			case <-time.After(time.Minute):
			}
		})
	}
}

// A pong that is stuck is in the read of a goroutine, which a Close from the handler does
// not take for a handler of control messages that has called it. A panic that a router has
// caught waits, too: what waits for handlers that return does not run then.
func TestHTTP2StuckHandler(t *testing.T) {
	for name, tc := range map[string]struct {
		outer func(action) http.Handler
		end   func(*lazywebsocket.Conn) error
	}{
		"close": {plain, (*lazywebsocket.Conn).Close},
		"panic": {routed, func(*lazywebsocket.Conn) error { panic("no") }},
	} {
		bubble(t, name, func(t *testing.T) {
			s := &stuck{pings: 300}
			leave := make(chan bool)
			defer s.open(t, new(http.Server), tc.outer, func(http.ResponseWriter, *http.Request) error {
				go func() { _, _, _ = s.conn.ReadMessage() }()
				<-leave
				return tc.end(s.conn)
			})()
			leave <- true
			select {
			case <-s.handled:
				t.Error("the handler has returned, while net/http uses what is its")
			case <-time.After(time.Minute):
			}
		})
	}
}
