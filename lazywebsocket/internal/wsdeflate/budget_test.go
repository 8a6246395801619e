package wsdeflate

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"
)

// A direction holds its window and nothing else, and never more than was granted.
func TestHeld(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
		for _, memory := range []int{-1, 0, 100, 3000, 4 << 10, 32 << 10} {
			d, in := NewDeflater(true, bits, memory), NewInflater(true, bits)
			for range 40 {
				m := words(r, r.IntN(3000))
				payload := sent(t, d.Append(nil, m, 1))
				d.Sent(m, true)
				if got, err := inflate(in, bytes.NewReader(payload), 900); err != nil || !bytes.Equal(got, m) {
					t.Fatal(len(got), err)
				}
			}
			if want := max(0, min(1<<bits, memory)); d.Held() != want {
				t.Errorf("%d bits, %d bytes: the sender holds %d", bits, memory, d.Held())
			}
			if want := max(512, 1<<bits); in.Held() != want {
				t.Errorf("%d bits: the receiver holds %d", bits, in.Held())
			}
			if in.m != nil {
				t.Errorf("%d bits: the receiver holds what it has borrowed", bits)
			}
		}
	}
	if n := unsafe.Sizeof(Deflater{}) + unsafe.Sizeof(Inflater{}); n > 120 {
		t.Errorf("the two directions have %d bytes beside their windows", n)
	}
}

// A short history takes little memory of a large window.
func TestHeldGrows(t *testing.T) {
	d := NewDeflater(true, 15, 32<<10)
	d.Sent([]byte("Hello"), true)
	if d.Held() > 256 {
		t.Errorf("five bytes hold %d", d.Held())
	}
}

// steady returns a message to send again and again, once everything has been
// allocated that is kept.
func steady(d *Deflater, in *Inflater, level int) (send, receive func()) {
	m := words(rand.New(rand.NewPCG(1, 1)), 700)
	dst := make([]byte, 0, 4<<10)
	src := new(bytes.Reader)
	buf := make([]byte, 512)
	send = func() {
		dst = d.Append(dst[:0], m, level)
		d.Sent(m, true)
	}
	receive = func() {
		src.Reset(dst[:len(dst)-SyncMarker])
		in.Begin(src)
		for {
			if _, err := in.Read(buf); err != nil {
				if err != io.EOF { //nolint:errorlint // io.Reader's contract is ==
					panic(err)
				}
				break
			}
		}
		in.End()
	}
	for range 60 {
		send()
		receive()
	}
	return send, receive
}

// No message allocates, but for a stateless compressor that is given a window:
// it puts the two together first.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		return // sync.Pool throws things away on purpose
	}
	for _, takeover := range []bool{true, false} {
		for _, bits := range []int{8, 12, 15} {
			for level := minLevel; level <= maxLevel; level++ {
				d, in := NewDeflater(takeover, bits, 4<<10), NewInflater(takeover, bits)
				send, receive := steady(d, in, level)
				want := 0.0
				if takeover && d.stateless(700, level) {
					want = 1
				}
				if n := testing.AllocsPerRun(200, send); n > want {
					t.Errorf("takeover %v, %d bits, level %d: %v allocations to send", takeover, bits, level, n)
				}
				// The sender has moved on: what is received is one message again and
				// again, which does not look back.
				d.win.drop()
				send()
				d.win.drop()
				if n := testing.AllocsPerRun(200, receive); n > 0 {
					t.Errorf("takeover %v, %d bits, level %d: %v allocations to receive", takeover, bits, level, n)
				}
			}
		}
	}
}

// The same for messages that are sent in pieces.
func TestAllocationsOfPieces(t *testing.T) {
	if raceEnabled {
		return // sync.Pool throws things away on purpose
	}
	m := words(rand.New(rand.NewPCG(1, 1)), 300)
	dst := make([]byte, 0, 4<<10)
	for _, takeover := range []bool{true, false} {
		for _, bits := range []int{8, 15} {
			d := NewDeflater(takeover, bits, 32<<10)
			send := func() {
				for i := range 5 {
					dst = d.Append(dst[:0], m, 5)
					d.Sent(m, i == 4)
				}
			}
			for range 30 {
				send()
			}
			if n := testing.AllocsPerRun(100, send); n > 0 {
				t.Errorf("takeover %v, %d bits: %v allocations", takeover, bits, n)
			}
		}
	}
}

// What is borrowed for a message, and pooled: so much exists for each message
// that is open at the same time, and not for each connection.
func TestPooledMemory(t *testing.T) {
	for _, test := range []struct {
		name string
		make func() any
		most int // KiB
	}{
		{"inflation", inflations.New, 44},
		{"level -2", compressor(-2, 15), 330},
		{"level 0", compressor(0, 15), 370},
		{"level 5", compressor(5, 15), 1100},
		{"level 6", compressor(6, 15), 1100},
		{"level 9", compressor(9, 15), 1450},
		{"window of 8 bits", compressor(5, 8), 1100},
		{"window of 14 bits", compressor(5, 14), 1100},
	} {
		const n = 8
		var all [n]any
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range all {
			all[i] = test.make()
		}
		runtime.ReadMemStats(&after)
		size := int(after.TotalAlloc-before.TotalAlloc) / n / 1024
		t.Logf("%s: %d KiB", test.name, size)
		if size > test.most {
			t.Errorf("%s: %d KiB are borrowed, more than %d", test.name, size, test.most)
		}
		runtime.KeepAlive(all)
	}
}

// compressor makes one that has been used.
func compressor(level, bits int) func() any {
	m := words(rand.New(rand.NewPCG(1, 1)), 1000)
	return func() any {
		w := newWriter(level, bits)
		w.ResetDict(io.Discard, m)
		_, _ = w.Write(m)
		_ = w.Flush()
		return w
	}
}

func BenchmarkMessage(b *testing.B) {
	for _, level := range []int{1, 5, 9} {
		for _, memory := range []int{0, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 32 << 10} {
			d, in := NewDeflater(memory > 0, 15, memory), NewInflater(memory > 0, 15)
			send, _ := steady(d, in, level)
			b.Run(fmt.Sprintf("send/level=%d/memory=%d", level, memory), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					send()
				}
			})
		}
	}
	for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
		d, in := NewDeflater(false, bits, 0), NewInflater(true, bits)
		_, receive := steady(d, in, 1)
		b.Run(fmt.Sprintf("receive/bits=%d", bits), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				receive()
			}
		})
	}
}
