package wstest_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// recorder is a TB whose Fatalf ends the function that fails runs.
type recorder struct {
	*testing.T
	failure string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// fails runs f and returns how it failed the test, or "".
func (r *recorder) fails(f func()) string {
	done := make(chan struct{})
	r.failure = ""
	go func() {
		defer close(done)
		f()
	}()
	<-done
	return r.failure
}

func echo(conn *lazywebsocket.Conn) {
	for {
		messageType, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := conn.WriteMessage(messageType, data); err != nil {
			return
		}
	}
}

func TestPeerOfServer(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conn, p := wstest.PeerOfServer(t, &lazywebsocket.Upgrader{ReadLimit: 1 << 20})
		go echo(conn)
		p.Write("81 85 37fa213d 7f9f4d5158")
		p.Want("81 05 'Hello'")
		p.Text("text")
		p.WantText("text")
		p.Binary([]byte{0, 255})
		p.WantBinary([]byte{0, 255})
		for _, n := range []int{0, 125, 126, 65535, 65536} {
			p.Text(strings.Repeat("n", n))
			p.WantText(strings.Repeat("n", n))
		}
		p.Frame(0x01, []byte("he"))
		p.Ping("you there?")
		p.Pong("unasked")
		p.Frame(0x80, []byte("llo"))
		p.WantPong("you there?")
		if first, payload := p.Next(); first != 0x81 || string(payload) != "hello" {
			t.Errorf("Next: %02x %q", first, payload)
		}
		p.Text(strings.Repeat("n", 70000))
		if first, payload := p.Next(); first != 0x81 || len(payload) != 70000 {
			t.Errorf("Next: %02x, %d bytes", first, len(payload))
		}
		if err := conn.WriteControl(lazywebsocket.PingMessage, []byte("p"), time.Time{}); err != nil {
			t.Fatal(err)
		}
		p.WantPing("p")
		p.Close(1000, "bye")
		p.WantClose(1000)
		p.WantEOF()
	})
}

func TestPeerOfClient(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conn, p := wstest.PeerOfClient(t, nil)
		go echo(conn)
		p.Write("81 05 'hello'")
		p.Want("81 05 'hello'") // sent with a mask, shown without
		for _, n := range []int{0, 125, 126, 65535, 65536} {
			p.Text(strings.Repeat("n", n))
			p.WantText(strings.Repeat("n", n))
		}
		p.Close(0, "")
		if reason := p.WantClose(0); reason != "" {
			t.Errorf("reason %q", reason)
		}
		_ = p.Conn.Close() // the server closes first
	})
}

// What a peer finds wrong it says with the step, and where.
func TestPeerFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		server func(conn *lazywebsocket.Conn)
		script func(p *wstest.Peer)
		want   string
	}{
		"bad script": {
			script: func(p *wstest.Peer) { p.Text("x"); p.Write("8x") },
			want:   `step 2: Write: "8x" is not a run of pairs of hex digits`,
		},
		"bad wanted script": {
			script: func(p *wstest.Peer) { p.Want("'x") },
			want:   "step 1: Want: no closing quote",
		},
		"other bytes": {
			server: func(conn *lazywebsocket.Conn) { _ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("abc")) },
			script: func(p *wstest.Peer) { p.Want("81 03 'abd'") },
			want:   "step 1: Want: differs at byte 4 of 5\n got 8103616263\nwant 8103616264",
		},
		"too few bytes": {
			server: func(conn *lazywebsocket.Conn) {
				_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("abc"))
			},
			script: func(p *wstest.Peer) { p.WantText("abc"); p.WantText("d") },
			want:   "i/o timeout at byte 0 of 3",
		},
		"other close code": {
			server: func(conn *lazywebsocket.Conn) { _ = conn.Close() },
			script: func(p *wstest.Peer) { p.WantClose(1001) },
			want:   `step 1: WantClose(1001): received code 1000, reason ""`,
		},
		"no close": {
			server: func(conn *lazywebsocket.Conn) { _ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("a")) },
			script: func(p *wstest.Peer) { p.WantClose(1000) },
			want:   "step 1: WantClose(1000): received a frame 81 61",
		},
		"no end": {
			server: func(conn *lazywebsocket.Conn) { _ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("a")) },
			script: func(p *wstest.Peer) { p.WantEOF() },
			want:   "step 1: WantEOF: received 81 01 61",
		},
		"end does not come": {
			script: func(p *wstest.Peer) { p.WantEOF() },
			want:   "i/o timeout",
		},
		"bytes left": {
			server: func(conn *lazywebsocket.Conn) { _ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("ab")) },
			script: func(p *wstest.Peer) { p.Want("81 02 'a'"); synctest.Wait(); p.WantNothing() },
			want:   "step 2: WantNothing: received 62",
		},
		"bytes arrived": {
			server: func(conn *lazywebsocket.Conn) { _ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("a")) },
			script: func(p *wstest.Peer) { synctest.Wait(); p.WantNothing() },
			want:   "step 1: WantNothing: received 81 01 61",
		},
		"nobody reads": {
			script: func(p *wstest.Peer) { p.WriteBytes(make([]byte, 70000)) },
			want:   "step 1: WriteBytes: after 65536 of 70000 bytes",
		},
	} {
		bubble(t, name, func(t *testing.T) {
			r := &recorder{T: t}
			conn, p := wstest.PeerOfServer(r, nil)
			if tc.server != nil {
				go tc.server(conn)
			}
			if got := r.fails(func() { tc.script(p) }); !strings.Contains(got, tc.want) {
				t.Errorf("failed with %q\nwant %q", got, tc.want)
			}
		})
	}
}

// The deadlines of a peer's own steps do not stay on its connection.
func TestPeerLeavesNoDeadline(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conn, p := wstest.PeerOfServer(t, nil)
		go echo(conn)
		p.Text("x")
		p.WantText("x")
		time.AfterFunc(time.Hour, func() { _, _ = p.Conn.Write([]byte{0x89, 0x80, 0, 0, 0, 0}) })
		if n, err := p.Conn.Read(make([]byte, 9)); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestPeerWantNothing(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		_, p := wstest.PeerOfServer(t, nil)
		synctest.Wait()
		p.WantNothing()
	})
}

// An unmasked frame from something that calls itself a client is found.
func TestPeerWantsMasks(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		r := &recorder{T: t}
		conn, p := wstest.PeerOfClient(r, nil)
		_, _ = conn.NetConn().Write([]byte{0x81, 0x00})
		if got := r.fails(func() { p.WantText("") }); !strings.Contains(got, "without a mask") {
			t.Errorf("failed with %q", got)
		}
	})
}

func TestNewPair(t *testing.T) {
	for name, network := range map[string]wstest.Network{
		"default":  {},
		"bytewise": {Chunk: wstest.Bytewise, Buffer: 7},
	} {
		bubble(t, name, func(t *testing.T) {
			server, client := network.NewPair(t, nil, nil)
			go echo(server)
			if err := client.WriteMessage(lazywebsocket.TextMessage, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			messageType, data, err := client.ReadMessage()
			if messageType != lazywebsocket.TextMessage || string(data) != "hello" || err != nil {
				t.Errorf("%d %q %v", messageType, data, err)
			}
		})
	}
	t.Run("outside a bubble", func(t *testing.T) {
		server, client := wstest.NewPair(t, nil, nil)
		go func() { _ = server.WriteMessage(lazywebsocket.TextMessage, []byte("hello")) }()
		if _, data, err := client.ReadMessage(); string(data) != "hello" || err != nil {
			t.Errorf("%q %v", data, err)
		}
	})
}

func TestNewPairUsesBothSettings(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		u := &lazywebsocket.Upgrader{ReadLimit: 4, Subprotocols: []string{"b", "a"}}
		d := &lazywebsocket.Dialer{ReadLimit: 5, Subprotocols: []string{"a", "b"}}
		server, client := wstest.NewPair(t, u, d)
		if server.Subprotocol() != "b" || client.Subprotocol() != "b" {
			t.Errorf("subprotocols %q, %q", server.Subprotocol(), client.Subprotocol())
		}
		if err := client.WriteMessage(lazywebsocket.TextMessage, []byte("12345")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.ReadMessage(); !errors.Is(err, lazywebsocket.ErrReadLimit) {
			t.Errorf("the server's limit: %v", err)
		}
	})
}

func TestRefusedHandshakesFailTheTest(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		r := &recorder{T: t}
		u := &lazywebsocket.Upgrader{Subprotocols: []string{"not a token"}}
		d := &lazywebsocket.Dialer{Subprotocols: []string{"not a token"}}
		got := r.fails(func() { wstest.NewPair(r, u, d) })
		if !strings.HasPrefix(got, "wstest: dial: ") {
			t.Errorf("NewPair failed with %q", got)
		}
		if got := r.fails(func() { wstest.PeerOfClient(r, d) }); !strings.HasPrefix(got, "wstest: dial: ") {
			t.Errorf("PeerOfClient failed with %q", got)
		}
	})
}

func TestHandshakeByHand(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		l := wstest.Network{}.Listen()
		type result struct {
			conn *lazywebsocket.Conn
			err  error
		}
		results := make(chan result)
		d := &lazywebsocket.Dialer{NetDialContext: l.DialContext}
		go func() {
			conn, _, err := d.DialContext(t.Context(), "ws://example.com/path", nil)
			results <- result{conn, err}
		}()
		p := l.AcceptPeer(t)
		r := p.ReadRequest()
		if r.Host != "example.com" || r.URL.Path != "/path" {
			t.Errorf("the request is for %s%s", r.Host, r.URL.Path)
		}
		p.Accept(r, "Set-Cookie: a=b")
		got := <-results
		if got.err != nil {
			t.Fatal(got.err)
		}
		go echo(got.conn)
		p.Text("hi")
		p.WantText("hi")
		_ = p.Conn.Close()
		_ = got.conn.Close()
		_ = l.Close()
		if _, err := io.ReadAll(p.Conn); err == nil {
			t.Error("the peer's end is open")
		}
	})
}
