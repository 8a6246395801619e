// The proxy shows what httputil.ReverseProxy needs to stand before an application with WebSockets: the Host that the
// browser asked for, because the application compares the Origin with it. The Upgrade and Connection headers pass by
// themselves.
//
//	go run ./examples/proxy -addr localhost:8080 -to http://localhost:3000
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
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		slog.Error("proxy", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("proxy", flag.ContinueOnError)
	addr := flags.String("addr", "localhost:8080", "`host:port` to listen on")
	to := flags.String("to", "http://localhost:3000", "`URL` of the application")
	cert := flags.String("tls-cert", "", "`file` with the certificate, for https")
	key := flags.String("tls-key", "", "`file` with the certificate's key")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	target, err := url.Parse(*to)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "proxy: %s, before %s\n", listener.Addr(), target); err != nil {
		return err
	}
	server := &http.Server{Handler: newProxy(target), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })

	if *cert != "" {
		err = server.ServeTLS(listener, *cert, *key)
	} else {
		err = server.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// newProxy passes everything on to target.
func newProxy(target *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
			r.Out.Host = r.In.Host // SetURL has put the target's there
		},
	}
}
