package lazywebsocket

import (
	"bytes"
	"io"
	"math/bits"
	"testing"

	"github.com/klauspost/compress/flate"

	"golazy.dev/lazywebsocket/internal/wsdeflate"
	"golazy.dev/lazywebsocket/internal/wsproto"
)

// Forms returns how many compressed forms the message has.
func (pm *PreparedMessage) Forms() int {
	pm.mu.Lock()
	defer pm.mu.Unlock()
	return len(pm.packed)
}

// CompressionHeld returns the bytes that compression holds for the connection,
// which must neither be reading nor writing.
func (c *Conn) CompressionHeld() int { return c.w.deflate.out.Held() + c.r.inflate.in.Held() }

// Inflating reports whether something is borrowed for an open message.
func (c *Conn) Inflating() bool {
	_ = c.r.gate.enter(entrant{})
	defer c.r.gate.leave()
	return c.inflating()
}

// FuzzCompressedConn is FuzzConn with compression: arbitrary bytes as frames, and
// as the payload of messages whose frames are good. Both ways of reading deliver
// the same messages and come to the same end.
func FuzzCompressedConn(f *testing.F) {
	for _, seed := range []string{
		"\xf2\x48\xcd\xc9\xc9\x07\x00",
		"\xf2\x00\x11\x00\x00",
		"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
		"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
		"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
		"\x00\x01\x00\xfe\xff\xff\x00",
		"\x06",
		string(bytes.Repeat([]byte("\x00\x00\x00\xff\xff"), 20)),
		string(deflated(bytes.Repeat([]byte("0"), 5000))),
		string(deflated([]byte(`{"type":"message","text":"a text of a message","type":"message"}`))),
	} {
		f.Add([]byte(seed), []byte{1, 3, 200}, byte(0b1001))
		f.Add([]byte(seed), []byte{7}, byte(0b0110))
		f.Add(frameOf(0xc1, []byte(seed)), []byte{2}, byte(0b10010))
		f.Add(frameOf(0xc2, []byte(seed)), []byte{9}, byte(0b10101))
	}
	f.Fuzz(func(t *testing.T, stream, chunks []byte, how byte) {
		takeover, framed := how&1 != 0, how&0x10 != 0
		if !framed {
			stream = framesOf(stream, chunks, 0xc1+how>>1&1)
		}
		s := settings{role: wsproto.Client, readLimit: 1 << 12, maxFragments: 64, readBufferSize: 256}
		windowBits := 9 + int(how>>5)
		read := func(chunks []byte, read func(*Conn) (int, []byte, error)) string {
			begun := false
			return readAllMessages(t, stream, chunks, s, func(c *Conn) (int, []byte, error) {
				if !begun { // the connection is new
					begun = true
					c.compress(CompressionOptions{}, wsdeflate.Agreement{
						SendTakeover: takeover, ReceiveTakeover: takeover,
						SendWindowBits: windowBits, ReceiveWindowBits: windowBits,
					})
				}
				messageType, data, err := read(c)
				if len(data) > 1<<12 && err == nil {
					t.Errorf("a message of %d bytes, beyond the limit", len(data))
				}
				if held := c.r.inflate.in.Held(); held > 1<<windowBits || held > 0 && !takeover {
					t.Errorf("%d bytes are held", held)
				}
				if err != nil && c.inflating() {
					t.Error("what was borrowed was not given back")
				}
				return messageType, data, err
			})
		}
		whole, pieces := read(nil, appendWhole), read(chunks, readPieces)
		if whole != pieces {
			t.Errorf("read whole:\n%s\nread in pieces:\n%s", whole, pieces)
		}
	})
}

// FuzzCompressedEcho sends what the fuzzer likes, in the ways that it chooses,
// from one connection to another: it arrives as it was.
func FuzzCompressedEcho(f *testing.F) {
	f.Add([]byte("hello, hello, hello, hello"), []byte{0, 1, 2, 3}, byte(15))
	f.Add(bytes.Repeat([]byte("0123456789abcdef"), 300), []byte{3, 2, 130, 1, 0, 77}, byte(0x80|9))
	f.Fuzz(func(t *testing.T, text, ways []byte, how byte) {
		a := wsdeflate.Agreement{
			SendTakeover: how&0x80 == 0, ReceiveTakeover: how&0x80 == 0,
			SendWindowBits: 8 + int(how&7), ReceiveWindowBits: 8 + int(how&7),
		}
		out := &recorded{closed: make(chan struct{})}
		from := newConn(out, settings{role: wsproto.Client, writeBufferSize: 256})
		from.compress(CompressionOptions{MinSize: -1, Level: int(how>>3&15) - 2}, a)
		sent := fuzzedWrites(t, from, text, ways)
		_ = from.Close()
		<-out.closed
		in := &recorded{in: out.out, chunks: ways, closed: make(chan struct{})}
		to := newConn(in, settings{role: wsproto.Server})
		to.compress(CompressionOptions{}, a)
		for i, want := range sent {
			if _, got, err := to.ReadMessage(); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("message %d: %q, %v, want %q", i, got, err, want)
			}
		}
		if _, _, err := to.ReadMessage(); !IsCloseError(err, CloseNormalClosure) {
			t.Errorf("at the end: %v", err)
		}
		<-in.closed
	})
}

// fuzzedWrites writes pieces of text, and returns what makes a message each.
func fuzzedWrites(t *testing.T, c *Conn, text, ways []byte) (sent [][]byte) {
	for i, way := range ways[:min(len(ways), 50)] {
		n := min(len(text), 1<<(int(way>>2)%12))
		p := text[len(text)-n:]
		if i%2 == 0 {
			p = text[:n]
		}
		sent = append(sent, p)
		var err error
		switch way & 3 {
		case 0:
			err = c.WriteMessage(BinaryMessage, p)
		case 1:
			var pm *PreparedMessage
			if pm, err = NewPreparedMessage(BinaryMessage, p); err == nil {
				err = c.WritePreparedMessage(pm)
			}
		case 2:
			c.EnableWriteCompression(false)
			err = c.WriteMessage(BinaryMessage, p)
			c.EnableWriteCompression(true)
		default:
			err = fuzzedStream(c, p, 1+bits.Reverse8(way)>>1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return sent
}

func fuzzedStream(c *Conn, p []byte, n byte) error {
	w, err := c.NextWriter(BinaryMessage)
	if err != nil {
		return err
	}
	for len(p) > 0 && err == nil {
		piece := p[:min(len(p), int(n)*5)]
		p = p[len(piece):]
		_, err = w.Write(piece)
	}
	if err != nil {
		return err
	}
	return w.Close()
}

// framesOf makes payload the messages of a server: a chunk is a frame, and an odd
// one ends its message.
func framesOf(payload, chunks []byte, first byte) (stream []byte) {
	head := first &^ 0x80
	for _, n := range chunks {
		p := payload[:min(len(payload), int(n))]
		payload = payload[len(p):]
		fin := n & 1 << 7
		stream = append(stream, frameOf(head|fin, p)...)
		if head = 0; fin != 0 {
			head = first &^ 0x80
		}
	}
	return append(stream, frameOf(head|0x80, payload)...)
}

func frameOf(first byte, payload []byte) []byte {
	h := wsproto.Header{Fin: first&0x80 != 0, RSV: first & 0x70, Opcode: wsproto.Opcode(first & 0x0f), Length: int64(len(payload))}
	return append(wsproto.AppendHeader(nil, h), payload...)
}

// deflated returns the payload of a message.
func deflated(p []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 6)
	_, _ = io.Copy(w, bytes.NewReader(p))
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}
