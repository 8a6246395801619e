package lazywebsocket

import (
	"errors"
	"io"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// BufferPool is where an Upgrader or a Dialer may borrow the buffers of
// NextWriter. Get may return nil; what it returns otherwise was given to Put.
// A *sync.Pool is one. Without it the package's own pools are used, so that an
// idle connection holds no write buffer in either case.
type BufferPool interface {
	// Get gets a value from the pool, or nil.
	Get() any
	// Put adds a value to the pool.
	Put(any)
}

// stream owns the message that is written piece by piece. Its gate is held while
// a piece is written, which may take long: NextWriter waits no longer for it than
// its deadline.
type stream struct {
	gate gate           // guards open and everything in it
	open *messageWriter // what NextWriter returned last and nobody closed
}

// NextWriter begins a message and returns its writer; the message is complete
// when that is closed. What is written leaves in frames of about the write
// buffer's size. Other messages wait until then, control frames go in between.
//
// A writer that was not closed is closed first, so that one goroutine streams
// at a time. Control messages can be written too: they leave, as one frame of
// at most 125 bytes, when the writer is closed. The writer implements
// io.StringWriter and io.ReaderFrom. The errors are those of WriteMessage.
func (c *Conn) NextWriter(messageType int) (io.WriteCloser, error) {
	s := &lazily(&c.rare).stream
	deadline := c.deadlines.forMessage()
	if !s.gate.tryEnter() {
		c.beforeBlocking()
		if err := s.gate.enter(entrant{deadline: deadline}); err != nil {
			return nil, writeError(err)
		}
	}
	defer s.gate.leave()
	if s.open != nil {
		_ = s.open.finish() // its failure is the next write's too
	}
	switch {
	case isControl(messageType):
	case !isData(messageType):
		return nil, writeError(errMessageType)
	default:
		if err := c.enterWrite(entrant{deadline: deadline, message: true}); err != nil {
			return nil, err
		}
		err := c.sendQueued(deadline)
		c.w.gate.setStream(err == nil)
		c.leaveWrite()
		if err != nil {
			return nil, err
		}
	}
	s.open = &messageWriter{
		c: c, messageType: messageType, streaming: isData(messageType),
	}
	return s.open, nil
}

// messageWriter writes one message. Inside the stream's gate.
type messageWriter struct {
	c           *Conn
	messageType int
	streaming   bool    // the gate keeps other messages out for this one
	begun       bool    // the first frame has left
	compressed  bool    // and said that the message is compressed
	err         error   // what every later call returns
	buf         *buffer // nil until bytes wait
	n           int     // payload bytes in buf
	total       int64   // payload bytes that have left
}

// enter waits for a NextWriter that is about to close this writer, at most.
func (w *messageWriter) enter() {
	if g := &w.c.rare.Load().stream.gate; !g.tryEnter() {
		w.c.beforeBlocking()
		g.enterAlways()
	}
}

func (w *messageWriter) leave() { w.c.rare.Load().stream.gate.leave() }

// Write adds p to the message. P is not kept.
func (w *messageWriter) Write(p []byte) (int, error) {
	w.enter()
	defer w.leave()
	return w.write(p)
}

// WriteString is Write without a copy of s.
func (w *messageWriter) WriteString(s string) (int, error) {
	w.enter()
	defer w.leave()
	total := 0
	for len(s) > 0 {
		space, err := w.space()
		if err != nil {
			return total, err
		}
		n := copy(space, s)
		w.n += n
		total += n
		s = s[n:]
	}
	return total, w.err
}

// ReadFrom adds what r has, until io.EOF. The message is not held up for others
// while r is waited for.
func (w *messageWriter) ReadFrom(r io.Reader) (int64, error) {
	piece := borrow(w.c.writeBuffers().size)
	defer giveBack(piece)
	var total int64
	for {
		n, err := r.Read(piece.b)
		if n > 0 {
			written, err := w.Write(piece.b[:n])
			total += int64(written)
			if err != nil {
				return total, err
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Close completes the message.
func (w *messageWriter) Close() error {
	w.enter()
	defer w.leave()
	return w.finish()
}

func (w *messageWriter) write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	total := len(p)
	if total >= w.c.writeBuffers().size && !isControl(w.messageType) {
		// As large as the buffer: it goes out as a frame of its own, uncopied.
		if err := w.flush(false); err != nil {
			return 0, err
		}
		if err := w.frame(false, p); err != nil {
			return 0, err
		}
		return total, nil
	}
	for len(p) > 0 {
		space, err := w.space()
		if err != nil {
			return total - len(p), err
		}
		n := copy(space, p)
		w.n += n
		p = p[n:]
	}
	return total, nil
}

// space returns room for at least one byte, sending a frame if there is none.
func (w *messageWriter) space() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	if w.buf == nil {
		w.buf = w.c.borrowWriteBuffer()
	}
	room := w.buf.b
	if isControl(w.messageType) {
		// One byte too many fits, so that it is seen and refused.
		room = room[:wsproto.MaxControlPayload+1]
		if w.n == len(room) {
			return nil, w.fail(writeError(errControlTooLong))
		}
	} else if w.n == len(room) {
		if err := w.flush(false); err != nil {
			return nil, err
		}
	}
	return room[w.n:], nil
}

// flush sends the buffered bytes as a frame; an empty one only to end a message.
func (w *messageWriter) flush(fin bool) error {
	if w.n == 0 && !fin {
		return nil
	}
	p := w.buffered()
	w.n = 0
	return w.frame(fin, p)
}

func (w *messageWriter) buffered() []byte {
	if w.buf == nil {
		return nil
	}
	return w.buf.b[:w.n]
}

// frame sends p as the message's next frame.
func (w *messageWriter) frame(fin bool, p []byte) error {
	c := w.c
	deadline := c.deadlines.forMessage()
	if err := c.enterWrite(entrant{deadline: deadline}); err != nil {
		if w.begun && !errors.Is(err, ErrCloseSent) {
			// Half a message is out and the rest will not follow.
			c.w.failure.CompareAndSwap(nil, &err)
		}
		return w.fail(err)
	}
	f := frame{op: wsproto.Continuation, fin: fin, payload: p, deadline: deadline}
	if !w.begun {
		f.op = wsproto.Opcode(w.messageType) //nolint:gosec // 1 or 2
	}
	packed := w.pack(&f)
	begun := w.begun
	w.begun = true
	if fin {
		c.w.gate.setStream(false)
		w.streaming = false
	}
	defer c.leaveWrite()
	defer packed.giveBack()
	if err := c.writeFrame(&f); err != nil {
		if begun { // the rest of the message will not follow
			c.w.failure.CompareAndSwap(nil, &err)
		}
		return w.fail(err)
	}
	c.w.gate.torn = !fin
	if w.total += int64(len(p)); fin {
		_ = c.messageSent(w.messageType, w.total, nil)
	}
	if packed != nil {
		c.w.deflate.out.Sent(p, fin)
	}
	return nil
}

// pack compresses a frame of the message, if it is the only one by the rule of
// whole messages, otherwise as the first one was.
func (w *messageWriter) pack(f *frame) *scratch {
	switch {
	case !w.begun && f.fin:
		return w.c.pack(f)
	case !w.begun:
		// A first frame that is not the last is of a message larger than the buffer.
		w.compressed = w.c.compresses(max(len(f.payload), w.c.writeBuffers().size))
	}
	if !w.compressed {
		return nil
	}
	return w.c.packPiece(f)
}

// finish completes the message and ends the writer.
func (w *messageWriter) finish() error {
	if w.err != nil {
		return w.err
	}
	if isControl(w.messageType) {
		if err := w.c.WriteMessage(w.messageType, w.buffered()); err != nil {
			return w.fail(err)
		}
	} else if err := w.flush(true); err != nil {
		return err
	}
	_ = w.fail(writeError(errWriterClosed))
	return nil
}

// fail ends the writer: err is what its methods return from now on. Messages
// that wait for this one's end need not wait any more.
func (w *messageWriter) fail(err error) error {
	w.err = err
	if w.streaming {
		w.streaming = false
		w.c.endStream()
	}
	if s := &w.c.rare.Load().stream; s.open == w {
		s.open = nil
	}
	if w.buf != nil {
		w.c.returnWriteBuffer(w.buf)
		w.buf = nil
	}
	return err
}

// writeBuffers is what an application wants of the buffers of NextWriter.
type writeBuffers struct {
	size int
	pool BufferPool // or nil
}

const defaultWriteBuffer = 4096

func (c *Conn) initWriteBuffers(s settings) {
	if size := orDefault(s.writeBufferSize, defaultWriteBuffer); size != defaultWriteBuffer || s.writeBufferPool != nil {
		lazily(&c.rare).buffers = writeBuffers{size, s.writeBufferPool}
	}
}

// writeBuffers returns what the application wants.
func (c *Conn) writeBuffers() writeBuffers {
	if r := c.rare.Load(); r != nil && r.buffers.size > 0 {
		return r.buffers
	}
	return writeBuffers{size: defaultWriteBuffer}
}

// borrowWriteBuffer returns a buffer of the configured size or more.
func (c *Conn) borrowWriteBuffer() *buffer {
	want := c.writeBuffers()
	if want.pool == nil {
		return borrowLarge(want.size)
	}
	if b, ok := want.pool.Get().(*buffer); ok && b != nil && len(b.b) >= want.size {
		return b
	}
	return &buffer{b: make([]byte, max(want.size, minWriteBuffer))}
}

func (c *Conn) returnWriteBuffer(b *buffer) {
	pool := c.writeBuffers().pool
	if pool == nil {
		giveBackLarge(b)
		return
	}
	overwrite(b.b)
	pool.Put(b)
}

// minWriteBuffer holds a control payload, and the byte that is one too many.
const minWriteBuffer = wsproto.MaxControlPayload + 1
