//go:build unix

package lazywebsocket

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// socket reads and writes a TCP or Unix socket through its RawConn. Go's poller
// waits, as in the methods of net.Conn, but the memory is borrowed only once the
// socket is readable; and the system calls, which never block, go past Go's
// scheduler, which halves what they cost beside the kernel's work.
//
// Reader goroutine only, but for write.
type socket struct {
	raw      syscall.RawConn
	readable func(fd uintptr) bool // fetch, bound once

	// The read in progress: into p, or the buffer if that is nil.
	p     []byte
	buf   *readBuffer
	n     int
	errno error
}

// newSocket returns nil if nc is not a socket, or something that wraps one.
func newSocket(nc net.Conn) *socket {
	var sc syscall.Conn
	switch nc := nc.(type) {
	case *net.TCPConn:
		sc = nc
	case *net.UnixConn:
		sc = nc
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{raw: raw}
	s.readable = s.fetch
	return s
}

// receive waits for bytes and puts them into b.
func (s *socket) receive(nc net.Conn, b *readBuffer) error {
	b.settle()
	s.buf = b
	s.n, s.errno = 0, nil
	if err := s.raw.Read(s.readable); err != nil || s.n == 0 {
		return s.failure(nc, err)
	}
	b.filled(s.n)
	return nil
}

// read waits for bytes and puts them into p.
func (s *socket) read(nc net.Conn, p []byte) (int, error) {
	s.p, s.n, s.errno = p, 0, nil
	err := s.raw.Read(s.readable)
	if s.p = nil; err != nil || s.n == 0 {
		return 0, s.failure(nc, err)
	}
	return s.n, nil
}

// failure is why a read brought nothing: err of the poller, or the system's.
func (s *socket) failure(nc net.Conn, err error) error {
	switch {
	case err != nil:
		err = renamed(err, "read")
	case s.errno != nil:
		err = socketError(nc, "read", s.errno)
	default:
		err = io.EOF
	}
	return networkError{err}
}

// fetch makes one read. It returns false if nothing is there.
func (s *socket) fetch(fd uintptr) bool {
	p := s.p
	if p == nil {
		p = s.buf.space()
	}
	s.n, s.errno = readSocket(fd, p)
	if s.errno != syscall.EAGAIN { //nolint:errorlint // an Errno
		return true
	}
	s.n, s.errno = 0, nil
	if s.p == nil {
		s.buf.settle()
	}
	return false
}

// try writes what of p takes no waiting, like write. Free says that the socket has
// no write deadline: then only the descriptor is asked for, and not Go's poller,
// which nobody will wait for.
func (s *socket) try(nc net.Conn, p []byte, free bool, progress *atomic.Uint32) (int, error) {
	if !free {
		return s.write(nc, p, true, progress)
	}
	w := socketWrites.Get().(*socketWrite)
	w.p, w.sent, w.errno, w.try, w.progress = p, 0, nil, true, progress
	if s.raw.Control(w.once) != nil { // it is closed
		w.giveBack()
		return s.write(nc, p, true, progress) // has the error
	}
	return w.result(nc, nil)
}

// socketWrite is a write in progress.
type socketWrite struct {
	writable func(fd uintptr) bool // made once
	once     func(fd uintptr)      // likewise
	p        []byte
	sent     int
	errno    error
	try      bool           // does not wait
	progress *atomic.Uint32 // counts the writes that took bytes
}

var socketWrites = sync.Pool{New: newSocketWrite}

// newSocketWrite binds the function that writes until all is written, unless the
// socket takes no more: it returns false to wait.
func newSocketWrite() any {
	w := new(socketWrite)
	w.writable = func(fd uintptr) bool {
		for w.sent < len(w.p) {
			if !w.writeSome(fd) {
				return w.try
			}
			if w.errno != nil {
				break
			}
		}
		return true
	}
	w.once = func(fd uintptr) { w.writable(fd) }
	return w
}

// write writes p, or what of it takes no waiting if try is set, and returns how
// much has left. Any goroutine; the caller orders them.
func (s *socket) write(nc net.Conn, p []byte, try bool, progress *atomic.Uint32) (int, error) {
	w := socketWrites.Get().(*socketWrite)
	w.p, w.sent, w.errno, w.try, w.progress = p, 0, nil, try, progress
	return w.result(nc, s.raw.Write(w.writable))
}

// result ends a write, of which err is the poller's.
func (w *socketWrite) result(nc net.Conn, err error) (int, error) {
	if err != nil {
		err = renamed(err, "write")
	} else if w.errno != nil {
		err = socketError(nc, "write", w.errno)
	}
	sent := w.sent
	w.giveBack()
	return sent, err
}

func (w *socketWrite) giveBack() {
	w.p, w.progress = nil, nil
	socketWrites.Put(w)
}

// took notes what a write has done. It returns false if the socket takes nothing.
func (w *socketWrite) took(n int, err error) bool {
	if err == syscall.EAGAIN { //nolint:errorlint // an Errno
		return false
	}
	if w.errno = err; err == nil {
		w.sent += n
		w.progress.Add(1)
	}
	return true
}

// renamed gives an error of a RawConn the name of the operation that it was.
func renamed(err error, op string) error {
	if e, ok := err.(*net.OpError); ok { //nolint:errorlint // made for this call
		e.Op = op
	}
	return err
}

// socketError is the error that the method of the net.Conn would have returned.
func socketError(nc net.Conn, op string, errno error) error {
	return &net.OpError{
		Op: op, Net: nc.LocalAddr().Network(), Source: nc.LocalAddr(), Addr: nc.RemoteAddr(),
		Err: os.NewSyscallError(op, errno),
	}
}

// ignoringEINTR repeats a system call that a signal has interrupted.
func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR { //nolint:errorlint // an Errno
			return max(n, 0), err
		}
	}
}
