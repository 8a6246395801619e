package lazywebsocket

import (
	"sync"

	"golazy.dev/lazywebsocket/internal/wsdeflate"
	"golazy.dev/lazywebsocket/internal/wsproto"
)

// PreparedMessage is a message in wire form, for sending it to many
// connections: each form is built once, compressed ones when a connection first
// needs them. Any number of goroutines may write it at the same time.
type PreparedMessage struct {
	messageType int
	frame       []byte // as a server sends it, uncompressed
	header      int    // bytes of the header at its start

	mu     sync.Mutex
	packed []packedForm // guarded by mu; a handful at most
}

// packedForm is a compressed form, for all connections with the same level and
// window size: it refers to no message before it, so that every peer that may
// use a window of its size can read it.
type packedForm struct {
	level, bits int
	frame       []byte // nil: not smaller than the plain one
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
	return &PreparedMessage{messageType: messageType, frame: append(frame, data...), header: header}, nil
}

// WritePreparedMessage sends a prepared message, with the rules of WriteMessage.
// A server sends the prepared bytes as they are; a client masks them anew each
// time (RFC 6455, 5.3).
func (c *Conn) WritePreparedMessage(pm *PreparedMessage) error {
	if c.r.dec.Role == wsproto.Client || isControl(pm.messageType) {
		return c.WriteMessage(pm.messageType, pm.payload())
	}
	f := frame{wire: true, payload: pm.frame, pm: pm, deadline: c.deadlines.forMessage()}
	if sent, err := c.enterMessage(&f); sent || err != nil {
		return c.messageSent(pm.messageType, int64(len(pm.payload())), err)
	}
	err := c.writeWhole(noContext, &f)
	c.leaveWrite()
	return c.messageSent(pm.messageType, int64(len(pm.payload())), err)
}

// payload returns the message.
func (pm *PreparedMessage) payload() []byte { return pm.frame[pm.header:] }

// shaped is what became of a data message's only frame.
type shaped struct {
	compressed bool
	plain      []byte   // the message, where it was compressed
	packed     *scratch // its memory, to be given back behind the write; or nil
}

// shape gives the only frame of a data message the form that it has on the wire.
// Inside the write gate.
func (c *Conn) shape(f *frame) (s shaped) {
	if f.pm == nil {
		s.plain = f.payload
		s.packed = c.pack(f)
		s.compressed = s.packed != nil
		return s
	}
	s.plain = f.pm.payload()
	if c.compresses(len(s.plain)) {
		if form := f.pm.compressed(int(c.w.deflate.level.Load()), c.w.deflate.bits); form != nil {
			f.payload, s.compressed = form, true
		}
	}
	return s
}

// sent tells the window, when the frame has left or is held: the peer's window
// has it then, and so has ours.
func (s *shaped) sent(c *Conn) {
	if s.compressed {
		c.w.deflate.out.Sent(s.plain, true)
	}
}

// compressed returns the compressed frame for a level and a window size, or nil
// if the plain one is as small.
func (pm *PreparedMessage) compressed(level, bits int) []byte {
	pm.mu.Lock()
	defer pm.mu.Unlock()
	for _, form := range pm.packed {
		if form.level == level && form.bits == bits {
			return form.frame
		}
	}
	form := packedForm{level: level, bits: bits}
	payload := pm.payload()
	packed := wsdeflate.NewDeflater(false, bits, 0).Append(nil, payload, level)
	packed = packed[:len(packed)-wsdeflate.SyncMarker]
	if len(packed) < len(payload) {
		form.frame = wsproto.AppendHeader(nil, wsproto.Header{
			Fin: true, RSV: wsproto.RSV1,
			Opcode: wsproto.Opcode(pm.messageType), //nolint:gosec // 1 or 2
			Length: int64(len(packed)),
		})
		form.frame = append(form.frame, packed...)
	}
	pm.packed = append(pm.packed, form)
	return form.frame
}
