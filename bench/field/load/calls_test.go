package load

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func TestParseCounts(t *testing.T) {
	line := func(n int) string { return fmt.Sprintf("%d,,raw_syscalls:sys_enter,9,100.00,,\n", n) }
	rest := strings.Repeat(line(0), len(named())-3)
	got, err := parseCounts("# started\n\n" + line(20) + line(12) + line(0) + line(3) + rest)
	if want := map[string]int{"read": 12, "readv": 3, Other: 5}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{
		"", "Error: no such process\n", line(1) + line(1),
		strings.Replace(line(20)+line(1)+line(1)+line(1)+rest, "20", "<not counted>", 1),
	} {
		if got, err := parseCounts(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}

// What is done before counting begins and after it has ended is not counted.
func TestCount(t *testing.T) {
	if err := CanCount(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	call := func(n int) { // what the runtime never does by itself, of nothing
		for range n {
			if _, _, errno := syscall.Syscall(syscall.SYS_GETSOCKNAME, ^uintptr(0), 0, 0); errno != syscall.EBADF {
				t.Error(errno)
			}
		}
	}
	task := Task{PID: os.Getpid(), Calls: true}
	call(1000)
	stop, err := task.count()
	if err != nil {
		t.Fatal(err)
	}
	call(123)
	counts, err := stop()
	call(1000)
	if err != nil || counts["getsockname"] != 123 {
		t.Errorf("123 calls are %d: %v, %v", counts["getsockname"], counts, err)
	}
	task.PID = 1 << 22
	if _, err := task.count(); err == nil {
		t.Error("the calls of a process that cannot be were counted")
	}
	task.Calls = false
	if stop, err = task.count(); err != nil {
		t.Fatal(err)
	}
	if counts, err := stop(); counts != nil || err != nil {
		t.Errorf("what nobody wants was counted: %v, %v", counts, err)
	}
}
