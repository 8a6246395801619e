//go:build unix && !linux

package lazywebsocket

import "syscall"

// readSocket reads a non-blocking socket.
func readSocket(fd uintptr, p []byte) (int, error) {
	return ignoringEINTR(func() (int, error) { return syscall.Read(int(fd), p) })
}

// writeSocket writes to a non-blocking socket.
func writeSocket(fd uintptr, p []byte) (int, error) {
	return ignoringEINTR(func() (int, error) { return syscall.Write(int(fd), p) })
}
