package wsdeflate

import (
	"bytes"
	stdflate "compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// inflateStd inflates with the standard library.
func inflateStd(payload, dict []byte) ([]byte, error) {
	r := stdflate.NewReaderDict(io.MultiReader(bytes.NewReader(payload), bytes.NewReader([]byte(syncMarker+finalBlock))), dict)
	return io.ReadAll(r)
}

// An empty message is the first byte of the marker's block (RFC 7692, 7.2.3.6).
func TestDeflateEmpty(t *testing.T) {
	for level := minLevel; level <= maxLevel; level++ {
		for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
			d := NewDeflater(true, bits, 1<<bits)
			d.Sent([]byte("something before"), true)
			if got := sent(t, d.Append(nil, nil, level)); !bytes.Equal(got, []byte{0}) {
				t.Errorf("level %d, %d bits: an empty message is % x", level, bits, got)
			}
		}
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	for level := minLevel; level <= maxLevel; level++ {
		b := NewDeflater(false, 15, 0).Append([]byte("header"), []byte("Hello"), level)
		rest, ok := bytes.CutPrefix(b, []byte("header"))
		if !ok {
			t.Fatalf("level %d: % x", level, b)
		}
		if got, _, err := inflateSlow(sent(t, rest), nil, 0); err != nil || string(got) != "Hello" {
			t.Errorf("level %d: %q, %v", level, got, err)
		}
	}
}

// side is a receiver that has all of the window that was agreed on, and checks
// that no match looks back further.
type side struct {
	t    testing.TB
	bits int
	text []byte // what was sent compressed; nil without takeover
}

// takes checks a message against what it should say.
func (s *side) takes(payload, want []byte, takeover bool) {
	s.t.Helper()
	dict := s.text[max(0, len(s.text)-1<<s.bits):]
	got, ref, err := inflateSlow(payload, dict, len(dict))
	if err != nil || !bytes.Equal(got, want) {
		s.t.Fatalf("%d bytes come out as %d: %v", len(want), len(got), err)
	}
	if ref.farthest > 1<<s.bits {
		s.t.Fatalf("a match looks back %d bytes, in a window of %d bits", ref.farthest, s.bits)
	}
	if got, err := inflateStd(payload, dict); err != nil || !bytes.Equal(got, want) {
		s.t.Fatalf("compress/flate has %d bytes for %d: %v", len(got), len(want), err)
	}
	if takeover {
		s.text = append(s.text, want...)
	}
}

// echoes makes messages that repeat each other at all distances, of the lengths
// at which compressors take other ways.
func echoes(r *rand.Rand, all []byte, bits int) []byte {
	n := []int{0, 1, 12, 13, 31, 33, 100, 127, 128, 129, 500, 1 << bits / 2, 1 << bits, 1<<bits + 1, 3 << bits, 40000}[r.IntN(16)]
	m := words(r, n)
	for range r.IntN(4) {
		if len(all) > 40 && n > 40 {
			from, to := r.IntN(len(all)-40), r.IntN(n-20)
			copy(m[to:], all[from:][:20+r.IntN(20)])
		}
	}
	return m
}

// Whatever the window, the level, the memory and the pieces: what is sent says
// what it should, and looks back no further than was agreed.
func TestDeflateWithinWindow(t *testing.T) {
	rounds := 8
	if raceEnabled {
		rounds = 1 // nothing here is concurrent
	}
	for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
		for level := minLevel; level <= maxLevel; level++ {
			for _, takeover := range []bool{true, false} {
				for _, memory := range []int{0, 300, 4 << 10, 32 << 10} {
					t.Run(fmt.Sprintf("bits=%d/level=%d/takeover=%v/memory=%d", bits, level, takeover, memory), func(t *testing.T) {
						r := rand.New(rand.NewPCG(uint64(bits), uint64(level+2)))
						d := NewDeflater(takeover, bits, memory)
						s := &side{t: t, bits: bits}
						var all []byte
						for range rounds {
							m := echoes(r, all, bits)
							all = append(all, m...)
							exchange(r, d, s, m, level, takeover)
							if held := d.Held(); held > memory || !takeover && held > 0 {
								t.Fatalf("%d bytes are held, of %d", held, memory)
							}
						}
					})
				}
			}
		}
	}
}

// exchange sends m: whole, in pieces, prepared, or uncompressed.
func exchange(r *rand.Rand, d *Deflater, s *side, m []byte, level int, takeover bool) {
	s.t.Helper()
	switch r.IntN(5) {
	case 0: // prepared for many, without what came before
		s.takes(sent(s.t, NewDeflater(false, s.bits, 0).Append(nil, m, level)), m, takeover)
		d.Sent(m, true)
	case 1: // compressed in vain
		d.Append(nil, m, level)
	case 2:
		var b []byte
		for rest := m; ; {
			n := r.IntN(len(rest) + 1)
			b = d.Append(b, rest[:n], level)
			last := n == len(rest)
			d.Sent(rest[:n], last)
			if rest = rest[n:]; last {
				break
			}
		}
		s.takes(sent(s.t, b), m, takeover)
	default:
		s.takes(sent(s.t, d.Append(nil, m, level)), m, takeover)
		d.Sent(m, true)
	}
}

// The window is used: what was said before costs little, at every level that
// looks for matches, and in every size of message.
func TestDeflateTakesOver(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for level := minLevel; level <= maxLevel; level++ {
		for _, n := range []int{60, 120, 200} {
			for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
				m := make([]byte, n)
				for i := range m {
					m[i] = byte(r.Uint32())
				}
				d := NewDeflater(true, bits, 1<<bits)
				d.Sent(m, true)
				again := len(d.Append(nil, m, level)) - SyncMarker
				if small := again < n/2; small == matchless(level) {
					t.Errorf("level %d, %d bits: %d bytes, said again, are %d", level, bits, n, again)
				}
			}
		}
	}
}

// A message that was not sent compressed is not in the window, and one that
// somebody else compressed is.
func TestDeflaterSent(t *testing.T) {
	first, second := []byte("the first message, said again"), []byte("and another one, said for everyone")
	d := NewDeflater(true, 15, 1<<10)
	d.Append(nil, first, 1)
	if d.Held() != 0 {
		t.Errorf("%d bytes are held of a message that was not sent", d.Held())
	}
	d.Sent(second, true)
	if string(d.win.b) != string(second) {
		t.Errorf("the window has %q", d.win.b)
	}
	d.Sent(first[:5], false)
	d.Sent(first[5:], true)
	if string(d.win.b) != string(second)+string(first) {
		t.Errorf("the window has %q", d.win.b)
	}
	d = NewDeflater(false, 15, 1<<10)
	d.Sent(first, false)
	if string(d.win.b) != string(first) || d.Held() > 1<<10 {
		t.Errorf("inside of a message the window has %q, and %d bytes", d.win.b, d.Held())
	}
	d.Sent(second, true)
	if d.Held() != 0 {
		t.Errorf("%d bytes are held without takeover", d.Held())
	}
	d = NewDeflater(false, 15, -1)
	if d.Sent(first, false); d.Held() != 0 || d.lent != nil {
		t.Error("a window is held, of no bytes")
	}
}

// Levels that do not look for matches are kept to with small windows as well.
func TestDeflateLevelWithSmallWindow(t *testing.T) {
	m := bytes.Repeat([]byte("abcdefgh"), 1000)
	for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
		d := NewDeflater(true, bits, 1<<bits)
		if n := len(d.Append(nil, m, 0)); n < len(m) {
			t.Errorf("%d bits: level 0 makes %d bytes of %d", bits, n, len(m))
		}
		if n := len(d.Append(nil, m, -2)); n < len(m)/4 || n > len(m)/2 {
			t.Errorf("%d bits: level -2 makes %d bytes of %d", bits, n, len(m))
		}
	}
}

// Higher levels make more of a message that is long enough for them.
func TestDeflateLevels(t *testing.T) {
	m := words(rand.New(rand.NewPCG(1, 1)), 4000)
	size := func(n, bits, level int) int {
		return len(NewDeflater(false, bits, 0).Append(nil, m[:n], level))
	}
	for _, bits := range []int{13, 15} {
		for _, level := range []int{-1, 5, 6, 9} {
			if one, more := size(4000, bits, 1), size(4000, bits, level); more >= one {
				t.Errorf("%d bits: level %d makes %d bytes of what level 1 makes %d of", bits, level, more, one)
			}
		}
	}
	if six, nine := size(4000, 15, 6), size(4000, 15, 9); nine >= six {
		t.Errorf("level 9 makes %d bytes of what level 6 makes %d of", nine, six)
	}
}

// Compressors count what they have seen in 31 bits, and start anew in time.
func TestDeflateForLong(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	if raceEnabled {
		return // nothing here is concurrent, and it is long
	}
	for _, level := range []int{2, 5} {
		for _, bits := range []int{14, 15} {
			d := NewDeflater(true, bits, 1<<bits)
			s := &side{t: t, bits: bits}
			var m []byte
			// 1<<31 bytes, in steps of a window and what it holds.
			for i := range int64(1) << 31 >> bits / 2 {
				if i%8 == 0 {
					m = words(r, 200)
				}
				b := d.Append(nil, m, level)
				if i%2048 == 0 || i > 1<<31>>bits/2-100 {
					s.takes(sent(t, b), m, false)
					s.text = append(s.text[:0], d.win.b...)
				}
			}
		}
	}
}
