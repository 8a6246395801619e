package lazywebsocket_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// told returns the only handshake in short, and checks what all have in common.
func (w *witness) told(t testing.TB) string {
	t.Helper()
	if len(w.handshakes) != 1 {
		t.Fatalf("%d handshakes", len(w.handshakes))
	}
	e := w.handshakes[0]
	panicked := e.Refusal == lazywebsocket.RefusedPanic
	if accepted := e.Refusal == lazywebsocket.Accepted; (e.Conn != nil) != accepted || (e.Err == nil) != (accepted || panicked) {
		t.Errorf("the handshake is %+v", e)
	}
	if e.Context == nil || e.Duration < 0 {
		t.Errorf("context %v, duration %v", e.Context, e.Duration)
	}
	return strings.TrimSpace(fmt.Sprint(e.Refusal, " ", e.Status))
}

// hijacker is a response writer with a connection, or without.
type hijacker struct {
	*httptest.ResponseRecorder
	nc  net.Conn
	err error
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(bufio.NewReader(h.nc), bufio.NewWriter(h.nc)), h.err
}

func good(changes ...string) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request(changes...))))
	if err != nil {
		panic(err)
	}
	r.RemoteAddr = "192.0.2.1:1234"
	return r
}

// Every call of Upgrade is told of once, whatever becomes of it.
func TestObserverUpgrade(t *testing.T) {
	full := &lazywebsocket.Budget{ConnectionsPerAddress: 1}
	_, address := full.TakeAddress("192.0.2.1:1")
	for name, c := range map[string]struct {
		u      lazywebsocket.Upgrader
		r      *http.Request
		header http.Header
		hijack error
		closed bool
		want   string
	}{
		"good":      {r: good(), want: "101"},
		"not one":   {r: httptest.NewRequest(http.MethodGet, "/", nil), want: "request 400"},
		"method":    {r: good("-GET", "POST / HTTP/1.1"), want: "request 405"},
		"key":       {r: good("-Sec-WebSocket-Key"), want: "request 400"},
		"version":   {r: good("-Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), want: "version 426"},
		"origin":    {r: good("Origin: http://other.example"), want: "origin 403"},
		"origins":   {r: good("Origin: http://server.example", "Origin: http://server.example"), want: "origin 400"},
		"busy":      {u: lazywebsocket.Upgrader{Budget: lazywebsocket.BusyBudget()}, r: good(), want: "handshakes 503"},
		"address":   {u: lazywebsocket.Upgrader{Budget: full}, r: good(), want: "address 429"},
		"header":    {r: good(), header: http.Header{"Upgrade": {"x"}}, want: "internal 500"},
		"hijack":    {r: good(), hijack: errors.New("no"), want: "internal 500"},
		"the write": {r: good(), closed: true, want: "network 0"},
		"a panic": {u: lazywebsocket.Upgrader{CheckOrigin: func(*http.Request) bool {
			panic("no")
		}}, r: good(), want: "panic 0"},
		"a panic of Error": {u: lazywebsocket.Upgrader{Error: func(http.ResponseWriter, *http.Request, int, error) {
			panic("no")
		}}, r: good("-Upgrade"), want: "panic 0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWitness()
			c.u.Observer = &w.Observer
			peer, nc := wstest.Pipe()
			defer peer.Close()
			if c.closed {
				_ = nc.Close()
			}
			var conn *lazywebsocket.Conn
			func() {
				defer func() {
					if v := recover(); (v != nil) != strings.Contains(name, "panic") {
						t.Errorf("panic: %v", v)
					}
				}()
				conn, _ = c.u.Upgrade(hijacker{httptest.NewRecorder(), nc, c.hijack}, c.r, c.header)
			}()
			if got := w.told(t); got != c.want {
				t.Errorf("told %q, want %q", got, c.want)
			}
			if conn != w.handshakes[0].Conn || w.handshakes[0].Client || w.handshakes[0].ProtoMajor != 1 {
				t.Errorf("the handshake is %+v", w.handshakes[0])
			}
			if conn == nil && len(w.ends) > 0 {
				t.Error("the end of what has not begun")
			}
		})
	}
	full.ReleaseAddress(address)
}

// A second Upgrade of a stream of HTTP/2 is refused, and the first one has the
// version.
func TestObserverUpgradeHTTP2(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWitness()
		conn, p := overHTTP2(t, wstest.Network{}, options{observer: &w.Observer})
		if got := w.told(t); got != "200" || w.handshakes[0].ProtoMajor != 2 {
			t.Errorf("told %q of HTTP/%d", got, w.handshakes[0].ProtoMajor)
		}
		p.Close(1000, "")
		_, _, _ = conn.ReadMessage()
		synctest.Wait()
		if e := w.end(t); e.ProtoMajor != 2 || e.Cause != lazywebsocket.EndPeer {
			t.Errorf("the end is %+v", e)
		}
	})
}

// What makes a dial fail, and what is told of it.
func TestObserverDial(t *testing.T) {
	refuse := func(p *wstest.Peer, answer string) {
		p.ReadRequest()
		p.WriteBytes([]byte(answer))
		_ = p.Conn.Close()
	}
	noProxy := func(*http.Request) (*url.URL, error) { return nil, errors.New("no") }
	for name, c := range map[string]struct {
		d      lazywebsocket.Dialer
		url    string
		server func(p *wstest.Peer)
		cancel bool
		want   string
	}{
		"good":      {server: func(p *wstest.Peer) { p.Accept(p.ReadRequest()) }, want: "101"},
		"arguments": {url: "http://server.wstest/", want: "arguments 0"},
		"proxy":     {d: lazywebsocket.Dialer{Proxy: noProxy}, want: "proxy 0"},
		"network": {d: lazywebsocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no")
		}}, want: "network 0"},
		"tls":    {url: "wss://server.wstest/", server: func(p *wstest.Peer) { _ = p.Conn.Close() }, want: "tls 0"},
		"cut":    {server: func(p *wstest.Peer) { refuse(p, "HTTP/1.1 10") }, want: "network 0"},
		"status": {server: func(p *wstest.Peer) { refuse(p, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") }, want: "status 403"},
		"answer": {server: func(p *wstest.Peer) {
			refuse(p, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		}, want: "answer 101"},
		"timeout":   {server: func(*wstest.Peer) {}, want: "timeout 0"},
		"cancelled": {server: func(*wstest.Peer) {}, cancel: true, want: "cancelled 0"},
		"panic":     {d: lazywebsocket.Dialer{Proxy: func(*http.Request) (*url.URL, error) { panic("no") }}, want: "panic 0"},
	} {
		bubble(t, name, func(t *testing.T) {
			w := newWitness()
			l := wstest.Network{}.Listen()
			defer l.Close()
			c.d.Observer = &w.Observer
			if c.d.NetDialContext == nil {
				c.d.NetDialContext = l.DialContext
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.cancel {
				time.AfterFunc(time.Second, cancel)
			}
			if c.url == "" {
				c.url = "ws://server.wstest/"
			}
			dialed := result(func() (conn *lazywebsocket.Conn) {
				defer func() { _ = recover() }()
				conn, _, _ = c.d.DialContext(ctx, c.url, nil)
				return conn
			})
			if c.server != nil {
				c.server(l.AcceptPeer(t))
			}
			conn := <-dialed
			if got := w.told(t); got != c.want || w.handshakes[0].Conn != conn || !w.handshakes[0].Client {
				t.Errorf("told %q, want %q: %+v", got, c.want, w.handshakes[0])
			}
			if conn != nil {
				_ = conn.Close()
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if conn == nil && len(w.ends) > 0 || conn != nil && len(w.ends) != 1 {
				t.Errorf("%d ends", len(w.ends))
			}
			if len(w.ends) == 1 && !w.ends[0].Client {
				t.Error("the end is a server's")
			}
		})
	}
}

// A connection that is closed within its handshake's call balances too, and one whose
// keepalive is quicker than all.
func TestObserverOrder(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var order []string
		o := &lazywebsocket.Observer{
			Handshake: func(lazywebsocket.HandshakeEvent) {
				time.Sleep(time.Second)
				order = append(order, "handshake")
			},
			Closed: func(lazywebsocket.ClosedEvent) { order = append(order, "closed") },
		}
		conn, _ := wstest.PeerOfServer(t, &lazywebsocket.Upgrader{Observer: o, PingInterval: 1})
		_, _, err := conn.ReadMessage()
		if err == nil {
			t.Error("no error")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if strings.Join(order, " ") != "handshake closed" {
			t.Error(order)
		}
	})
}

// The group's own events.
func TestObserverGroup(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var casts []lazywebsocket.BroadcastEvent
		away := map[*lazywebsocket.Conn]lazywebsocket.SentAwayEvent{}
		events := make(chan lazywebsocket.SentAwayEvent, 10)
		g := lazywebsocket.Group{Observer: &lazywebsocket.GroupObserver{
			Broadcast: func(e lazywebsocket.BroadcastEvent) { casts = append(casts, e) },
			SentAway:  func(e lazywebsocket.SentAwayEvent) { events <- e },
		}}
		conns, peers := joined(t, &g, 3, queued(lazywebsocket.QueueOptions{Messages: -1}))
		must(t, g.BroadcastMessage(1, []byte("x")))
		must(t, conns[2].WriteControl(8, nil, noDeadline))
		must(t, g.BroadcastMessage(1, []byte("x")))
		pm := prepare(t, "x")
		must(t, g.Send(func(yield func(*lazywebsocket.Conn, *lazywebsocket.PreparedMessage) bool) {
			_ = yield(conns[0], pm) && yield(conns[1], nil) && yield(conns[2], pm)
		}))
		if err := g.BroadcastMessage(9, nil); err == nil {
			t.Error("no error")
		}
		ping, err := lazywebsocket.NewPreparedMessage(lazywebsocket.PingMessage, nil)
		must(t, err)
		if err := g.Send(maps.All(map[*lazywebsocket.Conn]*lazywebsocket.PreparedMessage{conns[0]: ping})); err == nil {
			t.Error("no error")
		}
		for i := range casts {
			casts[i].Duration = 0
		}
		if got := fmt.Sprint(casts); got != "[{3 0 0s} {2 1 0s} {1 1 0s}]" {
			t.Error(got)
		}
		go func() {
			for _, b := range []string{"x", "x", "x"} {
				peers[0].WantText(b)
			}
			peers[0].WantClose(1001)
			time.Sleep(time.Second)
			peers[0].Close(1001, "")
		}()
		g.Closing.Spread = -1
		must(t, g.Shutdown(t.Context()))
		close(events)
		for e := range events {
			away[e.Conn] = e
		}
		if len(away) != 2 || away[conns[0]].Err != nil || away[conns[0]].Duration != time.Second {
			t.Errorf("sent away: %v", away)
		}
		if e := away[conns[1]]; e.Err == nil || e.Duration != 10*time.Second {
			t.Errorf("the other: %v", e)
		}
	})
}

// What a budget counts can be seen.
func TestBudgetStats(t *testing.T) {
	b := new(lazywebsocket.Budget)
	onNetwork(t, tight, options{budget: b}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		publish(t, conn, big)
		synctest.Wait()
		if s := b.Stats(); s.QueuedBytes != 5004 || s.Behind != 1 || s.Handshakes != 0 || s.InflatedBytes != 0 {
			t.Errorf("stats are %+v", s)
		}
		p.WantText(big)
		synctest.Wait()
		if s := b.Stats(); s != (lazywebsocket.BudgetStats{}) {
			t.Errorf("stats are %+v", s)
		}
	})
}
