package wsproto

// Opcode is the four-bit type of a frame (RFC 6455, 5.2).
type Opcode byte

// The opcodes of RFC 6455, 11.8. All others are reserved.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// IsControl reports whether o is a control opcode, reserved ones included
// (RFC 6455, 5.5: the top bit is set).
func (o Opcode) IsControl() bool { return o&0x8 != 0 }

// Known reports whether RFC 6455 defines o.
func (o Opcode) Known() bool {
	return o <= Binary || (o >= Close && o <= Pong)
}
