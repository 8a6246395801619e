package servers

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"golazy.dev/lazywebsocket"
)

// overHTTP starts net/http with a handler.
func overHTTP(handler http.Handler) func(Options) (*Running, error) {
	return func(o Options) (*Running, error) {
		listener, err := listen()
		if err != nil {
			return nil, err
		}
		addr := listener.Addr().String()
		if o.TLS != nil {
			// Changes nothing for the others.
			listener = tls.NewListener(lazywebsocket.NewListener(listener), o.TLS)
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
		go func() { _ = server.Serve(listener) }()
		return &Running{Addr: addr, Stop: func() { _ = server.Close() }}, nil
	}
}

func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") } //nolint:noctx // returns at once

// accept starts serve in a goroutine for each connection.
func accept(serve func(net.Conn)) func(Options) (*Running, error) {
	return func(Options) (*Running, error) {
		listener, err := listen()
		if err != nil {
			return nil, err
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go serve(conn)
			}
		}()
		return &Running{Addr: listener.Addr().String(), Stop: func() { _ = listener.Close() }}, nil
	}
}
