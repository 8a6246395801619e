package wsdeflate

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Inflater is the receiving direction of a connection. It is for one goroutine.
type Inflater struct {
	win  window
	m    *inflation // borrowed while a message is open
	lost bool       // the window has not all of the text that was carried
}

// NewInflater returns the receiving direction, whose window has 1<<bits bytes
// (512 for 8 bits), or none without takeover.
func NewInflater(takeover bool, bits int) *Inflater {
	f := new(Inflater)
	if takeover {
		f.win.size = receivedBytes(bits)
	}
	return f
}

// Begin opens a message whose compressed payload src returns, up to io.EOF. It
// closes one that is still open.
func (f *Inflater) Begin(src io.Reader) {
	f.End()
	f.m = inflations.Get().(*inflation)
	f.m.begin(src, f.win.b)
	if f.lost {
		f.m.err = ErrCorrupt
	}
}

// Read returns the next plain text of the message, up to io.EOF. An error of
// src is returned as it is; everything else that stops it is ErrCorrupt. What
// stopped it is returned again by every later Read of the message.
func (f *Inflater) Read(p []byte) (int, error) {
	m := f.m
	for m.err == nil && len(p) > 0 {
		n, err := m.flate.Read(p)
		switch {
		case n > 0 && m.src.rest == "":
			// A block of the peer's took our own final block for its text.
			m.err = ErrCorrupt
			return 0, m.err
		case n > 0:
			f.keep(p[:n])
		}
		if err != nil {
			m.err = f.stopped(err)
		}
		if n > 0 {
			return n, m.err
		}
	}
	return 0, m.err
}

// stopped judges what the decompressor stopped with. A final block ends its
// stream but not the message, where further blocks may follow (RFC 7692, 7.2.1).
// They find the window's text and not, without takeover, that of the message
// so far: a compressor that finishes its stream starts the next one afresh.
func (f *Inflater) stopped(err error) error {
	m := f.m
	if err == io.EOF { //nolint:errorlint // io.Reader's contract is ==
		if m.atEnd() {
			return io.EOF
		}
		if m.restarts < freeRestarts+m.src.n/restartBytes {
			m.restarts++
			f.settle()
			m.reset(f.win.b)
			return nil
		}
	}
	if m.src.err != nil {
		return m.src.err
	}
	return ErrCorrupt
}

// End closes the message and gives back what was borrowed. A message that was
// not read up to io.EOF leaves a hole in the window: with takeover all later
// messages are then ErrCorrupt. End does nothing where no message is open.
func (f *Inflater) End() {
	if f.m == nil {
		return
	}
	f.settle()
	if f.m.err != io.EOF && f.win.size > 0 { //nolint:errorlint // it is io.EOF itself
		f.lost = true
		f.win.drop()
	}
	f.m.release()
	f.m = nil
}

// Held returns the bytes that the direction holds between messages.
func (f *Inflater) Held() int { return cap(f.win.b) }

// keep adds plain text to the window, small ones gathered: a peer that flushes
// byte by byte would otherwise have the whole window moved for each of them.
func (f *Inflater) keep(p []byte) {
	late := &f.m.late
	if f.win.size == 0 {
		return
	}
	if len(*late)+len(p) > cap(*late) {
		f.settle()
	}
	if len(p) > cap(*late) {
		f.win.add(p)
		return
	}
	*late = append(*late, p...)
}

// settle adds to the window what has been gathered.
func (f *Inflater) settle() {
	f.win.add(f.m.late)
	f.m.late = f.m.late[:0]
}

// ErrCorrupt says that a message is not what a compressor produces.
var ErrCorrupt = errors.New("corrupt deflate stream")

// A restart behind a final block costs some microseconds with a window of
// 32 KiB. So many are had for nothing in a message, and one more for each so
// many bytes: a peer cannot buy them with the two bytes of an empty block.
const (
	freeRestarts = 16
	restartBytes = 256
)

// What completes a message: the sync marker that its sender left out (RFC 7692,
// 7.2.2), and an empty final block, so that the decompressor sees the end.
const (
	syncMarker = "\x00\x00\xff\xff"
	finalBlock = "\x01\x00\x00\xff\xff"
)

// inflation is what a message borrows: about 40 KiB, nearly all of it the
// decompressor's.
type inflation struct {
	flate io.ReadCloser // a flate.Resetter too
	in    *bufio.Reader // a type that the decompressor has fast code for
	src   completed
	err   error  // what stopped the message
	late  []byte // plain text that is not yet in the window

	restarts int // behind final blocks
}

var inflations = sync.Pool{New: func() any {
	m := new(inflation)
	m.in = bufio.NewReaderSize(&m.src, 1024)
	m.flate = flate.NewReader(m.in)
	m.late = make([]byte, 0, 4<<10)
	return m
}}

func (m *inflation) begin(src io.Reader, dict []byte) {
	m.src = completed{src: src, rest: syncMarker + finalBlock}
	m.in.Reset(&m.src)
	m.reset(dict)
}

// reset starts the decompressor on what is left of the input.
func (m *inflation) reset(dict []byte) {
	_ = m.flate.(flate.Resetter).Reset(m.in, dict) // never fails
}

// atEnd reports whether a final block was the last one: ours, or one of the
// peer's behind which nothing of the payload is left. Its sender should have
// put an empty block there (RFC 7692, 7.2.3.4), but not all of them do.
func (m *inflation) atEnd() bool {
	_, err := m.in.Peek(1)
	return err == io.EOF ||
		m.src.rest == finalBlock && m.in.Buffered() == len(syncMarker)
}

func (m *inflation) release() {
	m.src = completed{}
	m.in.Reset(&m.src)
	m.reset(nil)
	m.err, m.restarts = nil, 0
	inflations.Put(m)
}

// completed is src with the marker and the final block behind it. It hands out
// each of them alone, and so not the block before the marker has been read: what
// comes before the block is then known from what comes of it.
type completed struct {
	src  io.Reader
	n    int    // bytes that src has returned
	err  error  // of src, other than io.EOF
	rest string // of what completes
}

func (c *completed) Read(p []byte) (int, error) {
	for c.src != nil {
		n, err := c.src.Read(p)
		c.n += n
		if err != nil {
			c.src = nil
			if err != io.EOF {
				c.err = err
			}
		}
		if n > 0 || err == nil {
			return n, nil
		}
	}
	if c.err != nil {
		return 0, c.err
	}
	if c.rest == "" {
		return 0, io.EOF
	}
	n := copy(p, c.rest[:max(len(c.rest)-len(finalBlock), 0)])
	if n == 0 {
		n = copy(p, c.rest)
	}
	c.rest = c.rest[n:]
	return n, nil
}
