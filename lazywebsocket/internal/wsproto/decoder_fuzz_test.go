package wsproto

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzDecoder holds the decoder against the reference. The input chooses the
// role (client: odd), the limits and the sizes of the chunks; what comes out
// must not depend on the chunks.
func FuzzDecoder(f *testing.F) {
	for i, script := range []string{
		"81 05|48656c6c6f/82 02|fffe/89 00/8a 01|61/88 05|03e8 627965",
		"01 03|48656c/89 01|ff/00 00/80 02|6c6f/81 01|62",
		"01 01|f0/00 01|9f/8a 00/00 01|98/80 01|80/88 00/81 00",
		"01 02|f09f/80 00",
		"81 7d|61*100 c3 a9 61 ff",
		"82 7e 007e|61*126/82 7e 007d",
		"82 7f 0000000000010000|61*300",
		"02 05|61*5/80 7f 7fffffffffffffff",
		"02 01|61/82 7f 8000000000000000",
		"02 00/00 00/00 00/00 00/80 00",
		"89 7e 007e", "09 00", "c1 00", "83 00", "8b 00", "80 00", "01 00/81 00",
		"88 01|03", "88 02|03ed", "88 04|03e8 c328", "88 02|1388", "88 7d|03e8 61*123",
		"81 03|eda080", "81 04|f4908080", "81 02|c080",
	} {
		for _, r := range roles {
			stream := frames(f, r.role, script)
			f.Add(byte(r.role), int64(0), 0, []byte{1}, stream)
			f.Add(byte(r.role), int64(9-i%3), 3, []byte{byte(i), 2, 13}, stream)
		}
	}
	for seed := range uint64(20) {
		l, stream := randomStream(rand.New(rand.NewPCG(seed, 1)))
		f.Add(byte(l.role), l.limit, l.maxFragments, []byte{3, 0, 5}, stream)
	}
	f.Fuzz(func(t *testing.T, role byte, limit int64, maxFragments int, sizes, stream []byte) {
		l := limits{role: Role(role & 1), limit: limit, maxFragments: maxFragments}
		want := refDecode(l, stream)
		for _, chunks := range [][]int{nil, {1}, chunkSizes(sizes)} {
			got, chunk := decode(t, l, stream, chunks...)
			checkSame(t, got, chunk, want)
		}
		for _, seen := range want.frames {
			wire := AppendHeader(nil, Header{Fin: seen.Fin, Opcode: seen.Opcode, Length: seen.Length})
			if h, n, err := ParseHeader(wire); err != nil || n != len(wire) || h.Length != seen.Length {
				t.Fatalf("header of %v comes back as %+v, %d, %v", seen, h, n, err)
			}
		}
	})
}

// chunkSizes turns fuzzed bytes into sizes: 1 to 256 bytes.
func chunkSizes(sizes []byte) []int {
	var out []int
	for _, s := range sizes {
		out = append(out, int(s)+1)
	}
	return out
}

// Streams that are mostly right and now and then wrong, the same ones on every
// run: they come deeper than chance does.
func TestDecoderRandomStreams(t *testing.T) {
	codes := map[int]int{}
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 2))
		l, stream := randomStream(r)
		want := refDecode(l, stream)
		for _, chunks := range [][]int{nil, {1}, {1 + r.IntN(40), 1 + r.IntN(5), 1 + r.IntN(200)}} {
			got, chunk := decode(t, l, stream, chunks...)
			checkSame(t, got, chunk, want)
		}
		codes[want.code]++
	}
	for _, code := range []int{0, 1002, 1007, 1008, 1009} {
		if codes[code] < 20 {
			t.Errorf("only %d streams end with %d: %v", codes[code], code, codes)
		}
	}
}

// randomStream returns settings, and frames as a peer sends them that breaks a
// rule once in a while.
func randomStream(r *rand.Rand) (limits, []byte) {
	l := limits{role: Role(r.IntN(2))}
	if r.IntN(3) == 0 {
		l.limit = int64(r.IntN(600)) - 20
	}
	if r.IntN(3) == 0 {
		l.maxFragments = r.IntN(8) - 1
	}
	var stream []byte
	var message Opcode // open
	var text []byte    // still to be sent of it
	for range 1 + r.IntN(12) {
		h := Header{Fin: true, Masked: l.role == Server}
		var payload []byte
		switch {
		case r.IntN(4) == 0:
			h.Opcode, payload = randomControl(r)
		case message == Continuation:
			h.Opcode, text = Text+Opcode(r.IntN(2)), randomText(r)
			payload, text, h.Fin = cut(r, text)
		default:
			payload, text, h.Fin = cut(r, text)
		}
		if !h.Opcode.IsControl() {
			switch {
			case h.Fin:
				message = Continuation
			case h.Opcode != Continuation:
				message = h.Opcode
			}
		}
		stream = appendFrame(r, stream, h, payload)
	}
	if r.IntN(6) == 0 && len(stream) > 0 {
		stream[r.IntN(len(stream))] ^= 1 << r.IntN(8)
	}
	return l, stream
}

// cut takes the next fragment from a text, and says whether it is the last.
func cut(r *rand.Rand, text []byte) (fragment, rest []byte, last bool) {
	if r.IntN(2) == 0 {
		return text, nil, true
	}
	n := r.IntN(len(text) + 1)
	return text[:n], text[n:], false
}

func randomControl(r *rand.Rand) (Opcode, []byte) {
	if r.IntN(6) > 0 {
		payload := make([]byte, r.IntN(126))
		return Ping + Opcode(r.IntN(2)), payload
	}
	payload := AppendClose(nil, []int{1000, 1001, 1005, 1006, 1015, 3000, 4999, 5000}[r.IntN(8)], string(randomText(r)))
	return Close, payload[:min(len(payload), r.IntN(MaxControlPayload+1))]
}

func randomText(r *rand.Rand) []byte {
	var text []byte
	for range r.IntN(100) {
		text = append(text, []string{"a", "bc", "é", "€", "😀", "\u0000", "\U0010FFFF"}[r.IntN(7)]...)
	}
	if len(text) > 0 && r.IntN(8) == 0 {
		text[r.IntN(len(text))] = byte(r.IntN(256))
	}
	return text
}

// appendFrame appends a frame, and now and then a header that is wrong in one
// way.
func appendFrame(r *rand.Rand, stream []byte, h Header, payload []byte) []byte {
	h.Length = int64(len(payload))
	switch r.IntN(60) {
	case 0:
		h.RSV = byte(1+r.IntN(7)) << 4
	case 1:
		h.Opcode = Opcode(r.IntN(16))
	case 2:
		h.Fin = !h.Fin
	case 3:
		h.Masked = !h.Masked
	case 4:
		h.Length = r.Int64() // what is declared does not come
	case 5:
		return append(append(stream, 0x80|byte(h.Opcode), maskBitOf(h)|126), byte(r.IntN(2)), byte(r.IntN(256)))
	}
	if h.Masked {
		h.Key = [4]byte{byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))}
		payload = slices.Clone(payload)
		maskBytes(h.Key, 0, payload)
	}
	return append(AppendHeader(stream, h), payload...)
}

func maskBitOf(h Header) byte {
	if h.Masked {
		return 0x80
	}
	return 0
}
