package wsdeflate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// inflate reads a message to its end, in pieces of at most n bytes.
func inflate(f *Inflater, src io.Reader, n int) ([]byte, error) {
	f.Begin(src)
	defer f.End()
	var out []byte
	buf := make([]byte, n)
	for {
		k, err := f.Read(buf)
		out = append(out, buf[:k]...)
		if err == io.EOF { //nolint:errorlint // io.Reader's contract is ==
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

func hexes(s string) []byte {
	var b []byte
	for _, f := range strings.Fields(s) {
		var c byte
		if _, err := fmt.Sscanf(f, "%02x", &c); err != nil {
			panic(err)
		}
		b = append(b, c)
	}
	return b
}

// The examples of RFC 7692, 7.2.3, and their neighbours.
var inflateTests = []struct {
	name, payload string
	plain         string
	ok            bool
}{
	{"one block (7.2.3.1)", "f2 48 cd c9 c9 07 00", "Hello", true},
	{"no compression (7.2.3.3)", "00 05 00 fa ff 48 65 6c 6c 6f 00", "Hello", true},
	{"final block (7.2.3.4)", "f3 48 cd c9 c9 07 00 00", "Hello", true},
	{"two blocks (7.2.3.5)", "f2 48 05 00 00 00 ff ff ca c9 c9 07 00", "Hello", true},
	{"empty (7.2.3.6)", "00", "", true},
	{"empty block of fixed codes", "02 00", "", true},

	{"final block, and no room for the marker", "f3 48 cd c9 c9 07 00", "Hello", true},
	{"empty final block, and no room", "01 00 00 ff ff", "", true},
	{"the marker's block is final", "f2 48 cd c9 c9 07 00 00 00 ff ff 01", "Hello", true},
	// Blocks of both kinds may be mixed (7.2.1).
	{"block behind a final one", "f3 48 05 00 ca c9 c9 07 00", "Hello", true},
	{"stored block behind a final one", "f3 48 05 00 00 03 00 fc ff 6c 6c 6f 00", "Hello", true},
	{"only final blocks", "f3 48 05 00 cb c9 c9 07 00", "Hello", true},
	{"only final blocks, and a marker", "f3 48 05 00 cb c9 c9 07 00 00", "Hello", true},
	{"empty final blocks", "03 00 03 00 01 00 00 ff ff f2 48 cd c9 c9 07 00", "Hello", true},

	{"nothing at all", "", "", false},
	{"bytes behind the final block", "f3 48 cd c9 c9 07 00 ff", "Hello", false},
	{"many bytes behind the final block", "f3 48 cd c9 c9 07 00 47 61 72 62 61 67 65 20 61 6e 64 20 6d 6f 72 65", "Hello", false},
	{"two bytes for the marker", "f3 48 cd c9 c9 07 00 00 00", "Hello", false},
	{"half a block behind the final block", "f3 48 cd c9 c9 07 00 00 03 00 fc ff 6c 6c", "Hello", false},
	{"reserved block type", "06", "", false},
	{"reserved block type, final", "07", "", false},
	{"lengths that differ", "00 05 00 fa fe 48 65 6c 6c 6f 00", "", false},
	{"the marker left in", "f2 48 cd c9 c9 07 00 00 00 ff ff", "Hello", false},
	{"truncated", "f2 48 cd c9", "", false},
	{"truncated stored block", "00 05 00 fa ff 48 65", "", false},
	{"distance before the start", "02 02 00 00", "", false},
	// Blocks that take for their text what we put behind the message.
	{"the marker as text", "00 04 00 fb ff", "", false},
	{"the marker as the text of a final block", "01 04 00 fb ff", syncMarker, true}, // by the letter of 7.2.2
	{"all as text", "00 09 00 f6 ff", "", false},
	{"all as the text of a final block", "01 09 00 f6 ff", "", false},
	{"half of the marker as the text of a final block", "01 02 00 fd ff", "", false},
	{"the marker and a byte as text", "01 05 00 fa ff", "", false},
}

func TestInflate(t *testing.T) {
	for _, test := range inflateTests {
		payload := hexes(test.payload)
		want, _, err := inflateSlow(payload, nil, 0)
		if ok := err == nil; ok != test.ok || ok && string(want) != test.plain {
			t.Fatalf("%s: the reference says %q, %v", test.name, want, err)
		}
		for _, takeover := range []bool{true, false} {
			for n := 1; n < 8; n++ {
				for name, src := range map[string]io.Reader{
					"whole":     bytes.NewReader(payload),
					"bytewise":  iotest.OneByteReader(bytes.NewReader(payload)),
					"early EOF": iotest.DataErrReader(bytes.NewReader(payload)),
				} {
					f := NewInflater(takeover, 15)
					got, err := inflate(f, src, n)
					if (err == nil) != test.ok || err != nil && !errors.Is(err, ErrCorrupt) {
						t.Errorf("%s, %s: %v", test.name, name, err)
					}
					if test.ok && string(got) != test.plain {
						t.Errorf("%s, %s: %q", test.name, name, got)
					}
				}
			}
		}
	}
}

// 7.2.3.2: the second message refers to the first.
func TestInflateTakeover(t *testing.T) {
	first, second := hexes("f2 48 cd c9 c9 07 00"), hexes("f2 00 11 00 00")
	f := NewInflater(true, 8)
	for _, payload := range [][]byte{first, second, first, second} {
		if got, err := inflate(f, bytes.NewReader(payload), 100); err != nil || string(got) != "Hello" {
			t.Errorf("%q, %v", got, err)
		}
	}
	f = NewInflater(false, 15)
	if got, err := inflate(f, bytes.NewReader(first), 100); err != nil || string(got) != "Hello" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := inflate(f, bytes.NewReader(second), 100); !errors.Is(err, ErrCorrupt) {
		t.Errorf("without takeover a message refers to another: %q, %v", got, err)
	}
	if f.Held() != 0 {
		t.Errorf("%d bytes are held without takeover", f.Held())
	}
}

// With takeover a block behind a final one still finds the window.
func TestInflateTakeoverBehindFinalBlock(t *testing.T) {
	f := NewInflater(true, 8)
	payload := hexes("f3 48 cd c9 c9 07 00 f2 00 11 00 00")
	want, _, err := inflateSlow(payload, nil, 512)
	if err != nil || string(want) != "HelloHello" {
		t.Fatalf("the reference says %q, %v", want, err)
	}
	for range 2 {
		if got, err := inflate(f, bytes.NewReader(payload), 3); err != nil || string(got) != "HelloHello" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// The receiver's window is as large as agreed, and no larger: what the peer
// said before that is gone.
func TestInflateWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
		size := receivedBytes(bits)
		text := make([]byte, size+1)
		for i := range text {
			text[i] = byte(r.Uint32())
		}
		for _, test := range []struct {
			distance int
			ok       bool
		}{{size, true}, {size + 1, false}} {
			if test.distance > 32<<10 {
				continue // no code says so much
			}
			f := NewInflater(true, bits)
			first := sent(t, NewDeflater(true, bits, 0).Append(nil, text, 0))
			if _, err := inflate(f, bytes.NewReader(first), 700); err != nil {
				t.Fatal(err)
			}
			if f.Held() != size {
				t.Errorf("%d bits: %d bytes are held", bits, f.Held())
			}
			got, err := inflate(f, bytes.NewReader(match(3, test.distance)), 10)
			if want := text[len(text)-test.distance:][:3]; test.ok && (err != nil || !bytes.Equal(got, want)) {
				t.Errorf("%d bits: %d bytes back: % x, %v", bits, test.distance, got, err)
			}
			if !test.ok && !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d bits: %d bytes back: % x, %v", bits, test.distance, got, err)
			}
		}
	}
}

// match is a message of one match of 3 to 10 bytes, in a block of fixed codes.
func match(length, distance int) []byte {
	var b []byte
	n := 0
	put := func(v, bits int) {
		for i := range bits {
			if n%8 == 0 {
				b = append(b, 0)
			}
			b[n/8] |= byte(v>>i&1) << (n % 8)
			n++
		}
	}
	code := func(v, bits int) { // most significant bit first
		for i := bits - 1; i >= 0; i-- {
			put(v>>i, 1)
		}
	}
	put(2, 3)
	code(length-2, 7)
	s, first := 0, 1
	for {
		extra := max(s/2-1, 0)
		if distance < first+1<<extra {
			code(s, 5)
			put(distance-first, extra)
			break
		}
		first += 1 << extra
		s++
	}
	code(0, 7)
	put(0, 3)
	return b
}

// Nobody reads what another connection has said, through what they both borrow.
func TestInflateStaleWindow(t *testing.T) {
	secret := bytes.Repeat([]byte("secret! "), 5000)
	leak := NewInflater(true, 15)
	payload := sent(t, NewDeflater(true, 15, 0).Append(nil, secret, 1))
	for _, distance := range []int{1, 8, 100, 256, 512, 513, 4096, 32767, 32768} {
		for _, said := range []int{0, 1, 7, 300} {
			if _, err := inflate(leak, bytes.NewReader(payload), 4096); err != nil {
				t.Fatal(err)
			}
			f := NewInflater(true, 15)
			own := sent(t, NewDeflater(true, 15, 0).Append(nil, secret[:said], 0))
			if _, err := inflate(f, bytes.NewReader(own), 4096); err != nil {
				t.Fatal(err)
			}
			got, err := inflate(f, bytes.NewReader(match(10, distance)), 4096)
			if ok := distance <= said; ok != (err == nil) || !ok && len(got) > 0 {
				t.Errorf("%d bytes back, behind %d of our own: %q, %v", distance, said, got, err)
			}
		}
	}
}

// The same for what is sent: a borrowed compressor has forgotten the others.
func TestDeflateStaleWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	secret := make([]byte, 300)
	for i := range secret {
		secret[i] = byte(r.Uint32())
	}
	for level := minLevel; level <= maxLevel; level++ {
		for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
			a, b := NewDeflater(true, bits, 1<<bits), NewDeflater(true, bits, 1<<bits)
			for range 3 {
				a.Append(nil, secret, level)
				a.Sent(secret, true)
				if n := len(b.Append(nil, secret, level)); n < len(secret) {
					t.Errorf("level %d, %d bits: %d bytes that another connection has said are %d", level, bits, len(secret), n)
				}
			}
		}
	}
}

var errSource = errors.New("source")

// An error of the source comes back as it is, wherever it comes, and again.
func TestInflateSourceError(t *testing.T) {
	for _, test := range inflateTests {
		payload := hexes(test.payload)
		if !test.ok {
			continue
		}
		for cut := range len(payload) + 1 {
			for _, takeover := range []bool{true, false} {
				f := NewInflater(takeover, 15)
				f.Begin(io.MultiReader(bytes.NewReader(payload[:cut]), iotest.ErrReader(errSource)))
				out, err := io.ReadAll(f)
				if err != errSource || !strings.HasPrefix(test.plain, string(out)) { //nolint:errorlint // it is to be the very error
					t.Errorf("%s, cut at %d: %q, %v", test.name, cut, out, err)
				}
				if n, err := f.Read(make([]byte, 10)); n != 0 || err != errSource { //nolint:errorlint // as above
					t.Errorf("%s, cut at %d: again: %d, %v", test.name, cut, n, err)
				}
				f.End()
			}
		}
	}
	// What has arrived before it is delivered.
	f := NewInflater(true, 15)
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write(hexes("f2 48 cd"))
		w.CloseWithError(io.ErrUnexpectedEOF)
	}()
	if got, err := inflate(f, r, 10); err != io.ErrUnexpectedEOF || string(got) != "He" { //nolint:errorlint // it is to be the very error
		t.Errorf("%q, %v", got, err)
	}
}

// A source that returns nothing, for ever, does not keep us.
func TestInflateSourceWithoutProgress(t *testing.T) {
	f := NewInflater(true, 15)
	if _, err := inflate(f, nothing{}, 10); err == nil {
		t.Error("it came to an end")
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

// What stopped a message stops it again.
func TestInflateAgain(t *testing.T) {
	for _, test := range inflateTests {
		f := NewInflater(true, 15)
		f.Begin(bytes.NewReader(hexes(test.payload)))
		_, first := io.Copy(io.Discard, f)
		if first == nil {
			first = io.EOF
		}
		for range 20 {
			if n, err := f.Read(make([]byte, 10)); n != 0 || !errors.Is(err, first) {
				t.Fatalf("%s: %v, and then %d, %v", test.name, first, n, err)
			}
		}
		f.End()
	}
}

// A message that was not read to its end leaves no window to refer to: what
// follows is refused and not misunderstood.
func TestInflateUnread(t *testing.T) {
	for _, takeover := range []bool{true, false} {
		f := NewInflater(takeover, 15)
		f.Begin(bytes.NewReader(hexes("f2 48 cd c9 c9 07 00")))
		_, _ = f.Read(make([]byte, 2))
		f.Begin(bytes.NewReader(hexes("f2 48 cd c9 c9 07 00"))) // closes the first one
		got, err := io.ReadAll(f)
		f.End()
		if takeover && (!errors.Is(err, ErrCorrupt) || len(got) > 0 || f.Held() > 0) {
			t.Errorf("with takeover: %q, %v, %d bytes held", got, err, f.Held())
		}
		if !takeover && (err != nil || string(got) != "Hello") {
			t.Errorf("without takeover: %q, %v", got, err)
		}
	}
}

// Begin and End give back what they borrow, also twice and after errors.
func TestInflateGivesBack(t *testing.T) {
	f := NewInflater(true, 15)
	f.End()
	for _, payload := range []string{"00", "07", "f2 48", ""} {
		f := NewInflater(false, 15)
		f.Begin(iotest.DataErrReader(bytes.NewReader(hexes(payload))))
		if n, err := f.Read(nil); n != 0 || err != nil {
			t.Errorf("reading nothing: %d, %v", n, err)
		}
		_, _ = io.ReadAll(f)
		m := f.m
		f.End()
		f.End()
		if f.m != nil || m.src != (completed{}) || m.err != nil || len(m.late) > 0 {
			t.Errorf("after %q there is left: %+v", payload, m)
		}
	}
	// Nor does what is borrowed grow with a message.
	f = NewInflater(true, 15)
	f.Begin(bytes.NewReader(sent(t, NewDeflater(false, 15, 0).Append(nil, make([]byte, 100_000), 1))))
	for _, err := f.Read(make([]byte, 32<<10)); err == nil; {
		_, err = f.Read(make([]byte, 32<<10))
	}
	if n := cap(f.m.late); n > 4<<10 {
		t.Errorf("%d bytes are gathered", n)
	}
	f.End()
}

// Peers that say much and mean little cost no more than by the byte.
func TestInflateHostile(t *testing.T) {
	const n = 1 << 20
	r := rand.New(rand.NewPCG(1, 1))
	for name, test := range hostile() {
		payload := bytes.Repeat(test, n/len(test))
		f := NewInflater(true, 15)
		fill := sent(t, NewDeflater(true, 15, 0).Append(nil, words(r, 40000), 1))
		if _, err := inflate(f, bytes.NewReader(fill), 4096); err != nil {
			t.Fatal(err)
		}
		src := &counter{r: bytes.NewReader(append(payload, 0))}
		got, err := inflate(f, src, 4096)
		if err != nil {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if src.calls > n/512+8 {
			t.Errorf("%s: the source is asked %d times", name, src.calls)
		}
	}
}

// hostile are blocks to repeat.
func hostile() map[string][]byte {
	return map[string][]byte{
		"empty stored blocks":         hexes("00 00 00 ff ff"),
		"empty blocks of fixed codes": hexes("02 08 20 80 00"),
		"empty blocks of own codes":   hexes("04 c0 81 08 00 00 00 00 20 7f eb 43 00 1c 88 00 00 00 00 00 f2 b7 3e"),
		"a flush for each byte":       hexes("4a 04 00 00 00 ff ff"),
		"a stored block for each":     hexes("00 01 00 fe ff 61 00 00 00 ff ff"),
	}
}

// Restarts behind final blocks are what costs most. They are for a compressor
// that finishes each part of a message, not for one that does nothing else.
func TestInflateFinalBlocks(t *testing.T) {
	part := append(hexes("f2 48 cd c9 c9 07 00 00 00 ff ff"), hexes("03 00")...)
	some := bytes.Repeat(part, freeRestarts)
	if got, err := inflate(NewInflater(true, 15), bytes.NewReader(some), 100); err != nil || string(got) != strings.Repeat("Hello", freeRestarts) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := inflate(NewInflater(true, 15), bytes.NewReader(bytes.Repeat(part, 2000)), 100); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%d bytes, %v, of a final block for every five", len(got), err)
	}
	text := words(rand.New(rand.NewPCG(1, 1)), 2*restartBytes)
	part = append(NewDeflater(false, 15, 0).Append(nil, text, 0), hexes("03 00")...)
	if got, err := inflate(NewInflater(true, 15), bytes.NewReader(bytes.Repeat(part, 2000)), 4096); err != nil || !bytes.Equal(got, bytes.Repeat(text, 2000)) {
		t.Errorf("%d bytes, %v, of a final block for every %d", len(got), err, len(text))
	}
}

// BenchmarkInflateHostile shows the cost of a byte of each.
func BenchmarkInflateHostile(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for name, test := range hostile() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			payload := append(bytes.Repeat(test, 64<<10/len(test)), 0)
			f := NewInflater(true, 15)
			fill := sent(b, NewDeflater(true, 15, 0).Append(nil, words(r, 40000), 1))
			if _, err := inflate(f, bytes.NewReader(fill), 4096); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				if _, err := inflate(f, bytes.NewReader(payload), 4096); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type counter struct {
	r     io.Reader
	calls int
}

func (c *counter) Read(p []byte) (int, error) {
	c.calls++
	return c.r.Read(p)
}
