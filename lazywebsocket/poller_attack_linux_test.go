package lazywebsocket_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// descriptors returns how many the process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

// awaitDescriptors waits until at most n are open.
func awaitDescriptors(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		now := descriptors(t)
		if now <= n {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%d descriptors are open, %d before", now, n)
			return
		}
	}
}

// counted is an echoing handler that counts connections and their ends.
type counted struct {
	handlerFuncs

	ended  atomic.Int64
	served atomic.Int64
}

func (h *counted) ServeClosed(*lazywebsocket.Conn, error) { h.ended.Add(1) }

// Thousands of connections that end in all ways, at any byte, while messages go
// both ways: each gets one ServeClosed, no descriptor and no goroutine is left.
func TestPollerChurn(t *testing.T) {
	for _, name := range []string{"tcp", "tls, our listener", "tls"} {
		t.Run(name, func(t *testing.T) {
			onKinds(t, 2, func(t *testing.T, p *lazywebsocket.Poller) { churn(t, name, p) })
		})
	}
}

func churn(t *testing.T, name string, p *lazywebsocket.Poller) {
	rounds := 400
	if transports[name].tls || lazywebsocket.PoisonBuffers { // which take their time
		rounds = 60
	}
	h := new(counted)
	h.message = func(c *lazywebsocket.Conn, messageType int, data []byte) error {
		switch {
		case bytes.HasPrefix(data, []byte("close")):
			return c.Close()
		case bytes.HasPrefix(data, []byte("error")):
			return errBoom
		case bytes.HasPrefix(data, []byte("panic")):
			panic("boom")
		}
		return c.WriteMessage(messageType, data)
	}
	dial := overTransport(t, name, func(conn *lazywebsocket.Conn) {
		if p.Serve(conn, h) == nil {
			h.served.Add(1)
		}
	})
	before := 0
	for round := range 2 { // the first opens what stays open
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(worker), uint64(round)))
				for range rounds / 8 {
					abuse(r, dial(lazywebsocket.Dialer{EnableCompression: r.IntN(2) == 0}))
				}
			})
		}
		wg.Wait()
		for h.ended.Load() < h.served.Load() || p.Stats() != (lazywebsocket.PollerStats{}) {
			runtime.Gosched()
		}
		if round == 0 {
			before = descriptors(t) + 3 // connections that linger may be among them
		}
	}
	awaitDescriptors(t, before)
	if h.ended.Load() != h.served.Load() {
		t.Errorf("%d of %d ended", h.ended.Load(), h.served.Load())
	}
}

// abuse uses a connection and ends it somehow.
func abuse(r *rand.Rand, conn *lazywebsocket.Conn) {
	go func() { _, _ = readAll(conn) }()
	for range r.IntN(6) {
		_ = conn.WriteMessage(lazywebsocket.TextMessage, bytes.Repeat([]byte("m"), r.IntN(100_000)))
	}
	nc := conn.NetConn()
	switch r.IntN(8) {
	case 0:
		_ = conn.Close()
	case 1:
		if tcp, ok := nc.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset
		}
		_ = nc.Close()
	case 2:
		_, _ = nc.Write([]byte{0x82, 0xff, 0, 0, 0, 0, 0, 1}[:1+r.IntN(8)]) // a part of a header
		_ = nc.Close()
	case 3:
		_, _ = nc.Write([]byte{0x83, 0x80, 0, 0, 0, 0})
		_ = conn.Close()
	case 4:
		_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("close"))
	case 5:
		_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("error"))
	case 6:
		_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("panic"))
	case 7:
		_ = conn.WriteControl(lazywebsocket.CloseMessage, nil, time.Time{})
	}
	if r.IntN(2) == 0 {
		_ = conn.Close()
	}
	_ = nc.Close()
}

// A thousand connections that announce a large message and send ten bytes of it
// hold little more than these; so do those that send a byte at a time, and
// compressed ones.
func TestPollerMemoryOfPartialMessages(t *testing.T) {
	conns, most := 1000, int64(1024)
	if lazywebsocket.PoisonBuffers { // with the race detector pools lose things
		conns, most = 200, 16<<10
	}
	for name, in := range map[string]string{
		"1 MiB frame":            "82 ff 0000000000100000 00000000 61*10",
		"30 KiB frame":           "82 fe 7800 00000000 61*10",
		"fragments":              "02 81 00000000 61 00 ff 00000000000f0000 00000000 61*9",
		"compressed":             "c2 ff 0000000000100000 00000000 61*10",
		"header only":            "82 ff 0000000000100000 00000000",
		"half a header":          "82 ff 00000000",
		"half a ping":            "89 fd 00000000 61*10",
		"behind a large message": "82 fe ffff 00000000 61*65535 82 ff 0000000000100000 00000000 61*10",
	} {
		t.Run(name, func(t *testing.T) {
			p := &lazywebsocket.Poller{Loops: 1}
			defer p.Close()
			var closed atomic.Int32
			ended := make(chan error, conns)
			h := handlerFuncs{
				message: func(*lazywebsocket.Conn, int, []byte) error { return nil },
				closed:  func(_ *lazywebsocket.Conn, err error) { closed.Add(1); ended <- err },
			}
			deal := &lazywebsocket.Upgrader{EnableCompression: true}
			url := pollingServer(t, p, deal, h)
			script := unhex(t, in)
			peers := make([]net.Conn, conns)
			for i := range peers {
				d := lazywebsocket.Dialer{EnableCompression: true}
				c, _, err := d.Dial(url, nil)
				must(t, err)
				peers[i] = c.NetConn()
				defer peers[i].Close()
			}
			before := heap()
			for _, nc := range peers {
				_, err := nc.Write(script)
				must(t, err)
			}
			awaitDrained(t, p, peers)
			n := (heap() - before) / int64(conns)
			for end := time.Now().Add(5 * time.Second); n > most && time.Now().Before(end); {
				n = (heap() - before) / int64(conns) // some may be read still
			}
			t.Logf("%d bytes for each", n)
			if n > most {
				t.Errorf("%d bytes for each of %d partial messages", n, conns)
			}
			if closed.Load() > 0 {
				t.Fatalf("the connections have ended: %v", <-ended)
			}
		})
	}
}

// awaitDrained waits until the server has read what the peers have sent: a second
// connection's echoes come behind them in each loop.
func awaitDrained(t *testing.T, p *lazywebsocket.Poller, peers []net.Conn) {
	t.Helper()
	for _, nc := range peers {
		raw, err := nc.(*net.TCPConn).SyscallConn()
		must(t, err)
		for unsent(t, raw) > 0 {
			runtime.Gosched()
		}
	}
	for range 50 { // the loop's goroutines, which read what has arrived
		runtime.Gosched()
	}
	if p.Stats().Polled != len(peers) {
		t.Errorf("stats are %+v", p.Stats())
	}
}

// heap returns the bytes in use, without garbage and the pools' memory.
func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A message byte by byte, with a wait behind each, comes whole.
func TestPollerSlowloris(t *testing.T) {
	onKinds(t, 1, func(t *testing.T, p *lazywebsocket.Poller) {
		url := pollingServer(t, p, nil, handlerFuncs{})
		conn := dialURL(t, url)
		payload := bytes.Repeat([]byte("slow"), 50)
		frame := append([]byte{0x81, 0xfe, 0, 200, 0, 0, 0, 0}, payload...)
		for _, b := range frame {
			_, err := conn.NetConn().Write([]byte{b})
			must(t, err)
			runtime.Gosched()
		}
		wantRead(t, conn, message(1, payload))
	})
}

// The bounds of a message hold on the loop as elsewhere.
func TestPollerBounds(t *testing.T) {
	var bomb bytes.Buffer
	w, err := flate.NewWriter(&bomb, flate.BestCompression)
	must(t, err)
	_, err = w.Write(make([]byte, 8<<20))
	must(t, err)
	must(t, w.Flush())
	packed := bomb.Bytes()[:bomb.Len()-4]
	for name, tc := range map[string]struct {
		in   []byte
		want string
	}{
		"131,073 fragments":     {append([]byte{0x02, 0x80, 0, 0, 0, 0}, bytes.Repeat([]byte{0x00, 0x80, 0, 0, 0, 0}, 131_072)...), "protocol 1008"},
		"a bomb":                {append([]byte{0xc2, 0xfe, byte(len(packed) >> 8), byte(len(packed)), 0, 0, 0, 0}, packed...), "limit"},
		"a byte over the limit": {unhex(t, "82 ff 0000000000100001 00000000"), "limit"},
		"fragments over it":     {append(unhex(t, "02 fe ffff 00000000 61*65535"), unhex(t, "80 ff 00000000000f0002 00000000")...), "limit"},
	} {
		t.Run(name, func(t *testing.T) {
			onKinds(t, 1, func(t *testing.T, p *lazywebsocket.Poller) {
				h := newWatched(t, nil)
				url := pollingServer(t, p, &lazywebsocket.Upgrader{EnableCompression: true}, h)
				d := lazywebsocket.Dialer{EnableCompression: true}
				conn, _, err := d.Dial(url, nil)
				must(t, err)
				defer conn.Close()
				go func() { _, _ = io.Copy(io.Discard, conn.NetConn()) }()
				go func() { _, _ = conn.NetConn().Write(tc.in) }()
				wantSummary(t, <-h.closed, tc.want)
			})
		})
	}
}

// A peer that ends its direction and reads on gets what the handler writes.
func TestPollerHalfClosedPeer(t *testing.T) {
	onKinds(t, 1, func(t *testing.T, p *lazywebsocket.Poller) {
		url := pollingServer(t, p, nil, handlerFuncs{closed: func(c *lazywebsocket.Conn, _ error) {
			_ = c.WriteMessage(lazywebsocket.TextMessage, []byte("last"))
		}})
		for range 50 {
			conn := dialURL(t, url)
			for i := range 5 {
				must(t, conn.WriteMessage(lazywebsocket.TextMessage, fmt.Append(nil, i)))
			}
			must(t, conn.NetConn().(*net.TCPConn).CloseWrite())
			for i := range 5 {
				wantRead(t, conn, fmt.Sprintf(`text "%d"`, i))
			}
			wantRead(t, conn, `text "last"`)
			if _, _, err := conn.ReadMessage(); !lazywebsocket.IsCloseError(err, 1000) {
				t.Errorf("in the end: %v", err)
			}
		}
	})
}

// A Poller that was closed leaves no descriptor.
func TestPollerClosesItsDescriptors(t *testing.T) {
	round := func(t *testing.T) {
		p := &lazywebsocket.Poller{Loops: 3}
		url := pollingServer(t, p, nil, handlerFuncs{})
		for range 3 {
			wantEcho(t, dialURL(t, url), "x")
		}
		must(t, p.Close())
	}
	t.Run("first", round) // opens what stays open
	before := descriptors(t)
	for range 20 {
		t.Run("again", round)
	}
	awaitDescriptors(t, before+3) // others' connections may linger
}
