// Package wire is as much of the WebSocket protocol (RFC 6455 and RFC 7692) as
// the benchmark's client and its reference server need: frames, and messages
// compressed by a live compressor. It trusts its peer.
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// Opcodes (RFC 6455, 5.2).
const (
	Continuation = 0x0
	Text         = 0x1
	Close        = 0x8
)

const (
	finBit  = 0x80
	rsv1Bit = 0x40
	maskBit = 0x80
)

// maxPayload bounds what is read of one message.
const maxPayload = 1 << 20

// Message is a message as it came: its payload is not inflated.
type Message struct {
	Compressed bool
	Payload    []byte // Valid until the next read.
	Size       int    // Bytes on the wire, headers included.
}

// ErrClosed says that the peer has sent a Close frame.
var ErrClosed = errors.New("wire: closed by the peer")

// ReadMessage reads the frames of one message. It appends the payload to dst,
// unmasked.
func ReadMessage(r *bufio.Reader, dst []byte) (Message, error) {
	m := Message{Payload: dst}
	for first := true; ; first = false {
		fin, err := readFrame(r, &m, first)
		if err != nil || fin {
			return m, err
		}
	}
}

func readFrame(r *bufio.Reader, m *Message, first bool) (fin bool, err error) {
	var h [14]byte
	if _, err := io.ReadFull(r, h[:2]); err != nil {
		return false, err
	}
	op := h[0] & 0xf
	switch {
	case op == Close:
		return false, ErrClosed
	case first && op == Continuation, !first && op != Continuation, op > Text+1:
		return false, errors.New("wire: unexpected frame")
	}
	if first {
		m.Compressed = h[0]&rsv1Bit != 0
	}
	n, rest := int(h[1]&^maskBit), 0
	switch n {
	case 126:
		rest = 2
	case 127:
		rest = 8
	}
	size := rest
	if h[1]&maskBit != 0 {
		rest += 4
	}
	if _, err := io.ReadFull(r, h[2:2+rest]); err != nil {
		return false, err
	}
	switch size {
	case 2:
		n = int(binary.BigEndian.Uint16(h[2:]))
	case 8:
		n = int(min(binary.BigEndian.Uint64(h[2:]), maxPayload+1))
	}
	if n+len(m.Payload) > maxPayload {
		return false, errors.New("wire: message too large")
	}
	start := len(m.Payload)
	m.Payload = append(m.Payload, make([]byte, n)...)
	if _, err := io.ReadFull(r, m.Payload[start:]); err != nil {
		return false, err
	}
	if h[1]&maskBit != 0 {
		unmask(m.Payload[start:], h[2+size:2+rest])
	}
	m.Size += 2 + rest + n
	return h[0]&finBit != 0, nil
}

func unmask(p, key []byte) {
	for len(p) >= 8 {
		k := uint64(binary.LittleEndian.Uint32(key))
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^(k|k<<32))
		p = p[8:]
	}
	for i := range p {
		p[i] ^= key[i&3]
	}
}

// AppendFrame appends a text message of one frame to dst. A key that is not nil
// masks it (RFC 6455, 5.3).
func AppendFrame(dst, payload []byte, compressed bool, key []byte) []byte {
	first := byte(finBit | Text)
	if compressed {
		first |= rsv1Bit
	}
	var mask byte
	if key != nil {
		mask = maskBit
	}
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, first, mask|byte(n))
	case n < 1<<16:
		dst = append(dst, first, mask|126, byte(n>>8), byte(n)) //nolint:gosec // the two bytes of n
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, mask|127), uint64(n))
	}
	dst = append(dst, key...)
	start := len(dst)
	dst = append(dst, payload...)
	if key != nil {
		unmask(dst[start:], key)
	}
	return dst
}
