package wsdeflate

import (
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// SyncMarker is the size of what Append ends with: an empty stored block.
const SyncMarker = len(syncMarker)

// StatelessWindow is how much of the window level 1 looks back to, in bytes.
const StatelessWindow = 8 << 10

// Deflater is the sending direction of a connection: it compresses messages,
// each in one piece or in several. It is for one goroutine at a time.
type Deflater struct {
	win      window
	takeover bool
	bits     int
	lent     *[1 << MaxWindowBits]byte // without takeover, the window of an open message
}

// NewDeflater returns the sending direction. It keeps at most memory bytes of
// window, or none between messages without takeover.
func NewDeflater(takeover bool, bits, memory int) *Deflater {
	d := &Deflater{takeover: takeover, bits: bits}
	d.win.size = min(1<<bits, memory)
	return d
}

// Append compresses p as the next piece of the open message, at a level from -2
// to 9, and appends it to dst. The piece ends with a sync marker of four bytes,
// which a sender leaves out at the end of the message (RFC 7692, 7.2.1). The
// window is as it was until Sent tells of the piece: one that turned out too
// large is not sent.
//
// Level 1 borrows no compressor: it runs without state on the window's last
// StatelessWindow bytes.
func (d *Deflater) Append(dst, p []byte, level int) []byte {
	out := sinks.Get().(*sink)
	out.b = dst
	d.compress(out, p, level)
	dst = out.b
	out.b = nil
	sinks.Put(out)
	return dst
}

// compress writes p, compressed, with a sync marker behind it. A sink cannot
// fail.
func (d *Deflater) compress(out *sink, p []byte, level int) {
	dict := d.win.b
	if d.stateless(len(p), level) {
		if d.bits < MaxWindowBits {
			// It knows no window: all that it has must lie in one.
			dict = dict[max(len(dict)+len(p)-1<<d.bits, 0):]
		}
		_ = flate.StatelessDeflate(out, p, false, dict)
		return
	}
	w, pool := borrowWriter(level, d.bits)
	// It keeps the sink and the dictionary until it is borrowed again, without
	// using them: a second reset would cost levels 7 to 9 as much as a message.
	w.ResetDict(out, dict)
	_, _ = w.Write(p)
	_ = w.Flush()
	pool.Put(w)
}

// statelessMin is the length below which the compressors of levels 1 to 6, and
// those with small windows, do not look for matches at all.
const statelessMin = 128

// stateless reports whether n bytes are compressed without a compressor.
func (d *Deflater) stateless(n, level int) bool {
	switch {
	case matchless(level):
		return false
	case d.bits < MaxWindowBits:
		return n < statelessMin || level == 1 && n <= 1<<d.bits/2
	default:
		return level == 1 || n < statelessMin && level < 7
	}
}

// matchless reports whether a level uses no window.
func matchless(level int) bool { return level == flate.NoCompression || level == flate.HuffmanOnly }

// Sent adds the plain text of what was sent compressed to the window, also when
// somebody else has compressed it: a message prepared for many connections.
//
// Last says that the message ends with it: without takeover nothing is left.
func (d *Deflater) Sent(p []byte, last bool) {
	if !d.takeover {
		if last {
			d.giveBack()
			return
		}
		d.borrow()
	}
	d.win.add(p)
}

// borrow gets, without takeover, a window for the pieces of one message.
func (d *Deflater) borrow() {
	if d.lent == nil && d.win.size > 0 {
		d.lent = windows.Get().(*[1 << MaxWindowBits]byte)
		d.win.b = d.lent[:0:d.win.size]
	}
}

func (d *Deflater) giveBack() {
	if d.lent != nil {
		d.win.drop()
		windows.Put(d.lent)
		d.lent = nil
	}
}

var windows = sync.Pool{New: func() any { return new([1 << MaxWindowBits]byte) }}

// Learns reports whether a message of n bytes stays in the window whole, for
// those after it to refer to.
func (d *Deflater) Learns(n int) bool { return d.takeover && n > 0 && n <= d.win.size }

// Held returns the bytes that the direction holds.
func (d *Deflater) Held() int { return cap(d.win.b) }

// sink collects what a compressor writes.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

var sinks = sync.Pool{New: func() any { return new(sink) }}

// Compressors are pooled by what cannot be changed about them: a level, or a
// window smaller than the format's, for which klauspost/compress has one level.
const (
	minLevel = flate.HuffmanOnly
	maxLevel = flate.BestCompression
)

var (
	levelWriters  [maxLevel - minLevel + 1]sync.Pool
	windowWriters [MaxWindowBits - MinWindowBits]sync.Pool
)

// borrowWriter returns a compressor and the pool that it goes back to.
func borrowWriter(level, bits int) (*flate.Writer, *sync.Pool) {
	pool := &levelWriters[level-minLevel]
	if windowed(level, bits) {
		pool = &windowWriters[bits-MinWindowBits]
	}
	if w, ok := pool.Get().(*flate.Writer); ok {
		return w, pool
	}
	return newWriter(level, bits), pool
}

func newWriter(level, bits int) *flate.Writer {
	var w *flate.Writer
	if windowed(level, bits) {
		w, _ = flate.NewWriterWindow(io.Discard, 1<<bits) // the size is in range
	} else {
		w, _ = flate.NewWriter(io.Discard, level) // the level is in range
	}
	return w
}

// windowed reports whether a level needs to be held to a window of bits.
func windowed(level, bits int) bool { return bits < MaxWindowBits && !matchless(level) }
