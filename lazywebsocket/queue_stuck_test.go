package lazywebsocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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

// stuckWriters are ways to be inside the gate for long, with a peer that takes
// nothing.
var stuckWriters = map[string]func(conn *lazywebsocket.Conn){
	"WriteMessage": func(conn *lazywebsocket.Conn) {
		_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte(strings.Repeat("w", 5000)))
	},
	"NextWriter": func(conn *lazywebsocket.Conn) {
		w, err := conn.NextWriter(lazywebsocket.TextMessage)
		if err == nil {
			_, err = w.Write([]byte(strings.Repeat("w", 5000)))
		}
		if err == nil {
			_ = w.Close()
		}
	},
	"with a deadline": func(conn *lazywebsocket.Conn) {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Hour))
		_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte(strings.Repeat("w", 5000)))
	},
}

// What waits behind a writer that is stuck is counted, and the peer loses its
// connection as ever.
func TestQueueBehindStuckWriter(t *testing.T) {
	for name, write := range stuckWriters {
		t.Run(name, func(t *testing.T) {
			b := new(lazywebsocket.Budget)
			o := options{budget: b, queue: lazywebsocket.QueueOptions{Patience: 10 * time.Second}}
			onNetwork(t, tight, o, func(t *testing.T, conn *lazywebsocket.Conn, _ *wstest.Peer) {
				go write(conn)
				reads := result(func() error { _, _, err := conn.ReadMessage(); return err })
				synctest.Wait()
				start := time.Now()
				publish(t, conn, strings.Repeat("x", 5000))
				wantCounted(t, b, false, 0)
				time.Sleep(1100 * time.Millisecond)
				wantCounted(t, b, true, 1)
				err := <-reads
				if !isTimeout(err) || !strings.Contains(err.Error(), "the peer takes nothing") {
					t.Errorf("read: %v", err)
				}
				if d := time.Since(start); d < 10*time.Second || d > 13*time.Second { // a probe has shown 1024 bytes
					t.Errorf("after %v", d)
				}
				synctest.Wait()
				wantCounted(t, b, false, 0)
				if !conn.AtRest() || conn.QueueStats() != (lazywebsocket.QueueStats{}) {
					t.Errorf("not at rest: %+v", conn.QueueStats())
				}
			})
		})
	}
}

// Beyond the budget it ends, though nobody publishes any more.
func TestQueuedBytesBehindStuckWriter(t *testing.T) {
	b := &lazywebsocket.Budget{QueuedBytes: 4000}
	o := options{budget: b, queue: lazywebsocket.QueueOptions{Patience: -1}}
	onNetwork(t, tight, o, func(t *testing.T, conn *lazywebsocket.Conn, _ *wstest.Peer) {
		go stuckWriters["WriteMessage"](conn)
		reads := result(func() error { _, _, err := conn.ReadMessage(); return err })
		synctest.Wait()
		start := time.Now()
		publish(t, conn, strings.Repeat("x", 5000))
		var full *lazywebsocket.BudgetError
		if err := <-reads; !errors.As(err, &full) || full.Budget != "QueuedBytes" {
			t.Errorf("read: %v", err)
		}
		wantAt(t, "the end", start, 2*time.Second)
		time.Sleep(time.Second)
		wantCounted(t, b, false, 0)
	})
}

// Who takes a little, and always has more waiting, is behind all the time.
func TestQueuedBytesAlwaysBehind(t *testing.T) {
	onNetwork(t, tight, options{budget: &lazywebsocket.Budget{QueuedBytes: 5000}}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		s := strings.Repeat("x", 1996)
		publish(t, conn, s, s, s, s, s, s)
		start := time.Now()
		var err error
		for err == nil && time.Since(start) < time.Minute {
			time.Sleep(100 * time.Millisecond)
			p.Next() // a message, or the Close frame
			err = conn.Publish(prepare(t, s))
		}
		var full *lazywebsocket.BudgetError
		if !errors.As(err, &full) || time.Since(start) > 2*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// A peer that takes little of the message in front keeps its connection, and what
// has caught up is counted no more.
func TestQueueBehindSlowWriter(t *testing.T) {
	b := new(lazywebsocket.Budget)
	o := options{budget: b, queue: lazywebsocket.QueueOptions{Patience: 10 * time.Second}}
	onNetwork(t, tight, o, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		if conn.OverStream() {
			return // it is not seen that a peer takes little there
		}
		written := result(func() error {
			return conn.WriteMessage(lazywebsocket.TextMessage, []byte(strings.Repeat("w", 20_000)))
		})
		synctest.Wait()
		publish(t, conn, "queued")
		for range 20 {
			time.Sleep(8 * time.Second)
			_, err := io.ReadFull(p.Conn, make([]byte, 500))
			must(t, err)
		}
		wantCounted(t, b, true, 1)
		head := 4 // RFC 6455, 5.2: two bytes, and two of the length
		if roleOf(p) == client {
			head += 4 // the key
		}
		_, err := io.ReadFull(p.Conn, make([]byte, head+20_000-20*500))
		must(t, err)
		must(t, <-written)
		p.WantText("queued")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		wantCounted(t, b, false, 0)
		if !conn.AtRest() {
			t.Error("not at rest")
		}
	})
}

// A message that the application leaves open is not the peer's slowness.
func TestQueueBehindIdleStream(t *testing.T) {
	b := new(lazywebsocket.Budget)
	bothRoles(t, options{budget: b}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		w, err := conn.NextWriter(lazywebsocket.TextMessage)
		must(t, err)
		publish(t, conn, "queued")
		time.Sleep(time.Hour)
		wantCounted(t, b, true, 1)
		must(t, w.Close())
		p.Want("81 00")
		p.WantText("queued")
		synctest.Wait()
		wantCounted(t, b, false, 0)
	})
}

// What left before a message in fragments has left: Drain, and who waits for room,
// hear of it before that ends.
func TestQueueSettlesBeforeStream(t *testing.T) {
	o := queued(lazywebsocket.QueueOptions{Policy: lazywebsocket.QueueBlock, Messages: 1})
	onNetwork(t, tight, o, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		var g lazywebsocket.Group
		g.Add(conn)
		long := strings.Repeat("w", 5000)
		go func() { _ = conn.WriteMessage(lazywebsocket.TextMessage, []byte(long)) }()
		synctest.Wait()
		publish(t, conn, "a")
		drained := result(func() error { return g.Drain(t.Context()) })
		streams := make(chan io.WriteCloser, 1)
		go func() { w, _ := conn.NextWriter(lazywebsocket.TextMessage); streams <- w }()
		synctest.Wait()
		p.WantText(long)
		p.WantText("a")
		w := <-streams
		must(t, <-drained) // who waits for ever is told by the harness
		if s := conn.QueueStats(); s.Bytes != 0 {
			t.Errorf("%+v is queued", s)
		}
		publish(t, conn, "b")
		must(t, w.Close())
		p.Want("81 00")
		p.WantText("b")
	})
}

// closers send a Close frame.
var closers = map[string]func(conn *lazywebsocket.Conn) error{
	"Close": (*lazywebsocket.Conn).Close,
	"Shutdown": func(conn *lazywebsocket.Conn) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Shutdown(ctx, 1000, "")
		return nil
	},
	"WriteControl": func(conn *lazywebsocket.Conn) error {
		return conn.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(1000, ""), noDeadline)
	},
}

// What waits for a message of which nothing has left leaves before the Close frame.
// Nothing can stand behind a fragment but the rest (RFC 6455, 5.4).
func TestCloseBehindUnfinishedStream(t *testing.T) {
	for name, end := range closers {
		t.Run(name, func(t *testing.T) {
			bothRoles(t, options{writeBuffer: 128}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
				w, err := conn.NextWriter(lazywebsocket.TextMessage)
				must(t, err)
				_, err = w.Write(make([]byte, 100))
				must(t, err)
				publish(t, conn, "a", "b")
				done := result(func() error { return end(conn) })
				p.WantText("a")
				p.WantText("b")
				p.WantClose(1000)
				must(t, <-done)
				if err := w.Close(); !errors.Is(err, lazywebsocket.ErrCloseSent) {
					t.Errorf("the writer's Close: %v", err)
				}
				if s := conn.QueueStats(); s != (lazywebsocket.QueueStats{}) {
					t.Errorf("%+v is queued", s)
				}
			})
			bothRoles(t, options{writeBuffer: 128}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
				w, err := conn.NextWriter(lazywebsocket.TextMessage)
				must(t, err)
				_, err = w.Write([]byte(strings.Repeat("a", 128)))
				must(t, err)
				publish(t, conn, "dropped")
				done := result(func() error { return end(conn) })
				p.Want("01 7e 0080 'a'*128")
				p.WantClose(1000)
				must(t, <-done)
			})
		})
	}
}

// A finished message leaves nothing behind that the next one's queue would wait for.
func TestCloseBehindSecondStream(t *testing.T) {
	bothRoles(t, options{writeBuffer: 128}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		w, err := conn.NextWriter(lazywebsocket.TextMessage)
		must(t, err)
		_, err = w.Write([]byte(strings.Repeat("a", 128)))
		must(t, err)
		must(t, w.Close())
		p.Want("01 7e 0080 'a'*128 80 00")
		_, err = conn.NextWriter(lazywebsocket.TextMessage)
		must(t, err)
		publish(t, conn, "queued")
		must(t, conn.Close())
		p.WantText("queued")
		p.WantClose(1000)
	})
}

// overTLS returns a connection of a server over TLS, and its peer.
func overTLS(t *testing.T, cert tls.Certificate) (conn *lazywebsocket.Conn, peer *tls.Conn) {
	t.Helper()
	a, b := wstest.Network{Buffer: 32 << 10}.Pipe()
	s := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13})
	c := tls.Client(a, &tls.Config{InsecureSkipVerify: true}) // the time here is not the certificate's
	shaken := result(c.Handshake)
	must(t, s.Handshake())
	must(t, <-shaken)
	return lazywebsocket.NewServerConn(s), c
}

// Over TLS it is 64 KiB that must leave within the patience, not the whole queue,
// and not the whole of a large message.
func TestQueuePatienceOverTLS(t *testing.T) {
	ts := httptest.NewTLSServer(http.NotFoundHandler())
	ts.Close()
	for _, tc := range []struct{ n, size int }{{60, 8000}, {1, 480_000}, {3, 160_000}} {
		bubble(t, fmt.Sprint(tc.n, " of ", tc.size), func(t *testing.T) {
			conn, peer := overTLS(t, ts.TLS.Certificates[0])
			pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.BinaryMessage, make([]byte, tc.size))
			must(t, err)
			for range tc.n {
				must(t, conn.Publish(pm))
			}
			reads := result(func() error { _, _, err := conn.ReadMessage(); return err })
			buf := make([]byte, 64<<10)
			for total := tc.n * tc.size; total > 0; {
				time.Sleep(12 * time.Second) // some 150 KiB in the 30 s
				n, err := io.ReadFull(peer, buf[:min(len(buf), total)])
				if total -= n; err != nil {
					t.Fatalf("%d bytes are left: %v; read: %v", total, err, <-reads)
				}
			}
			for range tc.n { // and one that takes nothing is seen
				must(t, conn.Publish(pm))
			}
			start := time.Now()
			if err := <-reads; !isTimeout(err) || !strings.Contains(err.Error(), "the peer takes nothing") {
				t.Errorf("read: %v", err)
			}
			if d := time.Since(start); d > time.Minute {
				t.Errorf("after %v", d)
			}
			_ = peer.NetConn().Close()
		})
	}
}

// What is inflated after the end is counted no more when that is read or left.
func TestInflatedBytesAfterTheEnd(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		b := new(lazywebsocket.Budget)
		o := options{compressed: true, budget: b, queue: lazywebsocket.QueueOptions{Patience: time.Second}}
		s, c := wstest.NewPair(t, o.upgrader(), options{compressed: true}.dialer())
		must(t, c.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 1<<20)))
		_, r, err := s.NextReader()
		must(t, err)
		_, err = io.ReadFull(r, make([]byte, 8<<10))
		must(t, err)
		if _, n, _, _, _ := b.Counted(); n == 0 {
			t.Error("nothing is counted before")
		}
		s.EnableWriteCompression(false)
		publish(t, s, strings.Repeat("x", 1<<19)) // the client takes nothing
		time.Sleep(5 * time.Second)
		_, err = io.ReadFull(r, make([]byte, 200<<10)) // which has arrived
		must(t, err)
		if _, n, _, _, _ := b.Counted(); n != 0 {
			t.Errorf("%d bytes are inflated", n)
		}
	})
}

// Where Close breaks the write that is stuck before it ends the queue, who waits for
// room hears of Close, and not of the break.
func TestQueueBlockUntilTheEnd(t *testing.T) {
	o := queued(lazywebsocket.QueueOptions{Messages: 1, Policy: lazywebsocket.QueueBlock})
	onNetwork(t, tight, o, func(t *testing.T, conn *lazywebsocket.Conn, _ *wstest.Peer) {
		if conn.OverStream() {
			return // whose end is more than the two steps below
		}
		stuff(t, conn)
		publish(t, conn, "1")
		done := result(func() error { return conn.Publish(prepare(t, "2")) })
		synctest.Wait()
		conn.BeginEnd()
		time.Sleep(time.Second)
		if err := <-done; !errors.Is(err, lazywebsocket.ErrCloseSent) {
			t.Errorf("it waited, and hears of %v", err)
		}
		conn.EndQueue()
		if err := conn.Publish(prepare(t, "3")); !errors.Is(err, lazywebsocket.ErrCloseSent) {
			t.Errorf("behind the end: %v", err)
		}
		_ = conn.UnderlyingConn().Close()
	})
}
