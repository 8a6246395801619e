package lazywebsocket_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// incompressible returns n random bytes.
func incompressible(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// With takeover a message refers to those before it; without it never does.
func TestDeflateTakeover(t *testing.T) {
	everyDeal(t, wstest.Network{}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		text := string(incompressible(200)) + strings.Repeat("x", 200) // half of it only a window helps
		must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, []byte(text)))
		first := p.want(text)
		must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, []byte(text)))
		second := p.want(text)
		if !first.compressed() || !second.compressed() || first.first != 0xc2 {
			t.Fatalf("frames %02x, %02x, want compressed ones", first.first, second.first)
		}
		if referred := second.wire < 100; referred != p.deal.outTakeover {
			t.Errorf("%d bytes, then %d", first.wire, second.wire)
		}
	})
}

// A message that does not shrink by itself costs a few bytes to be in the window,
// so that those that resemble it do.
func TestDeflateLearns(t *testing.T) {
	everyDeal(t, wstest.Network{}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		text := string(incompressible(200))
		must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, []byte(text)))
		first := p.want(text)
		must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, []byte(text)))
		second := p.want(text)
		if first.wire > len(text)+8 {
			t.Errorf("%d bytes for %d", first.wire, len(text))
		}
		if learned := second.wire < 60; learned != p.deal.outTakeover {
			t.Errorf("%d bytes, then %d", first.wire, second.wire)
		}
	})
}

// What goes as it is: small messages, those that do not become smaller, those
// that the application does not want compressed. The window has none of it.
func TestDeflateNotWorthIt(t *testing.T) {
	everyDeal(t, wstest.Network{}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		check := func(text string, compressed bool) {
			t.Helper()
			must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, []byte(text)))
			if m := p.want(text); m.compressed() != compressed {
				t.Errorf("a message of %d bytes: compressed is %v", len(text), m.compressed())
			}
		}
		check("", false)
		check(strings.Repeat("a", 63), false)
		check(strings.Repeat("a", 64), true)
		check(string(incompressible(70)), p.deal.outTakeover) // for the window
		check(string(incompressible(40000)), false)
		check(chats(1, 500), true)
		conn.EnableWriteCompression(false)
		check(chats(2, 500), false)
		conn.EnableWriteCompression(true)
		check(chats(2, 700), true)
		must(t, conn.SetCompressionLevel(0))
		check(chats(3, 500), false)
		must(t, conn.SetCompressionLevel(1))
		check(chats(1, 900), true)
	})
}

func TestDeflateMinSize(t *testing.T) {
	for minSize, smallest := range map[int]int{-1: 40, 0: 64, 1: 40, 41: 41, 200: 200} {
		d := deals[0]
		d.ours.MinSize = minSize
		for _, r := range []role{server, client} {
			bubble(t, r.String(), func(t *testing.T) {
				conn, p := d.connect(t, r, wstest.Network{}, options{})
				for _, n := range []int{0, 40, 41, 63, 64, 199, 200} {
					text := strings.Repeat("z", n)
					must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(text)))
					if m := p.want(text); m.compressed() != (n >= smallest) {
						t.Errorf("MinSize %d: a message of %d bytes: compressed is %v", minSize, n, m.compressed())
					}
				}
			})
		}
	}
}

// Every level, in every window.
func TestDeflateLevels(t *testing.T) {
	everyDeal(t, wstest.Network{Buffer: -1}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		for i, level := range []int{-2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, -2, 9} {
			must(t, conn.SetCompressionLevel(level))
			for j, n := range []int{100, 5000, 70000, 127, 300} {
				text := chats(i+j, n)
				must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(text)))
				if m := p.want(text); n >= 300 && (!m.compressed() || m.wire > n*3/4) {
					t.Errorf("level %d: %d bytes became %d, compressed is %v", level, n, m.wire, m.compressed())
				}
			}
		}
	})
	// What the option says is what SetCompressionLevel would.
	for option, level := range map[int]int{0: 1, 1: 1, 9: 9, -2: -2, -1: -1, 10: 1, -3: 1} {
		d := deals[1]
		d.ours.Level = option
		bubble(t, "", func(t *testing.T) {
			conn, p := d.connect(t, server, wstest.Network{}, options{})
			text := chats(0, 20000)
			must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(text)))
			byOption := p.want(text).wire
			must(t, conn.SetCompressionLevel(level))
			must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(text)))
			if m := p.want(text); m.wire != byOption {
				t.Errorf("option %d: %d bytes; level %d: %d", option, byOption, level, m.wire)
			}
		})
	}
}

// A streamed message is one deflate stream after joining. Control frames go in
// between, and the last piece may be empty.
func TestDeflateStreams(t *testing.T) {
	everyDeal(t, wstest.Network{Buffer: -1}, options{writeBuffer: 512}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		for i, n := range []int{1, 100, 511, 512, 513, 700, 1024, 5000} { // a write
			text := chats(i, 10*n)
			w, err := conn.NextWriter(lazywebsocket.TextMessage)
			must(t, err)
			for j := range 10 {
				_, err := w.Write([]byte(text[j*n : (j+1)*n]))
				must(t, err)
				must(t, conn.WriteControl(lazywebsocket.PongMessage, []byte("between"), noDeadline))
			}
			must(t, w.Close())
			m := p.want(text)
			if !m.compressed() && n > 6 || m.compressed() && m.frames == 1 && n > 52 {
				t.Errorf("writes of %d bytes: compressed is %v, %d frames", n, m.compressed(), m.frames)
			}
			must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(text)))
			p.want(text)
		}
	})
}

// A writer that is switched off in the middle goes on as it began, and its
// level may change.
func TestDeflateStreamSwitches(t *testing.T) {
	everyDeal(t, wstest.Network{Buffer: -1}, options{writeBuffer: 512}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		for _, on := range []bool{true, false} {
			conn.EnableWriteCompression(on)
			text := chats(0, 3000)
			w, err := conn.NextWriter(lazywebsocket.TextMessage)
			must(t, err)
			for i, level := range []int{1, 0, 9} {
				_, err = w.Write([]byte(text[i*1000 : (i+1)*1000]))
				must(t, err)
				conn.EnableWriteCompression(!on)
				must(t, conn.SetCompressionLevel(level))
			}
			must(t, w.Close())
			if m := p.want(text); m.compressed() != on || m.frames < 3 {
				t.Errorf("begun with %v: compressed is %v, %d frames", on, m.compressed(), m.frames)
			}
			conn.EnableWriteCompression(true)
			must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(chats(1, 3000))))
			p.want(chats(1, 3000))
		}
	})
}

// A fragment can be inflated when it has arrived, not only with the next one.
func TestDeflateStreamIsTimely(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s, c := wstest.NewPair(t, &lazywebsocket.Upgrader{EnableCompression: true}, &lazywebsocket.Dialer{EnableCompression: true})
		for _, pair := range [][2]*lazywebsocket.Conn{{s, c}, {c, s}} {
			w, err := pair[0].NextWriter(lazywebsocket.TextMessage)
			must(t, err)
			var r io.Reader
			for i := range 5 {
				text := chats(i, 5000) // more than the buffer, which it leaves at once
				_, err := w.Write([]byte(text))
				must(t, err)
				if r == nil {
					_, r, err = pair[1].NextReader()
					must(t, err)
				}
				piece := make([]byte, len(text))
				if _, err := io.ReadFull(r, piece); err != nil || string(piece) != text {
					t.Fatalf("piece %d: %v", i, err)
				}
			}
			must(t, w.Close())
			if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("at the end: %d, %v", n, err)
			}
		}
	})
}

// A few bytes before much text, as an encoder writes them, do not make the
// message a small one.
func TestDeflateStreamWithASmallFirstPiece(t *testing.T) {
	everyDeal(t, wstest.Network{Buffer: -1}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		w, err := conn.NextWriter(lazywebsocket.TextMessage)
		must(t, err)
		text := "[" + chats(0, 5000)
		_, err = w.Write([]byte(text[:1]))
		must(t, err)
		_, err = w.Write([]byte(text[1:]))
		must(t, err)
		must(t, w.Close())
		if m := p.want(text); !m.compressed() {
			t.Errorf("%d bytes went as they are", m.wire)
		}
	})
}

// Compressed frames of a client have masks of their own (RFC 6455, 5.3).
func TestDeflateFreshMasks(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conn, p := deals[1].connect(t, client, wstest.Network{}, options{})
		text := []byte(strings.Repeat("a", 200))
		pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, text)
		must(t, err)
		keys := map[string]bool{}
		for i := range 10 {
			if i%2 == 0 {
				must(t, conn.WriteMessage(lazywebsocket.TextMessage, text))
			} else {
				must(t, conn.WritePreparedMessage(pm))
			}
			b := make([]byte, 100)
			n, err := p.Conn.Read(b)
			must(t, err)
			if b[0] != 0xc1 || int(b[1]) != 0x80|n-6 {
				t.Fatalf("received % x", b[:n])
			}
			keys[string(b[2:6])] = true
		}
		if len(keys) != 10 {
			t.Errorf("%d keys for 10 frames", len(keys))
		}
	})
}

// A cancelled write of which nothing has left is in no window; one that has begun
// to leave ends the connection.
func TestDeflateCancelledWrite(t *testing.T) {
	everyDeal(t, wstest.Network{Buffer: 4000}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(chats(0, 900))))
		p.want(chats(0, 900))
		header := 4
		if roleOf(p.Peer) == client {
			header += 4
		}
		full := incompressible(4000 - header)
		plain := func(data []byte) error {
			conn.EnableWriteCompression(false)
			defer conn.EnableWriteCompression(true)
			return conn.WriteMessage(lazywebsocket.BinaryMessage, data)
		}
		must(t, plain(full))
		for i := range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			write := result(func() error {
				return conn.WriteMessageContext(ctx, lazywebsocket.TextMessage, []byte(chats(10+i, 900)))
			})
			synctest.Wait()
			cancel()
			if err := <-write; !errors.Is(err, context.Canceled) {
				t.Fatalf("cancelled write: %v", err)
			}
		}
		p.want(string(full))
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(chats(10, 900))))
		p.want(chats(10, 900))

		// Now a part of it leaves.
		must(t, plain(full[1:]))
		ctx, cancel := context.WithCancel(t.Context())
		write := result(func() error {
			return conn.WriteMessageContext(ctx, lazywebsocket.TextMessage, []byte(chats(20, 900)))
		})
		synctest.Wait()
		cancel()
		err := <-write
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled write: %v", err)
		}
		if again := conn.WriteMessage(lazywebsocket.TextMessage, []byte(chats(21, 900))); again != err { //nolint:errorlint // it must be the same
			t.Errorf("then: %v, want %v", again, err)
		}
	})
}

// A write that runs out of time is the last one, streamed or not.
func TestDeflateTimedOutWrite(t *testing.T) {
	for _, streamed := range []bool{false, true} {
		everyDeal(t, wstest.Network{Buffer: 100}, options{writeBuffer: 512}, func(t *testing.T, conn *lazywebsocket.Conn, _ *packer) {
			must(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
			var err error
			if streamed {
				var w io.WriteCloser
				w, err = conn.NextWriter(lazywebsocket.TextMessage)
				must(t, err)
				_, err = w.Write([]byte(chats(0, 3000)))
				if again := w.Close(); again == nil {
					t.Error("Close after a failed Write: no error")
				}
			} else {
				err = conn.WriteMessage(lazywebsocket.TextMessage, []byte(chats(0, 3000)))
			}
			wantSummary(t, err, "write timeout")
			must(t, conn.SetWriteDeadline(noDeadline))
			again := conn.WriteMessage(lazywebsocket.TextMessage, []byte(chats(1, 900)))
			wantSummary(t, again, "write timeout")
		})
	}
}

// The switches may be used while others write.
func TestDeflateSwitchesAreConcurrent(t *testing.T) {
	twoDeals(t, wstest.Network{Buffer: -1}, options{writeBuffer: 512}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		done := make(chan struct{})
		for range 2 {
			go func() {
				for i := range 40 {
					conn.EnableWriteCompression(i%3 != 0)
					must(t, conn.SetCompressionLevel(i%12-2))
				}
				done <- struct{}{}
			}()
			go func() {
				for range 40 {
					must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(chats(0, 900))))
				}
				done <- struct{}{}
			}()
		}
		go func() {
			for range 20 {
				stream(t, conn, chats(0, 900), 300)
			}
			done <- struct{}{}
		}()
		for range 5 {
			<-done
		}
		for range 100 {
			p.want(chats(0, 900))
		}
	})
}

// reference inflates by the letter of RFC 1951, slowly, and knows the window.
type reference struct {
	in     []byte
	bit    int
	out    []byte // the window's text, then the message
	window int
	short  bool // the input has ended too early
}

type referenceError string

func (e referenceError) Error() string { return string(e) }

// inflate reads blocks up to the end of the input.
func (r *reference) inflate() error {
	for (r.bit+7)/8 < len(r.in) {
		final := r.bits(1)
		var err error
		switch r.bits(2) {
		case 0:
			err = r.stored()
		case 1:
			err = r.fixed()
		case 2:
			err = r.dynamic()
		default:
			err = referenceError("block type 3")
		}
		switch {
		case err != nil:
			return err
		case r.short:
			return referenceError("a block ends too early")
		case final == 1:
			return referenceError("final block")
		}
	}
	return nil
}

func (r *reference) bits(n int) (v int) {
	for i := range n {
		if r.bit/8 >= len(r.in) {
			r.short = true
			return 0
		}
		v |= int(r.in[r.bit/8]>>(r.bit%8)&1) << i
		r.bit++
	}
	return v
}

func (r *reference) stored() error {
	r.bit = (r.bit + 7) &^ 7
	n := r.bits(16)
	if r.bits(16) != n^0xffff {
		return referenceError("stored length")
	}
	for range n {
		r.out = append(r.out, byte(r.bits(8)))
	}
	return nil
}

func (r *reference) fixed() error {
	lengths := make([]int, 288+30)
	for i := range lengths {
		switch {
		case i >= 288:
			lengths[i] = 5
		case i < 144 || i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	return r.codes(newHuffman(lengths[:288]), newHuffman(lengths[288:]))
}

func (r *reference) dynamic() error {
	literals, distances, n := r.bits(5)+257, r.bits(5)+1, r.bits(4)+4
	lengths := make([]int, 19)
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:n] {
		lengths[i] = r.bits(3)
	}
	code := newHuffman(lengths)
	lengths = nil
	for len(lengths) < literals+distances && !r.short {
		symbol := r.symbol(code)
		length, times := symbol, 1
		switch symbol {
		case 16:
			length, times = lengths[len(lengths)-1], r.bits(2)+3
		case 17:
			length, times = 0, r.bits(3)+3
		case 18:
			length, times = 0, r.bits(7)+11
		}
		for range times {
			lengths = append(lengths, length)
		}
	}
	if len(lengths) != literals+distances {
		return referenceError("code lengths")
	}
	return r.codes(newHuffman(lengths[:literals]), newHuffman(lengths[literals:]))
}

// huffman maps codes, with a one in front, to symbols.
type huffman map[int]int

func newHuffman(lengths []int) huffman {
	h, code := huffman{}, 0
	for n := 1; n <= 15; n++ {
		for symbol, length := range lengths {
			if length == n {
				h[1<<n|code] = symbol
				code++
			}
		}
		code <<= 1
	}
	return h
}

func (r *reference) symbol(h huffman) int {
	for code := 1; code < 1<<16 && !r.short; {
		code = code<<1 | r.bits(1)
		if symbol, ok := h[code]; ok {
			return symbol
		}
	}
	r.short = true
	return 0
}

func (r *reference) codes(literals, distances huffman) error {
	for !r.short {
		symbol := r.symbol(literals)
		switch {
		case symbol < 256:
			r.out = append(r.out, byte(symbol))
			continue
		case symbol == 256:
			return nil
		}
		length := 258
		if symbol -= 257; symbol < 8 {
			length = symbol + 3
		} else if symbol < 28 {
			extra := symbol/4 - 1
			length = 3 + (4+symbol%4)<<extra + r.bits(extra)
		}
		distance := r.symbol(distances)
		if distance >= 4 {
			extra := distance/2 - 1
			distance = (2+distance%2)<<extra + r.bits(extra)
		}
		distance++
		if distance > len(r.out) || distance > r.window {
			return referenceError("a distance beyond the window")
		}
		for range length {
			r.out = append(r.out, r.out[len(r.out)-distance])
		}
	}
	return nil
}
