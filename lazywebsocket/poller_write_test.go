package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// Messages of one connection come in order and one at a time, though their
// handlers wait for different times and others write to the connection meanwhile.
func TestPollerOrder(t *testing.T) {
	n := wstest.Network{Chunk: wstest.RandomChunks(7, 100)}
	everyPoller(t, n, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		const messages = 400
		next := 0
		h := newWatched(t, func(c *lazywebsocket.Conn, _ int, data []byte) error {
			if string(data) != fmt.Sprint("m", next) {
				t.Errorf("got %q, want m%d", data, next)
			}
			if next%7 == 0 {
				time.Sleep(time.Duration(next) * time.Millisecond)
			}
			next++
			return c.WriteMessage(lazywebsocket.BinaryMessage, data)
		})
		must(t, conn.serveWith(h))
		for range 3 {
			go func() {
				for range messages {
					if conn.WriteMessage(lazywebsocket.TextMessage, []byte("from elsewhere")) != nil {
						t.Error("a write from elsewhere failed")
					}
				}
			}()
		}
		go func() {
			for i := range messages {
				frame := fmt.Sprintf("82 %02x|'m%d'", len(fmt.Sprint("m", i)), i)
				if i%3 == 0 {
					frame = "89 01|'p' / " + frame
				}
				_, _ = p.Conn.Write(wire(t, roleOf(p), frame))
			}
			_, _ = p.Conn.Write(wire(t, roleOf(p), "88 00"))
		}()
		for echoes, others := 0, 0; echoes < messages || others < 3*messages; {
			switch first, payload := p.Next(); first {
			case 0x82:
				if string(payload) != fmt.Sprint("m", echoes) {
					t.Fatalf("the peer got %q, want m%d", payload, echoes)
				}
				echoes++
			case 0x81:
				others++
			case 0x8a:
			default:
				t.Fatalf("the peer got %02x %q", first, payload)
			}
		}
		<-h.closed
	})
}

// The answers to a burst leave in one write.
func TestPollerHoldsAnswers(t *testing.T) {
	for _, inline := range []bool{false, true} {
		onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
			poller := &lazywebsocket.Poller{Inline: inline}
			defer poller.Close()
			h := newWatched(t, func(c *lazywebsocket.Conn, messageType int, data []byte) error {
				return c.WriteMessage(messageType, data)
			})
			must(t, poller.Serve(c.Conn, h))
			start := time.Now()
			for range 3 {
				c.tap.taken()
				c.burst(t, 20)
				c.wantEchoes(0, 20)
				if writes := c.tap.taken(); len(writes) != 1 {
					t.Errorf("writes of %v bytes, want one", writes)
				}
			}
			wantAt(t, "the answers", start, 0)
			must(t, c.Close())
			<-h.closed
		})
	}
}

// A handler that takes its time after a held answer does not keep it.
func TestPollerGuardsAnswers(t *testing.T) {
	onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
		var poller lazywebsocket.Poller
		defer poller.Close()
		h := newWatched(t, func(c *lazywebsocket.Conn, messageType int, data []byte) error {
			err := c.WriteMessage(messageType, data)
			time.Sleep(time.Hour)
			return err
		})
		must(t, poller.Serve(c.Conn, h))
		start := time.Now()
		c.burst(t, 3)
		c.wantEchoes(0, 1)
		if d := time.Since(start); d > 2*lazywebsocket.GuardTick {
			t.Errorf("the answer came after %v", d)
		}
		must(t, c.Close())
		<-h.closed
	})
}

// All ways to write, by a handler and from elsewhere.
func TestPollerAllWaysToWrite(t *testing.T) {
	for name, way := range answerWays {
		t.Run(name, func(t *testing.T) {
			everyPoller(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
				h := newWatched(t, func(c *lazywebsocket.Conn, _ int, data []byte) error { return way.write(c, string(data)) })
				must(t, conn.serveWith(h))
				p.Text("aa")
				p.Want(strings.ReplaceAll(way.want, "%s", "aa"))
				must(t, way.write(conn.Conn, "bb"))
				p.Want(strings.ReplaceAll(way.want, "%s", "bb"))
				p.Close(1000, "")
				<-h.closed
			})
		})
	}
}

// A write to a peer that does not read can be cancelled, runs into its deadline,
// and does not keep pings from being read.
func TestPollerStuckWrites(t *testing.T) {
	n := wstest.Network{Buffer: 1000}
	everyPoller(t, n, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wrote := make(chan error, 1)
		h := newWatched(t, func(c *lazywebsocket.Conn, messageType int, _ []byte) error {
			wrote <- c.WriteMessageContext(ctx, messageType, make([]byte, 5000))
			return nil
		})
		must(t, conn.serveWith(h))
		p.Text("x")
		if err := <-wrote; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the write: %v", err)
		}
		<-h.closed
	})
	everyPoller(t, n, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		h := newWatched(t, func(c *lazywebsocket.Conn, messageType int, _ []byte) error {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			return c.WriteMessage(messageType, make([]byte, 5000))
		})
		must(t, conn.serveWith(h))
		start := time.Now()
		p.Text("x")
		wantSummary(t, <-h.closed, "write timeout")
		wantAt(t, "the end", start, time.Second)
	})
	everyPoller(t, n, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		pongs := make(chan string, 1)
		conn.SetPongHandler(func(s string) error { pongs <- s; return nil })
		h := newWatched(t, nil)
		must(t, conn.serveWith(h))
		stuck := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 5000)) })
		synctest.Wait()
		p.Ping("unanswered")
		p.Pong("read")
		if got := <-pongs; got != "read" {
			t.Errorf("pong %q", got)
		}
		p.WantBinary(make([]byte, 5000))
		must(t, <-stuck)
		p.WantPong("unanswered")
		must(t, conn.Close())
		<-h.closed
	})
}

// Serve while a writer is stuck: a goroutine serves then, and nothing is torn.
func TestPollerServeWithAStuckWriter(t *testing.T) {
	everyPoller(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		stuck := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 5000)) })
		synctest.Wait()
		h := newWatched(t, func(c *lazywebsocket.Conn, messageType int, data []byte) error {
			return c.WriteMessage(messageType, data)
		})
		start := time.Now()
		must(t, conn.serveWith(h))
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("Serve took %v", d)
		}
		if stats := conn.poller.Stats(); stats.Goroutines != 1 {
			t.Errorf("stats are %+v", stats)
		}
		p.Text("x")
		p.WantBinary(make([]byte, 5000))
		must(t, <-stuck)
		p.WantText("x")
		p.Close(1000, "")
		p.WantClose(1000)
		<-h.closed
	})
}

// What came behind the handshake, in the same segment, is served.
func TestPollerBytesBehindTheHandshake(t *testing.T) {
	for name, d := range drivers() {
		if d.poller == nil {
			continue
		}
		bubble(t, name, func(t *testing.T) {
			l := wstest.Network{}.Listen()
			h := newWatched(t, func(c *lazywebsocket.Conn, messageType int, data []byte) error {
				return c.WriteMessage(messageType, data)
			})
			defer d.poller.Close()
			s := serveOn(t, l, func(conn *lazywebsocket.Conn) {
				if d.hidden {
					conn.HideReadiness()
				}
				must(t, d.poller.Serve(conn, h))
			})
			defer s.Close()
			p := l.DialPeer(t)
			request := "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
			p.WriteBytes(append([]byte(request), wire(t, server, "81 01|'a' / 89 00 / 81 01|'b' / 01 01|'c'")...))
			p.Response()
			p.WantText("a")
			p.Want("8a 00")
			p.WantText("b")
			p.WriteBytes(wire(t, server, "80 01|'d'"))
			p.WantText("cd")
			p.Close(1000, "")
			p.WantClose(1000)
			<-h.closed
		})
	}
}

// After the hand-over NetConn is for addresses still.
func TestPollerNetConn(t *testing.T) {
	everyPoller(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		h := newWatched(t, nil)
		must(t, conn.serveWith(h))
		if conn.NetConn() == nil || conn.UnderlyingConn() == nil {
			t.Error("NetConn is nil")
		}
		if got := conn.NetConn().RemoteAddr().String(); got != conn.RemoteAddr().String() || got != p.Conn.LocalAddr().String() {
			t.Errorf("the peer is %s", got)
		}
		must(t, conn.Close())
		<-h.closed
	})
}

// Of many connections whose handlers all block, none waits for another.
func TestPollerBlockedHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var poller lazywebsocket.Poller
		const conns = 50
		var inside sync.WaitGroup
		inside.Add(conns)
		release := make(chan bool)
		h := handlerFuncs{message: func(c *lazywebsocket.Conn, messageType int, data []byte) error {
			inside.Done()
			<-release
			return c.WriteMessage(messageType, data)
		}}
		var peers []*wstest.Peer
		for range conns {
			conn, p := wstest.PeerOfServer(t, nil)
			must(t, poller.Serve(conn, h))
			p.Text("x")
			peers = append(peers, p)
		}
		inside.Wait()
		close(release)
		for _, p := range peers {
			p.WantText("x")
		}
		must(t, poller.Close())
	})
}
