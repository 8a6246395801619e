package wsdeflate

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A window is the end of what was added, and never larger than its size.
func TestWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{-1, 0, 1, 2, 255, 256, 257, 300, 3000, 4 << 10, 32 << 10} {
		w := window{size: size}
		var all []byte
		for range 300 {
			p := words(r, r.IntN([]int{2, 50, 500, 5000, 50000}[r.IntN(5)]))
			w.add(p)
			all = append(all, p...)
			want := all[len(all)-min(len(all), max(size, 0)):]
			if !bytes.Equal(w.b, want) {
				t.Fatalf("size %d: the window has %d bytes and not the last %d", size, len(w.b), len(want))
			}
			if cap(w.b) > max(size, 0) || cap(w.b) > max(256, 4*len(all)) {
				t.Fatalf("size %d: %d bytes take %d", size, len(all), cap(w.b))
			}
		}
		if w.drop(); cap(w.b) != 0 {
			t.Errorf("size %d: %d bytes are left", size, cap(w.b))
		}
	}
}
