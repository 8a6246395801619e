package wsproto

import (
	"bytes"
	"fmt"
	"testing"
)

// Every size up to 200, at every alignment, from every position, into memory of
// its own and in place: nothing around the destination changes, nor the source.
func TestMaskCopy(t *testing.T) {
	for size := range 201 {
		for offset := range 8 {
			for pos := range 4 {
				src := pattern(size)
				want := pattern(offset + size + 8)
				copy(want[offset:], src)
				maskBytes(testKey, pos, want[offset:offset+size])

				apart := pattern(offset + size + 8)
				next := MaskCopy(apart[offset:], src, testKey, pos)
				if !bytes.Equal(apart, want) || next != (pos+size)%4 || !bytes.Equal(src, pattern(size)) {
					t.Fatalf("size %d, offset %d, pos %d: next %d\n got % x\nwant % x\n src % x", size, offset, pos, next, apart, want, src)
				}
				place := pattern(offset + size + 8)
				copy(place[offset:], src)
				MaskCopy(place[offset:], place[offset:offset+size], testKey, pos)
				if !bytes.Equal(place, want) {
					t.Fatalf("in place, size %d, offset %d, pos %d:\n got % x\nwant % x", size, offset, pos, place, want)
				}
			}
		}
	}
}

// A destination that is too short is no place to write the half of it.
func TestMaskCopyShort(t *testing.T) {
	for _, size := range []int{1, 7, 8, 63, 64, 65, 200} {
		dst := make([]byte, size-1)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d bytes into %d: no panic", size, size-1)
				}
			}()
			MaskCopy(dst[:size-1:size-1], pattern(size), testKey, 0)
		}()
		if !bytes.Equal(dst, make([]byte, size-1)) {
			t.Errorf("%d bytes into %d: % x", size, size-1, dst)
		}
	}
}

func TestMaskCopyAllocates(t *testing.T) {
	src, dst := pattern(1000), make([]byte, 1000)
	if n := testing.AllocsPerRun(100, func() { MaskCopy(dst, src, testKey, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkMaskCopy against a copy that is masked then.
func BenchmarkMaskCopy(b *testing.B) {
	for _, size := range []int{5, 20, 125, 1 << 10, 16 << 10, 64 << 10} {
		p := newPayloads(size)
		dst := make([]byte, 14+size)[14:] // behind a header
		b.Run(fmt.Sprintf("%d/ours", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				MaskCopy(dst, p.take(size), testKey, 1)
			}
		})
		b.Run(fmt.Sprintf("%d/copy+mask", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				Mask(testKey, 1, dst[:copy(dst, p.take(size))])
			}
		})
	}
}
