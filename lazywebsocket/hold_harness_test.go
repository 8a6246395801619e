package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// tap is a connection in memory that notes the writes which its user makes.
type tap struct {
	*wstest.PipeConn

	mu    sync.Mutex
	sizes []int // of the writes
}

func (c *tap) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.sizes = append(c.sizes, len(b))
	c.mu.Unlock()
	return c.PipeConn.Write(b)
}

// TryWrite counts what it writes, as a Write, before anybody can look.
func (c *tap) TryWrite(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.PipeConn.TryWrite(b)
	if n > 0 {
		c.sizes = append(c.sizes, n)
	}
	return n, err
}

// taken returns the sizes of the writes since it was called last.
func (c *tap) taken() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	sizes := c.sizes
	c.sizes = nil
	return sizes
}

// tapListener hands out taps.
type tapListener struct {
	*wstest.Listener
	taps chan *tap
}

func (l tapListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &tap{PipeConn: nc.(*wstest.PipeConn)}
	l.taps <- c
	return c, nil
}

// tapped is a connection in a role, whose writes are noted, and its scripted
// peer.
type tapped struct {
	*lazywebsocket.Conn
	p   *wstest.Peer
	tap *tap
	r   role
}

// tappedOptions are those that the tests of held writes need.
type tappedOptions struct {
	hold       int
	readBuffer int
	ping, pong time.Duration
}

func (r role) tapped(t testing.TB, n wstest.Network, o tappedOptions) tapped {
	t.Helper()
	l := n.Listen()
	t.Cleanup(func() { _ = l.Close() })
	c := tapped{r: r}
	if r == server {
		c.Conn, c.tap, c.p = tappedServer(t, l, o)
	} else {
		c.Conn, c.tap, c.p = tappedClient(t, l, o)
	}
	t.Cleanup(func() { _ = c.Close() })
	c.tap.taken()
	return c
}

func tappedServer(t testing.TB, l *wstest.Listener, o tappedOptions) (*lazywebsocket.Conn, *tap, *wstest.Peer) {
	u := lazywebsocket.Upgrader{HoldLimit: o.hold, ReadBufferSize: o.readBuffer, PingInterval: o.ping, PongTimeout: o.pong}
	conns := make(chan *lazywebsocket.Conn, 1)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		conns <- conn
	})}
	taps := make(chan *tap, 1)
	go func() { _ = s.Serve(tapListener{l, taps}) }()
	t.Cleanup(func() { _ = s.Close() })
	p := l.DialPeer(t)
	p.Request("/")
	p.Response()
	return <-conns, <-taps, p
}

func tappedClient(t testing.TB, l *wstest.Listener, o tappedOptions) (*lazywebsocket.Conn, *tap, *wstest.Peer) {
	taps := make(chan *tap, 1)
	d := lazywebsocket.Dialer{
		HoldLimit: o.hold, ReadBufferSize: o.readBuffer, PingInterval: o.ping, PongTimeout: o.pong,
		NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			nc, err := l.Dial(ctx)
			if err != nil {
				return nil, err
			}
			c := &tap{PipeConn: nc}
			taps <- c
			return c, nil
		},
	}
	conns := result(func() *lazywebsocket.Conn {
		conn, _, err := d.Dial("ws://server.wstest/", nil)
		if err != nil {
			t.Error(err)
		}
		return conn
	})
	p := l.AcceptPeer(t)
	p.Accept(p.ReadRequest())
	return <-conns, <-taps, p
}

// onTapped runs f in a bubble for a server and for a client.
func onTapped(t *testing.T, n wstest.Network, o tappedOptions, f func(t *testing.T, c tapped)) {
	t.Helper()
	for _, r := range []role{server, client} {
		bubble(t, r.String(), func(t *testing.T) {
			c := r.tapped(t, n, o)
			stuck := time.AfterFunc(1000*time.Hour, func() {
				t.Error("the test is stuck")
				_ = c.p.Conn.Close()
			})
			defer stuck.Stop()
			f(t, c)
		})
	}
}

// burst makes the peer send n text messages, "m0" and so on, in one piece, and
// returns when they have arrived, unread.
func (c tapped) burst(t *testing.T, n int) {
	t.Helper()
	frames := make([]string, n)
	for i := range frames {
		m := fmt.Sprint("m", i)
		frames[i] = fmt.Sprintf("81 %02x|'%s'", len(m), m)
	}
	c.p.WriteBytes(wire(t, c.r, strings.Join(frames, " / ")))
	synctest.Wait()
}

// echo reads n messages and answers each.
func (c tapped) echo(t *testing.T, n int) {
	t.Helper()
	for range n {
		messageType, data, err := c.ReadMessage()
		if err == nil {
			err = c.WriteMessage(messageType, data)
		}
		if err != nil {
			t.Errorf("echo: %v", err)
			return
		}
	}
}

// held lets the peer send n+1 messages and answers n of them, so that the
// answers are held: nothing has left.
func (c tapped) held(t *testing.T, n int) {
	t.Helper()
	c.burst(t, n+1)
	c.tap.taken()
	c.echo(t, n)
	synctest.Wait()
	c.p.WantNothing()
	if c.Held() == 0 {
		t.Fatal("nothing is held: the test tests nothing")
	}
}

// wantEchoes takes the answers from, from+1 and so on up to n.
func (c tapped) wantEchoes(from, n int) {
	for i := from; i < n; i++ {
		c.p.WantText(fmt.Sprint("m", i))
	}
}

// wantSame fails unless the next writes return err itself.
func (c tapped) wantSame(t *testing.T, err error) {
	t.Helper()
	for range 2 {
		if again := c.WriteMessage(lazywebsocket.TextMessage, nil); again != err { //nolint:errorlint // it must be the same
			t.Errorf("a later write: %v, want the same as %v", again, err)
		}
	}
	if again := c.Flush(); again != err { //nolint:errorlint // it must be the same
		t.Errorf("a later Flush: %v, want the same as %v", again, err)
	}
}

// wantAt fails unless so much time has passed since start.
func wantAt(t testing.TB, what string, start time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(start); d != want {
		t.Errorf("%s after %v, want %v", what, d, want)
	}
}

// isTimeout reports whether err is an *OpError of a time-out, and not one within
// another.
func isTimeout(err error) bool {
	var op, inner *lazywebsocket.OpError
	return errors.As(err, &op) && op.Timeout() && !errors.As(op.Err, &inner)
}
