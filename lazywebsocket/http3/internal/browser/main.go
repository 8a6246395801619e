// Command browser is the server that Chromium talks to over HTTP/3 (e2e/http3): a page,
// and WebSockets that are streams of the same connection, or connections of HTTP/1.1 on
// the same port.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/quic-go/quic-go/http3"

	"golazy.dev/lazyroutes"
	"golazy.dev/lazywebsocket"
	sockets "golazy.dev/lazywebsocket/http3"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serve(ctx, os.Args[1], os.Args[2])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "http3:", err)
		os.Exit(1)
	}
}

// open are all sockets.
var open = lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{Spread: 500 * time.Millisecond}}

// serve prints where it listens, the requests with their connections, and how each
// socket has ended. The arguments are files of a certificate and its key.
func serve(ctx context.Context, cert, key string) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	router := lazyroutes.New(context.Background())
	router.HandleFunc(http.MethodGet, "/{$}", page)
	router.HandleFunc(http.MethodGet, "/{way}", endpoint)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	quic := &http3.Server{TLSConfig: config, QUICConfig: sockets.Config(), IdleTimeout: time.Minute, Handler: sockets.Handler(router)}
	plain := &http.Server{TLSConfig: config.Clone(), Handler: router, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- quic.Serve(udp) }()
	go func() { ended <- plain.ServeTLS(tcp, "", "") }()
	fmt.Printf("http3: https://%s\n", tcp.Addr())
	select {
	case <-ctx.Done():
	case err := <-ended:
		return err
	}
	limited, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = errors.Join(open.Shutdown(limited), plain.Shutdown(limited))
	// A browser keeps its connection: what has been said has a second to arrive.
	last, cancel := context.WithTimeout(limited, time.Second)
	defer cancel()
	if late := quic.Shutdown(last); !errors.Is(late, context.DeadlineExceeded) {
		err = errors.Join(err, late)
	}
	return err
}

func page(w http.ResponseWriter, r *http.Request) error {
	fmt.Printf("page: %s %s from %s\n", r.Proto, r.Method, r.RemoteAddr)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err := fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><title>http3</title>`)
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
	open.Add(conn)
	way := r.PathValue("way")
	fmt.Printf("socket: %s %s from %s at %s\n", r.Proto, r.Method, r.RemoteAddr, way)
	switch way {
	case "poller":
		return poller.Serve(conn, served{})
	case "goroutine":
		go read(conn, way)
	default:
		read(conn, way)
	}
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
		if string(data) == "leave" {
			return
		}
		if err := conn.WriteMessage(messageType, data); err != nil {
			return
		}
	}
}

// served is the same in the hands of a Poller.
type served struct{}

func (served) ServeMessage(conn *lazywebsocket.Conn, messageType int, data []byte) error {
	if string(data) == "leave" {
		return conn.Close()
	}
	return conn.WriteMessage(messageType, data)
}

func (served) ServeClosed(_ *lazywebsocket.Conn, err error) { fmt.Printf("ended: poller %v\n", err) }
