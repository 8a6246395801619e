package lazywebsocket

import (
	"io"
)

// readBuffer holds bytes that have arrived and were not read yet.
// Reader goroutine only.
type readBuffer struct {
	data       []byte // nil until the first fill
	start, end int    // data[start:end] is unread
	size       int    // of data, once it exists
}

// init sets the size and takes a copy of what has arrived already.
func (b *readBuffer) init(size int, received []byte) {
	b.size = max(size, minReadBuffer)
	if len(received) > 0 {
		b.data = make([]byte, max(b.size, len(received)))
		b.end = copy(b.data, received)
	}
}

// unread returns what has arrived, valid until the next fill.
func (b *readBuffer) unread() []byte { return b.data[b.start:b.end] }

// skip takes n bytes out of the buffer.
func (b *readBuffer) skip(n int) {
	if b.start += n; b.start == b.end {
		b.start, b.end = 0, 0
	}
}

// fill waits for more bytes from src: one read, into the space behind the
// unread bytes, which move to the front when there is none. There is always
// room for a header and a control frame, which is the most that a caller needs
// in one piece.
func (b *readBuffer) fill(src io.Reader) error {
	if b.data == nil {
		b.data = make([]byte, b.size)
	}
	if len(b.data)-b.end < minReadBuffer {
		b.end = copy(b.data, b.unread())
		b.start = 0
	}
	n, err := src.Read(b.data[b.end:])
	b.end += n
	if n > 0 {
		return nil // an error that came with bytes comes again
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
