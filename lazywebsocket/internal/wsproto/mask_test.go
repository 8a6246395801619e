package wsproto

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// maskBytes is RFC 6455, 5.3, to the letter: octet i of the payload is XORed
// with octet i MOD 4 of the key.
func maskBytes(key [4]byte, pos int, b []byte) {
	for i := range b {
		b[i] ^= key[(pos+i)%4]
	}
}

var testKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// pattern returns n bytes of which no two neighbours, nor two at the distance
// of a word, are equal.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>3)
	}
	return b
}

func TestMaskExample(t *testing.T) {
	b := []byte("Hello")
	if next := Mask(testKey, 0, b); next != 1 || !bytes.Equal(b, []byte{0x7f, 0x9f, 0x4d, 0x51, 0x58}) {
		t.Errorf("RFC 6455, 5.7: % x, next %d", b, next)
	}
}

// Every size up to 200, at every alignment in memory, from every position; the
// bytes around stay what they are.
func TestMask(t *testing.T) {
	for size := range 201 {
		for offset := range 8 {
			for pos := range 4 {
				got := pattern(offset + size + 8)
				want := bytes.Clone(got)
				maskBytes(testKey, pos, want[offset:offset+size])
				next := Mask(testKey, pos, got[offset:offset+size])
				if !bytes.Equal(got, want) || next != (pos+size)%4 {
					t.Fatalf("size %d, offset %d, pos %d: next %d\n got % x\nwant % x", size, offset, pos, next, got, want)
				}
			}
		}
	}
}

// A payload that arrives in two or three pieces is masked as in one.
func TestMaskChunks(t *testing.T) {
	const size = 200
	want := pattern(size)
	maskBytes(testKey, 0, want)
	for first := range size + 1 {
		for _, second := range []int{0, 1, 7, 63, 64, 65} {
			got := pattern(size)
			second = min(second, size-first)
			pos := Mask(testKey, 0, got[:first])
			pos = Mask(testKey, pos, got[first:first+second])
			pos = Mask(testKey, pos, got[first+second:])
			if pos != size%4 || !bytes.Equal(got, want) {
				t.Fatalf("cut at %d and after %d more: pos %d\n got % x\nwant % x", first, second, pos, got, want)
			}
		}
	}
}

func TestMaskAllocates(t *testing.T) {
	b := pattern(1000)
	if n := testing.AllocsPerRun(100, func() { Mask(testKey, 1, b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzMask(f *testing.F) {
	f.Add(uint32(0x37fa213d), byte(0), byte(0), []byte(nil), []byte("Hello"))
	f.Add(uint32(0x01020304), byte(3), byte(1), []byte{3}, pattern(70))
	f.Add(uint32(0xff000000), byte(2), byte(7), []byte{63, 0, 64}, pattern(200))
	f.Add(uint32(0), byte(1), byte(4), []byte{1}, pattern(9))
	f.Fuzz(func(t *testing.T, k uint32, pos, offset byte, sizes, data []byte) {
		var key [4]byte
		binary.BigEndian.PutUint32(key[:], k)
		// A copy at an offset of its own, so that every alignment is tried.
		got := append(make([]byte, offset%8, int(offset%8)+len(data)), data...)[offset%8:]
		want := bytes.Clone(data)
		maskBytes(key, int(pos), want)

		next := int(pos)
		for i, rest := 0, got; len(rest) > 0; i++ {
			n := len(rest)
			if len(sizes) > 0 && i < 100 {
				n = min(n, int(sizes[i%len(sizes)]))
			}
			next = Mask(key, next, rest[:n])
			rest = rest[n:]
		}
		if !bytes.Equal(got, want) || len(data) > 0 && next != (int(pos)+len(data))%4 {
			t.Fatalf("pos %d, sizes %v: next %d\n got % x\nwant % x", pos, sizes, next, got, want)
		}
		copied := make([]byte, len(data))
		if MaskCopy(copied, data, key, int(pos)); !bytes.Equal(copied, want) {
			t.Fatalf("pos %d: a masked copy\n got % x\nwant % x", pos, copied, want)
		}
		Mask(key, int(pos), got)
		if !bytes.Equal(got, data) {
			t.Fatal("masking twice does not restore the payload")
		}
	})
}

// maskWords is the usual loop of one word a round, to compare with.
func maskWords(key [4]byte, pos int, b []byte) int {
	next := (pos + len(b)) % 4
	var turned [8]byte
	for i := range turned {
		turned[i] = key[(pos+i)%4]
	}
	k := binary.LittleEndian.Uint64(turned[:])
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= turned[i]
	}
	return next
}

// payloads hands out stretches of memory in turn: one that was written a moment
// ago cannot be read again as fast as one that arrived.
type payloads struct {
	memory []byte
	at     int
}

func newPayloads(size int) *payloads { return &payloads{memory: pattern(8<<10 + size)} }

func (p *payloads) take(n int) []byte {
	p.at = (p.at + 192) & (8<<10 - 1)
	return p.memory[p.at : p.at+n]
}

var masks = []struct {
	name string
	mask func([4]byte, int, []byte) int
}{{"ours", Mask}, {"word", maskWords}}

func BenchmarkMask(b *testing.B) {
	for _, size := range []int{2, 5, 8, 11, 20, 32, 125, 1 << 10, 16 << 10, 1 << 20} {
		p := newPayloads(size)
		for _, loop := range masks {
			b.Run(fmt.Sprintf("%d/%s", size, loop.name), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					loop.mask(testKey, 1, p.take(size))
				}
			})
		}
	}
	// Sizes below 128 bytes that follow no pattern, as traffic does not.
	p := newPayloads(128)
	random := rand.New(rand.NewPCG(1, 2))
	sizes := make([]int, 8<<10)
	for i := range sizes {
		sizes[i] = random.IntN(128)
	}
	for _, loop := range masks {
		b.Run("mixed/"+loop.name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				i = (i + 1) & (len(sizes) - 1)
				loop.mask(testKey, 1, p.take(sizes[i]))
			}
		})
	}
}
