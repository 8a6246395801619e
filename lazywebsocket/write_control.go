package lazywebsocket

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

const (
	// pongWait bounds the write of a pong that answers a ping: the peer has that
	// long to read something when its socket is full.
	pongWait = 10 * time.Second
	// closeReplyWait bounds the answer to a Close frame, which waits for its turn
	// behind a writer that may be stuck.
	closeReplyWait = time.Second
)

// WriteControl sends a control frame: CloseMessage, PingMessage or PongMessage,
// with at most 125 bytes of data. It may be called from any goroutine and goes
// between the fragments of an open message (RFC 6455, 5.4). The deadline bounds
// waiting and writing; zero means no limit.
//
// After a CloseMessage every write returns ErrCloseSent. Its data is empty or
// comes from FormatCloseMessage; a code that must not be sent (RFC 6455, 7.4)
// is an error. A deadline that passes while waiting leaves the connection as it
// was; the other errors are those of WriteMessage.
func (c *Conn) WriteControl(messageType int, data []byte, deadline time.Time) error {
	if err := checkControl(messageType, data); err != nil {
		return err
	}
	return c.writeControl(entrant{deadline: deadline}, messageType, data)
}

// checkControl says what forbids sending a control message.
func checkControl(messageType int, data []byte) error {
	switch {
	case !isControl(messageType):
		return writeError(errMessageType)
	case len(data) > wsproto.MaxControlPayload:
		return writeError(errControlTooLong)
	case messageType == CloseMessage:
		if _, _, err := wsproto.ParseClose(data); err != nil {
			return writeError(errBadClose)
		}
	}
	return nil
}

// writeControl writes a control frame that was checked.
func (c *Conn) writeControl(e entrant, messageType int, data []byte) error {
	if err := c.enterWrite(e); err != nil {
		return err
	}
	defer c.leaveWrite()
	f := frame{op: wsproto.Opcode(messageType), fin: true, payload: data, deadline: e.deadline} //nolint:gosec // 8 to 10
	if messageType == CloseMessage {
		return c.writeClose(e, &f)
	}
	// Sent at once, but for a handler's reply: of a flood of pings each would cost
	// a write.
	f.now = !c.r.handling.Load()
	return c.writeFrameContext(e.ctx, &f)
}

// writeClose writes a Close frame behind what is queued. If time runs out before
// any of it has left the connection is as it was. Inside the gate.
func (c *Conn) writeClose(e entrant, f *frame) error {
	c.w.gate.setCloses(true)
	err := c.sendLast(e.ctx, e.deadline)
	undo := func() {}
	if err == nil {
		f.now = true
		undo = c.wouldEnd(EndLocal)
		err = c.writeFrameContext(e.ctx, f)
	}
	if err != nil {
		undo()
		if c.w.failure.Load() == nil {
			c.w.gate.setCloses(false)
			return err
		}
		c.endsWriting(err)
	}
	c.w.closeSent.Store(true)
	c.w.gate.setStream(false) // no message can follow: who waits for one hears of it
	if err == nil {
		c.saidClose(f.payload)
	}
	return err
}

// FormatCloseMessage returns the payload of a Close frame in new memory: the
// code in two bytes, then the text. It is empty for CloseNoStatusReceived.
// Whether the code may be sent, and the length, is judged by the write; a code
// that does not fit into two bytes is one that it refuses.
func FormatCloseMessage(closeCode int, text string) []byte {
	if closeCode < 0 || closeCode > math.MaxUint16 {
		closeCode = 0
	}
	return wsproto.AppendClose([]byte{}, closeCode, text)
}

// replyClose answers the peer's Close frame unless one was sent already. A
// failure needs no answer: the connection is at its end.
func (c *Conn) replyClose(code int) {
	if c.w.gate.tryEnter() {
		said := c.trySayClose(code)
		c.leaveWrite()
		if said {
			return
		}
	}
	deadline := time.Now().Add(closeReplyWait)
	_ = c.WriteControl(CloseMessage, FormatCloseMessage(code, ""), deadline)
}

// replyPong answers a ping: at once when nobody is writing, otherwise as soon as
// those have written who wait already. The reader does not wait for a writer,
// and no writer waits for a pong.
func (c *Conn) replyPong(payload []byte) {
	pong := &lazily(&c.rare).pong
	pong.put(payload)
	if c.w.gate.tryEnter() {
		c.writePong()
		c.leaveWrite()
	} else if !pong.carried.Swap(true) {
		go c.carryPong()
	}
}

// carryPong waits for its turn and writes the pong that waits then. There is one
// at most; it ends with the pings, or with the connection, whose end lets
// everybody in who waits.
func (c *Conn) carryPong() {
	pong := &c.rare.Load().pong
	for {
		_ = c.w.gate.enter(entrant{}) // waits without limit, so that it cannot fail
		c.writePong()
		c.leaveWrite()
		pong.carried.Store(false)
		// A ping that came in between has seen that somebody carries.
		if !pong.waiting.Load() || pong.carried.Swap(true) {
			return
		}
	}
}

// writePong writes the pong that waits. Inside the gate.
func (c *Conn) writePong() {
	if payload, ok := c.rare.Load().pong.take(); ok && c.writable() == nil {
		_ = c.writeOwn(wsproto.Pong, payload, time.Now().Add(pongWait))
	}
}

// pongSlot keeps the answer to the latest ping until somebody can write it.
// Only the latest counts (RFC 6455, 5.5.3), so that a flood of pings takes no
// more memory than one.
type pongSlot struct {
	carried atomic.Bool // a goroutine waits to write it
	waiting atomic.Bool // there is one; set under mu
	mu      sync.Mutex
	payload []byte // guarded by mu
	taken   []byte // belongs to who is inside the write gate
}

func (s *pongSlot) put(payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.payload = append(s.payload[:0], payload...)
	s.waiting.Store(true)
}

// take returns the waiting payload, valid until the next take.
func (s *pongSlot) take() (payload []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.waiting.Load() {
		return nil, false
	}
	s.payload, s.taken = s.taken, s.payload
	s.waiting.Store(false)
	return s.taken, true
}
