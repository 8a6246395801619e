package lazywebsocket_test

import (
	"syscall"
	"testing"
	"unsafe"
)

// unsent returns how many bytes the peer's system has not acknowledged.
func unsent(t testing.TB, raw syscall.RawConn) int {
	t.Helper()
	var n int32
	must(t, raw.Control(func(fd uintptr) {
		_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, 0x5411, uintptr(unsafe.Pointer(&n))) // SIOCOUTQ
	}))
	return int(n)
}
