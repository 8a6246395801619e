// Package frametest writes and reads frames on streams that are no net.Conn: for tests of
// what carries WebSockets over HTTP/2 and HTTP/3. It does not use the code that it tests,
// and takes no frame for a bad one. Tests that have a net.Conn want wstest.
package frametest

import (
	"encoding/binary"
	"io"
)

// Masked returns a client's frame, with a key of zeros: first is the byte with FIN and the
// opcode (RFC 6455, 5.2).
func Masked(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// Read reads a server's frame, which has no mask. The error is that of r: io.EOF only where
// no byte of a frame has come.
func Read(r io.Reader) (first byte, payload string, err error) {
	var head [10]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, "", err
	}
	first, n := head[0], uint64(head[1])
	if form := map[uint64]int{126: 2, 127: 8}[n]; form > 0 {
		if _, err := io.ReadFull(r, head[10-form:]); err != nil {
			return first, "", inside(err)
		}
		clear(head[2 : 10-form])
		n = binary.BigEndian.Uint64(head[2:])
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(n))) //nolint:gosec // a test's
	if err == nil && uint64(len(b)) < n {
		err = io.ErrUnexpectedEOF
	}
	return first, string(b), err
}

// inside is the error of a stream that has ended within a frame.
func inside(err error) error {
	if err == io.EOF { //nolint:errorlint // ReadFull's own
		return io.ErrUnexpectedEOF
	}
	return err
}

// Code is the payload of a Close frame.
func Code(n int) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(n))) //nolint:gosec // two bytes
}
