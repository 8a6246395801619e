package lazywebsocket

import (
	"golazy.dev/lazywebsocket/internal/wsproto"
)

// PreparedMessage is a message in wire form, for sending it to many
// connections: the frame is built once. It never changes, so that any number of
// goroutines may write it at the same time.
type PreparedMessage struct {
	messageType int
	frame       []byte // as a server sends it
	header      int    // bytes of the header at its start
}

// NewPreparedMessage prepares a message of any type; data is copied. A control
// message follows the rules of WriteControl.
func NewPreparedMessage(messageType int, data []byte) (*PreparedMessage, error) {
	switch {
	case isControl(messageType):
		if err := checkControl(messageType, data); err != nil {
			return nil, err
		}
	case !isData(messageType):
		return nil, writeError(errMessageType)
	}
	op := wsproto.Opcode(messageType) //nolint:gosec // a known message type
	h := wsproto.Header{Fin: true, Opcode: op, Length: int64(len(data))}
	frame := make([]byte, 0, wsproto.MaxHeaderSize+len(data))
	frame = wsproto.AppendHeader(frame, h)
	header := len(frame)
	return &PreparedMessage{messageType, append(frame, data...), header}, nil
}

// WritePreparedMessage sends a prepared message, with the rules of WriteMessage.
// A server sends the prepared bytes as they are; a client masks them anew each
// time (RFC 6455, 5.3).
func (c *Conn) WritePreparedMessage(pm *PreparedMessage) error {
	if c.role == wsproto.Client || isControl(pm.messageType) {
		return c.WriteMessage(pm.messageType, pm.frame[pm.header:])
	}
	deadline := c.deadlines.forMessage()
	if err := c.enterWrite(entrant{deadline: deadline, message: true}); err != nil {
		return err
	}
	defer c.leaveWrite()
	c.deadlines.armWrite(c.nc, deadline)
	if _, err := c.nc.Write(pm.frame); err != nil {
		return c.writeFailed(err)
	}
	return nil
}
