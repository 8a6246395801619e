package wstest

import (
	"golazy.dev/lazywebsocket/internal/poll"
)

// These methods make a PipeConn fit for a [lazywebsocket.Poller]: its event loop
// reads connections in memory as it reads sockets, inside of a bubble of
// testing/synctest too.

// TryRead is Read that does not wait: the error is temporary where it would.
func (c *PipeConn) TryRead(b []byte) (int, error) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	n, err := c.tryRead(b)
	if n == 0 && err == nil && len(b) > 0 {
		err = poll.ErrWouldBlock
	}
	return n, err
}

// TryWrite is Write that does not wait: it writes what there is room for, and the
// error is temporary where that is not all.
func (c *PipeConn) TryWrite(b []byte) (int, error) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if err := c.writable(); err != nil {
		return 0, err
	}
	if c.out.writing {
		return 0, poll.ErrWouldBlock
	}
	n := c.put(b)
	if n < len(b) {
		return n, poll.ErrWouldBlock
	}
	return n, nil
}

// Watch makes w the one that is told, on a goroutine of its own, when there may be
// something to read. Nil stops that.
func (c *PipeConn) Watch(w poll.Watcher) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.in.watcher = w
	c.in.tell()
}

// SetInline does nothing: each call of a watcher has a goroutine of its own.
func (c *PipeConn) SetInline(bool) {}

// tell calls the watcher if a read would not wait. The pipe's mu is held.
func (h *half) tell() {
	if w := h.watcher; w != nil {
		go w.Readable()
	}
}
