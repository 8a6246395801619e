// Package parts says which part of a server the samples of a CPU profile belong
// to.
package parts

import (
	"path"
	"strings"
)

// Part is a part of a server.
type Part string

// The parts.
const (
	Kernel    Part = "system calls"
	Scheduler Part = "Go: scheduler, netpoll, timers"
	Memory    Part = "Go: allocation, garbage collection"
	Copying   Part = "Go: copying and clearing memory"
	Net       Part = "Go: net, os, crypto/tls"
	HTTP      Part = "Go: net/http"
	Protocol  Part = "library: headers, masks, UTF-8"
	Turns     Part = "library: turns, held and queued writes"
	Loop      Part = "library: event loop"
	Reading   Part = "library: reading"
	Writing   Part = "library: writing"
	Rest      Part = "library: handshake, close and the rest"
	Program   Part = "program"
	Other     Part = "other"
)

// All are the parts, in the order of the tables.
func All() []Part {
	return []Part{
		Kernel, Scheduler, Memory, Copying, Net, HTTP,
		Protocol, Turns, Loop, Reading, Writing, Rest, Program, Other,
	}
}

// Frame is a function of a stack.
type Frame struct {
	Function string // with its package
	File     string
}

// Of says where the time of a stack goes, whose innermost function is the first.
// What belongs to no part, as sync and strings, is its caller's.
func Of(stack []Frame) Part {
	if len(stack) == 0 {
		return Other
	}
	if isKernel(stack[0].Function) {
		return Kernel
	}
	if p, is := ofRuntime(stack); is {
		return p
	}
	inLibrary := false
	for _, f := range stack {
		p, known := ofFrame(f)
		inLibrary = inLibrary || p == shared
		if !known || p == shared || inLibrary && !isLibrary(packageOf(f.Function)) {
			continue
		}
		return p
	}
	if inLibrary {
		return Rest
	}
	return Other
}

// packageOf is a function's package: "a.b/c.(*T[...]).m" is in "a.b/c".
func packageOf(function string) string {
	function, _, _ = strings.Cut(function, "[")
	slash := strings.LastIndexByte(function, '/') + 1
	name, _, _ := strings.Cut(function[slash:], ".")
	return function[:slash] + name
}

func within(pkg, root string) bool { return pkg == root || strings.HasPrefix(pkg, root+"/") }

const library = "golazy.dev/lazywebsocket"

func isLibrary(pkg string) bool { return within(pkg, library) }

// shared is the part of files that others use: their callers'.
const shared Part = "shared"

// ofFrame is the part of a function by itself.
func ofFrame(f Frame) (p Part, known bool) {
	switch pkg := packageOf(f.Function); {
	case within(pkg, library+"/internal/wsproto"):
		return Protocol, true
	case within(pkg, library+"/internal/poll"):
		return Loop, true
	case pkg == library:
		return ofFile(path.Base(f.File)), true
	case isLibrary(pkg):
		return Rest, true
	case within(pkg, "golazy.dev/bench"), pkg == "main":
		return Program, true
	case within(pkg, "net/http"), pkg == "net/textproto":
		return HTTP, true
	case pkg == "net", pkg == "os", pkg == "internal/poll", pkg == "syscall", pkg == "crypto/tls":
		return Net, true
	}
	return Other, false
}

// ofFile is the part of a file of the library.
func ofFile(name string) Part {
	for p, files := range files() {
		for file := range strings.FieldsSeq(files) {
			if file == name {
				return p
			}
		}
	}
	return Rest
}

// files has the files of each part; what is in none is the rest.
func files() map[Part]string {
	return map[Part]string{
		Turns:   "gate.go hold.go guard.go together.go queue.go queue_flush.go group.go publish.go",
		Loop:    "poller.go poller_block.go poller_message.go poller_run.go poller_serve.go",
		Reading: "read.go read_message.go buffer.go control.go context.go inflate.go",
		Writing: "write.go writer.go write_control.go prepared.go deflate.go",
		shared:  "source.go socket_unix.go socket_linux.go bufpool.go deadline.go",
	}
}
