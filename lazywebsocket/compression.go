package lazywebsocket

import (
	"compress/flate"
	"fmt"
	"math/bits"

	"golazy.dev/lazywebsocket/internal/wsdeflate"
)

// CompressionOptions say how permessage-deflate (RFC 7692) is used where
// EnableCompression asks for it. The zero value is the default in every field.
//
// Compressed text beside secrets can give them away: who can choose a part of a
// message, and see how large it becomes, can guess the rest of it and of the
// messages before it (CRIME, BREACH). Send messages that carry secrets with
// EnableWriteCompression(false).
type CompressionOptions struct {
	// Level is the compressor's, from 1 (fastest) to 9 (smallest), or -2 for
	// Huffman coding alone. If zero, 1, which runs without a compressor's state;
	// the others borrow a compressor of up to a megabyte while a message is
	// written. See Conn.SetCompressionLevel.
	Level int

	// MinSize is the smallest message in bytes that is compressed. If zero, 64.
	// If negative, all are. A message that does not become smaller goes as it is, unless
	// the next ones could refer to it: it may grow by a few bytes then.
	MinSize int

	// DisableTakeover compresses each message by itself: larger on the wire, and
	// no memory held between messages.
	DisableTakeover bool

	// WindowBits bounds the windows of both directions to 1<<WindowBits bytes,
	// 9 to 15. If zero, MemoryPerConn alone does. Windows of 8 bits are taken from
	// a peer that asks for them, but not asked for: zlib has none.
	WindowBits int

	// MemoryPerConn is the most memory in bytes that a connection holds for
	// compression between messages: a window for each direction, which lets a
	// message refer back to those before it. If zero, 6144: 4096 to receive with,
	// 2048 to send with. Level 1 sends with at most 8192, beyond which it gains
	// nothing. A peer that cannot be held to a window that fits is asked to go
	// without; below 767, too little for 512 to receive with, both sides do.
	MemoryPerConn int
}

const (
	defaultCompressMin    = 64
	defaultCompressMemory = 6 << 10
	defaultCompressLevel  = 1
)

// policy is what the options want of a negotiation. The receiving window has the
// power of two that two thirds of the memory hold, the sending window the rest: a
// byte of the first costs no time, one of the second has to be indexed anew for
// every message.
func (o CompressionOptions) policy() wsdeflate.Policy {
	memory := orDefault(o.MemoryPerConn, defaultCompressMemory)
	window := wsdeflate.MaxWindowBits
	if o.WindowBits != 0 {
		window = min(max(o.WindowBits, wsdeflate.MinWindowBits), wsdeflate.MaxWindowBits)
	}
	budget := memory - memory/3
	receive := min(window, bits.Len(uint(budget))-1)
	takeover := !o.DisableTakeover && receive >= minTakeoverBits
	if !takeover {
		receive = window // nothing of it is held between messages
	}
	return wsdeflate.Policy{
		SendTakeover:      takeover,
		ReceiveTakeover:   takeover,
		SendWindowBits:    window,
		ReceiveWindowBits: max(receive, minTakeoverBits),
		ReceiveBudget:     budget,
	}
}

// minTakeoverBits is the smallest window worth having, and the smallest that
// zlib can be asked for.
const minTakeoverBits = 9

// compress switches compression on, as it was agreed.
func (c *Conn) compress(o CompressionOptions, a wsdeflate.Agreement) {
	memory := orDefault(o.MemoryPerConn, defaultCompressMemory)
	if a.ReceiveTakeover {
		memory -= 1 << max(a.ReceiveWindowBits, minTakeoverBits)
	}
	level := o.Level
	if level == 0 || level < flate.HuffmanOnly || level > flate.BestCompression {
		level = defaultCompressLevel
	}
	if level == defaultCompressLevel {
		memory = min(memory, wsdeflate.StatelessWindow)
	}
	d := &deflate{
		out:  wsdeflate.NewDeflater(a.SendTakeover, a.SendWindowBits, memory),
		bits: a.SendWindowBits,
	}
	d.level.Store(int32(level))
	d.minSize = o.MinSize
	if o.MinSize == 0 {
		d.minSize = defaultCompressMin
	}
	c.w.deflate = d
	c.r.inflate = &inflate{in: wsdeflate.NewInflater(a.ReceiveTakeover, a.ReceiveWindowBits)}
	c.r.dec.Deflate = true
}

// EnableWriteCompression switches compression of the messages that follow on or
// off; it is on at first. Where compression was not negotiated it does nothing.
func (c *Conn) EnableWriteCompression(enable bool) {
	if c.w.deflate != nil {
		c.w.deflate.off.Store(!enable)
	}
}

// SetCompressionLevel sets the level for the messages that follow, from -2
// (Huffman coding alone) to 9; 0 sends them as they are, -1 is the compressor's
// own default. Another level is an *OpError. Where compression was not
// negotiated it does nothing else.
func (c *Conn) SetCompressionLevel(level int) error {
	if level < flate.HuffmanOnly || level > flate.BestCompression {
		return &OpError{Op: "set compression level", Err: fmt.Errorf("level %d is not in -2 to 9", level)}
	}
	if c.w.deflate != nil {
		c.w.deflate.level.Store(int32(level))
	}
	return nil
}
