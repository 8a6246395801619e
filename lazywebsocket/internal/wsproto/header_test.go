package wsproto

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

var headers = []struct {
	wire string
	h    Header
}{
	{"00 00", Header{}},
	{"81 00", Header{Fin: true, Opcode: Text}},
	{"02 01", Header{Opcode: Binary, Length: 1}},
	{"88 7d", Header{Fin: true, Opcode: Close, Length: 125}},
	{"82 7e 007e", Header{Fin: true, Opcode: Binary, Length: 126}},
	{"82 7e 0100", Header{Fin: true, Opcode: Binary, Length: 256}},
	{"82 7e ffff", Header{Fin: true, Opcode: Binary, Length: 65535}},
	{"82 7f 0000000000010000", Header{Fin: true, Opcode: Binary, Length: 65536}},
	{"82 7f 0102030405060708", Header{Fin: true, Opcode: Binary, Length: 0x0102030405060708}},
	{"82 7f 7fffffffffffffff", Header{Fin: true, Opcode: Binary, Length: math.MaxInt64}},
	{"8a 80 01020304", Header{Fin: true, Opcode: Pong, Masked: true, Key: [4]byte{1, 2, 3, 4}}},
	{"09 fd 01020304", Header{Opcode: Ping, Masked: true, Key: [4]byte{1, 2, 3, 4}, Length: 125}},
	{"81 fe 007e 01020304", Header{Fin: true, Opcode: Text, Masked: true, Key: [4]byte{1, 2, 3, 4}, Length: 126}},
	{"81 ff 0000000000010000 ff000000", Header{Fin: true, Opcode: Text, Masked: true, Key: [4]byte{0xff}, Length: 65536}},
	{"c1 00", Header{Fin: true, RSV: RSV1, Opcode: Text}},
	{"21 00", Header{RSV: 0x20, Opcode: Text}},
	{"1f 80 00000000", Header{RSV: 0x10, Opcode: 15, Masked: true}},
	{"ff ff 7fffffffffffffff ffffffff", Header{
		Fin: true, RSV: 0x70, Opcode: 15, Masked: true, Key: [4]byte{0xff, 0xff, 0xff, 0xff}, Length: math.MaxInt64,
	}},
}

// Each header both ways, alone, before other bytes, and cut off at every point.
func TestHeader(t *testing.T) {
	for _, row := range headers {
		t.Run(row.wire, func(t *testing.T) {
			wire := unhex(t, row.wire)
			if len(wire) > MaxHeaderSize {
				t.Errorf("larger than MaxHeaderSize")
			}
			for _, tail := range []string{"", "ff", strings.Repeat("\xff", 20)} {
				h, n, err := ParseHeader(append(wire[:len(wire):len(wire)], tail...))
				if h != row.h || n != len(wire) || err != nil {
					t.Errorf("ParseHeader with %d bytes behind: %+v, %d, %v", len(tail), h, n, err)
				}
			}
			for cut := range wire {
				if _, n, err := ParseHeader(wire[:cut]); n != 0 || err != nil {
					t.Errorf("ParseHeader of %d bytes: %d, %v", cut, n, err)
				}
			}
			if got := AppendHeader([]byte("head"), row.h); !bytes.Equal(got, append([]byte("head"), wire...)) {
				t.Errorf("AppendHeader: % x", got)
			}
		})
	}
}

// RFC 6455, 5.2: the length has its shortest form and no top bit. Neither waits
// for the masking key.
func TestParseHeaderLength(t *testing.T) {
	for _, row := range []struct {
		wire string
		err  *ProtocolError
	}{
		{"82 7e 0000", errNotMinimal},
		{"82 7e 007d", errNotMinimal},
		{"82 fe 007d", errNotMinimal},
		{"82 fe 007d 01020304", errNotMinimal},
		{"82 7f 0000000000000000", errNotMinimal},
		{"82 7f 000000000000007e", errNotMinimal},
		{"82 7f 000000000000ffff", errNotMinimal},
		{"82 ff 000000000000ffff", errNotMinimal},
		{"82 7f 8000000000000000", errLengthSign},
		{"82 7f 8000000000000001", errLengthSign},
		{"82 7f ffffffffffffffff", errLengthSign},
		{"82 ff 8000000000010000 01020304", errLengthSign},
		{"82 7e 007e", nil},
		{"82 7f 0000000000010000", nil},
		{"82 7f 7fffffffffffffff", nil},
	} {
		wire := unhex(t, row.wire)
		_, n, err := ParseHeader(wire)
		if !sameError(err, row.err) || (n == 0) == (row.err == nil) {
			t.Errorf("ParseHeader(%s) = %d, %v, want %v", row.wire, n, err, row.err)
		}
	}
}

func TestAppendHeaderNegativeLength(t *testing.T) {
	for _, length := range []int64{-1, math.MinInt64} {
		got := AppendHeader(nil, Header{Fin: true, Opcode: Binary, Length: length})
		if !bytes.Equal(got, []byte{0x82, 0}) {
			t.Errorf("length %d: % x", length, got)
		}
	}
}

// A key in an unmasked header is not sent.
func TestAppendHeaderUnmaskedKey(t *testing.T) {
	if got := AppendHeader(nil, Header{Opcode: Text, Key: testKey}); !bytes.Equal(got, []byte{1, 0}) {
		t.Errorf("% x", got)
	}
}

func TestHeaderAllocates(t *testing.T) {
	buf := make([]byte, 0, MaxHeaderSize)
	bad := []byte{0x82, 126, 0, 1}
	n := testing.AllocsPerRun(100, func() {
		for _, row := range headers {
			buf = AppendHeader(buf[:0], row.h)
			if _, _, err := ParseHeader(buf); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := ParseHeader(bad); err == nil {
			t.Fatal("accepted")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzHeader takes bytes apart and puts them together again.
func FuzzHeader(f *testing.F) {
	for _, row := range headers {
		f.Add(unhex(f, row.wire))
	}
	for _, s := range []string{
		"", "81", "82 7e 007d", "82 fe 007d", "82 7f 000000000000ffff", "82 7f 8000000000000000",
		"82 ff 0000000000010000 0102", "81 85 37fa213d 7f9f4d5158",
	} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := ParseHeader(b)
		// Until its last byte is there a header is neither good nor bad.
		for cut := range min(len(b), MaxHeaderSize) {
			if _, m, early := ParseHeader(b[:cut]); early == nil && m != 0 && m != n || early != nil && err == nil {
				t.Fatalf("% x is %d, %v, but %d bytes of it %d, %v", b, n, err, cut, m, early)
			}
		}
		if err != nil {
			checkBadLength(t, b, err)
			return
		}
		if n == 0 {
			if len(b) >= MaxHeaderSize {
				t.Fatalf("% x is a part of a header", b)
			}
			return
		}
		if h.Length < 0 || !h.Masked && h.Key != [4]byte{} {
			t.Fatalf("% x is %+v", b, h)
		}
		if again := AppendHeader(nil, h); !bytes.Equal(again, b[:n]) {
			t.Fatalf("% x comes back as % x", b[:n], again)
		}
		// Encode, decode, encode: any other header with the same length.
		other := Header{Fin: !h.Fin, RSV: ^h.RSV & rsvBits, Opcode: ^h.Opcode & 15, Masked: !h.Masked, Length: h.Length}
		wire := AppendHeader(nil, other)
		if back, m, err := ParseHeader(wire); back != other || m != len(wire) || err != nil {
			t.Fatalf("%+v comes back as %+v, %d, %v", other, back, m, err)
		}
	})
}

// checkBadLength makes sure that a refused header deserved it.
func checkBadLength(t *testing.T, b []byte, err error) {
	t.Helper()
	var bad bool
	switch b[1] & 127 {
	case 126:
		bad = sameError(err, errNotMinimal) && binary.BigEndian.Uint16(b[2:]) < 126
	case 127:
		length := binary.BigEndian.Uint64(b[2:])
		bad = sameError(err, errNotMinimal) && length < 1<<16 || sameError(err, errLengthSign) && length >= 1<<63
	}
	if !bad {
		t.Fatalf("% x is refused: %v", b, err)
	}
}
