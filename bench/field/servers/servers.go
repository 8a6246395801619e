// Package servers has the programs that are compared: each library in the form
// that its documentation or its best users would give it, and floors without a
// library.
//
// A server is added by a file with a function that returns a Server, and a line
// in All.
package servers

import (
	"crypto/tls"
	"fmt"
)

// Server is one of the programs.
type Server struct {
	Name    string
	Setting string // what it is, in a few words
	TLS     bool   // whether it can

	// Without has the paths and kinds that the server lacks, each with the reason.
	Without map[string]string

	// Unavailable says why it cannot run here, or nothing. If nil, it can.
	Unavailable func() string

	// Start serves on a loopback port until the returned function is called.
	Start func(Options) (*Running, error)
}

// Options are what a run asks of a server.
type Options struct {
	TLS *tls.Config // nil: none
}

// Running is a server that serves.
type Running struct {
	Addr string
	PID  int // of another process that serves; zero: this one
	Stop func()
}

// All are the servers, in the order of the table.
func All() []Server {
	return []Server{
		gorillaPlain(),
		gorillaBest(),
		coderServer(),
		gobwasServer(),
		gwsServer(),
		nbioServer(),
		nbioInline(),
		uwebsockets(),
		floor(),
		floorHTTP(),
		lazywebsocketServer(),
		lazywebsocketHandler(),
		lazywebsocketLoop(),
		lazywebsocketInline(),
	}
}

// Baseline is the server whose figures are 1.00.
const Baseline = "gorilla"

// Find returns the server of a name.
func Find(name string) (Server, error) {
	for _, s := range All() {
		if s.Name == name {
			return s, nil
		}
	}
	return Server{}, fmt.Errorf("servers: there is no %q", name)
}
