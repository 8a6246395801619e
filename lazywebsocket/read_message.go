package lazywebsocket

import (
	"io"
)

// NextReader waits for the next message and returns its type, TextMessage or
// BinaryMessage, and a reader of its bytes, which ends with io.EOF. The rest of
// a message whose reader was left is dropped; that reader ends too.
//
// Text is checked while it is read: a Read that meets bytes that are not UTF-8
// returns a *ProtocolError with the code CloseInvalidFramePayloadData, as soon
// as the first bad byte has arrived. The errors are those of AppendMessage; a
// program breaks out of its loop on the first.
func (c *Conn) NextReader() (messageType int, r io.Reader, err error) {
	_ = c.r.gate.enter(entrant{})
	defer c.r.gate.leave()
	if err := c.begin(); err != nil {
		return noMessage, nil, err
	}
	return int(c.r.opcode), &messageReader{c: c, message: c.r.message}, nil
}

// messageReader reads one message. It is made for each, so that one that was
// kept too long ends instead of reading its successor.
type messageReader struct {
	c       *Conn
	message uint64
}

// Read reads some bytes of the message into p. It returns io.EOF at the end of
// the message, and when another message has begun.
func (m *messageReader) Read(p []byte) (int, error) {
	c := m.c
	_ = c.r.gate.enter(entrant{})
	defer c.r.gate.leave()
	switch {
	case c.r.message != m.message:
		return 0, io.EOF
	case c.r.err != nil:
		return 0, c.r.err
	case len(p) == 0:
		return 0, nil
	}
	for c.r.dec.InMessage() {
		n, err := c.readSome(p)
		if err != nil {
			return 0, c.readFailed(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

// readSome takes a step through the open message: n is zero after a header, or
// a wait for bytes.
func (c *Conn) readSome(p []byte) (n int, err error) {
	rest := c.r.dec.Remaining()
	switch {
	case c.atHeader():
		_, err = c.nextData()
		return 0, err
	case len(c.r.buf.unread()) > 0:
		n = copy(p, c.buffered())
		c.r.buf.skip(n)
		return n, c.r.dec.Payload(p[:n])
	case min(rest, int64(len(p))) >= int64(c.r.buf.size):
		return c.readPayload(p)
	default:
		return 0, c.fill()
	}
}
