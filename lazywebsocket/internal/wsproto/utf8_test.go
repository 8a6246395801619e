package wsproto

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// viable reports whether some valid text begins with b: by the standard library,
// b is whole characters, and then at most a part of one.
func viable(b []byte) bool {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			return !utf8.FullRune(b)
		}
		b = b[size:]
	}
	return true
}

// TestViable holds viable against all the characters there are: what it takes
// for a part of a character is the beginning of one, cut off.
func TestViable(t *testing.T) {
	parts := map[string]bool{}
	for r := rune(0x80); r <= utf8.MaxRune; r += 64 { // 64 characters differ in the last byte only
		if c := string(r); utf8.ValidRune(r) {
			for n := 1; n < len(c); n++ {
				parts[c[:n]] = true
			}
		}
	}
	for first := 0xC0; first <= 0xFF; first++ {
		for rest := range 1 << 16 {
			s := []byte{byte(first), byte(rest >> 8), byte(rest)}
			if r, size := utf8.DecodeRune(s); r != utf8.RuneError || size > 1 {
				continue // a whole character
			}
			for _, b := range [][]byte{s[:1], s[:2], s} {
				if viable(b) != parts[string(b)] {
					t.Fatalf("% x: %v", b, viable(b))
				}
			}
		}
	}
}

// exhaustiveStep is 1, which is exhaustive, but for builds with the race
// detector: see race_test.go.
var exhaustiveStep = 1

// Every sequence of one, two and three bytes: refused exactly when no valid text
// begins like that, however it is cut, and complete exactly when it is valid.
func TestUTF8Exhaustive(t *testing.T) {
	for a := range 256 {
		checkCuts(t, []byte{byte(a)})
		for b := range 256 {
			checkCuts(t, []byte{byte(a), byte(b)})
		}
	}
	for high := range 16 {
		t.Run(fmt.Sprintf("%x0", high), func(t *testing.T) {
			t.Parallel()
			for i := 0; i < 1<<20; i += exhaustiveStep {
				checkCuts(t, []byte{byte(high<<4 | i>>16), byte(i >> 8), byte(i)})
			}
		})
	}
}

// checkCuts feeds s to a fresh UTF8 in every division into pieces. Where a
// shorter s is refused already, whole is the one piece left to try.
func checkCuts(t *testing.T, s []byte) {
	if !viable(s[:len(s)-1]) {
		if u := (UTF8{}); u.Valid(s) {
			t.Fatalf("% x is accepted", s)
		}
		return
	}
	good, valid := viable(s), utf8.Valid(s)
	for cuts := range 1 << (len(s) - 1) {
		var u UTF8
		ok, from := true, 0
		for i := range s {
			if i == len(s)-1 || cuts>>i&1 != 0 {
				ok = ok && u.Valid(s[from:i+1])
				from = i + 1
			}
		}
		if ok != good || ok && u.Complete() != valid {
			t.Fatalf("% x in pieces %b: %v, complete %v, want %v, %v", s, cuts, ok, u.Complete(), good, valid)
		}
	}
}

// The same for four bytes whose first is F0 to F4.
func TestUTF8FourBytes(t *testing.T) {
	for lead := 0xF0; lead <= 0xF4; lead++ {
		t.Run(fmt.Sprintf("%02x", lead), func(t *testing.T) {
			t.Parallel()
			s := []byte{byte(lead), 0, 0, 0}
			for second := range 256 {
				s[1] = byte(second)
				for end := 0; end < 1<<16; end += exhaustiveStep {
					s[2], s[3] = byte(end>>8), byte(end)
					checkCuts(t, s)
				}
			}
		})
	}
}

func TestUTF8(t *testing.T) {
	for _, row := range []struct {
		pieces   string // separated by "/"
		ok, done bool
	}{
		{"", true, true},
		{"48656c6c6f", true, true},
		{"c3/a9", true, true},
		{"c3", true, false},
		{"c3//a9", true, true},
		{"e2/82/ac", true, true},
		{"e282/ac e282", true, false},
		{"f09f/9880 61", true, true},
		{"61*100 f0/9f 98/80 61*100 e2", true, false},
		{"61*100 c3/a9 61*100", true, true},
		{"e0/80", false, false}, // overlong
		{"f0/8f", false, false}, // overlong
		{"ed/a0", false, false}, // surrogate
		{"f4/90", false, false}, // beyond U+10FFFF
		{"f5", false, false},
		{"c3/c3", false, false},
		{"c3/61", false, false},
		{"61*100 80", false, false},
		{"61*50 ff 61*50", false, false},
		{"61*63 c3/61*64", false, false},
		{"a9", false, false},
		{"e2 82 ac ac", false, false},
		{"f0 9f 98 80 80", false, false},
		{"c3 a9 a9", false, false},
	} {
		var u UTF8
		ok := true
		for piece := range strings.SplitSeq(row.pieces, "/") {
			ok = ok && u.Valid(unhex(t, piece))
		}
		if ok != row.ok || ok && u.Complete() != row.done {
			t.Errorf("%s: %v, complete %v", row.pieces, ok, u.Complete())
		}
		if u.Reset(); u != (UTF8{}) || !u.Valid([]byte("é")) || !u.Complete() {
			t.Errorf("%s: Reset does not begin anew", row.pieces)
		}
	}
}

func TestUTF8Allocates(t *testing.T) {
	text := []byte(strings.Repeat("aé€😀", 50))
	n := testing.AllocsPerRun(100, func() {
		var u UTF8
		for i := range 4 {
			if !u.Valid(text[:100+i]) {
				t.Fatal("refused")
			}
			u.Reset()
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzUTF8 checks a text in pieces against the whole, and that the piece with
// the first bad byte is the one that is refused.
func FuzzUTF8(f *testing.F) {
	for _, s := range []string{
		"48656c6c6f", "c3a9", "c3", "e282ac", "f09f9880", "e08080", "eda080", "f48fbfbf", "f4908080", "efbfbf",
		"61*64 c3a9 61*64", "61*63 e282ac", "61*62 f09f9880 80", "61*30 ff", "f09f98", "c3a9*20 c3", "e282ac*9 e2", "f09f9880*9 f09f",
		"d0b6*70 20 d0b6*40", "e6bca2*50 61*70 eda080", "61*60 f09f9880*40 f4908080", "61*64 d0b6*31 e0 a0 80*2 61*9",
	} {
		for _, sizes := range [][]byte{nil, {1}, {3, 2}, {64, 0, 1}} {
			f.Add(unhex(f, s), sizes)
		}
	}
	f.Fuzz(func(t *testing.T, text, sizes []byte) {
		bad, open := refText(text)
		original := bytes.Clone(text)
		var u UTF8
		for i, in := 0, 0; in < len(text); i++ {
			n := len(text) - in
			if len(sizes) > 0 && i < 1000 {
				n = min(n, int(sizes[i%len(sizes)]))
			}
			ok := u.Valid(text[in : in+n])
			in += n
			if ok != (bad < 0 || bad >= in) {
				t.Fatalf("% x: bytes %d to %d are %v, first bad byte %d", text, in-n, in, ok, bad)
			}
			if !ok {
				break
			}
		}
		valid := utf8.Valid(text)
		if valid != (bad < 0 && !open) {
			t.Fatalf("% x: the reference says %d, %v", text, bad, open)
		}
		if bad < 0 && u.Complete() != valid {
			t.Fatalf("% x: complete %v", text, u.Complete())
		}
		if !bytes.Equal(text, original) {
			t.Fatal("the text changed")
		}
	})
}

// refText returns the index of the first byte that no valid text has there, or
// -1, and whether a character is open at the end.
func refText(text []byte) (bad int, open bool) {
	var character []byte
	for i, b := range text {
		var ok bool
		if character, ok = refCharacter(character, b); !ok {
			return i, false
		}
	}
	return -1, len(character) > 0
}
