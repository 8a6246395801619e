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
	c.r.gate.enterAlways()
	defer c.leaveRead()
	if err := c.notServed(); err != nil {
		return noMessage, nil, err
	}
	if err := c.await(); err != nil {
		return noMessage, nil, err
	}
	if err := c.begin(); err != nil {
		return noMessage, nil, err
	}
	m := &messageReader{c: c, message: c.r.message}
	m.endIf(!c.messageOpen())
	return int(c.r.opcode), m, nil
}

// messageReader reads one message. It is made for each, so that one that was
// kept too long ends instead of reading its successor.
type messageReader struct {
	c       *Conn
	message uint32
	done    bool // its end was reached
}

// endIf notes that the message has been read to its end.
func (m *messageReader) endIf(end bool) {
	if end {
		m.done = true
		m.c.delivered()
	}
}

// Read reads some bytes of the message into p, up to io.EOF at its end. A reader
// that was left before its end, for another message, returns
// io.ErrUnexpectedEOF, or the error that reading has failed with.
func (m *messageReader) Read(p []byte) (int, error) {
	c := m.c
	c.r.gate.enterAlways()
	defer c.leaveRead()
	switch {
	case m.done:
		return 0, io.EOF
	case c.r.err != nil:
		return 0, c.r.err
	case c.served.Load() != nil:
		return 0, c.notServed()
	case c.r.message != m.message:
		return 0, io.ErrUnexpectedEOF
	case len(p) == 0:
		return 0, nil
	}
	for c.messageOpen() {
		n, err := c.readStep(p)
		if err != nil {
			err = c.readFailed(err)
			if n > 0 {
				return n, nil // inflated before that; the next Read returns the error
			}
			return 0, err
		}
		m.endIf(!c.messageOpen())
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

// readStep takes a step through the open message.
func (c *Conn) readStep(p []byte) (int, error) {
	if !c.inflating() {
		n, err := c.readSome(p)
		if err != nil {
			n = 0 // bytes that came with it are not UTF-8
		}
		return n, err
	}
	n, err := c.readInflated(p)
	if err == io.EOF { //nolint:errorlint // io.Reader's contract is ==
		err = nil
	}
	return n, err
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
