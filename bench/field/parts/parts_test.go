package parts

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// Stacks are written from the inside out; functions of the library have their
// file behind a space.
func TestOf(t *testing.T) {
	const lib = "golazy.dev/lazywebsocket"
	echo := []string{lib + ".(*Conn).WriteMessage write.go", "golazy.dev/bench/field/servers.lazyEcho"}
	for _, c := range []struct {
		want  Part
		stack []string
	}{
		{Kernel, []string{"internal/runtime/syscall/linux.Syscall6", "syscall.RawSyscall6", lib + ".(*socketWrite).writeSome socket_linux.go"}},
		{Kernel, []string{"runtime.futex", "runtime.futexsleep", "runtime.mcall"}},
		{Scheduler, []string{"runtime.findRunnable", "runtime.schedule", "runtime.mcall"}},
		{Scheduler, []string{"runtime.lock2", "runtime.chansend", "golazy.dev/bench/field/servers.lazyQueue"}},
		{Scheduler, []string{"internal/runtime/atomic.(*Uint32).Load", "runtime.casgstatus", "runtime.mcall"}},
		{Scheduler, []string{"runtime.nanotime1", "runtime.sysmon"}},
		{Memory, append([]string{"runtime.nextFreeFast", "runtime.mallocgcSmallNoscan", "runtime.newobject"}, echo...)},
		{Memory, append([]string{"runtime.memclrNoHeapPointers", "runtime.mallocgcLarge", "runtime.makeslice"}, echo...)},
		{Memory, []string{"runtime.scanobject", "runtime.gcDrain", "runtime.systemstack"}},
		{Copying, append([]string{"runtime.memmove"}, echo...)},
		{Writing, echo},
		{Writing, append([]string{"runtime.procPin", "sync.(*Pool).Get", lib + ".borrow bufpool.go"}, echo...)},
		{Writing, append([]string{"runtime.convT", "sync/atomic.(*Bool).Swap"}, echo...)},
		{Turns, append([]string{"internal/sync.(*Mutex).Lock", lib + ".(*gate).leave gate.go"}, echo...)},
		{Protocol, append([]string{lib + "/internal/wsproto.AppendHeader header.go"}, echo...)},
		{Loop, append([]string{lib + "/internal/poll.(*Socket).TryWrite write_linux.go"}, echo...)},
		{Rest, append([]string{lib + "/internal/wsdeflate.(*Deflater).Write deflater.go"}, echo...)},
		{Rest, []string{lib + ".(*Conn).end close.go", "golazy.dev/bench/field/servers.lazyEcho"}},
		{Rest, []string{lib + ".giveBack bufpool.go", "golazy.dev/bench/field/servers.lazyEcho"}},
		// The library reads inside of net's functions.
		{Reading, []string{lib + ".(*socket).fetch socket_unix.go", "internal/poll.(*FD).RawRead", "net.(*rawConn).Read", lib + ".(*Conn).fill read.go"}},
		{Net, []string{"internal/poll.(*fdMutex).rwlock", "net.(*rawConn).Read", lib + ".(*Conn).fill read.go"}},
		{Net, []string{"crypto/internal/fips140/aes/gcm.seal", "crypto/tls.(*Conn).Write", lib + ".(*Conn).writeOut write.go"}},
		{HTTP, []string{"bufio.(*Reader).ReadSlice", "net/textproto.(*Reader).ReadLine", "net/http.readRequest", "net/http.(*conn).serve"}},
		{Protocol, []string{"crypto/sha1.blockAMD64", lib + "/internal/wsproto.AcceptKey accept.go", "net/http.(*conn).serve"}},
		{Program, []string{"bytes.Clone", "golazy.dev/bench/field/servers.lazyQueue"}},
		{Other, []string{"strings.Cut"}},
		{Other, nil},
	} {
		if got := Of(frames(c.stack)); got != c.want {
			t.Errorf("%v is %q, not %q", c.stack, got, c.want)
		}
	}
}

func frames(stack []string) []Frame {
	var all []Frame
	for _, s := range stack {
		function, file, _ := strings.Cut(s, " ")
		all = append(all, Frame{function, "/src/" + file})
	}
	return all
}

func TestPackageOf(t *testing.T) {
	for function, want := range map[string]string{
		"runtime.memmove": "runtime",
		"golazy.dev/lazywebsocket.(*Conn).Close.func1":  "golazy.dev/lazywebsocket",
		"internal/sync.(*HashTrieMap[go.shape.a/b]).At": "internal/sync",
		"a.b/c.F[go.shape.struct { x/y.Z }]":            "a.b/c",
	} {
		if got := packageOf(function); got != want {
			t.Errorf("%s is in %q, not %q", function, got, want)
		}
	}
}

// The files that are named exist, each in one part; and all parts are shown.
func TestFiles(t *testing.T) {
	seen := map[string]bool{}
	for p, names := range files() {
		for _, name := range strings.Fields(names) {
			if _, err := os.Stat(filepath.Join("..", "..", "..", "lazywebsocket", name)); err != nil || seen[name] {
				t.Errorf("%s of %q is missing, or there twice: %v", name, p, err)
			}
			seen[name] = true
		}
	}
	shown := map[Part]bool{}
	for _, p := range All() {
		shown[p] = true
	}
	for _, p := range []Part{Kernel, Turns, Loop, Reading, Writing, Rest, Other} {
		if !shown[p] {
			t.Errorf("%q is in no table", p)
		}
	}
	if shown[shared] {
		t.Error("a part that nothing belongs to is shown")
	}
}

// Inlined functions come before those that they are in.
func TestRead(t *testing.T) {
	f := func(id uint64, name string) *profile.Function { return &profile.Function{ID: id, Name: name} }
	functions := []*profile.Function{f(1, "internal/runtime/syscall/linux.Syscall6"), f(2, "golazy.dev/bench.f"), f(3, "net/http.serve")}
	locations := []*profile.Location{
		{ID: 1, Line: []profile.Line{{Function: functions[0]}, {Function: functions[1]}}},
		{ID: 2, Line: []profile.Line{{Function: functions[1]}}},
		{ID: 3, Line: []profile.Line{{Function: functions[2]}}},
	}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		Function:   functions, Location: locations,
		Sample: []*profile.Sample{
			{Location: []*profile.Location{locations[0], locations[2]}, Value: []int64{3, 300}},
			{Location: []*profile.Location{locations[1], locations[2]}, Value: []int64{1, 900}},
		},
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	s, err := Read(&b)
	if err != nil || s.Samples != 4 || s.Percent(Kernel) != 75 || s.Percent(Program) != 25 || s.Percent(HTTP) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Read(strings.NewReader("no profile")); err == nil {
		t.Error("something else was read as a profile")
	}
}
