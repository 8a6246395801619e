//go:build !race && !msan && !asan

package poll

import (
	"syscall"
	"unsafe"
)

// rawMax is up to how many bytes a read or write does not tell the scheduler:
// more may take so long that it should know.
const rawMax = 64 << 10

// sysRead reads what there is. It returns EAGAIN when that is nothing.
func sysRead(fd int32, p []byte) (int, syscall.Errno) {
	return transfer(sysReceive, fd, p, 0)
}

// sysWrite writes what there is room for. It returns EAGAIN when that is none.
func sysWrite(fd int32, p []byte) (int, syscall.Errno) {
	return transfer(sysSend, fd, p, syscall.MSG_NOSIGNAL)
}

func transfer(trap uintptr, fd int32, p []byte, flags uintptr) (int, syscall.Errno) {
	for {
		var n uintptr
		var errno syscall.Errno
		if len(p) <= rawMax {
			n, _, errno = syscall.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0) //nolint:gosec // a system call
		} else {
			n, _, errno = syscall.Syscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0) //nolint:gosec // a system call
		}
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
