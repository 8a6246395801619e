package wsdeflate

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// chunks hands out what r has in pieces whose lengths the fuzzer chooses.
type chunks struct {
	r     io.Reader
	sizes []byte
	i     int
}

func (c *chunks) Read(p []byte) (int, error) {
	n := len(p)
	if len(c.sizes) > 0 {
		n = min(n, 1+int(c.sizes[c.i%len(c.sizes)]))
		c.i++
	}
	return c.r.Read(p[:n])
}

// FuzzInflate inflates two messages of one connection, and compares what comes
// of them with what the slow reference makes of them.
func FuzzInflate(f *testing.F) {
	for _, test := range inflateTests {
		f.Add(hexes(test.payload), hexes("f2 00 11 00 00"), []byte{}, byte(0))
		f.Add(hexes("f2 48 cd c9 c9 07 00"), hexes(test.payload), []byte{0, 3}, byte(0x88))
	}
	for _, block := range hostile() {
		f.Add(block, append(block, 0), []byte{7}, byte(15))
	}
	f.Fuzz(func(t *testing.T, first, second, sizes []byte, how byte) {
		if len(first)+len(second) > 4<<10 {
			return // the reference is slow
		}
		bits, takeover := MinWindowBits+int(how)%8, how&0x80 > 0
		in := NewInflater(takeover, bits)
		var text []byte
		for _, payload := range [][]byte{first, second} {
			dict := text[max(0, len(text)-in.win.size):]
			want, ref, wantErr := inflateSlow(payload, dict, in.win.size)
			got, err := inflate(in, &chunks{r: bytes.NewReader(payload), sizes: sizes}, 1+int(how&0x70)*8)
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("not an error of ours: %v", err)
			}
			if ref.finals > freeRestarts && err != nil {
				return
			}
			if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
				t.Fatalf("%d bits, takeover %v: % x is %q, %v and not %q, %v", bits, takeover, payload, got, err, want, wantErr)
			}
			if err != nil {
				return
			}
			if takeover {
				text = append(text, want...)
			}
			if in.Held() > in.win.size {
				t.Fatalf("%d bytes are held", in.Held())
			}
		}
	})
}

// FuzzRoundTrip sends pieces of data as messages, in all ways, from a Deflater
// to an Inflater, and to compress/flate and the reference beside it.
func FuzzRoundTrip(f *testing.F) {
	for i, s := range []string{"", "Hello", "Hello Hello Hello", "a message of some length, a message of some length"} {
		for how := range byte(16) {
			f.Add([]byte(s), bytes.Repeat([]byte(s+"!"), 30), []byte{how, byte(i), 200, 3, 77}, how*17, uint16(i*900))
		}
	}
	f.Fuzz(func(t *testing.T, one, two, script []byte, how byte, memory uint16) {
		if len(one)+len(two) > 8<<10 || len(script) > 32 {
			return // the reference is slow
		}
		bits, takeover := MinWindowBits+int(how)%8, how&0x80 > 0
		d, in := NewDeflater(takeover, bits, int(memory)), NewInflater(takeover, bits)
		s := &side{t: t, bits: bits}
		for i, c := range script {
			m := [][]byte{one, two, append(one[:len(one):len(one)], two...)}[c%3]
			level := minLevel + int(c>>2)%(maxLevel-minLevel+1)
			var payload []byte
			switch {
			case c&0x80 == 0:
				payload = d.Append(nil, m, level)
				d.Sent(m, true)
			case c&0x40 == 0:
				n := int(c) % (len(m) + 1)
				payload = d.Append(nil, m[:n], level)
				d.Sent(m[:n], false)
				payload = d.Append(payload, m[n:], level)
				d.Sent(m[n:], true)
			default:
				d.Append(nil, m, level) // not sent: prepared instead
				payload = NewDeflater(false, bits, 0).Append(nil, m, level)
				d.Sent(m, true)
			}
			payload = sent(t, payload)
			s.takes(payload, m, takeover)
			got, err := inflate(in, &chunks{r: bytes.NewReader(payload), sizes: script[i:]}, 1+int(c)*4)
			if err != nil || !bytes.Equal(got, m) {
				t.Fatalf("message %d: %q, %v", i, got, err)
			}
			if held := d.Held(); held > min(int(memory), 1<<bits) || !takeover && held > 0 {
				t.Fatalf("%d bytes are held of %d", held, memory)
			}
		}
	})
}
