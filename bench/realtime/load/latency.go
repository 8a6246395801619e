package load

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"
)

// latencies are what a scenario has measured.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, d)
}

// at returns a quantile.
func (l *latencies) at(q float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return 0
	}
	slices.Sort(l.all)
	return l.all[min(len(l.all)-1, int(q*float64(len(l.all))))]
}

// meter says how long all took, and how much of that the load was computing: where the
// two are near to each other, the latencies are the load's own.
type meter struct {
	start time.Time
	cpu   time.Duration
}

func newMeter() meter { return meter{time.Now(), ownCPU()} }

func (m meter) String() string {
	return fmt.Sprintf("%d all-ms %d load-cpu-ms", time.Since(m.start).Milliseconds(), (ownCPU() - m.cpu).Milliseconds())
}

// ownCPU is what this process has computed so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // of ourselves it does not fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
