package wsproto

import (
	"encoding/binary"
	"math"
)

// MaxHeaderSize is the size in bytes of the largest frame header: two bytes,
// an eight-byte length and a four-byte masking key (RFC 6455, 5.2).
const MaxHeaderSize = 14

// MaxControlPayload is the largest payload of a control frame in bytes
// (RFC 6455, 5.5).
const MaxControlPayload = 125

// The bits of a frame's first byte beside the opcode (RFC 6455, 5.2).
const (
	finBit  = 0x80
	rsvBits = 0x70
	maskBit = 0x80 // of the second byte

	// RSV1 is the first reserved bit, where the first byte has it.
	RSV1 = 0x40
)

// Header is a frame header (RFC 6455, 5.2). The zero value is an empty,
// unmasked continuation frame that is not final.
type Header struct {
	Fin    bool
	RSV    byte // reserved bits where the first byte has them: RSV1, 0x20, 0x10
	Opcode Opcode
	Masked bool
	Key    [4]byte // zero when not masked
	Length int64   // payload bytes, never negative
}

// ParseHeader reads a header from the start of b. It returns the number of
// bytes that the header takes; n is zero while b holds only a part of it.
//
// An error is a *ProtocolError: the length is not in its shortest form, or has
// its top bit set (RFC 6455, 5.2). Whether the frame is allowed at this place
// is not judged here; see [Decoder].
func ParseHeader(b []byte) (h Header, n int, err error) {
	if len(b) < 2 {
		return Header{}, 0, nil
	}
	h.Fin = b[0]&finBit != 0
	h.RSV = b[0] & rsvBits
	h.Opcode = Opcode(b[0] & 0x0f)
	h.Masked = b[1]&maskBit != 0
	h.Length = int64(b[1] & 0x7f)

	n = 2
	switch h.Length {
	case 126:
		if len(b) < 4 {
			return h, 0, nil
		}
		h.Length, n = int64(binary.BigEndian.Uint16(b[2:])), 4
		if h.Length < 126 {
			return h, 0, errNotMinimal
		}
	case 127:
		if len(b) < 10 {
			return h, 0, nil
		}
		length := binary.BigEndian.Uint64(b[2:])
		if length > math.MaxInt64 {
			return h, 0, errLengthSign
		}
		h.Length, n = int64(length), 10
		if length <= math.MaxUint16 {
			return h, 0, errNotMinimal
		}
	}
	if h.Masked {
		if len(b) < n+4 {
			return h, 0, nil
		}
		h.Key = [4]byte(b[n:])
		n += 4
	}
	return h, n, nil
}

// AppendHeader appends h in wire form, with the shortest length encoding, and
// returns the extended slice. A negative length counts as zero.
func AppendHeader(dst []byte, h Header) []byte {
	first := byte(h.Opcode) | h.RSV
	if h.Fin {
		first |= finBit
	}
	var second byte
	if h.Masked {
		second = maskBit
	}
	switch length := uint64(max(h.Length, 0)); {
	case length <= 125:
		dst = append(dst, first, second|byte(length))
	case length <= math.MaxUint16:
		dst = append(dst, first, second|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(length))
	default:
		dst = append(dst, first, second|127)
		dst = binary.BigEndian.AppendUint64(dst, length)
	}
	if h.Masked {
		dst = append(dst, h.Key[:]...)
	}
	return dst
}

// HoldsFrame reports whether b begins with a whole frame, or with bytes that are
// no header.
func HoldsFrame(b []byte) bool {
	h, n, err := ParseHeader(b)
	return err != nil || (n > 0 && h.Length <= int64(len(b)-n))
}
