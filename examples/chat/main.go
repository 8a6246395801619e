// The chat is the guide's application, grown a little: one room, any number of browsers.
//
//	go run ./examples/chat
//
// serves it on http://localhost:3000. With -tls-cert and -tls-key it speaks https (and wss).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golazy.dev/examples/chat/app/realtime"
	appinit "golazy.dev/examples/chat/init"
	"golazy.dev/lazyroutes"
)

// stopTimeout bounds how long a stopping server waits for requests and sockets.
const stopTimeout = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		slog.Error("chat", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx is done, then lets requests and sockets end.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	addr := flags.String("addr", "localhost:3000", "`host:port` to listen on")
	cert := flags.String("tls-cert", "", "`file` with the certificate, for https")
	key := flags.String("tls-key", "", "`file` with the certificate's key")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if (*cert == "") != (*key == "") {
		return errors.New("-tls-cert and -tls-key go together")
	}

	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "chat: %s\n", pageURL(*addr, listener.Addr(), *cert != "")); err != nil {
		return err
	}
	router := lazyroutes.New(ctx)
	appinit.Draw(router)
	server := &http.Server{Handler: router, ReadHeaderTimeout: 10 * time.Second}

	ended := make(chan error, 1)
	go func() {
		if *cert == "" {
			ended <- server.Serve(listener)
		} else {
			ended <- server.ServeTLS(listener, *cert, *key)
		}
	}()

	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return shutdown(server)
	}
}

// shutdown stops taking connections, says goodbye to every socket and waits for both.
func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	sockets := make(chan error, 1)
	go func() { sockets <- realtime.Close(ctx) }()
	return errors.Join(server.Shutdown(ctx), <-sockets)
}

// pageURL is the address to open: the host as it was asked for, the port as it was given.
func pageURL(asked string, got net.Addr, secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	host, _, _ := net.SplitHostPort(asked)
	if host == "" {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(got.String())
	return scheme + "://" + net.JoinHostPort(host, port)
}
