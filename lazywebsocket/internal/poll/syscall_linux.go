//go:build linux && !386

package poll

import "syscall"

// recvfrom and sendto reach the socket more directly than read and write, which
// are for all kinds of files: a small message costs a few percent less.
const (
	sysReceive = syscall.SYS_RECVFROM
	sysSend    = syscall.SYS_SENDTO
)
