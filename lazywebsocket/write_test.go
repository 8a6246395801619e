package lazywebsocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

func TestWriteMessage(t *testing.T) {
	onNetwork(t, wstest.Network{Buffer: -1}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		for _, n := range []int{0, 1, 125, 126, 498, 499, 512, 65535, 65536, 65536 - 14, 65537, 200000, 1 << 20} {
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(i * 7)
			}
			kept := bytes.Clone(data)
			must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, data))
			p.WantBinary(kept)
			if !bytes.Equal(data, kept) {
				t.Fatalf("the caller's %d bytes were changed", n)
			}
		}
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("text")))
		p.WantText("text")
		must(t, conn.WriteMessage(lazywebsocket.PingMessage, []byte("pi")))
		p.WantPing("pi")
		must(t, conn.WriteMessage(lazywebsocket.PongMessage, []byte("po")))
		p.WantPong("po")
		for _, messageType := range []int{-1, 0, 3, 7, 11, 15, 0x81, 256 + 1} {
			var op *lazywebsocket.OpError
			if err := conn.WriteMessage(messageType, nil); !errors.As(err, &op) || op.Op != "write" {
				t.Errorf("message type %d: %v", messageType, err)
			}
			if _, err := conn.NextWriter(messageType); !errors.As(err, &op) {
				t.Errorf("NextWriter, message type %d: %v", messageType, err)
			}
		}
		must(t, conn.WriteMessage(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(1000, "bye")))
		p.Want("88 05 03e8 'bye'")
		p.WantNothing()
	})
}

// A small message leaves in one write: header and payload together.
func TestSmallMessageIsOneWrite(t *testing.T) {
	for _, r := range []role{server, client} {
		bubble(t, r.String(), func(t *testing.T) {
			conn, p := r.connect(t, wstest.Network{}, options{})
			p.Text("ready")
			wantRead(t, conn, `text "ready"`)
			// A read gets all of one write, and the next write waits for its turn.
			for _, n := range []int{0, 100, 60000} {
				must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, n)))
				got, err := p.Conn.Read(make([]byte, 1<<20))
				if got < n || err != nil {
					t.Errorf("the first read of %d bytes got %d, %v", n, got, err)
				}
			}
		})
	}
}

// Every frame of a client has a key of its own, from a source that is not known.
func TestMaskKeysDiffer(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conn, p := wstest.PeerOfClient(t, nil)
		seen := map[string]bool{}
		raw := make([]byte, 7)
		for range 1000 {
			must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, []byte{0}))
			if _, err := io.ReadFull(p.Conn, raw); err != nil {
				t.Fatal(err)
			}
			if raw[6] != raw[2] {
				t.Fatalf("% x is not masked", raw)
			}
			seen[string(raw[2:6])] = true
		}
		if len(seen) < 999 { // two equal ones among 1000 of 2^32 are rare
			t.Errorf("%d keys for 1000 frames", len(seen))
		}
		var or, and [4]byte
		for i := range and {
			and[i] = 0xff
		}
		for key := range seen {
			for i := range 4 {
				or[i] |= key[i]
				and[i] &= key[i]
			}
		}
		if or != [4]byte{0xff, 0xff, 0xff, 0xff} || and != [4]byte{} {
			t.Errorf("some bits never change: or %x, and %x", or, and)
		}
	})
}

// Any number of goroutines may write: each message leaves whole.
func TestConcurrentWriters(t *testing.T) {
	for _, network := range []wstest.Network{{}, {Buffer: 50, Chunk: wstest.RandomChunks(1, 60)}} {
		onNetwork(t, network, options{writeBuffer: 512}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			prepared, err := lazywebsocket.NewPreparedMessage(lazywebsocket.BinaryMessage, bytes.Repeat([]byte{'p'}, 300))
			must(t, err)
			const each = 20
			var wg sync.WaitGroup
			for i := range 3 {
				letter := string(rune('a' + i))
				wg.Go(func() {
					for n := range each {
						if err := conn.WriteMessage(lazywebsocket.BinaryMessage, []byte(strings.Repeat(letter, n*30))); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Go(func() {
				for range each {
					if err := conn.WritePreparedMessage(prepared); err != nil {
						t.Error(err)
					}
					if err := conn.WriteJSON("json"); err != nil {
						t.Error(err)
					}
					if err := conn.WriteControl(lazywebsocket.PingMessage, []byte("ping"), time.Time{}); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Go(func() {
				for range each {
					w, err := conn.NextWriter(lazywebsocket.BinaryMessage)
					if err != nil {
						t.Error(err)
						return
					}
					for range 4 {
						if _, err := io.WriteString(w, strings.Repeat("w", 400)); err != nil {
							t.Error(err)
						}
					}
					if err := w.Close(); err != nil {
						t.Error(err)
					}
				}
			})
			go func() {
				wg.Wait()
				_ = conn.Close()
			}()
			counts := map[string]int{}
			for name := range received(t, p) {
				counts[name]++
			}
			want := map[string]int{"p*300": each, "json": each, "ping": each, "w*1600": each}
			for i := range 3 {
				for n := range each {
					want[whole([]byte(strings.Repeat(string(rune('a'+i)), n*30)))]++
				}
			}
			if fmt.Sprint(counts) != fmt.Sprint(want) {
				t.Errorf("got  %v\nwant %v", counts, want)
			}
		})
	}
}

// whole describes a message of one letter.
func whole(data []byte) string {
	for _, c := range data {
		if c != data[0] {
			return fmt.Sprintf("torn %q", data)
		}
	}
	if len(data) == 0 {
		return "empty"
	}
	return fmt.Sprintf("%c*%d", data[0], len(data))
}

// received yields what the peer receives until a Close frame: the messages, put
// together, and the pings.
func received(t *testing.T, p *wstest.Peer) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var open []byte
		inside := false
		for {
			first, payload := p.Next()
			name := ""
			switch first {
			case 0x88:
				if inside {
					t.Error("a message is not finished")
				}
				return
			case 0x89:
				name = string(payload)
			case 0x81:
				name = strings.Trim(string(payload), "\"\n")
			case 0x82, 0x02:
				if inside {
					t.Error("a message begins inside another")
				}
				open, inside = payload, first == 0x02
			case 0x00, 0x80:
				if !inside {
					t.Error("a continuation outside of a message")
				}
				open, inside = append(open, payload...), first == 0x00
			default:
				t.Errorf("a frame %02x", first)
			}
			if first == 0x82 || first == 0x80 {
				name = whole(open)
			}
			if name != "" && !yield(name) {
				return
			}
		}
	}
}

// A write that timed out may have torn a frame: it is final.
func TestWriteDeadline(t *testing.T) {
	onNetwork(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		start := time.Now()
		must(t, conn.SetWriteDeadline(start.Add(time.Second)))
		err := conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 2000))
		wantSummary(t, err, "write timeout")
		if d := time.Since(start); d != time.Second {
			t.Errorf("took %v", d)
		}
		must(t, conn.SetWriteDeadline(time.Time{}))
		_, _ = io.ReadFull(p.Conn, make([]byte, 1000))
		for name, again := range map[string]error{
			"WriteMessage": conn.WriteMessage(lazywebsocket.TextMessage, nil),
			"WriteControl": conn.WriteControl(lazywebsocket.PingMessage, nil, time.Time{}),
			"WriteJSON":    conn.WriteJSON(1),
		} {
			if again != err { //nolint:errorlint // it must be the same
				t.Errorf("%s: %v", name, again)
			}
		}
		if _, again := conn.NextWriter(lazywebsocket.TextMessage); again != err { //nolint:errorlint // it must be the same
			t.Errorf("NextWriter: %v", again)
		}
		synctest.Wait()
		if conn.OverStream() {
			return // it was reset
		}
		p.WantNothing()
		// Reading goes on.
		p.Text("r")
		wantRead(t, conn, `text "r"`)
		// No Close frame behind half a frame.
		must(t, conn.Close())
		p.WantEOF()
	})
}

// A deadline that passes before a byte was written leaves all as it was.
func TestWriteDeadlineBeforeTheWrite(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		must(t, conn.SetWriteDeadline(time.Now().Add(-time.Second)))
		wantSummary(t, conn.WriteMessage(lazywebsocket.TextMessage, nil), "write timeout")
		wantSummary(t, conn.WriteControl(lazywebsocket.PingMessage, nil, time.Now().Add(-1)), "write timeout")
		must(t, conn.SetWriteDeadline(time.Time{}))
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("alive")))
		p.WantText("alive")
		p.WantNothing()
	})
	t.Log("while it waits for its turn")
	onNetwork(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		slow := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 3000)) })
		synctest.Wait()
		start := time.Now()
		must(t, conn.SetWriteDeadline(start.Add(time.Second)))
		wantSummary(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("never")), "write timeout")
		wantSummary(t, conn.WriteControl(lazywebsocket.PingMessage, nil, start.Add(3*time.Second)), "write timeout")
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("took %v", d)
		}
		must(t, conn.SetWriteDeadline(time.Time{}))
		p.WantBinary(make([]byte, 3000))
		must(t, <-slow)
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("alive")))
		p.WantText("alive")
		p.WantNothing()
	})
}

// The deadline of one write is not the next one's.
func TestWriteDeadlineIsLifted(t *testing.T) {
	onNetwork(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		must(t, conn.WriteControl(lazywebsocket.PingMessage, nil, time.Now().Add(time.Second)))
		p.WantPing("")
		slow := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 3000)) })
		time.Sleep(time.Minute)
		p.WantBinary(make([]byte, 3000))
		must(t, <-slow)
	})
}

// A write that fails stays failed.
func TestWriteToAVanishedPeer(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		must(t, p.Conn.Close())
		var err error
		for range 3 {
			synctest.Wait()
			if err = conn.WriteMessage(lazywebsocket.TextMessage, []byte("x")); err != nil {
				break
			}
		}
		var op *lazywebsocket.OpError
		if !errors.As(err, &op) || op.Op != "write" || op.Timeout() {
			t.Errorf("error is %v", err)
		}
		if again := conn.WriteMessage(lazywebsocket.TextMessage, nil); again != err { //nolint:errorlint // it must be the same
			t.Errorf("the next write: %v", again)
		}
	})
}
