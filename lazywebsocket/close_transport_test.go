package lazywebsocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// wholeListener accepts connections that cannot shut one direction.
type wholeListener struct{ *wstest.Listener }

func (l wholeListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	return struct{ net.Conn }{nc}, err
}

// serverOver returns the server's end of a connection that the listener's Accept
// has wrapped, and the peer.
func serverOver(t *testing.T, l *wstest.Listener, accept net.Listener) (*lazywebsocket.Conn, *wstest.Peer) {
	t.Helper()
	conns := make(chan *lazywebsocket.Conn, 1)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var u lazywebsocket.Upgrader
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		conns <- conn
	})}
	go func() { _ = s.Serve(accept) }()
	t.Cleanup(func() { _ = s.Close() })
	p := l.DialPeer(t)
	p.Request("/")
	p.Response()
	return <-conns, p
}

// Where the write side cannot be shut alone, the peer's Close frame is what a
// server waits for.
func TestCloseWithoutCloseWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(p *wstest.Peer)
		takes  time.Duration
	}{
		"answered":     {func(p *wstest.Peer) { p.Text("late"); p.Close(1000, "") }, 0},
		"in pieces":    {func(p *wstest.Peer) { p.Write("88 82 00000000 03"); synctest.Wait(); p.Write("e8") }, 0},
		"a breach":     {func(p *wstest.Peer) { p.Frame(0x83, nil) }, 2 * time.Second},
		"not answered": {func(*wstest.Peer) {}, 2 * time.Second},
	} {
		bubble(t, name, func(t *testing.T) {
			l := wstest.Network{}.Listen()
			conn, p := serverOver(t, l, wholeListener{l})
			start := time.Now()
			must(t, conn.Close())
			p.WantClose(1000)
			tc.answer(p)
			p.WantEOF()
			if d := time.Since(start); d != tc.takes {
				t.Errorf("the connection ended after %v, want %v", d, tc.takes)
			}
		})
	}
}

// tlsPair returns both ends of a wss connection in memory, and the client's end
// beneath TLS.
func tlsPair(t *testing.T, n wstest.Network) (server, client *lazywebsocket.Conn, beneath *wstest.PipeConn) {
	t.Helper()
	l := n.Listen()
	conns := make(chan *lazywebsocket.Conn, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var u lazywebsocket.Upgrader
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		conns <- conn
	}))
	_ = s.Listener.Close() // the real one
	s.Listener = l
	s.StartTLS()
	t.Cleanup(s.Close)
	d := &lazywebsocket.Dialer{
		NetDialContext:  l.DialContext,
		TLSClientConfig: s.Client().Transport.(*http.Transport).TLSClientConfig,
	}
	client, _, err := d.DialContext(t.Context(), "wss://example.com/", nil)
	must(t, err)
	server = <-conns
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	return server, client, client.NetConn().(*tls.Conn).NetConn().(*wstest.PipeConn)
}

func TestCloseOverTLS(t *testing.T) {
	bubble(t, "goodbye", func(t *testing.T) {
		server, client, _ := tlsPair(t, wstest.Network{})
		must(t, server.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 50000)))
		must(t, server.Close())
		_, data, err := client.ReadMessage()
		if len(data) != 50000 || err != nil {
			t.Errorf("%d bytes, %v", len(data), err)
		}
		_, _, err = client.ReadMessage()
		wantSummary(t, err, "close 1000")
		must(t, client.Close())
	})
	bubble(t, "shutdown", func(t *testing.T) {
		server, client, _ := tlsPair(t, wstest.Network{})
		read := result(func() error { _, _, err := server.ReadMessage(); return err })
		must(t, client.Shutdown(t.Context(), 4000, "x"))
		wantSummary(t, <-read, "close 4000 x")
	})
	// A *tls.Conn's own Close would wait for five seconds.
	bubble(t, "stuck writer", func(t *testing.T) {
		server, _, beneath := tlsPair(t, wstest.Network{Buffer: 4000})
		stuck := result(func() error { return server.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 50000)) })
		synctest.Wait()
		start := time.Now()
		must(t, server.Close())
		if d := time.Since(start); d > 250*time.Millisecond {
			t.Errorf("Close took %v", d)
		}
		wantStuck(t, <-stuck)
		synctest.Wait()
		// All that is left for the client is what is in the buffer.
		if n, err := io.Copy(io.Discard, beneath); n > 4000 || err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("%d bytes, %v", n, err)
		}
		if d := time.Since(start); d > 250*time.Millisecond {
			t.Errorf("the connection beneath was open for %v", d)
		}
	})
}

// hookListener accepts connections with hooks before each read and behind each
// write.
type hookListener struct {
	*wstest.Listener
	reading, written func()
}

func (l *hookListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	return &hookConn{nc, l}, err
}

type hookConn struct {
	net.Conn
	l *hookListener
}

func (c *hookConn) Read(b []byte) (int, error) {
	if c.l.reading != nil {
		c.l.reading()
	}
	return c.Conn.Read(b)
}

func (c *hookConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if c.l.written != nil {
		c.l.written()
	}
	return n, err
}

// A context that ends when the message has just left changes nothing: neither
// that write nor the next one fails.
func TestContextEndsBehindTheWrite(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		l := &hookListener{Listener: wstest.Network{}.Listen()}
		conn, p := serverOver(t, l.Listener, l)
		ctx, cancel := context.WithCancel(t.Context())
		l.written = func() {
			cancel()
			time.Sleep(time.Second) // of the bubble: all that cancelling does is done
		}
		must(t, conn.WriteMessageContext(ctx, lazywebsocket.TextMessage, []byte("one")))
		l.written = nil
		must(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("two")))
		must(t, conn.SetWriteDeadline(time.Time{}))
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("three")))
		p.WantText("one")
		p.WantText("two")
		p.WantText("three")
		must(t, conn.Close())
	})
}

// A deadline that the application sets after a read was cancelled, and before it
// has noticed, does not make that read go on.
func TestDeadlineBehindCancelling(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		l := &hookListener{Listener: wstest.Network{}.Listen()}
		conn, p := serverOver(t, l.Listener, l)
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		l.reading = func() {
			l.reading = nil
			cancel()
			time.Sleep(time.Second) // of the bubble: the read is cancelled then
			must(t, conn.SetReadDeadline(start.Add(time.Hour)))
		}
		_, _, err := conn.ReadMessageContext(ctx)
		wantOpError(t, err, "read", context.Canceled)
		if d := time.Since(start); d != time.Second {
			t.Errorf("the cancelled read took %v", d)
		}
		_, _, err = conn.ReadMessage() // for which the deadline was
		wantSummary(t, err, "read timeout")
		if d := time.Since(start); d != time.Hour {
			t.Errorf("the deadline came after %v", d)
		}
		must(t, conn.Close())
		p.WantClose(1000)
	})
}
