package wsproto

import (
	"bytes"
	"math"
	"testing"
)

func TestHoldsFrame(t *testing.T) {
	for script, want := range map[string]bool{
		"":                                  false,
		"81":                                false,
		"81 00":                             true,
		"81 01":                             false,
		"81 01 61":                          true,
		"01 01 61":                          true, // a fragment is a frame
		"89 00":                             true,
		"81 80 010203":                      false,
		"81 80 01020304":                    true,
		"81 82 01020304 61":                 false,
		"81 82 01020304 6161":               true,
		"81 01 61 81 05":                    true, // whatever follows
		"82 7e 00":                          false,
		"82 7e 007d":                        true, // no header: not its shortest form
		"82 7f 00000000000000":              false,
		"82 7f 000000000000ffff":            true, // the same
		"82 7f ffffffffffffffff":            true, // nor a length
		"82 7f 7fffffffffffffff":            false,
		"82 ff 7fffffffffffffff 0102030405": false,
	} {
		if got := HoldsFrame(unhex(t, script)); got != want {
			t.Errorf("HoldsFrame(%s) = %v", script, got)
		}
	}
}

// The last byte of the payload makes the difference, for every form of length.
func TestHoldsFrameOfEverySize(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, math.MaxUint16, math.MaxUint16 + 1} {
		for _, masked := range []bool{false, true} {
			b := AppendHeader(nil, Header{Fin: true, Opcode: Binary, Masked: masked, Length: int64(n)})
			b = append(b, bytes.Repeat([]byte("x"), n)...)
			if !HoldsFrame(b) || HoldsFrame(b[:len(b)-1]) {
				t.Errorf("%d bytes, masked %v: %v, %v without the last", n, masked, HoldsFrame(b), HoldsFrame(b[:len(b)-1]))
			}
		}
	}
}

func TestHoldsFrameAllocatesNothing(t *testing.T) {
	b := []byte{0x82, 0x7e, 0, 1} // an error
	if n := testing.AllocsPerRun(100, func() { HoldsFrame(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
