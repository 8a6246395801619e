package wstest

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"time"
)

// Want receives exactly the bytes of a script. Bytes that follow are for the
// next call.
func (p *Peer) Want(script string) {
	p.tb.Helper()
	p.step++
	want, err := parse(script)
	if err != nil {
		p.fail("Want: %v", err)
	}
	p.wantBytes("Want", want)
}

// WantText receives a text message of one frame.
func (p *Peer) WantText(s string) { p.tb.Helper(); p.wantFrame("WantText", 0x81, []byte(s)) }

// WantBinary receives a binary message of one frame.
func (p *Peer) WantBinary(b []byte) { p.tb.Helper(); p.wantFrame("WantBinary", 0x82, b) }

// WantPing receives a ping with the payload.
func (p *Peer) WantPing(payload string) {
	p.tb.Helper()
	p.wantFrame("WantPing", 0x89, []byte(payload))
}

// WantPong receives a pong with the payload.
func (p *Peer) WantPong(payload string) {
	p.tb.Helper()
	p.wantFrame("WantPong", 0x8a, []byte(payload))
}

func (p *Peer) wantFrame(call string, first byte, payload []byte) {
	p.tb.Helper()
	p.step++
	server := Peer{} // whose frames are plain, as all is shown
	p.wantBytes(call, server.frame(first, payload))
}

// WantClose receives a Close frame with the code, zero for an empty one, and
// returns its reason.
func (p *Peer) WantClose(code int) (reason string) {
	p.tb.Helper()
	p.step++
	first, payload := p.nextFrame("WantClose")
	if first != 0x88 {
		p.fail("WantClose(%d): received a frame %02x % x", code, first, excerpt(payload))
	}
	got := 0
	if len(payload) >= 2 {
		got, payload = int(binary.BigEndian.Uint16(payload)), payload[2:]
	}
	if got != code {
		p.fail("WantClose(%d): received code %d, reason %q", code, got, payload)
	}
	return string(payload)
}

// Next receives a frame and returns its first byte, with FIN, RSV and the
// opcode, and its payload.
func (p *Peer) Next() (first byte, payload []byte) {
	p.tb.Helper()
	p.step++
	return p.nextFrame("Next")
}

func (p *Peer) nextFrame(call string) (first byte, payload []byte) {
	p.tb.Helper()
	head := p.take(call, 2)
	first = head[0]
	n := uint64(head[1])
	switch n {
	case 126:
		n = uint64(binary.BigEndian.Uint16(p.take(call, 2)))
	case 127:
		n = binary.BigEndian.Uint64(p.take(call, 8))
	}
	if n > 1<<30 {
		p.fail("%s: received a frame %02x of %d bytes", call, first, n)
	}
	return first, p.take(call, int(n)) //nolint:gosec // at most 1 GiB
}

// take receives n bytes.
func (p *Peer) take(call string, n int) []byte {
	p.tb.Helper()
	for len(p.got) < n {
		if err := p.receive(len(p.raw)); err != nil {
			p.fail("%s: after % x: %v", call, excerpt(p.got), err)
		}
	}
	b := p.got[:n:n]
	p.got = p.got[n:]
	return b
}

// WantEOF waits until the other end has shut its writing direction, and fails if
// anything comes before that.
func (p *Peer) WantEOF() {
	p.tb.Helper()
	p.step++
	for len(p.got) == 0 {
		switch err := p.receive(len(p.raw)); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			p.fail("WantEOF: %v", err)
		}
	}
	p.fail("WantEOF: received % x", excerpt(p.got))
}

// WantNothing fails if anything has arrived that no call has taken. It does not
// wait: inside a bubble, synctest.Wait comes before it.
func (p *Peer) WantNothing() {
	p.tb.Helper()
	p.step++
	for p.Conn.Unread() > 0 {
		if err := p.receive(len(p.raw)); err != nil {
			p.fail("WantNothing: %v", err)
		}
	}
	if len(p.got) > 0 {
		p.fail("WantNothing: received % x", excerpt(p.got))
	}
}

func (p *Peer) wantBytes(call string, want []byte) {
	p.tb.Helper()
	for i := 0; i < len(want); {
		if len(p.got) == 0 {
			if err := p.receive(len(p.raw)); err != nil {
				p.fail("%s: %v at byte %d of %d\nwant %s", call, err, i, len(want), dump(want, i))
			}
			continue
		}
		for len(p.got) > 0 && i < len(want) {
			if p.got[0] != want[i] {
				p.fail("%s: differs at byte %d of %d\n got %s\nwant %s",
					call, i, len(want), dump(append(want[:i:i], p.got...), i), dump(want, i))
			}
			p.got = p.got[1:]
			i++
		}
	}
}

// receive waits for bytes, at most n of them, and adds them to p.got.
func (p *Peer) receive(most int) error {
	_ = p.Conn.SetReadDeadline(time.Now().Add(patience))
	n, err := p.Conn.Read(p.raw[:most])
	_ = p.Conn.SetReadDeadline(time.Time{}) // Conn is the test's too
	if n == 0 {
		return err
	}
	if p.client || !p.open {
		p.got = append(p.got, p.raw[:n]...)
		return nil
	}
	p.got, err = p.plain.add(p.got, p.raw[:n])
	return err
}

// excerpt keeps messages readable.
func excerpt(b []byte) []byte { return b[:min(len(b), 64)] }

// dump shows the bytes around position i.
func dump(b []byte, i int) string {
	from, to := max(0, i-16), min(len(b), i+32)
	s := hex.EncodeToString(b[from:to])
	if from > 0 {
		s = "..." + s
	}
	if to < len(b) {
		s += "..."
	}
	return s
}
