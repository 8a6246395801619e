package wsproto

import "math"

// Role is the side of a connection that an endpoint plays.
type Role byte

// The two roles. A server receives masked frames and sends plain ones; a
// client the other way round (RFC 6455, 5.1).
const (
	Server Role = iota
	Client
)

// Frame is what Decoder.Next found: an accepted frame, whose payload follows.
type Frame struct {
	Opcode  Opcode // of the message, for a continuation frame too
	Fin     bool   // the message's last frame; always set on a control frame
	Control bool
	Length  int64 // payload bytes
}

// Decoder judges the frames that one endpoint receives (RFC 6455, 5, 7 and 8).
// It has a few bytes of state and no buffer. A driver calls Next while
// Remaining is zero, then hands the payload to Payload in pieces of any size,
// and so on; an empty frame needs no call of Payload.
//
// The zero value is a server's decoder without limits. An error is a
// *ProtocolError and final: the decoder must not be used after it.
type Decoder struct {
	// Limit is the largest message in payload bytes; zero or less is no limit.
	// It may change between messages.
	Limit int64
	// MaxFragments is the largest number of frames of one message; zero or less
	// is no limit.
	MaxFragments int32
	// Role is the side that receives.
	Role Role
	// Deflate says that permessage-deflate was negotiated (RFC 7692): the first
	// frame of a message may have RSV1, and its payload is compressed then. The
	// driver inflates it and hands the text to Inflated and EndInflated, which
	// know the limit and UTF-8; Limit counts inflated bytes.
	Deflate bool

	maskPos   uint8
	fin       bool   // the current frame is its message's last
	control   bool   // the current frame is a control frame
	masked    bool   // the current frame is masked
	closed    bool   // a Close frame was accepted
	deflated  bool   // the open message, or the latest one, is compressed
	checkText bool   // its inflated bytes are text
	message   Opcode // the open message's opcode, Continuation when there is none
	key       [4]byte
	text      UTF8
	fragments int32
	size      int64 // payload bytes of the open message, declared so far
	inflated  int64 // bytes of it, inflated so far
	remaining int64 // payload bytes of the current frame still to come
}

// Remaining returns the payload bytes of the current frame that Payload has not
// seen yet.
func (d *Decoder) Remaining() int64 { return d.remaining }

// InMessage reports whether a data message is open: its first frame was
// accepted and its last byte has not been seen.
func (d *Decoder) InMessage() bool { return d.message != Continuation }

// MessageSize returns the payload bytes of the latest message, when it has come to its
// end: as the application sees them, inflated.
func (d *Decoder) MessageSize() int64 {
	if d.deflated {
		return d.inflated
	}
	return d.size
}

// Closed reports whether a Close frame was accepted.
func (d *Decoder) Closed() bool { return d.closed }

// Next reads and judges the header at the start of b. It returns the bytes that
// the header takes; n is zero while b holds only a part of it. What can be
// judged of a part is judged: a header that its first two bytes forbid is an
// error as soon as they are there.
func (d *Decoder) Next(b []byte) (f Frame, n int, err error) {
	h, n, err := ParseHeader(b)
	if err != nil {
		return Frame{}, 0, err
	}
	if n == 0 {
		if len(b) >= 2 {
			err = d.judge(h)
		}
		return Frame{}, 0, err
	}
	if err := d.judge(h); err != nil {
		return Frame{}, 0, err
	}
	if err := d.accept(h); err != nil {
		return Frame{}, 0, err
	}
	f = Frame{Opcode: h.Opcode, Fin: h.Fin, Control: d.control, Length: h.Length}
	if h.Opcode == Continuation {
		f.Opcode = d.message
	}
	if h.Length == 0 {
		err = d.endFrame()
	}
	return f, n, err
}

// judge checks a header without changing anything.
func (d *Decoder) judge(h Header) error {
	switch {
	case d.closed:
		return errAfterClose
	case h.RSV != 0 && !d.mayDeflate(h):
		return errRSV
	case !h.Opcode.Known():
		return errOpcode
	case h.Masked && d.Role == Client:
		return errMasked
	case !h.Masked && d.Role == Server:
		return errNotMasked
	case h.Opcode.IsControl():
		if !h.Fin {
			return errControlSplit
		}
		if h.Length > MaxControlPayload {
			return errControlSize
		}
	case h.Opcode == Continuation:
		if d.message == Continuation {
			return errNoMessage
		}
	case d.message != Continuation:
		return errInsideMessage
	}
	return nil
}

// mayDeflate reports whether the reserved bits of h say that it begins a
// compressed message, and may (RFC 7692, 6).
func (d *Decoder) mayDeflate(h Header) bool {
	return d.Deflate && h.RSV == RSV1 && (h.Opcode == Text || h.Opcode == Binary)
}

// Compressed reports whether the open message, or the latest, is compressed.
func (d *Decoder) Compressed() bool { return d.deflated }

// Inflated takes the next inflated bytes of a compressed message.
func (d *Decoder) Inflated(p []byte) error {
	d.inflated += int64(len(p))
	if d.Limit > 0 && d.inflated > d.Limit {
		return ErrTooBig
	}
	if d.checkText && !d.text.Valid(p) {
		return errText
	}
	return nil
}

// EndInflated says that a compressed message has been inflated to its end.
func (d *Decoder) EndInflated() error {
	if d.checkText && !d.text.Complete() {
		return errText
	}
	return nil
}

// wireLimit bounds the payload of the open message as it arrives. Compression
// that makes a message larger adds a few bytes to each of its blocks; a peer
// that sends much more sends empty blocks.
func (d *Decoder) wireLimit() int64 {
	switch {
	case d.Limit <= 0:
		return math.MaxInt64
	case !d.deflated:
		return d.Limit
	case d.Limit > math.MaxInt64/2:
		return math.MaxInt64
	}
	return d.Limit + d.Limit/8 + 1024
}

// accept makes a judged header the current frame.
func (d *Decoder) accept(h Header) error {
	d.control = h.Opcode.IsControl()
	if d.control {
		d.closed = h.Opcode == Close
	} else {
		if h.Opcode != Continuation {
			d.message, d.size, d.fragments = h.Opcode, 0, 0
			d.text.Reset()
			d.deflated, d.inflated = h.RSV != 0, 0
			d.checkText = d.deflated && h.Opcode == Text
		}
		// Not size+Length > limit: that sum can overflow (CVE-2020-27813).
		if h.Length > d.wireLimit()-d.size {
			return ErrTooBig
		}
		d.size += h.Length
		if d.fragments++; d.MaxFragments > 0 && d.fragments > d.MaxFragments {
			return errFragments
		}
		d.fin = h.Fin
	}
	d.remaining, d.masked, d.key, d.maskPos = h.Length, h.Masked, h.Key, 0
	return nil
}

// Payload takes the next bytes of the current frame's payload, at most
// Remaining of them, unmasks them in place, and checks text.
func (d *Decoder) Payload(p []byte) error {
	d.remaining -= int64(len(p))
	if d.masked {
		d.maskPos = uint8(Mask(d.key, int(d.maskPos), p)) //nolint:gosec // 0 to 3
	}
	if d.message == Text && !d.control && !d.deflated && !d.text.Valid(p) {
		return errText
	}
	if d.remaining == 0 {
		return d.endFrame()
	}
	return nil
}

// endFrame closes the message with its last frame.
func (d *Decoder) endFrame() error {
	if d.control || !d.fin {
		return nil
	}
	isText := d.message == Text && !d.deflated
	d.message = Continuation
	if isText && !d.text.Complete() {
		return errText
	}
	return nil
}
