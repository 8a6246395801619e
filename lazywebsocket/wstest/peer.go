package wstest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// Peer plays one end of a connection by script. What it writes may break every
// rule; what it expects is compared byte by byte. A mismatch ends the test
// (TB.Fatalf), with the number of the step, counted from one, in the order of
// the calls. The methods are for the test's goroutine.
//
// A script is a text of pairs of hex digits and 'quoted text', separated by
// white space; *n behind one of them repeats it:
//
//	81 05 'hello'           a text message from a server
//	82 85 00000000 61*5     five bytes from a client, masked with zeros
//
// Where the peer plays a server, what it receives is shown unmasked, because
// masking keys are random: the mask bit and the key are checked to be there and
// then left out, so that the same script describes what either side sends.
type Peer struct {
	// Conn is the peer's end of the connection, for what a script cannot say:
	// closing it, shutting one direction, deadlines.
	Conn *PipeConn

	tb     TB
	client bool // the peer plays a client: it masks, and receives plain frames
	open   bool // the handshake is over: frames follow
	plain  unmasker
	got    []byte // received, shown unmasked, and not wanted yet
	raw    [4096]byte
	step   int
}

// patience bounds the wait for bytes that a script wants. Inside a bubble of
// testing/synctest it takes no time.
const patience = 10 * time.Second

// maskKey is the key of the frames that a peer in the client's role sends by
// Frame and what uses it; RFC 6455's examples have it.
var maskKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

func newPeer(tb TB, conn *PipeConn, client bool) *Peer {
	tb.Cleanup(func() { _ = conn.Close() })
	return &Peer{Conn: conn, tb: tb, client: client}
}

// Write sends the bytes of a script. It waits while the other end's buffer is
// full, and fails when that takes more than ten seconds.
func (p *Peer) Write(script string) {
	p.tb.Helper()
	p.step++
	b, err := parse(script)
	if err != nil {
		p.fail("Write: %v", err)
	}
	p.send("Write", b)
}

// WriteBytes sends bytes as they are.
func (p *Peer) WriteBytes(b []byte) {
	p.tb.Helper()
	p.step++
	p.send("WriteBytes", b)
}

// Frame sends one frame: first is the byte with FIN, RSV and the opcode, so that
// 0x81 is a whole text message. The length has its shortest form. In the
// client's role it is masked.
func (p *Peer) Frame(first byte, payload []byte) {
	p.tb.Helper()
	p.step++
	p.send("Frame", p.frame(first, payload))
}

// Text sends a text message of one frame.
func (p *Peer) Text(s string) {
	p.tb.Helper()
	p.step++
	p.send("Text", p.frame(0x81, []byte(s)))
}

// Binary sends a binary message of one frame.
func (p *Peer) Binary(b []byte) {
	p.tb.Helper()
	p.step++
	p.send("Binary", p.frame(0x82, b))
}

// Ping sends a ping with the payload.
func (p *Peer) Ping(payload string) {
	p.tb.Helper()
	p.step++
	p.send("Ping", p.frame(0x89, []byte(payload)))
}

// Pong sends a pong with the payload.
func (p *Peer) Pong(payload string) {
	p.tb.Helper()
	p.step++
	p.send("Pong", p.frame(0x8a, []byte(payload)))
}

// Close sends a Close frame; with code zero an empty one. The connection beneath
// stays open: see Peer.Conn.
func (p *Peer) Close(code int, reason string) {
	p.tb.Helper()
	p.step++
	var payload []byte
	if code != 0 {
		payload = binary.BigEndian.AppendUint16(nil, uint16(code)) //nolint:gosec // two bytes on the wire
	}
	p.send("Close", p.frame(0x88, append(payload, reason...)))
}

func (p *Peer) frame(first byte, payload []byte) []byte {
	var mask byte
	if p.client {
		mask = 0x80
	}
	b := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, mask|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if !p.client {
		return append(b, payload...)
	}
	b = slices.Grow(append(b, maskKey[:]...), len(payload))
	for i, c := range payload {
		b = append(b, c^maskKey[i%4])
	}
	return b
}

func (p *Peer) send(call string, b []byte) {
	p.tb.Helper()
	_ = p.Conn.SetWriteDeadline(time.Now().Add(patience))
	n, err := p.Conn.Write(b)
	_ = p.Conn.SetWriteDeadline(time.Time{}) // Conn is the test's too
	if err != nil {
		p.fail("%s: after %d of %d bytes: %v", call, n, len(b), err)
	}
}

func (p *Peer) fail(format string, args ...any) {
	p.tb.Helper()
	p.tb.Fatalf("wstest: step %d: %s", p.step, fmt.Sprintf(format, args...))
}
