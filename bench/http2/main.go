// Command http2 says what a WebSocket costs over HTTP/2 and TLS, beside HTTP/1.1 and
// TLS: server CPU per echoed message, and memory of an idle connection.
//
//	go run ./http2 -runs 10 -out http2/RESULTS.md -raw http2/results.txt
//
// Each run starts a server in a process of its own on core 0, and the load on core 1.
// Over HTTP/2 a hundred sockets share a TCP connection.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golazy.dev/bench/maths"
	"golazy.dev/bench/realtime/load"
)

func main() {
	var err error
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		err = serve()
	} else {
		err = run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const (
	echoing  = 50   // sockets of an echo scenario
	sharing  = 100  // sockets of a TCP connection, over HTTP/2
	idle     = 1000 // sockets of the memory scenario
	messages = 40_000
)

// scenario is a size of messages, or nothing but waiting.
type scenario struct {
	name string
	size int // 0: idle
}

var scenarios = []scenario{{"Echo125B", 125}, {"Echo16KiB", 16 << 10}, {"Idle", 0}}

func run() error {
	runs := flag.Int("runs", 10, "rounds")
	out := flag.String("out", "", "`file` for the table")
	raw := flag.String("raw", "", "`file` for the lines that benchstat reads")
	flag.Parse()
	var lines strings.Builder
	values := make(map[string][]float64)
	for round := range *runs {
		for _, s := range scenarios {
			protocols := []string{"http1", "http2"}
			if round%2 == 1 {
				slices.Reverse(protocols)
			}
			for _, protocol := range protocols {
				v, err := measure(s, protocol)
				if err != nil {
					return fmt.Errorf("%s over %s: %w", s.name, protocol, err)
				}
				key := s.name + "/protocol=" + protocol
				values[key] = append(values[key], v)
				line := fmt.Sprintf("Benchmark%s 1 %.0f %s\n", key, v, s.unit())
				fmt.Fprintf(os.Stderr, "round %d %s", round+1, line)
				lines.WriteString(line)
			}
		}
	}
	table := tables(values)
	fmt.Print(table)
	var failed error
	if *raw != "" {
		failed = os.WriteFile(*raw, []byte(lines.String()), 0o600)
	}
	if *out != "" {
		failed = errors.Join(failed, os.WriteFile(*out, []byte(table), 0o600))
	}
	return failed
}

func (s scenario) unit() string {
	if s.size == 0 {
		return "B/socket"
	}
	return "cpu-ns/message"
}

// measure runs one server and its load.
func measure(s scenario, protocol string) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	server := exec.Command("taskset", "-c", "0", self, "serve") //nolint:gosec // ourselves
	server.Env = append(os.Environ(), "GOMAXPROCS=1")
	p, err := load.Start(server)
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	if err := load.Pin(1); err != nil {
		return 0, err
	}
	d := newDialer(p.Addr(), protocol)
	if s.size == 0 {
		return memory(p, d)
	}
	return echo(p, d, s.size)
}

// echo returns the server's CPU per message, in nanoseconds.
func echo(p *load.Process, d *dialer, size int) (float64, error) {
	sockets, err := d.dial(echoing)
	if err != nil {
		return 0, err
	}
	n := messages
	if size > 1<<10 {
		n /= 8
	}
	if err := exchange(sockets, size, n/10); err != nil { // warm
		return 0, err
	}
	before, err := p.Usage(false)
	if err != nil {
		return 0, err
	}
	if err := exchange(sockets, size, n); err != nil {
		return 0, err
	}
	time.Sleep(20 * time.Millisecond) // the kernel books a running thread's time at ticks
	after, err := p.Usage(false)
	return float64(after.CPU-before.CPU) / float64(n), err
}

// memory returns what an idle socket adds to the server, in bytes.
func memory(p *load.Process, d *dialer) (float64, error) {
	before, err := p.Usage(true)
	if err != nil {
		return 0, err
	}
	sockets, err := d.dial(idle)
	if err != nil {
		return 0, err
	}
	if err := exchange(sockets, 20, idle); err != nil {
		return 0, err
	}
	after, err := p.Usage(true)
	return float64(after.Resident-before.Resident) / idle, err
}

// tables draws medians and ratios.
func tables(values map[string][]float64) string {
	var b strings.Builder
	b.WriteString("# WebSockets over HTTP/2 and TLS, beside HTTP/1.1 and TLS\n\n")
	b.WriteString("Medians. `go run ./http2 -runs 10 -out http2/RESULTS.md -raw http2/results.txt`.\n")
	b.WriteString("The handler reads and writes in its own goroutine in both; over HTTP/2, 50 sockets (echo)\n")
	b.WriteString("and 100 (idle) share a TCP connection.\n\n| | HTTP/1.1 | HTTP/2 | ratio |\n|---|--:|--:|--:|\n")
	for _, s := range scenarios {
		one, two := maths.Median(values[s.name+"/protocol=http1"]), maths.Median(values[s.name+"/protocol=http2"])
		fmt.Fprintf(&b, "| %s, %s | %.0f | %.0f | %.2f |\n", s.name, s.unit(), one, two, two/one)
	}
	return b.String()
}
