package http3_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/http3"

	"golazy.dev/lazywebsocket"
	sockets "golazy.dev/lazywebsocket/http3"
)

// The server stops: the group ends the members, spread over its time, and the server
// ends behind them. A handshake that comes too late is sent away.
func TestShutdown(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		g := lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{Code: lazywebsocket.CloseServiceRestart, Spread: 10 * time.Second}}
		server := &http3.Server{QUICConfig: sockets.Config(), Handler: plain(func(w http.ResponseWriter, r *http.Request) error {
			conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			if err != nil {
				return err
			}
			defer conn.Close()
			g.Add(conn)
			_, _, err = conn.ReadMessage()
			return err
		})}
		w := newWorldWith(t, server)
		c, late := w.client(1<<20), w.client(1<<20)
		var members []socket
		for range 5 {
			members = append(members, c.socket("/"))
		}
		synctest.Wait()
		start := time.Now()
		for i, s := range members {
			go func() {
				s.want(0x88, code(1012))
				if i < 4 { // the last one does not answer
					s.goodbye(1012, true)
				}
				s.wantEnd()
			}()
		}
		time.AfterFunc(5*time.Second, func() {
			s := late.socket("/")
			s.want(0x88, code(1012))
			s.goodbye(1012, true)
			s.wantEnd()
		})
		ctx, done := context.WithTimeout(t.Context(), time.Minute)
		defer done()
		must(t, errors.Join(g.Shutdown(ctx), server.Shutdown(ctx)))
		if d := time.Since(start); d < 8*time.Second || d > 20*time.Second {
			t.Errorf("Shutdown took %v", d)
		}
	})
}

// served echoes messages for a Poller.
type served struct{}

func (served) ServeMessage(conn *lazywebsocket.Conn, messageType int, data []byte) error {
	if string(data) == "panic" {
		panic("as it was told")
	}
	return conn.WriteMessage(messageType, data)
}

func (served) ServeClosed(*lazywebsocket.Conn, error) {}

// A Poller serves a stream in the handler's own goroutine, until its end.
func TestPoller(t *testing.T) {
	for name, end := range map[string]func(*lazywebsocket.Poller, socket){
		"peer": func(_ *lazywebsocket.Poller, s socket) {
			s.goodbye(1000, false)
			s.want(0x88, code(1000))
			s.wantEnd()
		},
		"Poller.Close": func(p *lazywebsocket.Poller, s socket) {
			closed := make(chan error)
			go func() { closed <- p.Close() }()
			s.want(0x88, code(1001))
			s.goodbye(1001, true)
			<-closed
		},
		"panic": func(_ *lazywebsocket.Poller, s socket) {
			s.send(0x81, "panic")
			s.want(0x88, code(1011))
			s.goodbye(1011, true)
		},
		"tab": func(_ *lazywebsocket.Poller, s socket) { cancel(s.RequestStream) },
	} {
		bubble(t, name, func(t *testing.T) {
			p := &lazywebsocket.Poller{Inline: true}
			returned := make(chan error, 1)
			c := newWorld(t, plain(func(w http.ResponseWriter, r *http.Request) error {
				conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
				must(t, err)
				returned <- p.Serve(conn, served{})
				return nil
			})).client(1 << 20)
			s := c.socket("/")
			s.send(0x81, "hello")
			s.want(0x81, "hello")
			synctest.Wait()
			if stats := p.Stats(); stats != (lazywebsocket.PollerStats{Goroutines: 1}) || len(returned) > 0 {
				t.Errorf("%+v, returned %d", stats, len(returned))
			}
			end(p, s)
			must(t, <-returned)
			_ = p.Close()
		})
	}
}

// The keepalive measures, and ends a connection whose peer does not answer.
func TestKeepalive(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		ended := make(chan error, 1)
		u := lazywebsocket.Upgrader{PingInterval: 20 * time.Second, PongTimeout: 5 * time.Second}
		c := newWorld(t, plain(func(w http.ResponseWriter, r *http.Request) error {
			conn, err := u.Upgrade(w, r, nil)
			must(t, err)
			defer conn.Close()
			_, _, err = conn.ReadMessage()
			if d := conn.RTT(); d < 2*time.Millisecond || d > 50*time.Millisecond {
				t.Errorf("round trip %v", d)
			}
			ended <- err
			return nil
		})).client(1 << 20)
		s := c.socket("/")
		start := time.Now()
		first, payload, err := s.receive()
		must(t, err)
		if first != 0x89 {
			t.Fatalf("%02x", first)
		}
		s.send(0x8a, payload)
		var op *lazywebsocket.OpError
		if err := <-ended; !errors.As(err, &op) || !op.Timeout() {
			t.Errorf("ended with %v", err)
		}
		if d := time.Since(start); d < 44*time.Second || d > 46*time.Second {
			t.Errorf("after %v", d)
		}
		cancel(s.RequestStream)
	})
}

// An Observer is told of the handshake and of the end.
func TestObserver(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		handshakes := make(chan lazywebsocket.HandshakeEvent, 2)
		closed := make(chan lazywebsocket.ClosedEvent, 1)
		u := lazywebsocket.Upgrader{Observer: &lazywebsocket.Observer{
			Handshake: func(e lazywebsocket.HandshakeEvent) { handshakes <- e },
			Closed:    func(e lazywebsocket.ClosedEvent) { closed <- e },
		}}
		c := newWorld(t, routed(echo(&u))).client(1 << 20)
		s := c.socket("/ws")
		s.goodbye(4000, false)
		s.want(0x88, code(4000))
		s.wantEnd()
		if e := <-handshakes; e.ProtoMajor != 3 || e.Status != 200 || e.Refusal != lazywebsocket.Accepted {
			t.Errorf("%+v", e)
		}
		if e := <-closed; e.ProtoMajor != 3 || e.Cause != lazywebsocket.EndPeer || e.Received != 4000 {
			t.Errorf("%+v", e)
		}
		if status := c.status(request("/ws", http.Header{"Origin": {"https://evil.example"}})); status != 403 {
			t.Errorf("status %d", status)
		}
		if e := <-handshakes; e.ProtoMajor != 3 || e.Status != 403 || e.Refusal != lazywebsocket.RefusedOrigin {
			t.Errorf("%+v", e)
		}
	})
}

// Frames go past response writers that wrap Handler's, which hear of the answer; a
// request's context that a middleware ends does not end the connection.
func TestMiddleware(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		statuses := make(chan int, 1)
		c := newWorld(t, plain(func(w http.ResponseWriter, r *http.Request) error {
			ctx, done := context.WithTimeout(r.Context(), time.Second)
			defer done()
			return echo(new(lazywebsocket.Upgrader))(&nosy{w, statuses}, r.WithContext(ctx))
		})).client(1 << 20)
		s := c.socket("/")
		if status := <-statuses; status != 200 {
			t.Errorf("the wrapper heard of %d", status)
		}
		time.Sleep(time.Minute)
		s.send(0x81, "hello")
		s.want(0x81, "hello")
		s.goodbye(1000, true)
		s.want(0x88, code(1000))
		s.wantEnd()
	})
}

// nosy is a response writer of a middleware: it changes what is written through it.
type nosy struct {
	http.ResponseWriter
	statuses chan<- int
}

func (n *nosy) WriteHeader(status int) {
	n.statuses <- status
	n.ResponseWriter.WriteHeader(status)
}

func (n *nosy) Write(p []byte) (int, error) { return n.ResponseWriter.Write(append([]byte("?"), p...)) }
func (n *nosy) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// A hundred sockets of one connection, at once.
func TestHundredSockets(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		c := newWorld(t, routed(echo(new(lazywebsocket.Upgrader)))).client(1 << 20)
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				s := c.socket("/ws")
				for n := range 5 {
					text := string(make([]byte, n*i))
					s.send(0x82, text)
					s.want(0x82, text)
				}
				s.goodbye(1000, i%2 == 0)
				s.want(0x88, code(1000))
				s.wantEnd()
			})
		}
		all.Wait()
	})
}
