package load

import (
	"encoding/binary"

	"golazy.dev/bench/field/scenario"
)

// script is what a connection sends, over and over again. Connections share it.
type script struct {
	messages [][]byte
	batches  [][]byte // each the frames that are in flight together
	opcode   byte
	inFlight int
}

// scriptBytes is about how much text a script has.
const scriptBytes = 64 << 10

// newScript makes batches until there is enough text, and at least two.
func newScript(size, inFlight int, binary bool) *script {
	n := max(2, min(32, scriptBytes/(size*inFlight)))
	s := &script{
		messages: scenario.Messages(n*inFlight, size, binary),
		opcode:   opText, inFlight: inFlight,
	}
	if binary {
		s.opcode = opBinary
	}
	for i := range n {
		var batch []byte
		for j := range inFlight {
			batch = appendFrame(batch, s.opcode, s.messages[i*inFlight+j], i*inFlight+j)
		}
		s.batches = append(s.batches, batch)
	}
	return s
}

// appendFrame appends a client's frame; seed makes the key, which on loopback
// need not be a secret.
func appendFrame(out []byte, opcode byte, payload []byte, seed int) []byte {
	out = append(out, fin|opcode)
	switch n := len(payload); {
	case n < 126:
		out = append(out, mask|byte(n))
	case n < 1<<16:
		out = append(out, mask|126)
		out = binary.BigEndian.AppendUint16(out, uint16(n))
	default:
		out = append(out, mask|127)
		out = binary.BigEndian.AppendUint64(out, uint64(n))
	}
	var key [4]byte
	binary.LittleEndian.PutUint32(key[:], uint32(seed+1)*2654435761) //nolint:gosec // any bits do
	out = append(out, key[:]...)
	for i, b := range payload {
		out = append(out, b^key[i&3])
	}
	return out
}
