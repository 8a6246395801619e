package wsproto

import "testing"

// All values that four bits can have (RFC 6455, 5.2 and 11.8), written out.
func TestOpcode(t *testing.T) {
	for _, row := range []struct {
		opcode         Opcode
		known, control bool
	}{
		{0x0, true, false},
		{0x1, true, false},
		{0x2, true, false},
		{0x3, false, false},
		{0x4, false, false},
		{0x5, false, false},
		{0x6, false, false},
		{0x7, false, false},
		{0x8, true, true},
		{0x9, true, true},
		{0xA, true, true},
		{0xB, false, true},
		{0xC, false, true},
		{0xD, false, true},
		{0xE, false, true},
		{0xF, false, true},
	} {
		if row.opcode.Known() != row.known || row.opcode.IsControl() != row.control {
			t.Errorf("opcode %#x: known %v, control %v", byte(row.opcode), row.opcode.Known(), row.opcode.IsControl())
		}
	}
}

func TestOpcodeConstants(t *testing.T) {
	for want, got := range map[byte]Opcode{
		0x0: Continuation, 0x1: Text, 0x2: Binary, 0x8: Close, 0x9: Ping, 0xA: Pong,
	} {
		if byte(got) != want {
			t.Errorf("opcode %#x, want %#x", byte(got), want)
		}
	}
}
