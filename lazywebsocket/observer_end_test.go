package lazywebsocket_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// ending is a way in which a connection ends, and what is told of it.
type ending struct {
	o              options
	script         func(t *testing.T, conn *driven, p *wstest.Peer)
	cause          lazywebsocket.EndCause
	sent, received int
	poller         bool // only where a Poller reads
}

const none = lazywebsocket.CloseAbnormalClosure

func readError(conn *driven) error {
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return err
		}
	}
}

var big = strings.Repeat("x", 5000)

var endings = map[string]ending{
	"Close, answered": {script: func(_ *testing.T, conn *driven, p *wstest.Peer) {
		_ = conn.Close()
		p.WantClose(1000)
		p.Close(4001, "late")
	}, cause: lazywebsocket.EndLocal, sent: 1000, received: 4001},
	"Close, answered bit by bit": {script: func(t *testing.T, conn *driven, p *wstest.Peer) {
		reads := result(func() error { return readError(conn) })
		synctest.Wait()
		p.WriteBytes(wire(t, roleOf(p), "81 01|'x'")[:2])
		synctest.Wait()
		_ = conn.Close()
		<-reads
		p.WantClose(1000)
		rest := wire(t, roleOf(p), "81 01|'x' / 88 04|03 e8 'ok'")[2:]
		for _, b := range rest {
			p.WriteBytes([]byte{b})
			synctest.Wait()
		}
	}, cause: lazywebsocket.EndLocal, sent: 1000, received: 1000},
	"Close, answered without a code": {script: func(t *testing.T, conn *driven, p *wstest.Peer) {
		_ = conn.Close()
		p.WantClose(1000)
		p.WriteBytes(wire(t, roleOf(p), "88 00"))
	}, cause: lazywebsocket.EndLocal, sent: 1000, received: lazywebsocket.CloseNoStatusReceived},
	"Close, answered badly": {script: func(t *testing.T, conn *driven, p *wstest.Peer) {
		_ = conn.Close()
		p.WantClose(1000)
		p.WriteBytes(wire(t, roleOf(p), "88 02|03 ec"))
	}, cause: lazywebsocket.EndLocal, sent: 1000, received: none},
	"Close, unanswered": {script: func(_ *testing.T, conn *driven, p *wstest.Peer) {
		_ = conn.Close()
		p.WantClose(1000)
	}, cause: lazywebsocket.EndLocal, sent: 1000, received: none},
	"Close, stuck": {script: func(_ *testing.T, conn *driven, _ *wstest.Peer) {
		go func() { _ = conn.WriteMessage(1, []byte(big)) }()
		synctest.Wait()
		_ = conn.Close()
	}, cause: lazywebsocket.EndLocal, sent: none, received: none},
	"Shutdown": {script: func(_ *testing.T, conn *driven, p *wstest.Peer) {
		done := result(func() error { return conn.Shutdown(context.Background(), 1012, "restart") })
		p.WantClose(1012)
		p.Close(1001, "")
		<-done
	}, cause: lazywebsocket.EndLocal, sent: 1012, received: 1001},
	"WriteControl": {script: func(t *testing.T, conn *driven, p *wstest.Peer) {
		reads := result(func() error { return readError(conn) })
		must(t, conn.WriteControl(8, lazywebsocket.FormatCloseMessage(3001, ""), noDeadline))
		p.WantClose(3001)
		p.Close(3001, "")
		<-reads
	}, cause: lazywebsocket.EndLocal, sent: 3001, received: 3001},
	"the peer's": {script: func(t *testing.T, conn *driven, p *wstest.Peer) {
		p.WriteBytes(wire(t, roleOf(p), "88 00"))
		_ = readError(conn)
	}, cause: lazywebsocket.EndPeer, sent: 1005, received: 1005},
	"the peer's, handled": {script: func(_ *testing.T, conn *driven, p *wstest.Peer) {
		conn.SetCloseHandler(func(int, string) error {
			return conn.WriteControl(8, lazywebsocket.FormatCloseMessage(4000, ""), noDeadline)
		})
		p.Close(1001, "")
		_ = readError(conn)
	}, cause: lazywebsocket.EndPeer, sent: 4000, received: 1001},
	"protocol": {script: func(t *testing.T, conn *driven, p *wstest.Peer) {
		p.WriteBytes(wire(t, roleOf(p), "83 00"))
		_ = readError(conn)
	}, cause: lazywebsocket.EndProtocol, sent: 1002, received: none},
	"too large": {o: options{readLimit: 10}, script: func(_ *testing.T, conn *driven, p *wstest.Peer) {
		p.Text("more than ten")
		_ = readError(conn)
		p.WantClose(1009)
		p.Close(1009, "") // nobody looks for it in what is left of the message
	}, cause: lazywebsocket.EndProtocol, sent: 1009, received: none},
	"vanished": {script: func(_ *testing.T, conn *driven, p *wstest.Peer) {
		_ = p.Conn.Close()
		_ = readError(conn)
	}, cause: lazywebsocket.EndNetwork, sent: 1000, received: none},
	"a read's deadline": {script: func(t *testing.T, conn *driven, _ *wstest.Peer) {
		must(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
		_ = readError(conn)
	}, cause: lazywebsocket.EndTimeout, sent: 1000, received: none},
	"a write's deadline": {script: func(t *testing.T, conn *driven, _ *wstest.Peer) {
		must(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
		if conn.WriteMessage(1, []byte(big)) == nil {
			t.Error("no error")
		}
	}, cause: lazywebsocket.EndTimeout, sent: none, received: none},
	"a write's context": {script: func(t *testing.T, conn *driven, _ *wstest.Peer) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if conn.WriteMessageContext(ctx, 1, []byte(big)) == nil {
			t.Error("no error")
		}
	}, cause: lazywebsocket.EndCancelled, sent: none, received: none},
	"a full queue": {o: queued(lazywebsocket.QueueOptions{Messages: 1}), script: func(t *testing.T, conn *driven, _ *wstest.Peer) {
		for conn.Publish(prepare(t, big)) == nil {
			synctest.Wait()
		}
	}, cause: lazywebsocket.EndSlow, sent: none, received: none},
	"an impatient queue": {script: func(t *testing.T, conn *driven, _ *wstest.Peer) {
		publish(t, conn.Conn, big)
		time.Sleep(2 * time.Minute)
	}, cause: lazywebsocket.EndSlow, sent: none, received: none},
	"a queue behind a writer": {script: func(t *testing.T, conn *driven, _ *wstest.Peer) {
		go func() { _ = conn.WriteMessage(1, []byte(big)) }()
		synctest.Wait()
		publish(t, conn.Conn, big)
		time.Sleep(2 * time.Minute)
	}, cause: lazywebsocket.EndSlow, sent: none, received: none},
	"a budget": {o: options{budget: &lazywebsocket.Budget{QueuedBytes: 6000}}, script: func(t *testing.T, conn *driven, _ *wstest.Peer) {
		publish(t, conn.Conn, big)
		time.Sleep(2 * time.Second)
		publish(t, conn.Conn, big)
	}, cause: lazywebsocket.EndBudget, sent: none, received: none},
	"keepalive": {o: everySecond, script: func(_ *testing.T, conn *driven, _ *wstest.Peer) {
		_ = readError(conn)
	}, cause: lazywebsocket.EndKeepalive, sent: none, received: none},
	"a panic": {poller: true, script: func(t *testing.T, conn *driven, p *wstest.Peer) {
		must(t, conn.serveWith(handlerFuncs{message: func(*lazywebsocket.Conn, int, []byte) error { panic("no") }}))
		p.Text("x")
		p.WantClose(1011)
	}, cause: lazywebsocket.EndPanic, sent: 1011, received: none},
	"an exit": {poller: true, script: func(t *testing.T, conn *driven, p *wstest.Peer) {
		must(t, conn.serveWith(handlerFuncs{message: func(*lazywebsocket.Conn, int, []byte) error {
			runtime.Goexit()
			return nil
		}}))
		p.Text("x")
		p.WantClose(1011)
	}, cause: lazywebsocket.EndPanic, sent: 1011, received: none},
	"a panic's Close": {script: func(_ *testing.T, conn *driven, _ *wstest.Peer) {
		func() {
			defer func() { _ = recover() }()
			defer func() { _ = conn.CloseUnder() }()
			panic("no")
		}()
	}, cause: lazywebsocket.EndPanic, sent: 1011, received: none},
	"a handler": {poller: true, script: func(t *testing.T, conn *driven, p *wstest.Peer) {
		must(t, conn.serveWith(handlerFuncs{message: func(*lazywebsocket.Conn, int, []byte) error { return errors.New("no") }}))
		p.Text("x")
		p.WantClose(1011)
		p.Close(1011, "")
	}, cause: lazywebsocket.EndLocal, sent: 1011, received: 1011},
	"a control handler": {script: func(_ *testing.T, conn *driven, p *wstest.Peer) {
		conn.SetPingHandler(func(string) error { return errors.New("no") })
		p.Ping("")
		_ = readError(conn)
		_ = conn.Close()
		p.WantClose(1000)
	}, cause: lazywebsocket.EndLocal, sent: 1000, received: none},
}

// CloseUnder is Close of the connection itself.
func (c *driven) CloseUnder() error { return c.Conn.Close() }

// Every end is told once, with its cause and its codes, in all ways of reading.
func TestObserverEnds(t *testing.T) {
	for name, e := range endings {
		t.Run(name, func(t *testing.T) {
			e.o.observer = new(lazywebsocket.Observer)
			n := wstest.Network{Buffer: 1024}
			everyDriver(t, n, e.o, func(t *testing.T, conn *driven, p *wstest.Peer) {
				if e.poller && conn.poller == nil {
					return
				}
				w := newWitness()
				conn.Observe(&w.Observer)
				e.script(t, conn, p)
				_ = conn.Close()
				conn.release()
				time.Sleep(5 * time.Second)
				end := w.end(t)
				sent, received := e.sent, e.received
				if end.Cause != e.cause || end.Sent != sent || end.Received != received {
					t.Errorf("the end is %v, %d, %d; want %v, %d, %d", end.Cause, end.Sent, end.Received, e.cause, sent, received)
				}
				if s := w.traffic.Stats(); s.QueuedBytes != 0 || s.QueuedMessages != 0 {
					t.Errorf("something is queued still: %+v", s)
				}
				_ = conn.CloseUnder()
				_ = w.end(t)
			})
		})
	}
}

// Payloads that are read past the buffer, and what has come with the handshake, are on
// the wire too.
func TestObserverWire(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWitness()
		l := wstest.Network{Buffer: 1 << 20}.Listen()
		conns := make(chan *lazywebsocket.Conn, 1)
		u := lazywebsocket.Upgrader{Observer: &w.Observer}
		s := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			conn, err := u.Upgrade(rw, r, nil)
			if err != nil {
				t.Error(err)
			}
			conns <- conn
		})}
		go func() { _ = s.Serve(l) }()
		defer s.Close()
		p := l.DialPeer(t)
		p.WriteBytes(append([]byte(request()), wire(t, server, "81 01|'x'")...))
		p.Response()
		conn := <-conns
		wantRead(t, conn, `text "x"`)
		p.Binary(make([]byte, 100_000))
		_, data, err := conn.ReadMessage()
		must(t, err)
		must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, data))
		p.WantBinary(data)
		must(t, conn.Close())
		time.Sleep(3 * time.Second)
		synctest.Wait()
		want := lazywebsocket.TrafficStats{
			Received: lazywebsocket.Flow{Messages: 2, Bytes: 100_001, WireBytes: 7 + 14 + 100_000},
			Sent:     lazywebsocket.Flow{Messages: 1, Bytes: 100_000, WireBytes: 10 + 100_000 + 4},
		}
		if got := w.end(t).Traffic; got != want {
			t.Errorf("traffic\n%+v, want\n%+v", got, want)
		}
	})
}

// panicker is a response writer that knows of panics.
type panicker struct {
	hijacker
	onPanic *func()
}

func (p panicker) OnPanic(f func()) { *p.onPanic = f }

// A panic that the router has caught is the cause.
func TestObserverOnPanic(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWitness()
		peer, nc := wstest.Pipe()
		defer peer.Close()
		var panicked func()
		u := lazywebsocket.Upgrader{Observer: &w.Observer}
		_, err := u.Upgrade(panicker{hijacker{httptest.NewRecorder(), nc, nil}, &panicked}, good(), nil)
		must(t, err)
		panicked()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if e := w.end(t); e.Cause != lazywebsocket.EndPanic || e.Sent != 1011 {
			t.Errorf("the end is %+v", e)
		}
	})
}
