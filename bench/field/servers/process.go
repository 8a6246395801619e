package servers

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"

	"golazy.dev/bench/field/load"
)

// Ready is what a server's process says, in a line of JSON, once it serves.
type Ready struct {
	Addr    string
	Control string // where it answers questions; empty if it cannot
	PID     int
}

// Serve runs a server until in ends, and says to out when it is ready.
func Serve(s Server, overTLS bool, in io.Reader, out io.Writer) error {
	_ = RaiseFiles() // who started this has looked
	var o Options
	if overTLS {
		var err error
		if o.TLS, err = newTLS(); err != nil {
			return err
		}
	}
	running, err := s.Start(o)
	if err != nil {
		return err
	}
	defer running.Stop()
	ready := Ready{Addr: running.Addr, PID: running.PID}
	if ready.PID == 0 {
		ready.PID = os.Getpid()
		stop, addr, err := serveControl()
		if err != nil {
			return err
		}
		defer stop()
		ready.Control = addr
	}
	if err := json.NewEncoder(out).Encode(ready); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in) // until who started the server has ended
	return err
}

// RaiseFiles allows this process as many open files as the system lets it, and
// returns how many.
func RaiseFiles() int {
	const want = 110_000
	limit := syscall.Rlimit{Cur: want, Max: want}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		return want
	}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(limit.Cur) //nolint:gosec // less than what is wanted
}

// serveControl answers the load's questions.
func serveControl() (stop func(), addr string, err error) {
	listener, err := listen()
	if err != nil {
		return nil, "", err
	}
	p := new(profile)
	mux := http.NewServeMux()
	mux.HandleFunc("/usage", serveUsage)
	mux.HandleFunc("/profile/start", p.start)
	mux.HandleFunc("/profile/stop", p.stop)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	return func() { _ = server.Close() }, listener.Addr().String(), nil
}

// serveUsage collects garbage and tells what is left.
func serveUsage(w http.ResponseWriter, _ *http.Request) {
	for range 3 { // pools are emptied by the second
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_ = json.NewEncoder(w).Encode(load.Usage{Heap: int(m.HeapAlloc), Stack: int(m.StackInuse)}) //nolint:gosec // bytes of memory
}

// profile is a CPU profile of this process.
type profile struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (p *profile) start(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Reset()
	if err := pprof.StartCPUProfile(&p.out); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

func (p *profile) stop(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pprof.StopCPUProfile()
	_, _ = w.Write(p.out.Bytes()) // the client sees a short answer
}
