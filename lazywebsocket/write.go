package lazywebsocket

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"math/rand/v2"
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

	deflate *deflate // nil: compression was not negotiated

	hold      hold
	queue     atomic.Pointer[queue] // nil before the first Publish
	closeSent atomic.Bool           // a Close frame was written, or begun
	writes    atomic.Uint32         // writes of the network that took bytes: signs of life
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
	if !isData(messageType) {
		return c.writeOther(messageType, data)
	}
	f := frame{op: wsproto.Opcode(messageType), fin: true, payload: data} //nolint:gosec // 1 or 2
	f.deadline = c.deadlines.forMessage()
	if sent, err := c.enterMessage(&f); sent || err != nil {
		return c.messageSent(messageType, int64(len(data)), err)
	}
	var err error
	if c.w.deflate == nil && c.w.queue.Load() == nil {
		err = c.writeFrame(&f)
	} else {
		err = c.writeWhole(noContext, &f)
	}
	c.leaveWrite()
	return c.messageSent(messageType, int64(len(data)), err)
}

// writeOther is WriteMessage of what is no data message.
func (c *Conn) writeOther(messageType int, data []byte) error {
	if !isControl(messageType) {
		return writeError(errMessageType)
	}
	return c.WriteControl(messageType, data, c.deadlines.forMessage())
}

// noContext is the context of a call that has none.
var noContext context.Context

// writeMessage writes a data message of one frame that ctx can cancel.
func (c *Conn) writeMessage(ctx context.Context, messageType int, data []byte) error {
	f := frame{op: wsproto.Opcode(messageType), fin: true, payload: data} //nolint:gosec // 1 or 2
	f.deadline = c.deadlines.forMessage()
	if sent, err := c.enterOrWrite(ctx, &f); sent || err != nil {
		return c.messageSent(messageType, int64(len(data)), err)
	}
	defer c.leaveWrite()
	return c.messageSent(messageType, int64(len(data)), c.writeWhole(ctx, &f))
}

// writeWhole writes the only frame of a data message, behind what is queued.
// Inside the gate.
func (c *Conn) writeWhole(ctx context.Context, f *frame) error {
	if err := c.sendAhead(ctx, f.deadline); err != nil {
		return err
	}
	if c.w.deflate == nil {
		return c.writeFrameContext(ctx, f)
	}
	return c.writePacked(ctx, f)
}

// writePacked is writeWhole where compression was negotiated. Inside the gate.
func (c *Conn) writePacked(ctx context.Context, f *frame) error {
	s := c.shape(f)
	defer s.packed.giveBack()
	err := c.writeFrameContext(ctx, f)
	if err == nil {
		s.sent(c)
	}
	return err
}

func isControl(messageType int) bool {
	return messageType >= CloseMessage && messageType <= PongMessage
}

func isData(messageType int) bool {
	return messageType == TextMessage || messageType == BinaryMessage
}

// enterMessage enters the gate to write the only frame of a message, unless it had
// to wait for its turn: sent says that it is written then. The case that is met
// mostly takes little stack.
func (c *Conn) enterMessage(f *frame) (sent bool, err error) {
	if f.deadline.IsZero() && c.w.gate.tryBegin(true) {
		if err = c.writable(); err != nil {
			c.leaveWrite()
		}
		return false, err
	}
	return c.enterOrWrite(noContext, f)
}

// enterWrite enters the gate; if the error is nil the caller may write, and then
// leaves. An error from here has written nothing.
func (c *Conn) enterWrite(e entrant) error {
	if !c.w.gate.tryBegin(e.message) {
		c.beforeBlocking()
		if err := c.w.gate.enter(e); err != nil {
			return c.neverEntered(err)
		}
	}
	return c.admit(e)
}

// neverEntered is the error of who has given up waiting for the gate.
func (c *Conn) neverEntered(err error) error {
	if c.deadlines.ended() {
		return ErrCloseSent
	}
	return writeError(err)
}

// admit says whether who has entered the gate may write. If not, he has left.
func (c *Conn) admit(e entrant) error {
	err := c.writable()
	switch {
	case err != nil:
	case e.ctx != nil && e.ctx.Err() != nil: // while it was let in
		err = writeError(e.ctx.Err())
	case !e.deadline.IsZero() && !time.Now().Before(e.deadline):
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

// frame is a frame to be sent.
type frame struct {
	op      wsproto.Opcode
	rsv     byte // wsproto.RSV1 on the first frame of a compressed message
	fin     bool
	wire    bool // the payload is a whole frame of a server, header and all
	now     bool // is not held, and takes what is held along
	payload []byte
	pm      *PreparedMessage // whose form is chosen when the frame's turn comes; or nil

	deadline time.Time // it must have left by then; zero: no limit
}

// size bounds what the frame takes on the wire.
func (f *frame) size() int { return wsproto.MaxHeaderSize + len(f.payload) }

// header returns the frame's header, with a fresh key where it needs one.
func (c *Conn) header(f *frame) wsproto.Header {
	h := wsproto.Header{Fin: f.fin, RSV: f.rsv, Opcode: f.op, Length: int64(len(f.payload))}
	if c.r.dec.Role == wsproto.Client {
		h.Masked, h.Key = true, newMaskKey()
	}
	return h
}

// appendFrame appends the whole frame to b, which has room for it.
func (c *Conn) appendFrame(b []byte, f *frame) []byte {
	if f.wire {
		return append(b, f.payload...)
	}
	h := c.header(f)
	b = wsproto.AppendHeader(b, h)
	if !h.Masked {
		return append(b, f.payload...)
	}
	end := len(b) + len(f.payload)
	wsproto.MaskCopy(b[len(b):end], f.payload, h.Key, 0)
	return b[:end]
}

// writeFrame writes one frame, or holds it. Inside the gate. The first failure is
// kept: the peer may have a part of a frame, behind which nothing makes sense.
func (c *Conn) writeFrame(f *frame) error {
	if c.holdFrame(f) {
		return nil
	}
	if c.w.hold.pending() {
		return c.writeBehind(f)
	}
	if _, err := c.sendFrame(f); err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// writeBehind writes a frame behind what is held: with it, if it fits.
func (c *Conn) writeBehind(f *frame) error {
	if len(c.w.hold.bytes())+f.size() <= maxBuffer {
		c.keep(f)
		return c.sendHeld(time.Time{})
	}
	if err := c.sendHeld(f.deadline); err != nil {
		return err
	}
	return c.writeFrame(f)
}

// writeOwn writes a ping or a pong that the application has not asked for.
// Inside the gate. That it ran out of time before a byte of it could leave is no
// failure of the application's connection.
func (c *Conn) writeOwn(op wsproto.Opcode, payload []byte, deadline time.Time) error {
	f := frame{op: op, fin: true, payload: payload}
	if c.holdFrame(&f) {
		return nil
	}
	f.deadline = deadline
	n, err := c.sendAlone(&f)
	switch {
	case err == nil:
		return nil
	case n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && !c.lateForGood():
		return writeError(err)
	}
	return c.writeFailed(err)
}

// sendAlone sends what is held and then the frame, and returns how many bytes of
// it have left.
func (c *Conn) sendAlone(f *frame) (int, error) {
	if err := c.sendHeld(f.deadline); err != nil {
		return 0, err
	}
	return c.sendFrame(f)
}

// sendFrame writes one frame and returns how many bytes of it have left.
func (c *Conn) sendFrame(f *frame) (int, error) {
	c.deadlines.armWrite(f.deadline)
	switch {
	case f.wire:
		return c.writeLarge(f.payload)
	case f.size() > maxBuffer:
		return c.writeParts(c.header(f), f.payload)
	}
	buf := borrow(f.size())
	n, err := c.writeOut(c.appendFrame(buf.b[:0], f))
	giveBack(buf)
	return n, err
}

// writeParts writes the header with as much of the payload as a borrowed buffer
// holds, in one write, and what is left of a large payload piece by piece: a
// server's from the caller's memory, a client's masked in the buffer.
func (c *Conn) writeParts(h wsproto.Header, payload []byte) (sent int, err error) {
	buf := borrow(maxBuffer)
	defer giveBack(buf)
	b := wsproto.AppendHeader(buf.b[:0], h)
	pos := 0
	for {
		n := min(len(payload), len(buf.b)-len(b))
		start := len(b)
		b = b[:start+n]
		if h.Masked {
			pos = wsproto.MaskCopy(b[start:], payload[:n], h.Key, pos)
		} else {
			copy(b[start:], payload)
		}
		payload = payload[n:]
		n, err = c.writeOut(b)
		sent += n
		if err != nil || len(payload) == 0 {
			return sent, err
		}
		if !h.Masked {
			n, err = c.writeLarge(payload)
			return sent + n, err
		}
		b = buf.b[:0]
	}
}

// writeLarge writes from the caller's memory: to TLS in pieces, so that a peer
// that reads slowly is seen to read.
func (c *Conn) writeLarge(payload []byte) (sent int, err error) {
	if c.canTry() {
		return c.writeOut(payload)
	}
	for len(payload) > 0 && err == nil {
		if sent > 0 {
			c.renewPatience()
		}
		piece := payload[:min(len(payload), maxBuffer)]
		payload = payload[len(piece):]
		var n int
		n, err = c.writeOut(piece)
		sent += n
	}
	return sent, err
}

// writeOut writes to the network, and counts what the peer takes as progress.
func (c *Conn) writeOut(b []byte) (sent int, err error) {
	if c.src.socket != nil {
		sent, err = c.src.socket.write(c.deadlines.nc, b, false, &c.w.writes)
	} else if sent, err = c.deadlines.nc.Write(b); sent > 0 {
		c.w.writes.Add(1)
	}
	c.wireSent(sent)
	if err != nil && c.deadlines.probed() {
		var n int
		n, err = c.writeOut(b[sent:])
		sent += n
	}
	return sent, err
}

// writeFailed makes err the failure of the writing direction, unless it has one,
// and returns what the caller sees.
func (c *Conn) writeFailed(err error) error {
	err = writeError(err)
	c.endsWriting(err)
	c.w.failure.CompareAndSwap(nil, &err)
	return err
}

func writeError(err error) error {
	if ours, ok := err.(*OpError); ok { //nolint:errorlint // made here, and not to be made twice
		return ours
	}
	return &OpError{Op: "write", Err: err}
}

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
