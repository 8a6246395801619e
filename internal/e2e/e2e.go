// Package e2e is what the servers have in common that a real browser is driven
// against (the folder e2e): a page, and the WebSockets that it opens at its own origin.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"golazy.dev/lazyroutes"
	"golazy.dev/lazywebsocket"
)

// Time-outs of the servers. A browser on a busy machine is slow, and not dead.
const (
	RequestTimeout  = 5 * time.Second  // for a handshake of TLS, a request, a response
	Patience        = time.Minute      // for a pong, and with a connection on which nothing is open
	ShutdownTimeout = 30 * time.Second // for all sockets together
)

// Main runs serve until it returns, and ends the process: with code 1 and a line that
// starts with the name if there is an error. The context ends with the first SIGTERM.
func Main(name string, serve func(ctx context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serve(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Group returns the group of a server's sockets: they are sent away one after the
// other, so far apart that it can be seen on a busy machine.
func Group() *lazywebsocket.Group {
	return &lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{Spread: 3 * time.Second, Patience: ShutdownTimeout}}
}

// Router has a page at /, and WebSockets, members of the group, at /handler, /goroutine
// and /poller: the ways that there are to serve one. Each prints its requests with their
// connections, and how its sockets have ended.
func Router(sockets *lazywebsocket.Group) http.Handler {
	s := &site{sockets: sockets, upgrader: lazywebsocket.Upgrader{
		EnableCompression: true,
		Subprotocols:      []string{"chat.v2", "chat.v1"},
		PingInterval:      time.Second,
		PongTimeout:       Patience,
	}}
	router := lazyroutes.New(context.Background())
	router.HandleFunc(http.MethodGet, "/{$}", Page)
	router.HandleFunc(http.MethodGet, "/{way}", s.socket)
	return router
}

type connectionKey struct{}

var connections atomic.Int64

// Connection returns the context of a new connection, for the requests that come over
// it. Its number is its identity: over HTTP/3 a browser's address changes, where packets
// were long on their way, and the connection is the same (RFC 9000, 9).
func Connection(ctx context.Context) context.Context {
	return context.WithValue(ctx, connectionKey{}, connections.Add(1))
}

func say(what string, r *http.Request) {
	fmt.Printf("%s: %s %s %s from %s over connection %v\n",
		what, r.Proto, r.Method, r.URL.Path, r.RemoteAddr, r.Context().Value(connectionKey{}))
}

// Page answers with an empty page: a browser's sockets need an origin.
func Page(w http.ResponseWriter, r *http.Request) error {
	say("page", r)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err := fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><title>e2e</title>`)
	return err
}

type site struct {
	sockets  *lazywebsocket.Group
	upgrader lazywebsocket.Upgrader
	poller   lazywebsocket.Poller
}

// socket is the guide's handler: it echoes, and ends the connection or panics where a
// message says so.
func (s *site) socket(w http.ResponseWriter, r *http.Request) error {
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil //nolint:nilerr // it has answered
	}
	s.sockets.Add(conn)
	way := r.PathValue("way")
	say("socket", r)
	switch way {
	case "poller":
		return s.poller.Serve(conn, served{})
	case "goroutine":
		go read(conn, way)
	default:
		read(conn, way)
	}
	return nil
}

// end is Close, which gives a peer limited time: it prints how long it took.
func end(conn *lazywebsocket.Conn, way string) error {
	begun := time.Now()
	err := conn.Close()
	fmt.Printf("closed: %s in %d ms\n", way, time.Since(begun).Milliseconds())
	return err
}

func read(conn *lazywebsocket.Conn, way string) {
	defer end(conn, way) //nolint:errcheck // nobody is left to be told
	for {
		messageType, data, err := conn.ReadMessage()
		if err != nil {
			fmt.Printf("ended: %s %v\n", way, err)
			return
		}
		if err := answer(conn, messageType, data); err != nil {
			return
		}
	}
}

var errLeave = errors.New("told to leave")

func answer(conn *lazywebsocket.Conn, messageType int, data []byte) error {
	switch string(data) {
	case "leave":
		return errLeave
	case "panic":
		panic("told to panic")
	}
	return conn.WriteMessage(messageType, data)
}

// served is the same in the hands of a Poller.
type served struct{}

func (served) ServeMessage(conn *lazywebsocket.Conn, messageType int, data []byte) error {
	err := answer(conn, messageType, data)
	if errors.Is(err, errLeave) {
		return end(conn, "poller")
	}
	return err
}

func (served) ServeClosed(_ *lazywebsocket.Conn, err error) { fmt.Printf("ended: poller %v\n", err) }
