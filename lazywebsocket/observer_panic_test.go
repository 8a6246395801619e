package lazywebsocket_test

import (
	"io"
	"log"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// breakers are what a function that must do neither may do all the same.
var breakers = map[string]func(){
	"panic": func() { panic("as it was told") },
	"abort": func() { panic(http.ErrAbortHandler) },
	"exit":  runtime.Goexit,
}

var quietLog = log.New(io.Discard, "", 0)

// upgrading is a handler whose Upgrade never returns. It says whether a panic has come out.
func upgrading(t *testing.T, u *lazywebsocket.Upgrader, panicked chan<- bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		returned := false
		defer func() {
			v := recover()
			panicked <- v != nil
			if returned {
				t.Error("Upgrade has returned")
			}
			if v != nil {
				panic(v)
			}
		}()
		_, _ = u.Upgrade(w, r, nil)
		returned = true
	})
}

// breaking is a witness that breaks when it is told of a handshake.
func breaking(breaks func()) *witness {
	w := newWitness()
	told := w.Handshake
	w.Handshake = func(e lazywebsocket.HandshakeEvent) { told(e); breaks() }
	return w
}

// wantPanicGoodbye is what the peer of a connection sees of it, and answers.
func wantPanicGoodbye(t *testing.T, p *wstest.Peer) {
	t.Helper()
	p.WantClose(1011)
	p.Close(1011, "")
	p.WantEOF()
	must(t, p.Conn.Close())
}

// Nobody gets a connection whose Observer panics when it is told of it: it is closed, and
// the panic goes on to net/http, which knows nothing of the connection any more.
func TestObserverPanicsInUpgrade(t *testing.T) {
	for name, breaks := range breakers {
		bubble(t, name, func(t *testing.T) {
			w := breaking(breaks)
			u := lazywebsocket.Upgrader{Observer: &w.Observer, Budget: &lazywebsocket.Budget{ConnectionsPerAddress: 1}, PingInterval: time.Second}
			panicked := make(chan bool, 1)
			s := wstest.Serve(t, upgrading(t, &u, panicked))
			for range 2 { // the address has its place again
				p := s.Peer()
				p.Request("/")
				p.Response()
				wantPanicGoodbye(t, p)
				if <-panicked != (name != "exit") {
					t.Error("the panic did not come out")
				}
				synctest.Wait()
				if e := w.end(t); e.Cause != lazywebsocket.EndPanic || e.Sent != 1011 || e.Received != 1011 {
					t.Errorf("the end is %+v", e)
				}
				w.handshakes, w.ends = nil, nil
			}
		})
	}
}

// The same over HTTP/2, where the stream ends with the handler.
func TestObserverPanicsInUpgradeHTTP2(t *testing.T) {
	for name, breaks := range breakers {
		bubble(t, name, func(t *testing.T) {
			w := breaking(breaks)
			panicked := make(chan bool, 1)
			handler := upgrading(t, &lazywebsocket.Upgrader{Observer: &w.Observer}, panicked)
			s := h2Server(t, &http.Server{Handler: handler, ErrorLog: quietLog})(1<<20).socket(t, "/")
			s.want(0x88, code(1011))
			s.send(0x88, code(1011))
			_, _ = io.ReadAll(s.r)
			if <-panicked != (name != "exit") {
				t.Error("the panic did not come out")
			}
			synctest.Wait()
			if e := w.end(t); e.Cause != lazywebsocket.EndPanic || e.Sent != 1011 {
				t.Errorf("the end is %+v", e)
			}
		})
	}
}

func TestObserverPanicsInDial(t *testing.T) {
	for name, breaks := range breakers {
		bubble(t, name, func(t *testing.T) {
			w := breaking(breaks)
			l := wstest.Network{}.Listen()
			defer l.Close()
			d := lazywebsocket.Dialer{Observer: &w.Observer, NetDialContext: l.DialContext}
			panicked := make(chan bool)
			go func() {
				defer func() { panicked <- recover() != nil }()
				_, _, _ = d.DialContext(t.Context(), "ws://server.wstest/", nil)
			}()
			p := l.AcceptPeer(t)
			p.Accept(p.ReadRequest())
			wantPanicGoodbye(t, p)
			if <-panicked != (name != "exit") {
				t.Error("the panic did not come out")
			}
			synctest.Wait()
			if e := w.end(t); e.Cause != lazywebsocket.EndPanic || !e.Client {
				t.Errorf("the end is %+v", e)
			}
		})
	}
}

// meets is what an application does that an Observer is told of.
type meets struct {
	hook func(o *lazywebsocket.Observer, breaks func()) // nil: Message
	act  func(t *testing.T, conn *lazywebsocket.Conn)
	peer func(p *wstest.Peer)
}

var meetings = map[string]meets{
	"read": {
		act:  func(_ *testing.T, conn *lazywebsocket.Conn) { _, _, _ = conn.ReadMessage() },
		peer: func(p *wstest.Peer) { p.Text("hello") },
	},
	"dropped": {
		act: func(_ *testing.T, conn *lazywebsocket.Conn) {
			_, _, _ = conn.NextReader()
			_, _, _ = conn.NextReader()
		},
		peer: func(p *wstest.Peer) { p.Text("hello") },
	},
	"written": {
		act: func(_ *testing.T, conn *lazywebsocket.Conn) {
			_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("hello"))
		},
		peer: func(p *wstest.Peer) { p.WantText("hello") },
	},
	"written in pieces": {
		act: func(_ *testing.T, conn *lazywebsocket.Conn) {
			w, _ := conn.NextWriter(lazywebsocket.TextMessage)
			_, _ = w.Write([]byte("hello"))
			_ = w.Close()
		},
		peer: func(p *wstest.Peer) { p.WantText("hello") },
	},
	"prepared": {
		act:  func(t *testing.T, conn *lazywebsocket.Conn) { _ = conn.WritePreparedMessage(prepare(t, "hello")) },
		peer: func(p *wstest.Peer) { p.WantText("hello") },
	},
	"round trip": {
		hook: func(o *lazywebsocket.Observer, breaks func()) {
			o.RoundTrip = func(*lazywebsocket.Conn, time.Duration) { breaks() }
		},
		act: func(_ *testing.T, conn *lazywebsocket.Conn) { _, _, _ = conn.ReadMessage() },
		peer: func(p *wstest.Peer) {
			_, payload := p.Next()
			p.Pong(string(payload))
		},
	},
}

// Later a panic comes out of the call of the application's that has met the event, and
// leaves the connection closable: with the deferred Close of its handler it ends.
func TestObserverPanicsLater(t *testing.T) {
	for name, m := range meetings {
		bubble(t, name, func(t *testing.T) {
			w := newWitness()
			if m.hook == nil {
				m.hook = func(o *lazywebsocket.Observer, breaks func()) {
					o.Message = func(lazywebsocket.MessageEvent) { breaks() }
				}
			}
			m.hook(&w.Observer, breakers["abort"])
			u := lazywebsocket.Upgrader{Observer: &w.Observer, PingInterval: time.Second}
			p := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := u.Upgrade(w, r, nil)
				must(t, err)
				defer conn.Close()
				m.act(t, conn)
				t.Error("the panic did not come out")
			})).Peer()
			p.Request("/")
			p.Response()
			m.peer(p)
			p.WantClose(1011)
			p.WantEOF()
			must(t, p.Conn.Close())
			time.Sleep(time.Minute)
			synctest.Wait()
			if e := w.end(t); e.Cause != lazywebsocket.EndPanic {
				t.Errorf("the end is %+v", e)
			}
		})
	}
}

// Whoever publishes to another's connection does not leave it behind, stuck.
func TestObserverPanicsInPublish(t *testing.T) {
	for name, breaks := range breakers {
		bubble(t, name, func(t *testing.T) {
			w := newWitness()
			w.Message = func(lazywebsocket.MessageEvent) { breaks() }
			conn, p := wstest.PeerOfServer(t, &lazywebsocket.Upgrader{Observer: &w.Observer})
			panicked := make(chan bool)
			go func() {
				defer func() { panicked <- recover() != nil }()
				_ = conn.Publish(prepare(t, "hello"))
				t.Error("the panic did not come out")
			}()
			if <-panicked != (name != "exit") {
				t.Error("the panic did not come out")
			}
			p.WantEOF()
			if e := w.end(t); e.Cause != lazywebsocket.EndPanic {
				t.Errorf("the end is %+v", e)
			}
			if _, _, err := conn.ReadMessage(); err == nil {
				t.Error("a read goes on")
			}
		})
	}
}
