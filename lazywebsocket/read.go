package lazywebsocket

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// reader is the reading half of a connection. Whoever is inside the gate owns
// all of it but the atomics.
type reader struct {
	gate gate
	dec  wsproto.Decoder
	buf  readBuffer
	err  error // the first failure: what every later read returns

	inflate *inflate         // nil: compression was not negotiated
	ctx     *context.Context // of the read in progress, nil when it has none
	limit   atomic.Int64     // the read limit, from the next message on

	reads    atomic.Uint32 // reads of the network, begun and ended: signs of life
	handling atomic.Bool   // a handler of a control frame runs

	// message counts the messages begun. A reader that NextReader returned knows
	// its number, and ends when another message has begun.
	message uint32

	lost       bool           // the place in the stream is lost with the failure
	peerClosed bool           // the peer's Close frame was read
	opcode     wsproto.Opcode // of the latest message

	// begun is set when a cancelled read has accepted a message's first header
	// but delivered nothing: the next read continues with that message.
	begun bool

	blocking bool // a loop serves the connection, but Shutdown reads, and waits

	// control is the control frame whose payload is awaited while inControl is
	// set: a cancelled read may leave it to the next one.
	inControl     bool
	control       wsproto.Opcode
	controlLength uint8

	farewell farewell // what the peer's Close frame asks for
}

func (r *reader) init(s settings, bufferSize int) {
	r.dec.Role = s.role
	r.dec.MaxFragments = int32(min(max(s.maxFragments, -1), math.MaxInt32))
	if s.maxFragments == 0 {
		r.dec.MaxFragments = defaultMaxFragments
	}
	r.limit.Store(s.readLimit)
	if s.readLimit == 0 {
		r.limit.Store(defaultReadLimit)
	}
	r.buf.init(orDefault(s.readBufferSize, bufferSize), s.received)
}

// SetReadLimit sets the largest message in bytes that a read accepts, from the
// next message on; zero and less mean no limit. A larger message is refused
// when its size is announced, before its bytes arrive: the peer is told
// CloseMessageTooBig and reads return ErrReadLimit.
//
// The default is the ReadLimit of the Upgrader or the Dialer: 1 MiB.
func (c *Conn) SetReadLimit(limit int64) { c.r.limit.Store(limit) }

// AppendMessage reads the next message and appends it to dst, which may be nil.
// It returns TextMessage or BinaryMessage and the extended slice. Where dst has
// room for the message it allocates nothing; dst grows with the bytes that
// arrive, not with those that a peer announces. Text is valid UTF-8.
//
// The rest of a message that a reader of NextReader has left is dropped.
// Control frames that arrive are handled. On an error, which every later read
// returns too, data is dst with what had arrived of the message.
//
// The errors are *CloseError (the peer closed, or vanished: code 1006),
// *ProtocolError (the peer broke the protocol), ErrReadLimit, *OpError (the
// network, a deadline, our own Close: net.ErrClosed), and what a handler
// returned.
func (c *Conn) AppendMessage(dst []byte) (messageType int, data []byte, err error) {
	c.r.gate.enterAlways()
	defer c.leaveRead()
	if err := c.notServed(); err != nil {
		return noMessage, dst, err
	}
	if err := c.await(); err != nil {
		return noMessage, dst, err
	}
	return c.appendMessage(dst)
}

// await waits for bytes between two messages. A connection spends its life here,
// so that it waits close to the bottom of its goroutine's stack: with all of the
// reader's frames above it, 2 KiB of stack would not do.
func (c *Conn) await() error {
	between := c.r.err == nil && !c.r.begun && !c.messageOpen()
	if between && len(c.r.buf.unread()) == 0 {
		if err := c.fill(); err != nil {
			return c.stopped(err)
		}
	}
	return nil
}

// ReadMessage reads the next message into new memory, which is the caller's.
// The rules are those of AppendMessage, which programs with many messages use
// instead.
func (c *Conn) ReadMessage() (messageType int, p []byte, err error) {
	messageType, p, err = c.AppendMessage(nil)
	return messageType, filled(p, err), err
}

// filled makes the result of a read into new memory: never nil beside a
// message, always nil beside an error.
func filled(p []byte, err error) []byte {
	switch {
	case err != nil:
		return nil
	case p == nil:
		return []byte{}
	default:
		return p
	}
}

// noMessage is the message type beside an error.
const noMessage = -1

// appendMessage is AppendMessage inside the gate.
func (c *Conn) appendMessage(dst []byte) (int, []byte, error) {
	if err := c.begin(); err != nil {
		return noMessage, dst, err
	}
	start := len(dst)
	for c.messageOpen() {
		var err error
		dst, err = c.appendStep(dst, start)
		if err == nil {
			continue
		}
		if cause := c.cancelCause(err); cause != nil && len(dst) == start && c.resumable() {
			c.r.begun = true
			return noMessage, dst, cause
		}
		return noMessage, dst, c.readFailed(err)
	}
	c.delivered()
	return int(c.r.opcode), dst, nil
}

// messageOpen reports whether the message that was begun has more to read.
func (c *Conn) messageOpen() bool { return c.inflating() || c.r.dec.InMessage() }

// appendStep takes a step towards the end of the open message.
func (c *Conn) appendStep(dst []byte, start int) ([]byte, error) {
	switch {
	case c.inflating():
		return c.appendInflated(dst, start)
	case c.atHeader():
		_, err := c.nextData()
		return dst, err
	default:
		return c.appendPayload(dst, start)
	}
}

// begin advances to the first frame of the next message.
func (c *Conn) begin() error {
	r := &c.r
	if r.err != nil {
		return r.err
	}
	if r.begun {
		r.begun = false
		return nil
	}
	if err := c.dropRest(); err != nil {
		return c.stopped(err)
	}
	f, err := c.nextData()
	if err != nil {
		return c.stopped(err)
	}
	r.opcode = f.Opcode
	r.message++
	if r.dec.Compressed() && !r.blocking {
		c.beginInflate()
	}
	return nil
}

// endedError is what a read finds after we have ended the connection.
func (c *Conn) endedError() error {
	if k := c.keepalive(); k != nil && k.dead.Load() {
		return &OpError{Op: "read", Err: errNoPong}
	}
	if fate := c.queueFate(); fate != nil {
		return &OpError{Op: "read", Err: fate}
	}
	return errReadClosed
}

// stopped is readFailed between messages, where a cancelled read loses nothing
// and fails nothing.
func (c *Conn) stopped(err error) error {
	if cause := c.cancelCause(err); cause != nil && c.resumable() {
		return cause
	}
	return c.readFailed(err)
}

// dropRest reads to its end what a reader of NextReader has left.
func (c *Conn) dropRest() error {
	if !c.messageOpen() {
		return nil
	}
	c.r.message++ // which ends its reader, whatever becomes of this read
	for c.messageOpen() {
		if err := c.drop(); err != nil {
			return err
		}
	}
	c.messageRead()
	return nil
}

// drop takes a step towards the end of the open message.
func (c *Conn) drop() error {
	if c.inflating() {
		return c.dropInflated()
	}
	if c.atHeader() {
		_, err := c.nextData()
		return err
	}
	if len(c.r.buf.unread()) == 0 {
		return c.fill()
	}
	p := c.buffered()
	c.r.buf.skip(len(p))
	return c.r.dec.Payload(p)
}

// atHeader reports whether the open message goes on with a header, or with a
// control frame that a cancelled read has left: nextData has both.
func (c *Conn) atHeader() bool { return c.r.inControl || c.r.dec.Remaining() == 0 }

// buffered returns what the buffer has of the current frame's payload.
func (c *Conn) buffered() []byte {
	p := c.r.buf.unread()
	return p[:min(int64(len(p)), c.r.dec.Remaining())]
}

// nextData advances to the next data frame and handles the control frames in
// between.
func (c *Conn) nextData() (wsproto.Frame, error) {
	for {
		if !c.r.inControl {
			f, err := c.nextFrame()
			if err != nil || !f.Control {
				return f, err
			}
			c.r.control, c.r.controlLength, c.r.inControl = f.Opcode, uint8(f.Length), true //nolint:gosec // 125 at most
		}
		if err := c.handleControl(); err != nil {
			return wsproto.Frame{}, err
		}
	}
}

// nextFrame reads the next header.
func (c *Conn) nextFrame() (wsproto.Frame, error) {
	r := &c.r
	if !r.dec.InMessage() {
		r.dec.Limit = r.limit.Load()
	}
	for {
		f, n, err := r.dec.Next(r.buf.unread())
		if err != nil {
			return f, err
		}
		if n > 0 {
			r.buf.skip(n)
			return f, nil
		}
		if err := c.fill(); err != nil {
			return f, err
		}
	}
}

// appendPayload takes a step through the current frame's payload: appends to
// dst what has arrived, or waits for more. dst[start:] is the message.
func (c *Conn) appendPayload(dst []byte, start int) ([]byte, error) {
	if len(c.r.buf.unread()) > 0 {
		p := c.buffered()
		c.r.buf.skip(len(p))
		err := c.r.dec.Payload(p)
		return append(dst, p...), err
	}
	rest := c.r.dec.Remaining()
	if rest < int64(c.r.buf.size) {
		return dst, c.fill() // may bring the next frames too
	}
	// A large payload goes straight into the caller's memory, which doubles with
	// the bytes that have arrived: what a header announces costs nothing.
	if cap(dst) == len(dst) {
		room := max(len(dst)-start, int(c.r.buf.size))
		dst = slices.Grow(dst, int(min(rest, int64(room))))
	}
	p := dst[len(dst):cap(dst)]
	n, err := c.readPayload(p)
	return dst[:len(dst)+n], err
}

// readPayload reads the current frame's payload past the empty buffer into p.
func (c *Conn) readPayload(p []byte) (int, error) {
	c.beforeWait()
	c.r.buf.drop()
	c.beginRead()
	n, err := c.receiveInto(p[:min(int64(len(p)), c.r.dec.Remaining())])
	c.endRead(err)
	if o := c.observed(); o != nil {
		o.wireReceived(n)
	}
	if n == 0 {
		return 0, err
	}
	return n, c.r.dec.Payload(p[:n])
}

// beginRead and endRead count a read of the network when it begins and ends, so
// that the count is odd while it waits. That of an event loop waits on after it
// has found nothing.
func (c *Conn) beginRead() {
	if c.r.reads.Load()%2 == 0 {
		c.r.reads.Add(1)
	}
}

func (c *Conn) endRead(err error) {
	if err == nil || !c.inLoop() || !wouldBlock(err) {
		c.r.reads.Add(1)
	}
}

// fill waits for bytes.
func (c *Conn) fill() error {
	c.beforeWait()
	c.beginRead()
	if o := c.observed(); o != nil {
		o.unread = len(c.r.buf.unread())
	}
	var err error
	if c.src.socket != nil {
		err = c.src.socket.receive(c.deadlines.nc, &c.r.buf)
	} else {
		err = c.receive()
	}
	c.endRead(err)
	if o := c.observed(); o != nil {
		o.wireReceived(len(c.r.buf.unread()) - o.unread)
	}
	return err
}

// readFailed makes err the failure of the reading direction and returns what
// the caller sees. A breach of the protocol ends the connection; all else
// leaves the writing direction as it is.
func (c *Conn) readFailed(err error) error {
	r := &c.r
	c.beforeWait() // for the application's next read, which will not come
	r.err = readFailure(err)
	c.abandonInflate()
	if cause := c.cancelCause(err); cause != nil {
		r.err = cause
	}
	c.endsReading(err, r.err)
	var broken *ProtocolError
	_, handlers := err.(handlerError) //nolint:errorlint // the reader's own, not wrapped yet
	switch {
	case handlers, r.peerClosed:
	case errors.As(r.err, &broken):
		_ = c.end(broken.Code, broken.Reason)
		if c.overStream() {
			r.lost = true
			return r.err // seekClose goes on from there, and drops the buffer
		}
	case errors.As(r.err, new(*BudgetError)):
		_ = c.end(CloseTryAgainLater, "server is short of memory")
	case c.deadlines.ended():
		r.err = c.endedError()
		return r.err // linger goes on from where the buffer stands
	}
	r.lost = true
	r.buf.drop()
	return r.err
}
