package peers

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

// Usage is what a server has used. Its path on every server is /usage; with
// ?collect it collects garbage first.
type Usage struct {
	CPU  time.Duration // user and system time of the process
	Heap int           // bytes of live objects

	// Stack is the bytes of goroutines' stacks. A collection shrinks them, but not
	// all the way.
	Stack int
	RSS   int // bytes of resident memory
}

// Serve runs a server on a loopback port until in ends. It writes the address to
// out, in a line.
func Serve(s Server, in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/usage", serveUsage)
	mux.Handle("/", s.New())
	server := http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() {
		_, _ = io.Copy(io.Discard, in) // until who started the server has ended
		_ = server.Close()
	}()
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return err
	}
	if err := server.Serve(listener); err != http.ErrServerClosed { //nolint:errorlint // it is returned as it is
		return err
	}
	return nil
}

func serveUsage(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("collect") {
		for range 3 { // pools are emptied by the second
			runtime.GC()
		}
		debug.FreeOSMemory()
	}
	u, err := usage()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(u) // the client sees a short answer
}

func usage() (Usage, error) {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return Usage{}, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return Usage{}, err
	}
	var size, resident int
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return Usage{}, err
	}
	return Usage{
		CPU:   time.Duration(ru.Utime.Nano() + ru.Stime.Nano()),
		Heap:  int(m.HeapAlloc),  //nolint:gosec // bytes of memory
		Stack: int(m.StackInuse), //nolint:gosec // as above
		RSS:   resident * os.Getpagesize(),
	}, nil
}
