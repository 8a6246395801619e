package lazywebsocket_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// One prepared message goes to connections with and without takeover, of all
// windows and levels, and each goes on with messages that refer back to it. It
// is compressed once for each level and window.
func TestPreparedIsShared(t *testing.T) {
	for _, n := range []int{10, 100, 400, 3000, 50_000} {
		bubble(t, fmt.Sprint(n), func(t *testing.T) {
			text := chats(0, n)
			pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, []byte(text))
			must(t, err)
			shared := map[int][]byte{} // the payload for a window of so many bits
			for range 2 {
				for _, d := range deals {
					if d.ours.Level != 0 {
						continue
					}
					conn, p := d.connect(t, server, wstest.Network{Buffer: -1}, options{})
					for i := range 4 {
						must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(chats(i, 1+700*i))))
						p.want(chats(i, 1+700*i))
						must(t, conn.WritePreparedMessage(pm))
						first, payload := p.Next()
						if compressed := n >= 100; compressed != (first == 0xc1) {
							t.Fatalf("%s: a frame %02x", d.name, first)
						}
						if first == 0x81 {
							continue
						}
						if got := p.unpack(payload); got != text {
							t.Fatalf("%s: received %.50q", d.name, got)
						}
						if was := shared[d.outBits]; was != nil && string(was) != string(payload) {
							t.Errorf("%s: it was compressed otherwise for another connection", d.name)
						}
						shared[d.outBits] = payload
						// What follows may refer back to it.
						again := text[:min(n, 300)]
						must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(again)))
						m := p.want(again)
						if referred := m.wire < len(again)/5; n <= 400 && referred != d.outTakeover && d.outBits == 15 {
							t.Errorf("%s: %d bytes became %d behind it", d.name, len(again), m.wire)
						}
					}
				}
			}
			if got := pm.Forms(); got != len(shared) {
				t.Errorf("compressed %d times, want %d", got, len(shared))
			}
		})
	}
}

// Each level has its form, and level 0 and the switch have the plain one.
func TestPreparedLevels(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		text := chats(0, 5000)
		pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.BinaryMessage, []byte(text))
		must(t, err)
		sizes := map[int]int{}
		for range 2 {
			conn, p := deals[0].connect(t, server, wstest.Network{Buffer: -1}, options{})
			for level := -2; level <= 9; level++ {
				must(t, conn.SetCompressionLevel(level))
				must(t, conn.WritePreparedMessage(pm))
				m := p.want(text)
				if m.compressed() != (level != 0) || m.first&0x0f != 2 {
					t.Errorf("level %d: a frame %02x", level, m.first)
				}
				sizes[level] = m.wire
			}
			conn.EnableWriteCompression(false)
			must(t, conn.WritePreparedMessage(pm))
			if m := p.want(text); m.compressed() {
				t.Error("compressed though that is switched off")
			}
		}
		if pm.Forms() != 11 {
			t.Errorf("compressed %d times, want 11", pm.Forms())
		}
		if sizes[9] >= sizes[1] || sizes[1] >= sizes[-2] {
			t.Errorf("sizes by level: %v", sizes)
		}
	})
}

// A prepared message that does not become smaller goes as it is, which is found
// out once.
func TestPreparedIncompressible(t *testing.T) {
	everyDeal(t, wstest.Network{Buffer: -1}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		text := string(incompressible(2000))
		pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.BinaryMessage, []byte(text))
		must(t, err)
		for range 3 {
			must(t, conn.WritePreparedMessage(pm))
			// A client writes it anew each time, for its window too.
			if m := p.want(text); m.compressed() && roleOf(p.Peer) != client {
				t.Error("it was compressed")
			}
			must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, []byte(chats(0, 2000))))
			p.want(chats(0, 2000))
		}
		if pm.Forms() > 1 {
			t.Errorf("compressed %d times", pm.Forms())
		}
	})
}

// Control messages and small ones are never compressed.
func TestPreparedPlain(t *testing.T) {
	everyDeal(t, wstest.Network{Buffer: -1}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		ping, err := lazywebsocket.NewPreparedMessage(lazywebsocket.PingMessage, []byte(strings.Repeat("p", 100)))
		must(t, err)
		must(t, conn.WritePreparedMessage(ping))
		p.WantPing(strings.Repeat("p", 100))
		small, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, []byte(strings.Repeat("s", 63)))
		must(t, err)
		must(t, conn.WritePreparedMessage(small))
		p.WantText(strings.Repeat("s", 63))
		if ping.Forms()+small.Forms() != 0 {
			t.Error("they were compressed")
		}
	})
}

// Many connections write it at the same time, when none has before.
func TestPreparedConcurrently(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		text := chats(0, 4000)
		pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, []byte(text))
		must(t, err)
		var wg sync.WaitGroup
		for i := range 12 {
			conn, p := deals[i%len(deals)].connect(t, server, wstest.Network{}, options{})
			wg.Go(func() {
				for range 5 {
					if err := conn.WritePreparedMessage(pm); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Go(func() {
				for range 5 {
					p.want(text)
				}
			})
		}
		wg.Wait()
		if pm.Forms() != 4 { // level 1 with 15 and 9 bits, level 6 with 15 and 10
			t.Errorf("compressed %d times, want 4", pm.Forms())
		}
	})
}
