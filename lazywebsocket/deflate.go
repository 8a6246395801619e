package lazywebsocket

import (
	"sync"
	"sync/atomic"

	"golazy.dev/lazywebsocket/internal/wsdeflate"
	"golazy.dev/lazywebsocket/internal/wsproto"
)

// deflate is the sending half of permessage-deflate. Inside the write gate, but
// for the switches of the application.
type deflate struct {
	out     *wsdeflate.Deflater
	bits    int // of the window that the peer has
	minSize int
	off     atomic.Bool  // EnableWriteCompression(false)
	level   atomic.Int32 // of the messages that follow
}

// compresses reports whether a message of n bytes is worth compressing.
func (c *Conn) compresses(n int) bool {
	d := c.w.deflate
	return d != nil && !d.off.Load() && d.level.Load() != 0 && n >= d.minSize
}

// learnCost is what a message may grow by, in bytes, to be in the windows: the
// header of a stored block, with a little to spare.
const learnCost = 8

// pack makes the only frame of a data message a compressed one, if that is
// wanted and makes it smaller. The scratch is to be given back after the write,
// and the window told; it is nil where nothing was compressed. Inside the write
// gate.
func (c *Conn) pack(f *frame) *scratch {
	if !c.compresses(len(f.payload)) {
		return nil
	}
	d := c.w.deflate
	s := borrowScratch()
	s.b = d.append(s.b, f.payload)
	packed := s.b[:len(s.b)-wsdeflate.SyncMarker]
	// Sent as it is, no window has it: the next message that resembles it would
	// not shrink either. A few bytes are worth that.
	most := len(f.payload) - 1
	if d.out.Learns(len(f.payload)) {
		most = len(f.payload) + learnCost
	}
	if len(packed) > most {
		s.giveBack()
		return nil
	}
	f.rsv, f.payload = wsproto.RSV1, packed
	return s
}

// packPiece compresses a frame of a message in several. Each but the last keeps
// its sync marker, so that the peer can inflate all of it at once; the last one
// leaves it out (RFC 7692, 7.2.1), and is one byte if nothing is left to say.
func (c *Conn) packPiece(f *frame) *scratch {
	if f.op != wsproto.Continuation {
		f.rsv = wsproto.RSV1
	}
	s := borrowScratch()
	s.b = c.w.deflate.append(s.b, f.payload)
	if f.payload = s.b; f.fin {
		f.payload = s.b[:len(s.b)-wsdeflate.SyncMarker]
	}
	return s
}

func (d *deflate) append(dst, p []byte) []byte {
	return d.out.Append(dst, p, int(d.level.Load()))
}

// scratch is where a message is compressed to. It grows to what messages need
// and is kept up to maxScratch.
type scratch struct{ b []byte }

const maxScratch = 2 << 20

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func borrowScratch() *scratch { return scratches.Get().(*scratch) }

func (s *scratch) giveBack() {
	if s == nil {
		return
	}
	overwrite(s.b)
	s.b = s.b[:0]
	if cap(s.b) <= maxScratch {
		scratches.Put(s)
	}
}
