package load

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// spent is what a process has used since it began. It is read from outside, so
// that the server pays nothing for it.
type spent struct {
	cpu          time.Duration // user and system time
	user, system time.Duration // the same in ticks of the kernel, 10 ms
}

// cpuClock is the clock of a process's CPU time, clock_getcpuclockid(3).
func cpuClock(pid int) int32 { return int32(^pid<<3 | 2) } //nolint:gosec // as the kernel does

const tick = 10 * time.Millisecond // USER_HZ is 100 everywhere

func spentBy(pid int) (spent, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(cpuClock(pid), &t); err != nil {
		return spent{}, fmt.Errorf("load: the server's CPU clock: %w", err)
	}
	s := spent{cpu: time.Duration(t.Nano())}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return s, err
	}
	// The second field is a name in parentheses; after it comes the third.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return s, errors.New("load: a short /proc/pid/stat")
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	s.user, s.system = time.Duration(user)*tick, time.Duration(system)*tick
	return s, errors.Join(err1, err2)
}

// resident is a process's resident memory in bytes.
func resident(pid int) (int, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0, err
	}
	var size, pages int
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		return 0, err
	}
	return pages * os.Getpagesize(), nil
}
