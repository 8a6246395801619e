package wstest

import (
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Server is a net/http server on a network in memory.
type Server struct {
	// Listener makes the connections.
	*Listener
	// HTTP is the server, for its methods; its fields are in use.
	HTTP *http.Server

	tb TB
}

// Serve runs the handler on a net/http server in memory, with the defaults of
// Network. The server ends with the test; connections that were upgraded are
// the handler's.
//
//	Dialer{NetDialContext: s.DialContext}  connects to it, whatever the address
//	http.Transport{DialContext: s.DialContext}  too
func Serve(tb TB, h http.Handler) *Server {
	tb.Helper()
	return Network{}.Serve(tb, h)
}

// Serve is the function Serve on this network.
func (n Network) Serve(tb TB, h http.Handler) *Server {
	tb.Helper()
	logs := &testLog{tb: tb}
	var open sync.WaitGroup // connections that net/http still has
	s := &Server{Listener: n.Listen(), tb: tb}
	s.HTTP = &http.Server{ //nolint:gosec // no stranger connects
		Handler:   h,
		ErrorLog:  log.New(logs, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) { track(&open, state) },
	}
	served := make(chan error, 1)
	go func() { served <- s.HTTP.Serve(s.Listener) }()
	tb.Cleanup(func() {
		tb.Helper()
		_ = s.HTTP.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			tb.Logf("wstest: serve: %v", err)
		}
		if !waitFor(&open) {
			tb.Logf("wstest: a handler is still running")
		}
		logs.end()
	})
	return s
}

func track(open *sync.WaitGroup, state http.ConnState) {
	switch state {
	case http.StateNew:
		open.Add(1)
	case http.StateHijacked, http.StateClosed:
		open.Done()
	default:
	}
}

// waitFor waits for the server's last goroutines: it lets a connection that it
// has refused rest before it closes it, and in a bubble no time passes after the
// test's end.
func waitFor(open *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		open.Wait()
		close(done)
	}()
	patient := time.NewTimer(patience)
	defer patient.Stop()
	select {
	case <-done:
		return true
	case <-patient.C:
		return false
	}
}

// Peer connects to the server a peer that plays the client. It has sent nothing
// yet: see Peer.Request.
func (s *Server) Peer() *Peer {
	s.tb.Helper()
	return s.DialPeer(s.tb)
}

// testLog gives what net/http logs, panics of handlers above all, to the test,
// as long as that runs.
type testLog struct {
	mu   sync.Mutex
	tb   TB
	over bool
}

// Write logs a line.
func (l *testLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.tb.Logf("%s", strings.TrimSuffix(string(b), "\n"))
	}
	return len(b), nil
}

func (l *testLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}
