package wsproto

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	blockSize = 64

	// contextSize is how many bytes before a byte decide whether it may stand
	// where it stands: a character has at most four.
	contextSize = 3

	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte

	// contextErrors has the bits of blockErrors for a block's first three bytes.
	contextErrors = 0x80 | 0x80<<8 | 0x80<<16
)

// validStart reports whether p, which begins where a character begins, begins a
// valid text, of which the bytes from whole on need not be checked: what is
// checked too must be right as far as it goes. Before whole a character ends.
//
// The standard library takes a branch or two for each character. In natural
// text the processor cannot foresee them, and one that it has guessed wrong
// costs more than the character: 0.7 to 1.2 GB/s, whatever the script. Here a
// block of 64 bytes costs the same whatever is in it, and ASCII is passed over
// as fast as there (BenchmarkUTF8).
func validStart(p []byte, whole int) bool {
	switch {
	case len(p) >= blockSize:
		return validBlocks(p)
	case whole >= 16:
		return validShort(p[:whole])
	case whole >= 8 && (word(p)|word(p[whole-8:]))&highBits == 0:
		return true
	}
	return utf8.Valid(p[:whole])
}

// validBlocks reports whether p, a block and more, begins a valid text. Its end
// may cut a character off, which is right as far as it goes.
//
// A block that does not begin with a character begins with three bytes of the
// block before it, which are valid already and are there to judge the others
// by. That makes blocks independent of each other: the processor works on the
// next one before it has finished this one, which carrying an open character
// over, or looking for the next place to begin, would prevent.
func validBlocks(p []byte) bool {
	last := (*[blockSize]byte)(p[len(p)-blockSize:])
	known := uint64(0) // errors of the next block that are none
	for len(p) > blockSize {
		if (high32(p)|high32(p[32:]))&highBits == 0 {
			p, known = p[blockSize:], 0
			continue
		}
		if blockErrors((*[blockSize]byte)(p))&^known != 0 {
			return false
		}
		p, known = p[blockSize-contextSize:], contextErrors
	}
	// The last block ends with the text. It overlaps what is checked already;
	// that begins with ASCII, or known excuses the bytes that it begins with.
	ascii := (high32(last[:])|high32(last[32:]))&highBits == 0
	return ascii || blockErrors(last)&^known == 0
}

// validShort reports whether p, of 16 to 63 bytes, is valid UTF-8. Zeros make a
// block of a text that is not ASCII. It is filled word by word because a block
// that was filled by copy is read back before the processor can join what copy
// wrote, which took as long again as the check. Below 16 bytes the standard
// library is quicker.
func validShort(p []byte) bool {
	n := len(p)
	first, last := (*[16]byte)(p), (*[16]byte)(p[n-16:])
	le := binary.LittleEndian
	var block [blockSize]byte
	le.PutUint64(block[0:], word(first[0:8]))
	le.PutUint64(block[8:], word(first[8:16]))
	// For ASCII the two ends are looked at, which overlap or meet.
	if n < 32 {
		if (word(first[0:8])|word(first[8:16])|word(last[0:8])|word(last[8:16]))&highBits == 0 {
			return true
		}
	} else if (high32(p)|high32(p[n-32:]))&highBits == 0 {
		return true
	}
	for i := 16; i < n&^7; i += 8 {
		le.PutUint64(block[i&56:], word(p[i:]))
	}
	if n&7 != 0 {
		// The end of the last eight bytes, moved to the start of the word.
		le.PutUint64(block[n&56:], word(last[8:])>>(8*(-n&7)))
	}
	return blockErrors(&block) == 0
}

// high32 returns a word that has a bit of highBits set if the first 32 bytes of
// p are not ASCII.
func high32(p []byte) uint64 {
	_ = p[:32]
	return word(p[0:8]) | word(p[8:16]) | word(p[16:24]) | word(p[24:32])
}

func word(p []byte) uint64 { return binary.LittleEndian.Uint64(p) }
