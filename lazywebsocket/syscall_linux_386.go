package lazywebsocket

import "syscall"

// The 386 has all of a socket's calls behind one, so that read and write are
// as direct; they take no flags, and ignore them.
const (
	sysReceive = syscall.SYS_READ
	sysSend    = syscall.SYS_WRITE
)
