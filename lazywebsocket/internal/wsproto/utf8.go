package wsproto

// UTF8 checks a text that arrives in pieces, split anywhere, also inside a
// character. The zero value is ready and stands at the start of a text.
type UTF8 struct {
	need   byte // continuation bytes that the open character still wants
	lo, hi byte // the range allowed for the next of them
}

// Valid reports whether p can follow what was checked before. It says no at
// the first byte that no valid text has there, also when the character that
// the byte belongs to is not complete yet (RFC 3629; RFC 6455, 8.1). After a
// no the value must not be used again before Reset.
func (u *UTF8) Valid(p []byte) bool {
	for u.need > 0 && len(p) > 0 {
		if !u.step(p[0]) {
			return false
		}
		p = p[1:]
	}
	// Many bytes at a time, but for what a character that is cut off at the end
	// leaves open.
	whole := len(p) - cutOff(p)
	if !validStart(p, whole) {
		return false
	}
	for _, b := range p[whole:] {
		if !u.step(b) {
			return false
		}
	}
	return true
}

// Complete reports whether the text may end here: no character is open.
func (u *UTF8) Complete() bool { return u.need == 0 }

// Reset returns to the start of a text.
func (u *UTF8) Reset() { *u = UTF8{} }

// cutOff returns how many bytes at the end of p begin a character that goes on
// behind p.
func cutOff(p []byte) int {
	for n := 1; n <= 3 && n <= len(p); n++ {
		switch b := p[len(p)-n]; {
		case b&0xC0 == 0x80: // a continuation byte: look further back
		case b >= 0xF0 && n < 4, b >= 0xE0 && n < 3, b >= 0xC0 && n < 2:
			return n
		default:
			return 0
		}
	}
	return 0
}

// step takes one byte (RFC 3629, section 4: the well-formed byte sequences).
func (u *UTF8) step(b byte) bool {
	if u.need > 0 {
		if b < u.lo || b > u.hi {
			return false
		}
		u.need--
		u.lo, u.hi = 0x80, 0xBF
		return true
	}
	u.lo, u.hi = 0x80, 0xBF
	switch {
	case b < 0x80:
	case b < 0xC2:
		return false // a continuation byte, or an overlong form of ASCII
	case b < 0xE0:
		u.need = 1
	case b < 0xF0:
		u.need = 2
		switch b {
		case 0xE0:
			u.lo = 0xA0 // overlong below
		case 0xED:
			u.hi = 0x9F // surrogates above
		}
	case b < 0xF5:
		u.need = 3
		switch b {
		case 0xF0:
			u.lo = 0x90 // overlong below
		case 0xF4:
			u.hi = 0x8F // beyond U+10FFFF above
		}
	default:
		return false
	}
	return true
}
