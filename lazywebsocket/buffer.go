package lazywebsocket

// readBuffer holds bytes that have arrived and were not read yet. Its memory is
// borrowed when bytes are there to be put into it, and given back when all are
// read: a connection that waits holds none, or what a torn header takes.
// Reader goroutine only.
type readBuffer struct {
	mem        *buffer // nil while nothing is unread and nobody fills it
	start, end int32   // mem.b[start:end] is unread
	size       int32   // that space borrows
}

// maxReadBuffer bounds the size that an application can wish for.
const maxReadBuffer = 1 << 30

// init sets the size and takes a copy of what has arrived already.
func (b *readBuffer) init(size int, received []byte) {
	b.size = int32(min(max(size, minReadBuffer), maxReadBuffer))
	if len(received) > 0 {
		b.mem = borrowLarge(len(received))
		b.end = int32(copy(b.mem.b, received)) //nolint:gosec // what net/http had buffered
	}
}

// unread returns what has arrived, valid until the next fill.
func (b *readBuffer) unread() []byte {
	if b.mem == nil {
		return nil
	}
	return b.mem.b[b.start:b.end]
}

// skip takes n bytes out of the buffer.
func (b *readBuffer) skip(n int) { b.start += int32(n) } //nolint:gosec // of unread

// space returns room for bytes that have arrived, behind the unread ones: for a
// header and a control frame at least, which is the most that a caller needs in
// one piece. filled says how much of it was used.
func (b *readBuffer) space() []byte {
	if b.mem != nil && b.start == b.end {
		b.start, b.end = 0, 0
	}
	switch {
	case b.mem == nil:
		b.mem, b.start, b.end = borrowLarge(int(b.size)), 0, 0
	case len(b.mem.b) < int(b.size) || len(b.mem.b)-int(b.end) < minReadBuffer:
		b.moveTo(borrowLarge(max(int(b.size), len(b.unread())+minReadBuffer)))
	}
	return b.mem.b[b.end:]
}

func (b *readBuffer) filled(n int) { b.end += int32(n) } //nolint:gosec // of space

// settle gives back what the unread bytes do not need: all of the memory if there
// are none, most of it if they are few.
func (b *readBuffer) settle() {
	if b.mem == nil {
		return
	}
	switch n := len(b.unread()); {
	case n == 0:
		b.drop()
	case 4*n <= len(b.mem.b) && len(b.mem.b) > 1<<minBufferShift:
		b.moveTo(borrowLarge(n))
	}
}

// moveTo puts the unread bytes into other memory, which has room for them.
func (b *readBuffer) moveTo(mem *buffer) {
	n := copy(mem.b, b.unread())
	giveBackLarge(b.mem)
	b.mem, b.start, b.end = mem, 0, int32(n) //nolint:gosec // of unread
}

// drop forgets what is unread.
func (b *readBuffer) drop() {
	if b.mem != nil {
		giveBackLarge(b.mem)
	}
	b.mem, b.start, b.end = nil, 0, 0
}

// borrowLarge is borrow of any size: beyond the pools' it allocates.
func borrowLarge(n int) *buffer {
	if n <= maxPooled {
		return borrow(n)
	}
	return &buffer{b: make([]byte, n)}
}

func giveBackLarge(p *buffer) {
	if len(p.b) <= maxPooled {
		giveBack(p)
	}
}
