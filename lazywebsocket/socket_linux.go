package lazywebsocket

import (
	"syscall"
	"unsafe"
)

// maxDirect is the most bytes that a write hands to the kernel past Go's
// scheduler, which must not wait for long copies.
const maxDirect = 16 << 10

// readSocket reads a non-blocking socket.
func readSocket(fd uintptr, p []byte) (int, error) {
	if raceEnabled || len(p) > maxBuffer {
		return ignoringEINTR(func() (int, error) { return syscall.Read(int(fd), p) })
	}
	for {
		n, _, errno := syscall.RawSyscall6(sysReceive, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0) //nolint:gosec // the memory outlives the call
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, syscall.EAGAIN
		default:
			return 0, errno
		}
	}
}

// writeSome makes one write. It returns false if the socket takes nothing.
func (w *socketWrite) writeSome(fd uintptr) bool {
	p := w.p[w.sent:]
	if raceEnabled || len(p) > maxDirect {
		return w.took(ignoringEINTR(func() (int, error) { return syscall.Write(int(fd), p) }))
	}
	n, _, errno := syscall.RawSyscall6(sysSend, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_NOSIGNAL, 0, 0) //nolint:gosec // the memory outlives the call
	switch errno {
	case 0:
		w.sent += int(n)
		w.progress.Add(1)
	case syscall.EINTR:
	case syscall.EAGAIN:
		return false
	default:
		w.errno = errno
	}
	return true
}
