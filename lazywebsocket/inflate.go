package lazywebsocket

import (
	"errors"
	"io"
	"slices"
	"sync/atomic"

	"golazy.dev/lazywebsocket/internal/wsdeflate"
	"golazy.dev/lazywebsocket/internal/wsproto"
)

// inflate is the receiving half of permessage-deflate. Inside the read gate.
type inflate struct {
	in   *wsdeflate.Inflater
	src  compressedPayload
	open bool // a compressed message has begun and its end was not read

	plain   int64        // bytes of it so far
	charged atomic.Int64 // those counted in the budget
	out     *scratch     // of an event loop: the message that its handler looks at
}

// compressedPayload is the payload of the open message as it arrives.
type compressedPayload struct {
	c    *Conn
	read bool // the decompressor has begun with it

	collected bool   // it is not to be read:
	whole     []byte // the rest of it
}

// Read returns payload bytes, up to io.EOF at the message's last.
func (s *compressedPayload) Read(p []byte) (int, error) {
	s.read = true
	if s.collected {
		n := copy(p, s.whole)
		if s.whole = s.whole[n:]; n == 0 && len(p) > 0 {
			return 0, io.EOF
		}
		return n, nil
	}
	for s.c.r.dec.InMessage() {
		n, err := s.c.readSome(p)
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// inflating reports whether a compressed message is open.
func (c *Conn) inflating() bool { return c.r.inflate != nil && c.r.inflate.open }

// beginInflate borrows what inflating takes, for a message whose first header
// was accepted.
func (c *Conn) beginInflate() { c.r.inflate.begin(compressedPayload{c: c}) }

// begin begins with the message that src has.
func (f *inflate) begin(src compressedPayload) {
	f.src = src
	f.plain = 0
	f.in.Begin(&f.src)
	f.open = true
}

// resumable reports whether the open message can be read on after a read
// that was cancelled. A decompressor that has begun with it cannot go on.
func (c *Conn) resumable() bool {
	return c.inflating() || !c.r.dec.InMessage() || !c.r.dec.Compressed()
}

// awaitPayload waits for the first byte of a compressed message, outside the
// decompressor: a wait that is cancelled has changed nothing.
func (c *Conn) awaitPayload() error {
	for c.r.dec.InMessage() {
		var err error
		switch {
		case c.atHeader():
			_, err = c.nextData()
		case len(c.r.buf.unread()) == 0:
			err = c.fill()
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// abandonInflate gives back what an open message has borrowed.
func (c *Conn) abandonInflate() {
	if c.inflating() {
		c.r.inflate.in.End()
		c.r.inflate.discharge(c.budget())
		c.r.inflate.open = false
	}
}

// readInflated returns the next plain bytes of a compressed message, counted and
// checked, up to io.EOF. At the end, and on an error of the decompressor or in
// what it reads, what was borrowed is given back.
func (c *Conn) readInflated(p []byte) (int, error) {
	f := c.r.inflate
	if !f.src.read {
		if err := c.awaitPayload(); err != nil {
			return 0, err
		}
	}
	n, err := f.in.Read(p)
	if fault := c.r.dec.Inflated(p[:n]); fault != nil {
		n, err = 0, fault // nobody gets what is too much, or is not UTF-8
	} else if !f.charge(c.budget(), n) {
		n, err = 0, &BudgetError{"InflatedBytes", limit(c.budget().InflatedBytes, defaultInflatedBudget)}
	}
	if c.deadlines.ended() {
		f.discharge(c.budget()) // nobody would later: closeQueue may have been here
	}
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF: //nolint:errorlint // io.Reader's contract is ==
		if fault := c.r.dec.EndInflated(); fault != nil {
			err = fault
		}
	case errors.Is(err, wsdeflate.ErrCorrupt):
		err = &wsproto.ProtocolError{Code: CloseInvalidFramePayloadData, Reason: "corrupt compressed message"}
	}
	f.in.End()
	f.discharge(c.budget())
	f.open = false
	return n, err
}

// appendInflated appends the rest of the compressed message to dst, whose bytes
// from start on are the message.
func (c *Conn) appendInflated(dst []byte, start int) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, max(len(dst)-start, minInflate))
		}
		n, err := c.readInflated(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF { //nolint:errorlint // io.Reader's contract is ==
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// minInflate is the room that inflating starts with: the size of most messages.
const minInflate = 512

// dropInflated inflates a piece of a message that nobody reads: the next one may
// refer back to it.
func (c *Conn) dropInflated() error {
	scratch := borrow(maxBuffer / 16)
	defer giveBack(scratch)
	_, err := c.readInflated(scratch.b)
	if err == io.EOF { //nolint:errorlint // io.Reader's contract is ==
		return nil
	}
	return err
}
