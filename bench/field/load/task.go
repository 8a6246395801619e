package load

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"time"

	"golazy.dev/bench/field/scenario"
)

// Task is what a load is to do, to which server.
type Task struct {
	Scenario scenario.Scenario
	Addr     netip.AddrPort
	PID      int    // the server's
	Control  string // its address for questions; empty if it has none
	Profile  string // a file for the server's CPU profile; empty: none
	Calls    bool   // count the server's system calls, which slows it
}

// Result is what a load has measured. What a run does not measure is zero.
type Result struct {
	Messages     int // or deliveries, or handshakes
	Elapsed      time.Duration
	CPU          time.Duration // of the server's process
	User, System time.Duration
	Calls        map[string]int // system calls by name; nil: not counted

	P50, P99, P999 time.Duration

	Conns            int // idle ones
	Heap, Stack, RSS float64
}

// Run does a task.
func Run(t Task) (Result, error) {
	switch t.Scenario.Kind {
	case scenario.Exchange:
		if t.Scenario.TLS {
			return exchangeTLS(t)
		}
		return exchange(t)
	case scenario.Broadcast:
		return broadcast(t)
	case scenario.Handshake:
		return handshakes(t)
	case scenario.Idle:
		return idle(t)
	}
	return Result{}, fmt.Errorf("load: no kind %q", t.Scenario.Kind)
}

// settle is longer than two of the kernel's ticks. The CPU clock of another
// process has what its threads have used until their last tick or the last time
// that they waited, so that a server which has only just answered would seem to
// have used less.
const settle = 20 * time.Millisecond

// measure measures what the server spends while work is done.
func (t Task) measure(work func() error, total *score) (Result, error) {
	stop, err := t.profile()
	if err != nil {
		return Result{}, err
	}
	counted, err := t.count()
	if err != nil {
		return Result{}, err
	}
	time.Sleep(settle)
	before, err := spentBy(t.PID)
	if err != nil {
		return Result{}, err
	}
	begin := time.Now()
	if err := work(); err != nil {
		return Result{}, err
	}
	elapsed := time.Since(begin)
	time.Sleep(settle)
	after, err := spentBy(t.PID)
	if err != nil {
		return Result{}, err
	}
	calls, err := counted()
	if err != nil {
		return Result{}, err
	}
	return Result{
		Messages: total.messages, Elapsed: elapsed,
		CPU: after.cpu - before.cpu, User: after.user - before.user, System: after.system - before.system,
		Calls: calls,
		P50:   total.latency.quantile(0.5), P99: total.latency.quantile(0.99), P999: total.latency.quantile(0.999),
	}, stop()
}

// profile begins a CPU profile of the server, if one is wanted.
func (t Task) profile() (stop func() error, err error) {
	if t.Profile == "" || t.Control == "" {
		return func() error { return nil }, nil
	}
	if _, err := t.ask("/profile/start"); err != nil {
		return nil, err
	}
	return func() error {
		b, err := t.ask("/profile/stop")
		if err != nil {
			return err
		}
		return os.WriteFile(t.Profile, b, 0o600)
	}, nil
}

// ask asks the server's process.
func (t Task) ask(path string) ([]byte, error) {
	resp, err := http.Get("http://" + t.Control + path) //nolint:noctx // on loopback
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("load: the server answers %s with %s", path, resp.Status)
	}
	return io.ReadAll(resp.Body)
}
