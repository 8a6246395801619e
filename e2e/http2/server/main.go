// The server that Chromium talks to over HTTP/2: a page, and WebSockets that are
// streams of the same connection.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"golazy.dev/internal/e2e"
	"golazy.dev/lazywebsocket/http2"
)

func main() { e2e.Main("http2", serve) }

// serve prints where it listens. The arguments are files of a certificate and its key.
func serve(ctx context.Context) error {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return err
	}
	sockets := e2e.Group()
	server := &http.Server{
		Handler:           e2e.Router(sockets),
		HTTP2:             http2.Config(),
		ConnContext:       func(ctx context.Context, _ net.Conn) context.Context { return e2e.Connection(ctx) },
		ReadHeaderTimeout: e2e.RequestTimeout,
		ReadTimeout:       e2e.RequestTimeout, // of requests: the sockets live on
		WriteTimeout:      e2e.RequestTimeout,
		IdleTimeout:       e2e.Patience, // else ReadTimeout, and a page that opens its sockets later has no connection for them
	}
	sockets.ShutdownOn(server)
	fmt.Printf("http2: https://%s\n", listener.Addr())
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), e2e.ShutdownTimeout)
		defer cancel()
		stopped <- errors.Join(server.Shutdown(ctx), sockets.Shutdown(ctx))
	})
	if err := server.ServeTLS(listener, os.Args[1], os.Args[2]); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
