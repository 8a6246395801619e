// Package server has the servers that are compared. Each serves WebSockets at
// /connection and, for the load:
//
//	POST /publish?topics=T&messages=N&bytes=B&rate=R   N messages round robin over topics t0..., R a second (0: all at once)
//	GET  /usage                                        user+system CPU in ns, resident bytes after a collection
package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Names of the servers.
var Names = []string{"centrifuge", "lazyrealtime", "lazyrealtime-loop", "lazyrealtime-sqlite"}

// Protocols says what the load speaks to each.
var Protocols = map[string]string{
	"centrifuge": "centrifuge", "lazyrealtime": "cable", "lazyrealtime-loop": "cable", "lazyrealtime-sqlite": "cable",
}

// publisher publishes a JSON text.
type publisher func(ctx context.Context, topic string, data []byte) error

// Run serves until the process is killed; it prints the address that it listens on.
func Run(name string) error {
	var connection http.Handler
	var publish publisher
	var err error
	switch name {
	case "centrifuge":
		connection, publish, err = newCentrifuge()
	case "lazyrealtime", "lazyrealtime-loop", "lazyrealtime-sqlite":
		connection, publish, err = newLazy(strings.TrimPrefix(strings.TrimPrefix(name, "lazyrealtime"), "-"))
	default:
		err = errors.New("no server is called " + name)
	}
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/connection", connection)
	mux.HandleFunc("POST /publish", publishing(publish))
	mux.HandleFunc("GET /usage", Usage)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Println(l.Addr()); err != nil {
		return err
	}
	return (&http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}).Serve(l)
}

// publishing publishes as it is asked to, and answers with the time that it took in
// nanoseconds. Messages carry the time when they were published.
func publishing(publish publisher) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		number := func(name string) int {
			n, _ := strconv.Atoi(r.URL.Query().Get(name))
			return n
		}
		topics, messages, bytes, rate := number("topics"), number("messages"), number("bytes"), number("rate")
		padding := strings.Repeat("x", bytes)
		start := time.Now()
		for i := range messages {
			if rate > 0 {
				time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
			}
			data := fmt.Appendf(nil, `{"at":%d,"n":%d,"pad":"%s"}`, time.Now().UnixNano(), i/topics, padding)
			if err := publish(r.Context(), "t"+strconv.Itoa(i%topics), data); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		_, _ = fmt.Fprint(w, time.Since(start).Nanoseconds())
	}
}

// Usage answers what the process has taken so far.
func Usage(w http.ResponseWriter, r *http.Request) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var resident int
	if r.URL.Query().Has("memory") {
		debug.FreeOSMemory()
		resident = residentBytes()
	}
	_ = json.NewEncoder(w).Encode(map[string]int64{"cpu": u.Utime.Nano() + u.Stime.Nano(), "resident": int64(resident)})
}

func residentBytes() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	pages, _ := strconv.Atoi(fields[1])
	return pages * os.Getpagesize()
}
