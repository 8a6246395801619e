package wsproto

import "math/big"

// The reference decoder: RFC 6455 read aloud. It takes a whole stream, looks at
// one byte after the other, shares no code with the package, and prefers the
// obvious to the fast. Every byte after which the stream cannot be valid any
// more, whatever follows, is where it stops.

// limits are the settings of a decoder.
type limits struct {
	role         Role
	limit        int64
	maxFragments int
}

type reference struct {
	limits
	stream []byte
	pos    int
	out    seen

	message   byte // opcode of the open message, 0 for none
	size      *big.Int
	fragments int
	character []byte // an open UTF-8 character of the message
	closed    bool
}

// refDecode returns what a decoder with the given settings must see.
func refDecode(l limits, stream []byte) seen {
	r := &reference{limits: l, stream: stream}
	for r.frame() {
	}
	return r.out
}

// fail notes the error at the byte read last.
func (r *reference) fail(code int) bool {
	r.out.code, r.out.at = code, r.pos
	return false
}

// next returns the next byte of the stream, if there is one.
func (r *reference) next() (byte, bool) {
	if r.pos == len(r.stream) {
		return 0, false
	}
	r.pos++
	return r.stream[r.pos-1], true
}

// number reads a big-endian number of n bytes.
func (r *reference) number(n int) (*big.Int, bool) {
	var digits []byte
	for range n {
		b, ok := r.next()
		if !ok {
			return nil, false
		}
		digits = append(digits, b)
	}
	return new(big.Int).SetBytes(digits), true
}

// frame reads one frame. It reports whether the stream goes on.
func (r *reference) frame() bool {
	first, ok := r.next()
	if !ok {
		return false
	}
	second, ok := r.next()
	if !ok {
		return false
	}
	fin, rsv, opcode := first >= 0x80, first>>4&7, first&15
	masked, short := second >= 0x80, second&127
	if r.forbidden(fin, rsv, opcode, masked, short) {
		return r.fail(1002)
	}
	length := big.NewInt(int64(short))
	if short >= 126 {
		bytes, least := 2, big.NewInt(126)
		if short == 127 {
			bytes, least = 8, big.NewInt(65536)
		}
		if length, ok = r.number(bytes); !ok {
			return false
		}
		if length.Cmp(least) < 0 || length.BitLen() > 63 {
			return r.fail(1002)
		}
	}
	var key []byte
	for masked && len(key) < 4 {
		b, ok := r.next()
		if !ok {
			return false
		}
		key = append(key, b)
	}
	if opcode >= 8 {
		return r.controlFrame(opcode, int(short), key)
	}
	return r.dataFrame(opcode, fin, length, key)
}

// forbidden judges the first two bytes of a header: 5.2, 5.1, 5.5, 5.4, 5.5.1.
func (r *reference) forbidden(fin bool, rsv, opcode byte, masked bool, short byte) bool {
	if r.closed || rsv != 0 || masked != (r.role == Server) {
		return true
	}
	switch opcode {
	case 0:
		return r.message == 0
	case 1, 2:
		return r.message != 0
	case 8, 9, 10:
		return !fin || short > 125
	}
	return true
}

func (r *reference) controlFrame(opcode byte, length int, key []byte) bool {
	f := r.seeFrame(opcode, true, int64(length))
	r.closed = opcode == 8
	for i := range length {
		b, ok := r.next()
		if !ok {
			return false
		}
		f.data = append(f.data, unmasked(b, key, i))
	}
	f.done = true
	if opcode != 8 || length == 0 {
		return true
	}
	if code := refClose(f.data); code != 0 {
		return r.fail(code)
	}
	return true
}

// refClose returns the close code that a bad, non-empty Close payload earns.
func refClose(payload []byte) int {
	if len(payload) == 1 || !closeCodes[int(payload[0])*256+int(payload[1])] {
		return 1002
	}
	var character []byte
	for _, b := range payload[2:] {
		var ok bool
		if character, ok = refCharacter(character, b); !ok {
			return 1007
		}
	}
	if len(character) > 0 {
		return 1007
	}
	return 0
}

func (r *reference) dataFrame(opcode byte, fin bool, length *big.Int, key []byte) bool {
	if opcode != 0 {
		r.message, r.size, r.fragments, r.character = opcode, new(big.Int), 0, nil
	}
	limit := big.NewInt(1<<63 - 1)
	if r.limit > 0 {
		limit = big.NewInt(r.limit)
	}
	if r.size.Add(r.size, length); r.size.Cmp(limit) > 0 {
		return r.fail(1009)
	}
	if r.fragments++; r.maxFragments > 0 && r.fragments > r.maxFragments {
		return r.fail(1008)
	}
	f := r.seeFrame(r.message, fin, length.Int64())
	f.open = true
	for i := range f.Length {
		b, ok := r.next()
		if !ok {
			return false
		}
		b = unmasked(b, key, int(i%4))
		f.data = append(f.data, b)
		if r.message == 1 {
			if r.character, ok = refCharacter(r.character, b); !ok {
				return r.fail(1007)
			}
		}
	}
	f.done = true
	if fin {
		f.open, r.message = false, 0
		if len(r.character) > 0 {
			if f.Length == 0 { // refused with its header: never seen
				r.out.frames = r.out.frames[:len(r.out.frames)-1]
			}
			return r.fail(1007)
		}
	}
	return true
}

func (r *reference) seeFrame(opcode byte, fin bool, length int64) *seenFrame {
	r.out.frames = append(r.out.frames, seenFrame{
		Frame: Frame{Opcode: Opcode(opcode), Fin: fin, Control: opcode >= 8, Length: length},
		open:  r.message != 0,
	})
	return &r.out.frames[len(r.out.frames)-1]
}

func unmasked(b byte, key []byte, i int) byte {
	if key == nil {
		return b
	}
	return b ^ key[i%4]
}

// wellFormed is the table of RFC 3629, section 4: each row is a form of
// character, each pair the range of one of its bytes.
var wellFormed = [][][2]byte{
	{{0x00, 0x7F}},
	{{0xC2, 0xDF}, {0x80, 0xBF}},
	{{0xE0, 0xE0}, {0xA0, 0xBF}, {0x80, 0xBF}},
	{{0xE1, 0xEC}, {0x80, 0xBF}, {0x80, 0xBF}},
	{{0xED, 0xED}, {0x80, 0x9F}, {0x80, 0xBF}},
	{{0xEE, 0xEF}, {0x80, 0xBF}, {0x80, 0xBF}},
	{{0xF0, 0xF0}, {0x90, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}},
	{{0xF1, 0xF3}, {0x80, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}},
	{{0xF4, 0xF4}, {0x80, 0x8F}, {0x80, 0xBF}, {0x80, 0xBF}},
}

// refCharacter adds a byte to an open character. It returns what is open then,
// and whether some row of the table begins like that.
func refCharacter(open []byte, b byte) ([]byte, bool) {
	open = append(open, b)
rows:
	for _, row := range wellFormed {
		if len(open) > len(row) {
			continue
		}
		for i, b := range open {
			if b < row[i][0] || b > row[i][1] {
				continue rows
			}
		}
		if len(open) == len(row) {
			return nil, true
		}
		return open, true
	}
	return nil, false
}
