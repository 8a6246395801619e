package wsproto

import (
	"encoding/binary"
	"math/bits"
)

// Mask applies a masking key to b in place; applying it twice restores b
// (RFC 6455, 5.3). The first byte of b is masked with key[pos&3]; the returned
// position is where the next byte of the same payload goes on.
//
// It works on 64 bytes a round, as eight words whose bounds are checked once:
// from 1 KiB on about twice the speed of one word a round (BenchmarkMask).
func Mask(key [4]byte, pos int, b []byte) int {
	next := (pos + len(b)) & 3
	k32 := bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(pos&3))
	k := uint64(k32)<<32 | uint64(k32)
	for len(b) >= 64 {
		w := (*[64]byte)(b)
		maskWord(w[0:8], k)
		maskWord(w[8:16], k)
		maskWord(w[16:24], k)
		maskWord(w[24:32], k)
		maskWord(w[32:40], k)
		maskWord(w[40:48], k)
		maskWord(w[48:56], k)
		maskWord(w[56:64], k)
		b = b[64:]
	}
	for len(b) >= 8 {
		maskWord(b[:8], k)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(k >> (8 * i)) //nolint:gosec // the lowest byte is wanted
	}
	return next
}

func maskWord(w []byte, k uint64) {
	binary.LittleEndian.PutUint64(w, binary.LittleEndian.Uint64(w)^k)
}
