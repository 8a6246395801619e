package parts

import "strings"

// isKernel says whether a function does nothing but call the kernel, and so
// stands for it.
func isKernel(function string) bool {
	switch packageOf(function) {
	case "internal/runtime/syscall", "internal/runtime/syscall/linux":
		return true
	}
	switch function {
	case "syscall.rawVforkSyscall", "runtime.futex", "runtime.usleep", "runtime.osyield", "runtime.madvise",
		"runtime.sysMmap", "runtime.sysMunmap", "runtime.mincore", "runtime.tgkill", "runtime.read", "runtime.write1",
		"runtime.closefd", "runtime.clone", "runtime.rtsigprocmask", "runtime.sigaltstack", "runtime.timer_settime":
		return true
	}
	return false
}

// collects has the beginnings of functions that allocate and collect.
const collects = "malloc newobject newarray makeslice growslice gc _GC bgsweep bgscavenge sweep scan mark grey wbBuf " +
	"(*gc (*mcache (*mcentral (*mheap (*mspan (*sweep (*wbBuf (*pageAlloc (*scavenge (*limiter"

// schedules has those of functions that programs call to wait and to wake, beside
// the scheduler's own.
const schedules = "chan closechan selectgo gopark goready ready sem (*sema newproc poll_runtime netpoll lock unlock notify " +
	"mcall mstart morestack newstack goexit systemstack entersyscall exitsyscall reentersyscall casgstatus wakep startm " +
	"schedule findRunnable Gosched async time (*timer resetTimer stopTimer newTimer"

// ofRuntime looks at the functions of the runtime that a stack ends in. What a
// program calls for, as a conversion of an interface, is no part.
func ofRuntime(stack []Frame) (p Part, is bool) {
	var names []string
	for _, f := range stack {
		pkg := packageOf(f.Function)
		if pkg != "runtime" && !within(pkg, "internal/runtime") {
			break
		}
		names = append(names, strings.TrimPrefix(f.Function, "runtime."))
	}
	switch {
	case len(names) == 0:
		return Other, false
	case anyBegins(names, collects):
		return Memory, true
	case begins(names[0], "memmove memclr duff"):
		return Copying, true
	case len(names) == len(stack), anyBegins(names, schedules):
		return Scheduler, true
	}
	return Other, false
}

func anyBegins(names []string, beginnings string) bool {
	for _, n := range names {
		if begins(n, beginnings) {
			return true
		}
	}
	return false
}

func begins(name, beginnings string) bool {
	for b := range strings.FieldsSeq(beginnings) {
		if strings.HasPrefix(name, b) {
			return true
		}
	}
	return false
}
