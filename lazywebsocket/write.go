package lazywebsocket

import (
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// writer is the writing half of a connection. Only who is inside the gate may
// write to the net.Conn.
type writer struct {
	gate    gate
	failure atomic.Pointer[error] // the first failure: what every later write returns

	size int        // of the buffers of NextWriter
	pool BufferPool // the application's, or nil

	stream    stream
	pong      pongSlot
	closeSent atomic.Bool // a Close frame was written, or begun
}

// WriteMessage sends one message: TextMessage or BinaryMessage as one frame, or
// a control message with the rules of WriteControl and the write deadline.
//
// It may be called from any goroutine. It waits for its turn behind other
// messages; while the writer of a NextWriter is open it waits until the write
// deadline, or ten seconds if there is none, and returns an *OpError. Data is
// not kept and not changed. Text is sent as it is: bytes that are not UTF-8
// make the peer end the connection (RFC 6455, 8.1).
//
// The errors are ErrCloseSent, and *OpError for the network, a deadline or a
// wrong message type. A write that reached the network and failed is final:
// every later write returns the same error.
func (c *Conn) WriteMessage(messageType int, data []byte) error {
	deadline := c.deadlines.forMessage()
	if isControl(messageType) {
		return c.WriteControl(messageType, data, deadline)
	}
	if !isData(messageType) {
		return writeError(errMessageType)
	}
	return c.writeMessage(entrant{deadline: deadline, message: true}, messageType, data)
}

// writeMessage writes a data message of one frame.
func (c *Conn) writeMessage(e entrant, messageType int, data []byte) error {
	if err := c.enterWrite(e); err != nil {
		return err
	}
	defer c.leaveWrite()
	return c.writeFrameContext(e, wsproto.Opcode(messageType), data) //nolint:gosec // 1 or 2
}

func isControl(messageType int) bool {
	return messageType >= CloseMessage && messageType <= PongMessage
}

func isData(messageType int) bool {
	return messageType == TextMessage || messageType == BinaryMessage
}

// enterWrite enters the gate. If the error is nil the caller may write and then
// leaves with leaveWrite. An error from here has written nothing.
func (c *Conn) enterWrite(e entrant) error {
	if err := c.w.gate.enter(e); err != nil {
		if c.deadlines.ended() {
			return ErrCloseSent
		}
		return writeError(err)
	}
	err := c.writable()
	if err == nil && !e.deadline.IsZero() && !time.Now().Before(e.deadline) {
		err = writeError(os.ErrDeadlineExceeded)
	}
	if err != nil {
		c.leaveWrite()
	}
	return err
}

// writable says why nothing can be written any more.
func (c *Conn) writable() error {
	switch failure := c.w.failure.Load(); {
	case failure != nil:
		return *failure
	case c.w.closeSent.Load() || c.deadlines.ended():
		return ErrCloseSent
	}
	return nil
}

// leaveWrite leaves the gate, after the pong that waited for that.
func (c *Conn) leaveWrite() {
	for {
		for payload, ok := c.w.pong.take(); ok; payload, ok = c.w.pong.take() {
			if c.writable() == nil {
				_ = c.writeOwn(wsproto.Pong, payload, time.Now().Add(pongWait))
			}
		}
		c.w.gate.leave()
		// A ping that found the gate shut a moment ago has left its pong here.
		if !c.w.pong.waiting.Load() || !c.w.gate.tryEnter() {
			return
		}
	}
}

// writeFrame writes one frame. Inside the gate. The first failure is kept: the
// peer may have a part of a frame, behind which nothing makes sense.
func (c *Conn) writeFrame(op wsproto.Opcode, fin bool, payload []byte, deadline time.Time) error {
	if _, err := c.sendFrame(op, fin, payload, deadline); err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// writeOwn writes a ping or a pong that the application has not asked for.
// Inside the gate. That it ran out of time before a byte of it could leave is no
// failure of the application's connection.
func (c *Conn) writeOwn(op wsproto.Opcode, payload []byte, deadline time.Time) error {
	n, err := c.sendFrame(op, true, payload, deadline)
	switch {
	case err == nil:
		return nil
	case n == 0 && errors.Is(err, os.ErrDeadlineExceeded):
		return writeError(err)
	}
	return c.writeFailed(err)
}

// sendFrame writes one frame and returns how many bytes of it have left.
func (c *Conn) sendFrame(op wsproto.Opcode, fin bool, payload []byte, deadline time.Time) (int, error) {
	h := wsproto.Header{Fin: fin, Opcode: op, Length: int64(len(payload))}
	if c.role == wsproto.Client {
		h.Masked, h.Key = true, newMaskKey()
	}
	c.deadlines.armWrite(c.nc, deadline)
	return writeFrameTo(c.nc, h, payload)
}

// writeFrameTo writes the header with as much of the payload as a borrowed
// buffer holds, in one write, and what is left of a large payload after it: a
// server's from the caller's memory, a client's masked piece by piece.
func writeFrameTo(nc net.Conn, h wsproto.Header, payload []byte) (sent int, err error) {
	buf := borrow(wsproto.MaxHeaderSize + len(payload))
	defer giveBack(buf)
	b := wsproto.AppendHeader(buf.b[:0], h)
	pos := 0
	for {
		n := min(len(payload), len(buf.b)-len(b))
		start := len(b)
		b = append(b, payload[:n]...)
		if h.Masked {
			pos = wsproto.Mask(h.Key, pos, b[start:])
		}
		payload = payload[n:]
		n, err = nc.Write(b)
		sent += n
		if err != nil || len(payload) == 0 {
			return sent, err
		}
		if !h.Masked {
			n, err = nc.Write(payload)
			return sent + n, err
		}
		b = buf.b[:0]
	}
}

// writeFailed makes err the failure of the writing direction, unless it has one,
// and returns what the caller sees.
func (c *Conn) writeFailed(err error) error {
	err = writeError(err)
	c.w.failure.CompareAndSwap(nil, &err)
	return err
}

func writeError(err error) error { return &OpError{Op: "write", Err: err} }

// newMaskKey returns an unpredictable masking key (RFC 6455, 5.3 and 10.3). It
// comes from ChaCha8 generators that are seeded by the operating system: as
// unguessable as crypto/rand, which asks the kernel each time.
func newMaskKey() (key [4]byte) {
	g := maskKeys.Get().(*rand.ChaCha8)
	binary.LittleEndian.PutUint32(key[:], uint32(g.Uint64()>>32))
	maskKeys.Put(g)
	return key
}

var maskKeys = sync.Pool{New: func() any {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails: it ends the process instead
	return rand.NewChaCha8(seed)
}}
