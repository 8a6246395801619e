package lazywebsocket_test

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

var everySecond = options{pingInterval: 10 * time.Second, pongTimeout: 3 * time.Second}

func TestKeepaliveOffByDefault(t *testing.T) {
	for _, interval := range []time.Duration{0, -time.Second} {
		everyDriver(t, wstest.Network{}, options{pingInterval: interval, pongTimeout: time.Second}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			read := result(func() error { _, _, err := conn.ReadMessage(); return err })
			time.Sleep(time.Minute)
			p.WantNothing()
			if conn.RTT() != 0 {
				t.Errorf("RTT is %v", conn.RTT())
			}
			p.Text("x")
			must(t, <-read)
		})
	}
}

func TestKeepaliveMeasures(t *testing.T) {
	everyDriver(t, wstest.Network{}, everySecond, func(t *testing.T, conn *driven, p *wstest.Peer) {
		start := time.Now()
		go func() { _, _ = readAll(conn) }()
		if conn.RTT() != 0 {
			t.Errorf("RTT before a pong is %v", conn.RTT())
		}
		payloads := map[string]bool{}
		for i := 1; i <= 5; i++ {
			time.Sleep(time.Until(start.Add(time.Duration(i) * 10 * time.Second)))
			synctest.Wait()
			first, payload := p.Next()
			if first != 0x89 {
				t.Fatalf("%02x at %v", first, time.Since(start))
			}
			p.WantNothing()
			payloads[string(payload)] = true
			latency := time.Duration(i) * 100 * time.Millisecond
			time.Sleep(latency)
			p.Pong("not mine")
			p.Pong(string(payload))
			p.Pong(string(payload)) // a second answer measures nothing
			synctest.Wait()
			if got := conn.RTT(); got != latency {
				t.Errorf("RTT is %v, want %v", got, latency)
			}
			time.Sleep(time.Millisecond)
			p.Pong(string(payload))
			synctest.Wait()
			if got := conn.RTT(); got != latency {
				t.Errorf("RTT is %v after a late copy, want %v", got, latency)
			}
		}
		if len(payloads) != 5 {
			t.Errorf("%d different pings of 5", len(payloads))
		}
		must(t, conn.Close())
		p.WantClose(1000)
	})
}

// An answer to an earlier ping is no measure for the latest.
func TestKeepaliveStalePong(t *testing.T) {
	everyDriver(t, wstest.Network{}, everySecond, func(t *testing.T, conn *driven, p *wstest.Peer) {
		go func() { _, _ = readAll(conn) }()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		_, first := p.Next()
		p.Text("alive")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		_, second := p.Next()
		if binary.BigEndian.Uint64(second) == binary.BigEndian.Uint64(first) {
			t.Error("two pings with the same payload")
		}
		time.Sleep(time.Second)
		p.Pong(string(first))
		synctest.Wait()
		if got := conn.RTT(); got != 0 {
			t.Errorf("RTT is %v", got)
		}
		must(t, conn.Close())
	})
}

// A peer that sends nothing after a ping is dead.
func TestKeepaliveEndsADeadConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		options options
		after   time.Duration
	}{
		"timeout":          {everySecond, 13 * time.Second},
		"default timeout":  {options{pingInterval: 10 * time.Second}, 20 * time.Second},
		"negative timeout": {options{pingInterval: 10 * time.Second, pongTimeout: -1}, 20 * time.Second},
		"long timeout":     {options{pingInterval: 10 * time.Second, pongTimeout: 25 * time.Second}, 35 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, wstest.Network{}, tc.options, func(t *testing.T, conn *driven, p *wstest.Peer) {
				start := time.Now()
				_, _, err := conn.ReadMessage()
				if d := time.Since(start); d != tc.after {
					t.Errorf("ended after %v, want %v", d, tc.after)
				}
				var op *lazywebsocket.OpError
				if !errors.As(err, &op) || op.Op != "read" || !op.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("error is %v", err)
				}
				if _, _, again := conn.ReadMessage(); again.Error() != err.Error() {
					t.Errorf("the next read: %v", again)
				}
				if err := conn.WriteMessage(lazywebsocket.TextMessage, nil); err == nil {
					t.Error("a write to a dead peer was done")
				}
				must(t, conn.Close())
				synctest.Wait()
				if _, err := p.Conn.Write([]byte("x")); err == nil {
					if _, err = p.Conn.Write([]byte("x")); err == nil {
						t.Error("the connection beneath is open")
					}
				}
			})
		})
	}
}

// Anything that arrives is a sign of life, a byte of a large message too.
func TestKeepaliveSignsOfLife(t *testing.T) {
	for name, in := range map[string]string{
		"pings":       "89 00 / 89 00 / 89 00 / 89 00 / 89 00 / 89 00 / 89 00 / 89 00",
		"slow upload": "82 7e 4000|61*16384",
	} {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, wstest.Network{}, everySecond, func(t *testing.T, conn *driven, p *wstest.Peer) {
				read := result(func() error { _, err := readAll(conn); return err })
				whole := wire(t, roleOf(p), in)
				for i := range 16 { // it answers no ping
					time.Sleep(2 * time.Second)
					p.WriteBytes(whole[i : i+1])
					synctest.Wait()
				}
				select {
				case err := <-read:
					t.Fatalf("the connection ended: %v", err)
				default:
				}
				must(t, conn.Close())
				<-read
			})
		})
	}
}

// An application that does not read is slow, its peer is not dead.
func TestKeepaliveBusyApplication(t *testing.T) {
	everyDriver(t, wstest.Network{}, everySecond, func(t *testing.T, conn *driven, p *wstest.Peer) {
		p.Text("one")
		wantRead(t, conn, `text "one"`)
		time.Sleep(time.Hour) // it works on the message
		p.Text("two")
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("done")))
		wantRead(t, conn, `text "two"`)
		must(t, conn.Close())
	})
}

// A peer that sends but reads nothing is alive; the pings that cannot leave wait
// for nobody.
func TestKeepaliveStuckWriter(t *testing.T) {
	everyDriver(t, wstest.Network{Buffer: 1000}, everySecond, func(t *testing.T, conn *driven, p *wstest.Peer) {
		stuck := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 3000)) })
		read := result(func() error { _, err := readAll(conn); return err })
		for range 10 {
			time.Sleep(2 * time.Second)
			p.Text("alive")
		}
		select {
		case err := <-read:
			t.Fatalf("the connection ended: %v", err)
		default:
		}
		p.WantBinary(make([]byte, 3000))
		must(t, <-stuck)
		must(t, conn.Close())
		<-read
	})
}

// A silent peer behind a stuck writer is dead too, and its writer is freed.
func TestKeepaliveFreesAStuckWriter(t *testing.T) {
	everyDriver(t, wstest.Network{Buffer: 1000}, everySecond, func(t *testing.T, conn *driven, _ *wstest.Peer) {
		stuck := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 3000)) })
		start := time.Now()
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "read timeout")
		if <-stuck == nil {
			t.Error("the stuck write was done")
		}
		if d := time.Since(start); d < 13*time.Second || d > 26*time.Second {
			t.Errorf("ended after %v", d)
		}
	})
}

// A peer that says nothing and takes a large message slowly lives.
func TestKeepaliveSlowDownload(t *testing.T) {
	everyDriver(t, wstest.Network{Buffer: 1000}, everySecond, func(t *testing.T, conn *driven, p *wstest.Peer) {
		const length, pace = 2_000_000, 50_000
		slow := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, length)) })
		read := result(func() error { _, err := readAll(conn); return err })
		for range length / pace {
			time.Sleep(2 * time.Second)
			_, err := io.ReadFull(p.Conn, make([]byte, pace))
			must(t, err)
		}
		select {
		case err := <-read:
			t.Fatalf("the connection ended: %v", err)
		default:
		}
		_, err := io.ReadFull(p.Conn, make([]byte, 10)) // of the header
		must(t, err)
		must(t, <-slow)
		must(t, conn.Close())
		<-read
	})
}

// Where no ping can ever leave again, because writing has failed or a Close frame
// was sent, silence is judged all the same, or the reader would wait for ever.
func TestKeepaliveWithoutAWriter(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, conn *lazywebsocket.Conn){
		"failed write": func(t *testing.T, conn *lazywebsocket.Conn) {
			must(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
			wantSummary(t, conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 3000)), "write timeout")
		},
		"Close frame": func(t *testing.T, conn *lazywebsocket.Conn) {
			must(t, conn.WriteMessage(lazywebsocket.CloseMessage, nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, wstest.Network{Buffer: 1000}, everySecond, func(t *testing.T, conn *driven, _ *wstest.Peer) {
				end(t, conn.Conn)
				start := time.Now()
				_, _, err := conn.ReadMessage()
				if conn.http2 && name == "failed write" {
					wantSummary(t, err, "close 1006 unexpected EOF") // the stream ends with it
				} else {
					wantSummary(t, err, "read timeout")
				}
				if d := time.Since(start); d > time.Minute {
					t.Errorf("the reader waited for %v", d)
				}
			})
		})
	}
}

// After the end no ping leaves and no timer is left, which the bubble would show.
func TestKeepaliveEndsWithTheConnection(t *testing.T) {
	everyDriver(t, wstest.Network{}, everySecond, func(t *testing.T, conn *driven, p *wstest.Peer) {
		must(t, conn.Close())
		p.WantClose(1000)
		time.Sleep(time.Minute)
		p.WantEOF()
		if !conn.KeepaliveStopped() {
			t.Error("the timer goes on after Close")
		}
	})
	everyDriver(t, wstest.Network{}, everySecond, func(t *testing.T, conn *driven, _ *wstest.Peer) {
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "read timeout")
		synctest.Wait() // who has woken the reader stops the timer behind that
		if !conn.KeepaliveStopped() {
			t.Error("the timer goes on after the peer's death")
		}
	})
}

// A ping that finds the peer's buffer full, and leaves no byte there, breaks
// nothing: the peer shows that it lives, and reads again later.
func TestKeepalivePingIntoAFullBuffer(t *testing.T) {
	everyDriver(t, wstest.Network{Buffer: 1000}, everySecond, func(t *testing.T, conn *driven, p *wstest.Peer) {
		if conn.http2 {
			return // there is no room of a byte: the ping's time is the peer's, as for any write
		}
		read := result(func() error { _, err := readAll(conn); return err })
		header := 4
		if roleOf(p) == client {
			header = 8
		}
		data := make([]byte, 1000-header)
		must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, data))
		for range 20 {
			time.Sleep(2 * time.Second)
			p.Text("alive")
		}
		p.WantBinary(data)
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("still works")))
		for {
			if first, payload := p.Next(); first != 0x89 {
				if string(payload) != "still works" {
					t.Errorf("%02x %q", first, payload)
				}
				break
			}
		}
		must(t, conn.Close())
		<-read
	})
}

// A write that has failed and an application that does not read leave the keepalive
// nothing to do, which it does without haste: the clock of the bubble goes on.
func TestKeepaliveRests(t *testing.T) {
	everyDriver(t, wstest.Network{Buffer: 1000}, everySecond, func(t *testing.T, conn *driven, _ *wstest.Peer) {
		must(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
		wantSummary(t, conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 3000)), "write timeout")
		time.Sleep(time.Hour)
		must(t, conn.Close())
	})
}
