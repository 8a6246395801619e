// Package peers has the echo servers that are compared: for each library the
// simplest program that its documentation suggests, with compression on in both
// directions and every other setting as it comes.
package peers

import (
	"fmt"
	"net/http"
)

// Server is one of them.
type Server struct {
	Name    string // library/setting
	Setting string // what was set
	New     func() http.Handler
}

// Off is the setting without compression.
const Off = "off"

// All are the servers, in the order of the table.
func All() []Server {
	all := lazywebsockets()
	all = append(all, gorillas()...)
	all = append(all, coders()...)
	all = append(all, gwss()...)
	return append(all, Server{
		"live/level=1", "reference: a klauspost/compress level 1 compressor alive for each connection", newLive,
	})
}

// Find returns the server of a name.
func Find(name string) (Server, error) {
	for _, s := range All() {
		if s.Name == name {
			return s, nil
		}
	}
	return Server{}, fmt.Errorf("peers: no server %q", name)
}
