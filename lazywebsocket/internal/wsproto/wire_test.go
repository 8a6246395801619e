package wsproto

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// The notation of the tables. Bytes are hex, and "61*300" is 300 times that
// byte. A frame is "header|payload", both unmasked and without a key; frames
// are separated by "/". One notation serves both roles: see frames.

// unhex returns the bytes of a run of hex tokens.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for token := range strings.FieldsSeq(s) {
		digits, times, repeated := strings.Cut(token, "*")
		b, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatalf("bad hex %q: %v", token, err)
		}
		n := 1
		if repeated {
			if n, err = strconv.Atoi(times); err != nil {
				t.Fatalf("bad count %q: %v", token, err)
			}
		}
		for range n {
			out = append(out, b...)
		}
	}
	return out
}

// frames returns what the peer of an endpoint in the given role sends for a
// script. A server's peer masks: the mask bit is set in every header that has a
// second byte, every complete header gets a key of its own, and its payload is
// masked with a plain byte loop.
func frames(t testing.TB, role Role, script string) []byte {
	t.Helper()
	var out []byte
	for i, frame := range strings.Split(script, "/") {
		head, body, _ := strings.Cut(frame, "|")
		header, payload := unhex(t, head), unhex(t, body)
		if role == Server && len(header) >= 2 {
			full := 2 + map[byte]int{126: 2, 127: 8}[header[1]&0x7f]
			header[1] |= 0x80
			if len(header) == full {
				key := [4]byte{0x37, 0xfa, 0x21, byte(i)}
				header = append(header, key[:]...)
				for j := range payload {
					payload[j] ^= key[j%4]
				}
			}
		}
		out = append(append(out, header...), payload...)
	}
	return out
}

// seenFrame is one frame as a decoder, or the reference, saw it.
type seenFrame struct {
	Frame
	data []byte // the payload that arrived, unmasked
	done bool   // the whole payload arrived
	open bool   // a data message is open after what arrived of this frame
}

func (f seenFrame) String() string {
	s := map[Opcode]string{Text: "text", Binary: "binary", Close: "close", Ping: "ping", Pong: "pong"}[f.Opcode]
	if f.Control != f.Opcode.IsControl() {
		s += " (control flag wrong)"
	}
	if !f.Fin {
		s += " more"
	}
	if len(f.data) > 40 {
		s += fmt.Sprintf(" %x*%d", f.data[0], len(f.data))
	} else {
		s += fmt.Sprintf(" %q", f.data)
	}
	if !f.done {
		s += fmt.Sprintf(" of %d", f.Length)
	}
	if f.open {
		s += " open"
	}
	return s
}

// seen is everything that came out of a stream: the frames and, when the
// stream broke a rule, the close code and how many bytes had gone in by then.
type seen struct {
	frames []seenFrame
	code   int // 0: no error
	at     int
	reason string // of the decoder only; the reference gives none
}

func (s seen) String() string {
	parts := make([]string, len(s.frames))
	for i, f := range s.frames {
		parts[i] = f.String()
	}
	if s.code != 0 {
		parts = append(parts, fmt.Sprintf("error %d after %d bytes", s.code, s.at))
	}
	return strings.Join(parts, ", ")
}
