//go:build unix && !linux

package lazywebsocket

import "syscall"

// readSocket reads a non-blocking socket.
func readSocket(fd uintptr, p []byte) (int, error) {
	return ignoringEINTR(func() (int, error) { return syscall.Read(int(fd), p) })
}

// writeSome makes one write. It returns false if the socket takes nothing.
func (w *socketWrite) writeSome(fd uintptr) bool {
	return w.took(ignoringEINTR(func() (int, error) { return syscall.Write(int(fd), w.p[w.sent:]) }))
}
