package lazywebsocket_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// wantCounted fails unless the budget counts so much.
func wantCounted(t testing.TB, b *lazywebsocket.Budget, queued bool, behind int) {
	t.Helper()
	if n, _, _, conns, _ := b.Counted(); (n != 0) != queued || conns != behind {
		t.Errorf("%d bytes are queued, and %d connections behind", n, conns)
	}
}

// Beyond the budget those end that have been behind for longest, and no others.
func TestQueuedBytes(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		b := &lazywebsocket.Budget{QueuedBytes: 20_000}
		var conns []*lazywebsocket.Conn
		var peers []*wstest.Peer
		for _, r := range []role{server, client, server, client} {
			conn, p := r.connect(t, tight, options{budget: b})
			conns, peers = append(conns, conn), append(peers, p)
		}
		big := strings.Repeat("x", 5000)
		publish(t, conns[3], big)
		peers[3].WantText(big)
		synctest.Wait()
		wantCounted(t, b, false, 0)
		for i := range 3 {
			publish(t, conns[i], big)
			time.Sleep(400 * time.Millisecond)
		}
		wantCounted(t, b, true, 3)
		publish(t, conns[2], big, big, big) // beyond, but nobody has been behind for long but the first
		synctest.Wait()
		wantCounted(t, b, true, 2)
		var full *lazywebsocket.BudgetError
		_, _, err := conns[0].ReadMessage()
		if !errors.As(err, &full) || full.Budget != "QueuedBytes" || full.Limit != 20_000 {
			t.Errorf("the first reads %v", err)
		}
		if err := conns[0].Publish(prepare(t, "x")); !errors.As(err, &full) {
			t.Errorf("publish: %v", err)
		}
		time.Sleep(500 * time.Millisecond)
		publish(t, conns[2], big) // the second was behind long enough now
		peers[1].WantText(big)    // it had begun
		if reason := peers[1].WantClose(1013); reason != "slow reader" {
			t.Errorf("reason %q", reason)
		}
		for range 5 {
			peers[2].WantText(big)
		}
		synctest.Wait()
		wantCounted(t, b, false, 0)
		publish(t, conns[2], "fine")
		peers[2].WantText("fine")
	})
}

func TestNoQueuedBytes(t *testing.T) {
	b := &lazywebsocket.Budget{QueuedBytes: -1}
	onNetwork(t, tight, options{budget: b}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		big := strings.Repeat("x", 500_000)
		publish(t, conn, big)
		time.Sleep(2 * time.Second)
		publish(t, conn, big)
		p.WantText(big)
		p.WantText(big)
	})
}

// What is behind is counted exactly, however the connection ends.
func TestQueuedBytesAreReturned(t *testing.T) {
	for name, end := range map[string]func(conn *lazywebsocket.Conn, p *wstest.Peer){
		"Close": func(conn *lazywebsocket.Conn, _ *wstest.Peer) { _ = conn.Close() },
		"reset": func(_ *lazywebsocket.Conn, p *wstest.Peer) { _ = p.Conn.Close() },
		"full":  func(conn *lazywebsocket.Conn, _ *wstest.Peer) { _ = conn.Publish(prepareLarge()) },
		"wait":  func(*lazywebsocket.Conn, *wstest.Peer) { time.Sleep(time.Minute) },
		"stream": func(conn *lazywebsocket.Conn, _ *wstest.Peer) {
			_ = conn.SetWriteDeadline(time.Now())
			_, _ = conn.NextWriter(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := new(lazywebsocket.Budget)
			onNetwork(t, tight, options{budget: b, queue: lazywebsocket.QueueOptions{Bytes: 10_000}}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
				publish(t, conn, strings.Repeat("x", 5000))
				synctest.Wait()
				publish(t, conn, strings.Repeat("x", 5000))
				if n, _, _, _, _ := b.Counted(); n != 10_008 && n != 10_000+2*4 {
					t.Errorf("%d bytes are queued", n)
				}
				end(conn, p)
				time.Sleep(time.Minute)
				synctest.Wait()
				wantCounted(t, b, false, 0)
			})
		})
	}
}

func prepareLarge() *lazywebsocket.PreparedMessage {
	pm, _ := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, make([]byte, 9000))
	return pm
}

// A message that inflates beyond the budget ends its connection; others go on.
func TestInflatedBytes(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		b := &lazywebsocket.Budget{InflatedBytes: 100_000}
		o := options{compressed: true, budget: b}
		free := options{compressed: true}
		s, c := wstest.Network{Buffer: -1}.NewPair(t, o.upgrader(), free.dialer())
		other, oc := wstest.Network{Buffer: -1}.NewPair(t, o.upgrader(), free.dialer())
		half := bytes.Repeat([]byte("inflates "), 8_000)
		for range 5 { // one at a time each has room
			must(t, c.WriteMessage(lazywebsocket.TextMessage, half))
			_, data, err := s.ReadMessage()
			must(t, err)
			if !bytes.Equal(data, half) {
				t.Fatal("another message")
			}
		}
		if _, n, _, _, _ := b.Counted(); n != 0 {
			t.Errorf("%d bytes are inflated", n)
		}
		must(t, oc.WriteMessage(lazywebsocket.TextMessage, half))
		_, r, err := other.NextReader()
		must(t, err)
		_, err = io.ReadFull(r, make([]byte, 60_000))
		must(t, err)
		must(t, c.WriteMessage(lazywebsocket.TextMessage, half))
		_, _, err = s.ReadMessage()
		var full *lazywebsocket.BudgetError
		if !errors.As(err, &full) || full.Budget != "InflatedBytes" || summary(err) != `read: lazywebsocket: the budget Budget.InflatedBytes of 100000 is used up` {
			t.Errorf("read: %v", err)
		}
		if _, _, err := c.ReadMessage(); !lazywebsocket.IsCloseError(err, lazywebsocket.CloseTryAgainLater) {
			t.Errorf("the peer reads %v", err)
		}
		_ = other.Close()
		if _, n, _, _, _ := b.Counted(); n != 0 {
			t.Errorf("%d bytes are inflated", n)
		}
	})
}

// Small messages are not counted at all.
func TestInflatedSmall(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		o := options{compressed: true, budget: &lazywebsocket.Budget{InflatedBytes: 1}}
		s, c := wstest.NewPair(t, o.upgrader(), o.dialer())
		m := bytes.Repeat([]byte("mmmm"), 1024)
		for range 3 {
			must(t, c.WriteMessage(lazywebsocket.TextMessage, m))
			_, _, err := s.ReadMessage()
			must(t, err)
		}
		must(t, c.WriteMessage(lazywebsocket.TextMessage, append(m, 'x')))
		if _, _, err := s.ReadMessage(); err == nil {
			t.Error("4097 bytes are beyond a budget of 1")
		}
	})
}

// upgradeFrom asks for an upgrade, as a client at an address would.
func upgradeFrom(u *lazywebsocket.Upgrader, addr string) (*lazywebsocket.Conn, *http.Response, error) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	r.RemoteAddr = addr
	ours, theirs := wstest.Pipe()
	w := httptest.NewRecorder()
	conn, err := u.Upgrade(hijacked{w, ours}, r, nil)
	_ = theirs.Close()
	return conn, w.Result(), err
}

func TestConnectionsPerAddress(t *testing.T) {
	b := &lazywebsocket.Budget{ConnectionsPerAddress: 2}
	u := &lazywebsocket.Upgrader{Budget: b}
	open := func(addr string) *lazywebsocket.Conn {
		conn, _, err := upgradeFrom(u, addr)
		if err != nil {
			t.Fatalf("%s: %v", addr, err)
		}
		return conn
	}
	first := open("192.0.2.1:1000")
	second := open("192.0.2.1:1001")
	rest := []*lazywebsocket.Conn{open("192.0.2.2:1000"), open("[2001:db8::1]:1"), open("[2001:db8::2]:1"), open("pipe"), open("pipe"), open("pipe")}
	refused := func(addr string) {
		t.Helper()
		conn, resp, err := upgradeFrom(u, addr)
		var full *lazywebsocket.BudgetError
		if conn != nil || !errors.As(err, &full) || full.Budget != "ConnectionsPerAddress" || full.Limit != 2 {
			t.Errorf("%v, %v", conn, err)
		}
		if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
		}
	}
	refused("192.0.2.1:2")
	refused("[::ffff:192.0.2.1]:2")
	refused("[2001:db8::ffff]:2")
	rest = append(rest, open("[2001:db8:0:1::1]:2"))
	_ = first.Close()
	_ = first.Close() // counts once
	first = open("192.0.2.1:1002")
	refused("192.0.2.1:2")
	for _, c := range append(rest, first, second) {
		_ = c.Close()
	}
	if _, _, _, _, addresses := b.Counted(); addresses != 0 {
		t.Errorf("%d addresses are left", addresses)
	}
}

// What is no WebSocket can be counted with those.
func TestAdmit(t *testing.T) {
	b := &lazywebsocket.Budget{ConnectionsPerAddress: 2}
	u := &lazywebsocket.Upgrader{Budget: b}
	conn, _, err := upgradeFrom(u, "192.0.2.1:1")
	if err != nil {
		t.Fatal(err)
	}
	release, err := b.Admit("192.0.2.1:2")
	if err != nil {
		t.Fatal(err)
	}
	var full *lazywebsocket.BudgetError
	if other, err := b.Admit("[::ffff:192.0.2.1]:3"); other != nil || !errors.As(err, &full) || full.Budget != "ConnectionsPerAddress" {
		t.Errorf("a third: %v", err)
	}
	if other, _, err := upgradeFrom(u, "192.0.2.1:3"); other != nil || !errors.As(err, &full) {
		t.Errorf("a third: %v", err)
	}
	release()
	release() // counts once
	if release, err = b.Admit("192.0.2.1:4"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Admit("192.0.2.1:5"); !errors.As(err, &full) {
		t.Errorf("a third: %v", err)
	}
	release()
	for _, remote := range []string{"192.0.2.2:1", "pipe", "pipe", "pipe", ""} {
		release, err := b.Admit(remote)
		if err != nil {
			t.Errorf("%q: %v", remote, err)
		}
		defer release()
	}
	_ = conn.Close()
	if _, _, _, _, addresses := b.Counted(); addresses != 1 {
		t.Errorf("%d addresses are left, want that of one release to come", addresses)
	}
}

func TestHandshakes(t *testing.T) {
	b := &lazywebsocket.Budget{Handshakes: 1}
	entered, release := make(chan bool), make(chan bool)
	slow := &lazywebsocket.Upgrader{Budget: b, CheckOrigin: func(*http.Request) bool {
		entered <- true
		<-release
		return false
	}}
	go func() { _, _, _ = upgradeFrom(slow, "a"); entered <- true }()
	<-entered
	var told error
	u := &lazywebsocket.Upgrader{Budget: b, Error: func(_ http.ResponseWriter, _ *http.Request, status int, reason error) {
		if told = reason; status != http.StatusServiceUnavailable {
			t.Errorf("status %d", status)
		}
	}}
	_, _, err := upgradeFrom(u, "b")
	var full *lazywebsocket.BudgetError
	if !errors.As(err, &full) || full.Budget != "Handshakes" || full.Limit != 1 || !errors.Is(told, err) {
		t.Errorf("%v, told %v", err, told)
	}
	u.Error = nil
	if _, resp, _ := upgradeFrom(u, "b"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
	}
	close(release)
	<-entered
	conn, _, err := upgradeFrom(u, "b")
	must(t, err)
	_ = conn.Close()
	if _, _, n, _, _ := b.Counted(); n != 0 {
		t.Errorf("%d handshakes are in flight", n)
	}
	none := &lazywebsocket.Upgrader{Budget: &lazywebsocket.Budget{Handshakes: -1}}
	conn, _, err = upgradeFrom(none, "c")
	must(t, err)
	_ = conn.Close()
}
