package wstest

import (
	"encoding/binary"
	"errors"
)

// unmasker turns a client's stream of frames into the same frames unmasked.
type unmasker struct {
	header []byte // of the frame that begins
	key    [4]byte
	pos    int
	rest   uint64 // payload bytes to come
}

var errNotMasked = errors.New("received a frame from a client without a mask")

// add unmasks b, which may end anywhere, and appends it to dst.
func (u *unmasker) add(dst, b []byte) ([]byte, error) {
	for _, c := range b {
		if u.rest > 0 {
			dst = append(dst, c^u.key[u.pos&3])
			u.pos++
			u.rest--
			continue
		}
		u.header = append(u.header, c)
		if len(u.header) < 2 {
			continue
		}
		if u.header[1]&0x80 == 0 {
			return dst, errNotMasked
		}
		size := 2 + map[byte]int{126: 2, 127: 8}[u.header[1]&0x7f]
		if len(u.header) == size+4 {
			dst = u.begin(dst, u.header[:size])
		}
	}
	return dst, nil
}

// begin appends a whole header, without its mask, and takes the key that is
// behind it.
func (u *unmasker) begin(dst, header []byte) []byte {
	u.key, u.pos = [4]byte(u.header[len(header):]), 0
	header[1] &= 0x7f
	switch u.rest = uint64(header[1]); u.rest {
	case 126:
		u.rest = uint64(binary.BigEndian.Uint16(header[2:]))
	case 127:
		u.rest = binary.BigEndian.Uint64(header[2:])
	}
	u.header = u.header[:0]
	return append(dst, header...)
}
