package lazywebsocket

import (
	"crypto/tls"
	"io"
	"net"

	"golazy.dev/lazywebsocket/internal/poll"
)

// source reads the net.Conn for a connection and holds no memory meanwhile, as
// far as the net.Conn lets it. Reader goroutine only.
type source struct {
	socket *socket // a plain socket: bytes are fetched when they are there
	record *record // TLS, HTTP/2: the first byte of a record is waited for, the rest is there
}

// record is the record of TLS that is being read: a connection of TLS waits in a
// read, which has to be given memory, and this byte is it.
type record struct {
	first [1]byte
	begun bool // the first byte was read, and the others are likely to be there
}

const (
	// defaultReadBuffer is borrowed where it is not held while waiting: one system
	// call then brings all that waits, and its answers leave in one.
	defaultReadBuffer = maxBuffer
	// secureReadBuffer holds the largest record of TLS.
	secureReadBuffer = 16 << 10
	// heldReadBuffer is for a net.Conn of another kind, which has to be given the
	// memory before it waits.
	heldReadBuffer = 4 << 10
)

// init finds out what nc is, and returns the size of read buffer that suits it.
func (s *source) init(nc net.Conn) (size int) {
	if s.socket = newSocket(nc); s.socket != nil {
		return defaultReadBuffer
	}
	switch nc.(type) {
	case *tls.Conn, *streamConn: // what a stream has received is there, like a record
		s.record = new(record)
		return secureReadBuffer
	}
	return heldReadBuffer
}

// receive waits for bytes and puts them into the read buffer, where the net.Conn
// is not a plain socket.
func (c *Conn) receive() error {
	b := &c.r.buf
	if c.inLoop() {
		return c.receiveReady(b)
	}
	if c.src.record != nil && !c.src.record.begun && len(b.unread()) == 0 {
		b.settle()
		if n, err := c.deadlines.nc.Read(c.src.record.first[:]); n == 0 {
			return broughtNothing(err)
		}
		c.src.record.begun = true
		b.space()[0] = c.src.record.first[0]
		b.filled(1)
		return nil
	}
	if c.src.record != nil {
		c.src.record.begun = false
	}
	n, err := c.deadlines.nc.Read(b.space())
	b.filled(n)
	if n > 0 {
		return nil // an error that came with bytes comes again
	}
	return broughtNothing(err)
}

// receiveReady is receive for an event loop: it does not wait.
func (c *Conn) receiveReady(b *readBuffer) error {
	b.settle()
	if !c.served.Load().mayRead() {
		return errNothing // it is the turn of others
	}
	n, err := c.tryRead(b.space())
	b.filled(n)
	b.settle()
	if n > 0 {
		return nil // an error that came with bytes comes again
	}
	return broughtNothing(err)
}

// tryRead reads what is there. What stands on TLS reads through it.
func (c *Conn) tryRead(p []byte) (int, error) {
	if ready, ok := c.deadlines.nc.(readiness); ok {
		return ready.TryRead(p)
	}
	return c.deadlines.nc.Read(p) // of a handedConn, in the end, which does not wait
}

// receiveInto waits for bytes and puts them into p.
func (c *Conn) receiveInto(p []byte) (int, error) {
	if c.src.socket != nil {
		return c.src.socket.read(c.deadlines.nc, p)
	}
	read := c.deadlines.nc.Read
	if c.inLoop() {
		if !c.served.Load().mayRead() {
			return 0, errNothing
		}
		read = c.tryRead
	}
	n, err := read(p)
	if n > 0 {
		return n, nil // an error that came with bytes comes again
	}
	return 0, broughtNothing(err)
}

// plainSocket reports whether the net.Conn is a socket that nothing wraps. Inside
// one of the gates.
func (c *Conn) plainSocket() bool {
	if c.src.socket != nil {
		return true
	}
	_, ok := c.deadlines.nc.(*poll.Socket)
	return ok
}

// canTry reports whether tryWrite can be used: not on TLS, which has to write the
// whole of a record. Inside the write gate.
func (c *Conn) canTry() bool {
	if c.src.socket != nil {
		return true
	}
	_, ok := c.deadlines.nc.(readiness)
	return ok
}

// tryWrite writes what takes no waiting; free says that the net.Conn has no write
// deadline, which need not be looked at then. Inside the write gate.
func (c *Conn) tryWrite(b []byte, free bool) (int, error) {
	if c.src.socket != nil {
		n, err := c.src.socket.try(c.deadlines.nc, b, free, &c.w.writes)
		c.wireSent(n)
		return n, err
	}
	n, err := c.deadlines.nc.(readiness).TryWrite(b)
	if n > 0 {
		c.w.writes.Add(1)
	}
	c.wireSent(n)
	if wouldBlock(err) {
		err = nil
	}
	return n, err
}

// broughtNothing is the error of a read that brought nothing, as the reader sees it.
func broughtNothing(err error) error {
	if err == nil {
		err = io.ErrNoProgress
	}
	if wouldBlock(err) {
		return errNothing
	}
	return networkError{err}
}

// errNothing is made once: an event loop meets it after each burst.
var errNothing error = networkError{poll.ErrWouldBlock}
