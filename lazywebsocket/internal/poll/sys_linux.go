package poll

import (
	"syscall"
	"unsafe"
)

const (
	// readEvents is what a socket is watched for all its life. EPOLLRDHUP tells
	// of an end that came with data, EPOLLPRI of urgent data, at which reads stop
	// short (both make a socket eager). EPOLLERR and EPOLLHUP always come along.
	readEvents = syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLPRI | edgeTriggered
	// writeEvents wakes one writer, once.
	writeEvents = syscall.EPOLLOUT | syscall.EPOLLONESHOT

	edgeTriggered = 1 << 31 // syscall.EPOLLET is negative on some systems

	// endEvents make every later read ask the kernel.
	endEvents = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR | syscall.EPOLLPRI
)

// duplicate returns a second descriptor of the same open file.
func duplicate(fd int) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// newEventfd returns a descriptor that is readable after each write.
func newEventfd() (int, error) {
	fd, _, errno := syscall.Syscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// epollWait fetches what there is without waiting. It does not tell the
// scheduler, which would cost more than the call.
func epollWait(epfd int, events []syscall.EpollEvent) int {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epfd),
			uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0) //nolint:gosec // a system call
		switch errno {
		case 0:
			return int(n)
		case syscall.EINTR:
		default:
			return 0
		}
	}
}

// epollControl adds, changes or removes the socket s in an epoll.
func epollControl(epfd, op int, s *Socket, events uint32) error {
	event := syscall.EpollEvent{Events: events, Fd: s.fd, Pad: s.gen}
	return syscall.EpollCtl(epfd, op, int(s.fd), &event)
}
