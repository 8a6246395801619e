package wsdeflate

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// reference is an inflater written for being right and not for being fast: it
// reads bit by bit and looks codes up in a list. It is the judge of what a
// message means, and of how far its matches look back (RFC 1951).
type reference struct {
	in       []byte
	pos      int    // in bits
	text     []byte // the dictionary, and the message behind it
	reach    int    // how far back text may be referred to, from here on
	farthest int    // the largest distance seen
	finals   int    // final blocks seen
}

var errReference = errors.New("reference: corrupt")

// inflateSlow inflates a payload whose sender left the sync marker out. dict is
// the text before it, and size the window that survives a final block.
func inflateSlow(payload, dict []byte, size int) (plain []byte, r *reference, err error) {
	r = &reference{in: append(append([]byte(nil), payload...), syncMarker...)}
	r.text = append(r.text, dict...)
	r.reach = len(dict)
	defer func() {
		if e := recover(); e != nil {
			if e != any(errReference) {
				panic(e)
			}
			plain, err = nil, errReference
		}
	}()
	for {
		final, empty := r.block()
		if final {
			r.finals++
			r.pos = (r.pos + 7) &^ 7 // 7.2.1
			r.reach = min(r.reach, size)
		}
		if r.pos == 8*len(r.in) {
			r.must(final || empty) // or the marker was taken for text
			break
		}
		if final && r.pos == 8*len(payload) {
			break // the sender did not put an empty block behind it
		}
	}
	return r.text[len(dict):], r, nil
}

func (r *reference) must(ok bool) {
	if !ok {
		panic(errReference)
	}
}

func (r *reference) bits(n int) (v int) {
	for i := range n {
		r.must(r.pos < 8*len(r.in))
		v |= int(r.in[r.pos/8]>>(r.pos%8)&1) << i
		r.pos++
	}
	return v
}

// block inflates a block. empty says that it was a stored one without text.
func (r *reference) block() (final, empty bool) {
	final = r.bits(1) == 1
	switch r.bits(2) {
	case 0:
		r.pos = (r.pos + 7) &^ 7
		n := r.bits(16)
		r.must(r.bits(16) == n^0xffff)
		for range n {
			r.literal(byte(r.bits(8)))
		}
		return final, n == 0
	case 1:
		lit := make([]int, 288)
		for i := range lit {
			switch {
			case i < 144:
				lit[i] = 8
			case i < 256:
				lit[i] = 9
			case i < 280:
				lit[i] = 7
			default:
				lit[i] = 8
			}
		}
		dist := make([]int, 32)
		for i := range dist {
			dist[i] = 5
		}
		r.symbols(newCode(lit), newCode(dist))
	case 2:
		r.symbols(r.codes())
	default:
		r.must(false)
	}
	return final, false
}

func (r *reference) literal(c byte) {
	r.text = append(r.text, c)
	r.reach = min(r.reach+1, 32<<10)
}

// code is a Huffman code: how many codes there are of each length, and the
// symbols in the order of their codes (RFC 1951, 3.2.2).
type code struct {
	count   [16]int
	symbols []int
}

func newCode(lengths []int) (c code) {
	for n := 1; n < 16; n++ {
		for s, l := range lengths {
			if l == n {
				c.count[n]++
				c.symbols = append(c.symbols, s)
			}
		}
	}
	return c
}

// complete reports whether the lengths use up the code space, or are the
// exception that zlib makes: none, or one of a single bit.
func complete(lengths []int) bool {
	used, n := 0, 0
	for _, l := range lengths {
		if l > 0 {
			used += 1 << (15 - l)
			n++
		}
	}
	return used == 1<<15 || n == 0 || n == 1 && used == 1<<14
}

func (r *reference) symbol(c code) int {
	v, first, before := 0, 0, 0
	for n := 1; n < 16; n++ {
		v = v<<1 | r.bits(1)
		first <<= 1 // the first code of this length
		if v-first < c.count[n] {
			return c.symbols[before+v-first]
		}
		first += c.count[n]
		before += c.count[n]
	}
	panic(errReference)
}

// codes reads the two codes of a dynamic block.
func (r *reference) codes() (lit, dist code) {
	nlit, ndist, nlen := r.bits(5)+257, r.bits(5)+1, r.bits(4)+4
	r.must(nlit <= 286 && ndist <= 30)
	lengths := make([]int, 19)
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:nlen] {
		lengths[i] = r.bits(3)
	}
	r.must(complete(lengths))
	c := newCode(lengths)
	var all []int
	for len(all) < nlit+ndist {
		s, n, v := r.symbol(c), 1, 0
		switch s {
		case 16:
			r.must(len(all) > 0)
			v, n = all[len(all)-1], r.bits(2)+3
		case 17:
			n = r.bits(3) + 3
		case 18:
			n = r.bits(7) + 11
		default:
			v = s
		}
		for range n {
			all = append(all, v)
		}
	}
	r.must(len(all) == nlit+ndist && complete(all[:nlit]) && complete(all[nlit:]))
	return newCode(all[:nlit]), newCode(all[nlit:])
}

// symbols inflates what follows a block's codes.
func (r *reference) symbols(lit, dist code) {
	for {
		s := r.symbol(lit)
		switch {
		case s < 256:
			r.literal(byte(s))
			continue
		case s == 256:
			return
		}
		r.must(s < 286)
		length := 258
		if s < 285 {
			length = base(s-257, 4, 3, r)
		}
		s = r.symbol(dist)
		r.must(s < 30)
		d := base(s, 2, 1, r)
		r.farthest = max(r.farthest, d)
		r.must(d <= r.reach)
		for range length {
			r.literal(r.text[len(r.text)-d])
		}
	}
}

// base is the value of symbol s in a series that starts at first and whose
// symbols take one more extra bit after every so many (RFC 1951, 3.2.5).
func base(s, every, first int, r *reference) int {
	v := first
	for i := range s {
		v += 1 << max(i/every-1, 0)
	}
	return v + r.bits(max(s/every-1, 0))
}

// sent is a payload without its sync marker.
func sent(t testing.TB, b []byte) []byte {
	t.Helper()
	p, ok := strings.CutSuffix(string(b), syncMarker)
	if !ok {
		t.Fatalf("no sync marker at the end of % x", b)
	}
	return []byte(p)
}

// words makes text that compresses, n bytes of it.
func words(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+16)
	for len(b) < n {
		b = append(b, "the quick brown fox jumps over a lazy dog "[r.IntN(30):][:1+r.IntN(11)]...)
		if r.IntN(8) == 0 {
			b = append(b, byte(r.Uint32()))
		}
	}
	return b[:n]
}
