//go:build race || msan || asan

package poll

import "syscall"

// With the race detector and its like, reads and writes go through package
// syscall: it tells them that what happened before a write has happened before
// the read of its bytes.

func sysRead(fd int32, p []byte) (int, syscall.Errno) { return transfer(syscall.Read, fd, p) }

func sysWrite(fd int32, p []byte) (int, syscall.Errno) { return transfer(syscall.Write, fd, p) }

func transfer(f func(int, []byte) (int, error), fd int32, p []byte) (int, syscall.Errno) {
	for {
		n, err := f(int(fd), p)
		if err == nil {
			return n, 0
		}
		errno, ok := err.(syscall.Errno) //nolint:errorlint // package syscall wraps nothing
		if !ok {
			return 0, syscall.EIO
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}
