package servers

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"net"
	"slices"

	"golazy.dev/bench/field/scenario"
)

const (
	wholePattern = 4 << 10 // bytes from which a pattern of the key pays
	patternSize  = 1 << 10
)

// appendXOR appends p, masked with key, to out.
func appendXOR(out, p, key []byte) []byte {
	at := len(out)
	out = slices.Grow(out, len(p))[:at+len(p)]
	to := out[at:]
	if len(p) >= wholePattern {
		pattern := bytes.Repeat(key, patternSize/len(key))
		for len(p) > 0 {
			n := subtle.XORBytes(to, p, pattern)
			to, p = to[n:], p[n:]
		}
		return out
	}
	k := uint64(binary.LittleEndian.Uint32(key))
	k |= k << 32
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(p)^k)
		to, p = to[8:], p[8:]
	}
	for i := range p {
		to[i] = p[i] ^ key[i&3]
	}
	return out
}

// floorQueue hands answers to a goroutine that writes all that has queued at
// once.
type floorQueue chan []byte

func newFloorQueue(nc net.Conn) floorQueue {
	q := make(floorQueue, scenario.QueueLength)
	go func() {
		var out []byte
		for frame := range q {
			out = append(out[:0], frame...)
			for range len(q) {
				out = append(out, <-q...)
			}
			_, _ = nc.Write(out) // the reader sees the end
		}
	}()
	return q
}

// Write queues the frames of out one by one.
func (q floorQueue) Write(out []byte) (int, error) {
	for rest := out; len(rest) > 0; {
		n := answerSize(rest)
		q <- bytes.Clone(rest[:n])
		rest = rest[n:]
	}
	return len(out), nil
}

// publisher writes the frames of a publication to everyone.
type publisher struct{ server *floorServer }

func (p publisher) Write(out []byte) (int, error) {
	for rest := out; len(rest) > 0; {
		n := answerSize(rest)
		for range scenario.Copies(rest[n-payloadSize(rest):]) {
			p.server.room.each(func(nc net.Conn) error {
				_, err := nc.Write(rest[:n])
				return err
			})
		}
		rest = rest[n:]
	}
	return len(out), nil
}

// answerSize is the size of the first frame of a server's.
func answerSize(b []byte) int {
	size := payloadSize(b)
	switch b[1] & 0x7f {
	case 126:
		return 4 + size
	case 127:
		return 10 + size
	}
	return 2 + size
}

func payloadSize(b []byte) int {
	switch size := int(b[1] & 0x7f); size {
	case 126:
		return int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return int(binary.BigEndian.Uint64(b[2:])) //nolint:gosec // our own client's
	default:
		return size
	}
}
