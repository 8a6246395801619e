// The server that Chromium talks to over HTTP/2: a page, and WebSockets that are
// streams of the same connection.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golazy.dev/lazyroutes"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/http2"
)

func main() {
	cert, key := flag.String("tls-cert", "cert.pem", "the certificate"), flag.String("tls-key", "key.pem", "its key")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serve(ctx, *cert, *key)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "http2:", err)
		os.Exit(1)
	}
}

// sockets are all that are open.
var sockets = lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{Spread: 500 * time.Millisecond}}

// serve prints where it listens, the requests with their connections, and how each
// socket has ended.
func serve(ctx context.Context, cert, key string) error {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return err
	}
	router := lazyroutes.New(context.Background())
	router.HandleFunc(http.MethodGet, "/{$}", page)
	router.HandleFunc(http.MethodGet, "/{way}", endpoint)
	server := &http.Server{
		Handler:           router,
		HTTP2:             http2.Config(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second, // of requests: the sockets live on
		WriteTimeout:      5 * time.Second,
		IdleTimeout:       time.Minute, // else ReadTimeout, and a page that opens its sockets later has no connection for them
	}
	sockets.ShutdownOn(server)
	fmt.Printf("http2: https://%s\n", listener.Addr())
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stopped <- errors.Join(server.Shutdown(ctx), sockets.Shutdown(ctx))
	})
	if err := server.ServeTLS(listener, cert, key); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

func page(w http.ResponseWriter, r *http.Request) error {
	fmt.Printf("page: %s %s from %s\n", r.Proto, r.Method, r.RemoteAddr)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err := fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><title>http2</title>`)
	return err
}

var upgrader = lazywebsocket.Upgrader{
	EnableCompression: true, Subprotocols: []string{"chat.v2", "chat.v1"},
	PingInterval: time.Second, PongTimeout: time.Minute, // a browser on a busy machine is slow, and not dead
}

var poller lazywebsocket.Poller

// endpoint is the guide's handler, in the ways that there are: each echoes, and is told
// to leave by the message "leave".
func endpoint(w http.ResponseWriter, r *http.Request) error {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil //nolint:nilerr // it has answered
	}
	sockets.Add(conn)
	way := r.PathValue("way")
	fmt.Printf("socket: %s %s from %s at %s\n", r.Proto, r.Method, r.RemoteAddr, way)
	switch way {
	case "poller":
		return poller.Serve(conn, served{})
	case "goroutine":
		go read(conn, way)
		return nil
	}
	read(conn, way)
	return nil
}

func read(conn *lazywebsocket.Conn, way string) {
	defer conn.Close()
	for {
		messageType, data, err := conn.ReadMessage()
		if err != nil {
			fmt.Printf("ended: %s %v\n", way, err)
			return
		}
		if err := answer(conn, messageType, data); err != nil {
			fmt.Printf("left: %s\n", way)
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
		return conn.Close()
	}
	return err
}

func (served) ServeClosed(_ *lazywebsocket.Conn, err error) { fmt.Printf("ended: poller %v\n", err) }
