// The echo sends every message back, with permessage-deflate. The browser's tests
// of compression talk to it.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golazy.dev/internal/e2e"
	"golazy.dev/lazywebsocket"
)

func main() { e2e.Main("echo", serve) }

// serve prints where it listens, and how each socket has ended.
func serve(ctx context.Context) error {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _ = e2e.Page(w, r) })
	for path, options := range map[string]lazywebsocket.CompressionOptions{
		"/default":  {},
		"/whole":    {MemoryPerConn: 64 << 10, MinSize: -1},
		"/small":    {WindowBits: 9},
		"/alone":    {DisableTakeover: true},
		"/thorough": {MemoryPerConn: 64 << 10, Level: 9},
	} {
		mux.Handle(path, echo(options))
	}
	fmt.Printf("echo: http://%s\n", listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	unhook := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer unhook()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func echo(options lazywebsocket.CompressionOptions) http.Handler {
	upgrader := lazywebsocket.Upgrader{EnableCompression: true, Compression: options, ReadLimit: 4 << 20}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		var buf []byte
		for {
			messageType, data, err := conn.AppendMessage(buf[:0])
			if err == nil {
				err = conn.WriteMessage(messageType, data)
			}
			if err != nil {
				fmt.Printf("echo: %s ended: %v\n", r.URL.Path, err)
				return
			}
			buf = data
		}
	})
}
