package wsproto

import (
	"encoding/binary"
	"math/bits"
)

// MaskCopy writes src, masked as by Mask, to the start of dst, and returns the
// position that Mask returns. Src does not change. It panics if dst is shorter
// than src. The two must not overlap, unless they begin at the same byte.
//
// A payload that has to be copied anyway is read and written once instead of
// twice: less by an eighth at 16 KiB to a half at 20 B than copy and Mask
// (BenchmarkMaskCopy).
func MaskCopy(dst, src []byte, key [4]byte, pos int) int {
	next := (pos + len(src)) & 3
	k := maskWord(key, pos)
	dst = dst[:len(src)]
	if len(src) < 8 {
		maskShort(dst, src, k)
		return next
	}
	le := binary.LittleEndian
	last := dst[len(dst)-8:]
	lastWord := le.Uint64(src[len(src)-8:]) ^ bits.RotateLeft64(k, -8*(len(src)&3))
	for len(src) >= 64 && len(dst) >= 64 { // both: the compiler needs to be told
		s, d := (*[64]byte)(src), (*[64]byte)(dst)
		le.PutUint64(d[0:8], le.Uint64(s[0:8])^k)
		le.PutUint64(d[8:16], le.Uint64(s[8:16])^k)
		le.PutUint64(d[16:24], le.Uint64(s[16:24])^k)
		le.PutUint64(d[24:32], le.Uint64(s[24:32])^k)
		le.PutUint64(d[32:40], le.Uint64(s[32:40])^k)
		le.PutUint64(d[40:48], le.Uint64(s[40:48])^k)
		le.PutUint64(d[48:56], le.Uint64(s[48:56])^k)
		le.PutUint64(d[56:64], le.Uint64(s[56:64])^k)
		src, dst = src[64:], dst[64:]
	}
	for len(src) > 8 && len(dst) > 8 {
		le.PutUint64(dst[:8], le.Uint64(src[:8])^k)
		src, dst = src[8:], dst[8:]
	}
	le.PutUint64(last, lastWord)
	return next
}
