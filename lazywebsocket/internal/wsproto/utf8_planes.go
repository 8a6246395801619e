package wsproto

// blockErrors returns zero if no byte of the block stands where it may not, for
// a text that begins with the block and may go on behind it. Otherwise it has a
// bit for each byte that may not follow the three before it: for byte 8*w+i the
// bit 0x80>>w<<(8*i).
//
// It first turns the 64 bytes into eight words by the bits' rank, b7 to b0, with
// one bit for each byte. All bytes are then judged at once, with no branch and
// no table, in about 130 operations: RFC 3629, section 4, becomes the lines
// below. Three rounds of exchanges turn the block, of four, two and one bits.
func blockErrors(p *[blockSize]byte) uint64 {
	b7, b3 := exchange(word(p[0:8]), word(p[32:40]), 4, 0x0F*eachByte)
	b6, b2 := exchange(word(p[8:16]), word(p[40:48]), 4, 0x0F*eachByte)
	b5, b1 := exchange(word(p[16:24]), word(p[48:56]), 4, 0x0F*eachByte)
	b4, b0 := exchange(word(p[24:32]), word(p[56:64]), 4, 0x0F*eachByte)
	b7, b5 = exchange(b7, b5, 2, 0x33*eachByte)
	b6, b4 = exchange(b6, b4, 2, 0x33*eachByte)
	b3, b1 = exchange(b3, b1, 2, 0x33*eachByte)
	b2, b0 = exchange(b2, b0, 2, 0x33*eachByte)
	b7, b6 = exchange(b7, b6, 1, 0x55*eachByte)
	b5, b4 = exchange(b5, b4, 1, 0x55*eachByte)
	b3, b2 = exchange(b3, b2, 1, 0x55*eachByte)
	b1, b0 = exchange(b1, b0, 1, 0x55*eachByte)

	// Continuation bytes stand behind leads, as many as the lead says, and
	// nowhere else.
	lead := b7 & b6          // C0 to FF
	lead3 := lead & b5       // E0 to FF
	lead4 := lead3 & b4      // F0 to FF
	behind4 := behind(lead4) // the second byte of four
	continuation := b7 ^ lead
	errs := continuation ^ behind(lead|behind(lead3|behind4))

	// C0 and C1 would begin overlong forms of ASCII; F5 to FF begin nothing.
	some := b3 | b2 | b1
	errs |= lead &^ (b5 | b4 | some)
	errs |= lead4 & (b3 | b2&(b1|b0))

	// The second byte: at least A0 behind E0, and 90 behind F0 (overlong forms
	// are below); at most 9F behind ED (surrogates are above), and 8F behind F4
	// (U+10FFFF is the last).
	lowest := behind(lead3 &^ (some | b0))                       // E0, F0
	highest := behind(lead3 & b2 &^ b1 &^ (b3 ^ b0) & (b4 ^ b0)) // ED, F4
	high := b5 | b4&behind4
	return errs | lowest&^high | highest&high
}

// exchange swaps the bits of a in mask with those of b that are shift ranks
// higher.
func exchange(a, b uint64, shift int, mask uint64) (x, y uint64) {
	t := (a ^ b>>shift) & mask
	return a ^ t, b ^ t<<shift
}

// behind moves each byte's bit to the byte behind it. The bit of the last byte is
// lost.
func behind(x uint64) uint64 { return x<<8 | x>>57 }
