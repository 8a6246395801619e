package wsproto

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"unicode/utf8"
)

// blockOf returns a block of ASCII with s at a place that changes with seed.
func blockOf(s []byte, seed int) *[blockSize]byte {
	block := [blockSize]byte(bytes.Repeat([]byte{'`'}, blockSize)) // 0x60: E0 without its highest bit
	copy(block[seed%(blockSize-len(s)+1):], s)
	return &block
}

// Every sequence of three bytes, and of four whose first begins four bytes and
// whose last is at a boundary, somewhere in a block.
func TestBlockErrorsExhaustive(t *testing.T) {
	for first := range 256 {
		t.Run(fmt.Sprintf("%02x", first), func(t *testing.T) {
			t.Parallel()
			ends := []int{-1}
			if first >= 0xF0 {
				ends = []int{-1, 0x7F, 0x80, 0xBF, 0xC0}
			}
			for rest := 0; rest < 1<<16; rest += exhaustiveStep {
				for _, end := range ends {
					s := []byte{byte(first), byte(rest >> 8), byte(rest)}
					if end >= 0 {
						s = append(s, byte(end))
					}
					seed := first + rest + rest>>8
					if seed%(blockSize-len(s)+1) == blockSize-len(s) {
						seed++ // at the end of the block it may be a part of a character
					}
					if got := blockErrors(blockOf(s, seed)) == 0; got != utf8.Valid(s) {
						t.Fatalf("% x at %d: %v", s, seed%(blockSize-len(s)+1), got)
					}
				}
			}
		})
	}
}

// edges are the bytes at the boundaries of RFC 3629, section 4.
var edges = []byte("\x00\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff")

// All sequences of up to four of the edges, at every place of a block, also cut
// off by its end: the first error is of the first bad byte.
func TestBlockErrorsEdges(t *testing.T) {
	for place := range blockSize {
		t.Run(fmt.Sprint(place), func(t *testing.T) {
			t.Parallel()
			// Each place takes a seventh of the sequences.
			for i := place % 7; i < len(edges)*len(edges)*len(edges)*len(edges); i += 7 * exhaustiveStep {
				s := []byte{edges[i%24], edges[i/24%24], edges[i/24/24%24], edges[i/24/24/24], '`'}
				block := *blockOf(nil, 0)
				s = s[:copy(block[place:], s)]
				bad, _ := refText(s)
				if bad >= 0 {
					bad += place
				}
				if at := firstError(blockErrors(&block)); at != bad {
					t.Fatalf("% x at %d: error at %d, want %d", s, place, at, bad)
				}
			}
		})
	}
}

// firstError returns the first byte that an answer of blockErrors has a bit for,
// or -1.
func firstError(errs uint64) int {
	for at := range blockSize {
		if errs&(0x80>>(at/8)<<(8*(at%8))) != 0 {
			return at
		}
	}
	return -1
}

// characters are the first and the last of each kind, and what is next to them.
var characters = []string{
	"00", "7f", "c280", "dfbf", "e0a080", "e0bfbf", "e18080", "ecbfbf", "ed8080", "ed9fbf", "ee8080", "efbfbf",
	"f0908080", "f0bfbfbf", "f1808080", "f3bfbfbf", "f4808080", "f48fbfbf",
}

// breaches are what no text has, and bytes before the bad one that are good.
var breaches = []string{
	"80", "bf", "c0", "c0af", "c1", "c1bf", "f5", "ff", "fe", "c280 80", "c2c2", "c27f",
	"e080", "e09f", "e07f", "eda0", "edbf", "e182 7f", "e182 c2", "e18282 82",
	"f080", "f08f", "f490", "f4bf", "f090 7f", "f09080 7f", "f09080 c2", "f0908080 80",
}

// Every character and every breach behind 0 to 140 bytes of each kind of text
// and before some more of it, in one piece and in two, cut around it: the piece
// with the first bad byte is the one that is refused.
func TestUTF8Edges(t *testing.T) {
	for _, filler := range []string{"61", "d0b6", "e6bca2", "f09f9880", "61 c3a9 e282ac", "c3a9 61*200"} {
		t.Run(filler, func(t *testing.T) {
			t.Parallel()
			unit := unhex(t, filler)
			for lead := 0; lead <= 140; lead += exhaustiveStep {
				before := fill(unit, lead)
				for _, after := range []int{0, 1, 5, 14, 21, 30, 61, 64, 70} {
					for _, row := range slices.Concat(characters, breaches) {
						checkPlace(t, before, unhex(t, row), fill(unit, after))
					}
				}
			}
		})
	}
}

// fill returns n bytes of a text of unit, in which ASCII takes the place of a
// character that would be cut.
func fill(unit []byte, n int) []byte {
	text := bytes.Repeat(unit, n/len(unit)+1)[:n]
	open := cutOff(text)
	return append(text[:n-open], bytes.Repeat([]byte{'a'}, open)...)
}

func checkPlace(t *testing.T, before, middle, after []byte) {
	text := slices.Concat(before, middle, after)
	bad, open := refText(text)
	cuts := []int{0}
	for i := -2; i <= len(middle)+2; i++ {
		if at := len(before) + i; at > 0 && at < len(text) {
			cuts = append(cuts, at)
		}
	}
	for _, cut := range cuts {
		var u UTF8
		first := u.Valid(text[:cut])
		if first != (bad < 0 || bad >= cut) {
			t.Fatalf("% x | % x | % x: the first %d bytes are %v", before, middle, after, cut, first)
		}
		if !first {
			continue
		}
		if second := u.Valid(text[cut:]); second != (bad < 0) || second && u.Complete() == open {
			t.Fatalf("% x | % x | % x: from byte %d on it is %v, complete %v", before, middle, after, cut, second, u.Complete())
		}
	}
}
