package lazywebsocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// onKinds runs f for loops whose handlers run beside them and for inline ones.
func onKinds(t *testing.T, loops int, f func(t *testing.T, p *lazywebsocket.Poller)) {
	t.Helper()
	for _, inline := range []bool{false, true} {
		t.Run(fmt.Sprintf("inline=%v", inline), func(t *testing.T) {
			p := &lazywebsocket.Poller{Loops: loops, Inline: inline}
			defer p.Close()
			f(t, p)
		})
	}
}

// transports are the ways from a client to a server of the system.
var transports = map[string]struct {
	network string
	wrap    bool // the listener is ours
	tls     bool
	polled  bool // by the loop, where there is one
}{
	"tcp":                    {network: "tcp", polled: true},
	"tcp, our listener":      {network: "tcp", wrap: true, polled: true},
	"unix":                   {network: "unix", polled: true},
	"unix, our listener":     {network: "unix", wrap: true, polled: true},
	"tls":                    {network: "tcp", tls: true},
	"tls, our listener":      {network: "tcp", wrap: true, tls: true, polled: true},
	"tls over unix, our own": {network: "unix", wrap: true, tls: true, polled: true},
}

// overTransport runs a server and returns a function that dials it.
func overTransport(t *testing.T, name string, serve func(*lazywebsocket.Conn)) func(d lazywebsocket.Dialer) *lazywebsocket.Conn {
	t.Helper()
	tr := transports[name]
	address := "127.0.0.1:0"
	if tr.network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(tr.network, address)
	must(t, err)
	address = l.Addr().String()
	if tr.wrap {
		l = lazywebsocket.NewListener(l)
	}
	u := lazywebsocket.Upgrader{EnableCompression: true, ReadLimit: 64 << 20}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := u.Upgrade(w, r, nil); err == nil {
			serve(conn)
		}
	}))
	_ = s.Listener.Close()
	s.Listener = l
	scheme := "ws"
	if tr.tls {
		scheme = "wss"
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return func(d lazywebsocket.Dialer) *lazywebsocket.Conn {
		d.NetDialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, tr.network, address)
		}
		d.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		d.ReadLimit = 64 << 20
		conn, _, err := d.Dial(scheme+"://x/", nil)
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
}

// Over each transport messages of all sizes are echoed, in one piece and in
// fragments, compressed and not, many at once; the goodbye is whole.
func TestPollerTransports(t *testing.T) {
	for name, tr := range transports {
		t.Run(name, func(t *testing.T) {
			onKinds(t, 2, func(t *testing.T, p *lazywebsocket.Poller) {
				h := newWatched(t, func(c *lazywebsocket.Conn, messageType int, data []byte) error {
					return c.WriteMessage(messageType, data)
				})
				dial := overTransport(t, name, func(conn *lazywebsocket.Conn) { must(t, p.Serve(conn, h)) })
				for _, compressed := range []bool{false, true} {
					h.over.Store(false)
					conn := dial(lazywebsocket.Dialer{EnableCompression: compressed})
					echoSizes(t, conn)
					want := lazywebsocket.PollerStats{Goroutines: 1}
					if tr.polled && runtime.GOOS == "linux" {
						want = lazywebsocket.PollerStats{Polled: 1}
					}
					if got := p.Stats(); got != want {
						t.Errorf("stats are %+v, want %+v", got, want)
					}
					must(t, conn.Shutdown(t.Context(), 4000, "done"))
					wantSummary(t, <-h.closed, "close 4000 done")
				}
			})
		})
	}
}

func echoSizes(t *testing.T, conn *lazywebsocket.Conn) {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	sizes := []int{0, 1, 125, 126, 4096, 16 << 10, 16<<10 + 1, 65535, 65536, 100_000, 1 << 20, 5 << 20}
	if lazywebsocket.PoisonBuffers { // with the race detector large ones take their time
		sizes = sizes[:len(sizes)-1]
	}
	go func() {
		for i, size := range sizes {
			data := []byte(strings.Repeat("lazy ", size/5+1)[:size])
			if i%2 == 0 {
				_ = conn.WriteMessage(lazywebsocket.TextMessage, data)
				continue
			}
			w, err := conn.NextWriter(lazywebsocket.TextMessage)
			if err != nil {
				return
			}
			_, _ = w.Write(data[:size/3])
			_ = conn.WriteControl(lazywebsocket.PingMessage, []byte("p"), time.Time{})
			_, _ = w.Write(data[size/3:])
			_ = w.Close()
		}
	}()
	for _, size := range sizes {
		_, data, err := conn.ReadMessage()
		if err != nil || string(data) != strings.Repeat("lazy ", size/5+1)[:size] {
			t.Fatalf("%d bytes: %d, %v", size, len(data), err)
		}
	}
	for range 3 { // bursts, and waits between them
		for i := range 100 {
			must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, fmt.Append(nil, i)))
		}
		for i := range 100 {
			wantRead(t, conn, fmt.Sprintf(`binary "%d"`, i))
		}
	}
}

// A handler on the loop that writes to its own peer, which does not read, waits
// alone; TLS, too.
func TestPollerInlineWritesToAPeerThatDoesNotRead(t *testing.T) {
	for _, name := range []string{"tcp", "unix", "tls, our listener"} {
		t.Run(name, func(t *testing.T) {
			p := &lazywebsocket.Poller{Loops: 1, Inline: true}
			defer p.Close()
			closed := make(chan error, 1)
			writing := make(chan bool, 1)
			h := handlerFuncs{
				message: func(c *lazywebsocket.Conn, messageType int, data []byte) error {
					if string(data) == "flood" {
						writing <- true
						return c.WriteMessage(messageType, make([]byte, 64<<20))
					}
					return c.WriteMessage(messageType, data)
				},
				closed: func(_ *lazywebsocket.Conn, err error) { closed <- err },
			}
			dial := overTransport(t, name, func(conn *lazywebsocket.Conn) { must(t, p.Serve(conn, h)) })
			lazy, other := dial(lazywebsocket.Dialer{}), dial(lazywebsocket.Dialer{})
			wantEcho(t, other, "first")
			must(t, lazy.WriteMessage(lazywebsocket.TextMessage, []byte("flood")))
			<-writing
			for i := range 20 {
				wantEcho(t, other, fmt.Sprint("echo ", i))
			}
			_ = lazy.NetConn().Close()
			if err := <-closed; err == nil {
				t.Error("closed with nil")
			}
			wantEcho(t, other, "last")
		})
	}
}

// An inline handler may shut its own connection down: the loop goes on.
func TestPollerInlineShutdown(t *testing.T) {
	for _, name := range []string{"tcp", "tls, our listener"} {
		t.Run(name, func(t *testing.T) {
			p := &lazywebsocket.Poller{Loops: 1, Inline: true}
			defer p.Close()
			shutting, done := make(chan bool, 1), make(chan error, 1)
			h := handlerFuncs{message: func(c *lazywebsocket.Conn, messageType int, data []byte) error {
				if string(data) == "shutdown" {
					shutting <- true
					done <- c.Shutdown(t.Context(), 1001, "")
					return nil
				}
				return c.WriteMessage(messageType, data)
			}}
			dial := overTransport(t, name, func(conn *lazywebsocket.Conn) { must(t, p.Serve(conn, h)) })
			one, other := dial(lazywebsocket.Dialer{}), dial(lazywebsocket.Dialer{})
			wantEcho(t, other, "first")
			must(t, one.WriteMessage(lazywebsocket.TextMessage, []byte("shutdown")))
			<-shutting
			wantEcho(t, other, "second")
			if _, _, err := one.ReadMessage(); !lazywebsocket.IsCloseError(err, 1001) { // and answers
				t.Errorf("the peer read %v", err)
			}
			must(t, <-done)
			wantEcho(t, other, "third")
		})
	}
}

// chat is the guide's: every message goes to everybody.
type chatRoom struct {
	mu      sync.Mutex
	clients map[*lazywebsocket.Conn]bool
}

func (h *chatRoom) join(c *lazywebsocket.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[c] = true
}

func (h *chatRoom) ServeMessage(_ *lazywebsocket.Conn, messageType int, data []byte) error {
	h.mu.Lock()
	clients := make([]*lazywebsocket.Conn, 0, len(h.clients))
	for c := range h.clients {
		clients = append(clients, c)
	}
	h.mu.Unlock()
	for _, c := range clients {
		_ = c.WriteMessage(messageType, data) // its failure is its own end
	}
	return nil
}

func (h *chatRoom) ServeClosed(c *lazywebsocket.Conn, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
}

func TestPollerChat(t *testing.T) {
	var p lazywebsocket.Poller
	defer p.Close()
	room := &chatRoom{clients: map[*lazywebsocket.Conn]bool{}}
	dial := overTransport(t, "tcp", func(conn *lazywebsocket.Conn) {
		room.join(conn)
		must(t, p.Serve(conn, room))
	})
	const people, messages = 8, 50
	var conns []*lazywebsocket.Conn
	for range people {
		conns = append(conns, dial(lazywebsocket.Dialer{EnableCompression: true}))
	}
	for len(conns) > room.size() {
		runtime.Gosched()
	}
	var wg sync.WaitGroup
	for i, conn := range conns {
		wg.Go(func() {
			for n := range messages {
				if err := conn.WriteMessage(lazywebsocket.TextMessage, fmt.Appendf(nil, "%d says %03d", i, n)); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			said := make([][]string, people)
			for range people * messages {
				_, data, err := conn.ReadMessage()
				if err != nil {
					t.Error(err)
					return
				}
				said[data[0]-'0'] = append(said[data[0]-'0'], string(data))
			}
			for i, lines := range said {
				if len(lines) != messages || !slices.IsSorted(lines) {
					t.Errorf("%d lines of %d, sorted: %v", len(lines), i, slices.IsSorted(lines))
				}
			}
		})
	}
	wg.Wait()
	for _, conn := range conns {
		must(t, conn.Close())
	}
	for room.size() > 0 {
		runtime.Gosched()
	}
}

func (h *chatRoom) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients)
}

// The HTTP server's end is none of the connections', the Poller's is.
func TestPollerOutlivesTheServer(t *testing.T) {
	onKinds(t, 1, func(t *testing.T, p *lazywebsocket.Poller) {
		h := newWatched(t, func(c *lazywebsocket.Conn, messageType int, data []byte) error {
			return c.WriteMessage(messageType, data)
		})
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			must(t, err)
			must(t, p.Serve(conn, h))
		}))
		conn := dialURL(t, "ws"+strings.TrimPrefix(s.URL, "http"))
		wantEcho(t, conn, "one")
		must(t, s.Config.Shutdown(t.Context()))
		s.Close()
		wantEcho(t, conn, "two")
		must(t, p.Close())
		if err := <-h.closed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed with %v", err)
		}
		if _, _, err := conn.ReadMessage(); err == nil {
			t.Error("the peer reads on")
		}
		if stats := p.Stats(); stats != (lazywebsocket.PollerStats{}) {
			t.Errorf("stats in the end: %+v", stats)
		}
	})
}

// A Poller that has served nobody can be closed, and serves nobody then.
func TestPollerCloseWithoutServe(t *testing.T) {
	var p lazywebsocket.Poller
	must(t, p.Close())
	_ = p.Close()
	h := newWatched(t, nil)
	failed := make(chan error, 1)
	dial := overTransport(t, "tcp", func(conn *lazywebsocket.Conn) { failed <- p.Serve(conn, h) })
	conn := dial(lazywebsocket.Dialer{})
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
	if _, _, err := conn.ReadMessage(); err == nil { // the connection has been ended
		t.Error("a message")
	}
}
