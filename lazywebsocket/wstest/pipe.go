package wstest

import (
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golazy.dev/lazywebsocket/internal/poll"
)

// Pipe returns the two ends of a connection in memory, with the defaults of
// Network.
func Pipe() (client, server *PipeConn) { return Network{}.Pipe() }

// Pipe returns the two ends of a connection in memory. The ends differ in their
// addresses alone.
func (n Network) Pipe() (client, server *PipeConn) {
	p := &pipe{chunk: n.Chunk, limit: n.Buffer}
	if p.limit == 0 {
		p.limit = defaultBuffer
	}
	var halves [2]*half
	for i := range halves {
		h := &half{}
		h.changed.L = &p.mu
		halves[i] = h
	}
	client = &PipeConn{p: p, in: halves[0], out: halves[1], local: clientAddr, remote: serverAddr}
	server = &PipeConn{p: p, in: halves[1], out: halves[0], local: serverAddr, remote: clientAddr}
	return client, server
}

// PipeConn is one end of a connection in memory. It behaves like a TCP
// connection of package net, with the properties that tests care about:
//
//   - A write returns when its bytes are in the buffer of that direction, and
//     waits while the buffer is full. Writes do not mix.
//   - An expired deadline is a net.Error that is os.ErrDeadlineExceeded, also
//     where bytes or room are there. A later deadline makes the end usable again.
//   - CloseWrite shuts one direction: the peer reads what is buffered, then
//     io.EOF.
//   - Close with unread bytes in the buffer, and a write to an end that was
//     closed, reset the connection: what the peer has not read is lost.
//
// All methods may be called from any goroutine.
type PipeConn struct {
	p             *pipe
	in, out       *half
	local, remote addr
	closed        bool // guarded by p.mu
}

var _ net.Conn = (*PipeConn)(nil)

// pipe is what the two ends share.
type pipe struct {
	mu    sync.Mutex // guards all below, the halves, and chunk's calls
	limit int
	chunk func() int
	reset bool // the bytes in flight are lost; neither direction goes on
}

// half is one direction. Guarded by the pipe's mu.
type half struct {
	changed    sync.Cond // on everything that a reader or a writer waits for
	data       []byte    // data[start:] was written and not read
	start      int
	eof        bool         // the writing end will write no more
	readerGone bool         // the reading end has closed
	writing    bool         // a write is in progress, perhaps waiting for room
	watcher    poll.Watcher // told when a read may not wait; or nil
	readBy     deadline
	writeBy    deadline
}

// deadline is a point in time that wakes who waits for half.changed.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

// set replaces the deadline. The pipe's mu is held.
func (d *deadline) set(h *half, t time.Time) {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.at = t
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		if d.timer == nil {
			d.timer = time.AfterFunc(wait, h.wake)
		} else {
			d.timer.Reset(wait)
		}
	}
	h.notify()
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// wake makes who waits look again. Under the lock, or a waiter between its look
// and its wait would miss it.
func (h *half) wake() {
	h.changed.L.Lock()
	defer h.changed.L.Unlock()
	h.notify()
}

// notify wakes everybody whom a change may concern. The pipe's mu is held.
func (h *half) notify() {
	h.changed.Broadcast()
	h.tell()
}

func (h *half) unread() int { return len(h.data) - h.start }

// Read waits for bytes and returns some of them.
func (c *PipeConn) Read(b []byte) (int, error) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	for {
		n, err := c.tryRead(b)
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		c.in.changed.Wait()
	}
}

func (c *PipeConn) tryRead(b []byte) (int, error) {
	h := c.in
	switch {
	case c.closed:
		return 0, c.failed("read", net.ErrClosed)
	case len(b) == 0:
		return 0, nil
	case h.readBy.passed():
		return 0, c.failed("read", os.ErrDeadlineExceeded)
	case c.p.reset:
		return 0, c.failed("read", syscall.ECONNRESET)
	case h.unread() == 0 && h.eof:
		return 0, io.EOF
	case h.unread() == 0:
		return 0, nil
	}
	if c.p.chunk != nil {
		b = b[:min(len(b), max(c.p.chunk(), 1))]
	}
	n := copy(b, h.data[h.start:])
	if h.start += n; h.start == len(h.data) {
		h.data, h.start = h.data[:0], 0
	}
	h.changed.Broadcast()
	return n, nil
}

// Write writes all of b, or fails with the number of bytes that went before.
func (c *PipeConn) Write(b []byte) (int, error) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	for c.out.writing {
		if err := c.writable(); err != nil {
			return 0, err
		}
		c.out.changed.Wait()
	}
	c.out.writing = true
	defer func() {
		c.out.writing = false
		c.out.changed.Broadcast()
	}()
	for total := 0; ; {
		if err := c.writable(); err != nil {
			return total, err
		}
		total += c.put(b[total:])
		if total == len(b) {
			return total, nil
		}
		c.out.changed.Wait()
	}
}

func (c *PipeConn) writable() error {
	switch {
	case c.closed:
		return c.failed("write", net.ErrClosed)
	case c.out.writeBy.passed():
		return c.failed("write", os.ErrDeadlineExceeded)
	case c.p.reset || c.out.eof:
		return c.failed("write", syscall.EPIPE)
	}
	return nil
}

// put takes what there is room for.
func (c *PipeConn) put(b []byte) int {
	h := c.out
	if h.readerGone && len(b) > 0 {
		// As with TCP, the write goes out and the reset comes back.
		c.p.resetBoth(c.in, c.out)
		return len(b)
	}
	n := len(b)
	if c.p.limit > 0 {
		n = min(n, c.p.limit-h.unread())
	}
	if n == 0 {
		return 0
	}
	if len(h.data)+n > cap(h.data) { // room is made in front before it is allocated
		h.data = h.data[:copy(h.data, h.data[h.start:])]
		h.start = 0
	}
	h.data = append(h.data, b[:n]...)
	h.notify()
	return n
}

func (p *pipe) resetBoth(halves ...*half) {
	p.reset = true
	for _, h := range halves {
		h.data, h.start = nil, 0
		h.notify()
	}
}

// Close ends the connection. The peer reads what is buffered for it, then
// io.EOF, unless this end has left bytes unread: then the connection is reset.
func (c *PipeConn) Close() error {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.closed {
		return c.failed("close", net.ErrClosed)
	}
	c.closed = true
	c.in.readBy.set(c.in, time.Time{}) // stops the timers
	c.out.writeBy.set(c.out, time.Time{})
	c.out.eof, c.in.readerGone = true, true
	if c.in.unread() > 0 {
		c.p.resetBoth(c.in, c.out)
	}
	c.in.notify()
	c.out.notify()
	return nil
}

// CloseWrite shuts this end's writing direction.
func (c *PipeConn) CloseWrite() error {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.closed {
		return c.failed("close", net.ErrClosed)
	}
	c.out.eof = true
	c.out.notify()
	return nil
}

// LocalAddr returns this end's address, in the form host:port.
func (c *PipeConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the peer's address, in the form host:port.
func (c *PipeConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets the deadlines for reading and writing.
func (c *PipeConn) SetDeadline(t time.Time) error { return c.setDeadlines(t, true, true) }

// SetReadDeadline sets the deadline for reading; zero means none.
func (c *PipeConn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, true, false) }

// SetWriteDeadline sets the deadline for writing; zero means none.
func (c *PipeConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, false, true) }

func (c *PipeConn) setDeadlines(t time.Time, read, write bool) error {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.closed {
		return c.failed("set", net.ErrClosed)
	}
	if read {
		c.in.readBy.set(c.in, t)
	}
	if write {
		c.out.writeBy.set(c.out, t)
	}
	return nil
}

// Unread returns how many bytes the peer has written that this end has not read.
func (c *PipeConn) Unread() int {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return c.in.unread()
}

func (c *PipeConn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

// addr is an address of the form host:port.
type addr string

const (
	clientAddr addr = "client.wstest:49152"
	serverAddr addr = "server.wstest:80"
)

// Network returns "wstest".
func (addr) Network() string { return "wstest" }

func (a addr) String() string { return string(a) }

// host is the address without its port.
func (a addr) host() string {
	host, _, _ := strings.Cut(string(a), ":")
	return host
}
