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
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"golazy.dev/internal/e2e"
	sockets "golazy.dev/lazywebsocket/http3"
)

func main() { e2e.Main("http3", serve) }

// serve prints where it listens. The arguments are files of a certificate and its key.
func serve(ctx context.Context) error {
	pair, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	if err != nil {
		return err
	}
	tcp, udp, err := listen()
	if err != nil {
		return err
	}
	open := e2e.Group()
	router := e2e.Router(open)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	overUDP := &http3.Server{
		TLSConfig: config, QUICConfig: sockets.Config(), IdleTimeout: e2e.Patience, Handler: sockets.Handler(router),
		ConnContext: func(ctx context.Context, _ *quic.Conn) context.Context { return e2e.Connection(ctx) },
	}
	overTCP := &http.Server{
		TLSConfig: config.Clone(), ReadHeaderTimeout: e2e.RequestTimeout, Handler: router,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context { return e2e.Connection(ctx) },
	}
	ended := make(chan error, 2)
	go func() { ended <- overUDP.Serve(udp) }()
	go func() { ended <- overTCP.ServeTLS(tcp, "", "") }()
	fmt.Printf("http3: https://%s\n", tcp.Addr())
	select {
	case <-ctx.Done():
	case err := <-ended:
		return err
	}
	limited, cancel := context.WithTimeout(context.Background(), e2e.ShutdownTimeout)
	defer cancel()
	err = errors.Join(open.Shutdown(limited), overTCP.Shutdown(limited))
	// A browser keeps its connection: what has been said has a second to arrive.
	last, cancel := context.WithTimeout(limited, time.Second)
	defer cancel()
	if late := overUDP.Shutdown(last); !errors.Is(late, context.DeadlineExceeded) {
		err = errors.Join(err, late)
	}
	return err
}

// listen returns listeners on one port, which is free for TCP and for UDP.
func listen() (net.Listener, net.PacketConn, error) {
	for {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return tcp, udp, nil
		}
		_ = tcp.Close()
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, nil, err
		}
	}
}
