package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"golazy.dev/bench/realtime/server"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/http2"
)

// serve echoes at /ws, over HTTP/1.1 and HTTP/2 with TLS, and says at /usage of a
// port without TLS what the process has taken. It prints that port's address; the other
// one is in the header Ws of its answers.
func serve() error {
	var upgrader lazywebsocket.Upgrader
	sockets := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // Upgrade has answered
		}
		defer conn.Close()
		var buf []byte
		for {
			messageType, data, err := conn.AppendMessage(buf[:0])
			if err != nil || conn.WriteMessage(messageType, data) != nil {
				return
			}
			if buf = data; cap(buf) > 1<<10 {
				buf = nil
			}
		}
	}))
	sockets.EnableHTTP2 = true
	sockets.Config.HTTP2 = http2.Config()
	sockets.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	sockets.StartTLS()
	mux := http.NewServeMux()
	mux.HandleFunc("/usage", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Ws", sockets.Listener.Addr().String())
		server.Usage(w, r)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Println(l.Addr()); err != nil {
		return err
	}
	return (&http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}).Serve(l)
}
