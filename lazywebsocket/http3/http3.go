// Package http3 takes WebSockets over HTTP/3 (RFC 9220) to lazywebsocket.Upgrader, on
// a server of quic-go:
//
//	server := &http3.Server{
//		Addr:        ":443",
//		TLSConfig:   config,
//		QUICConfig:  sockets.Config(),
//		IdleTimeout: 2 * time.Minute,
//		Handler:     sockets.Handler(router),
//	}
//
// where http3 is quic-go's package and sockets is this one. Handlers do not change:
// what [Handler] hands on looks like an extended CONNECT over HTTP/2 (RFC 8441), which
// Upgrader accepts and lazyroutes takes to the route that is drawn for GET. An
// http.ServeMux sees a request with the method CONNECT: a pattern without a method
// ("/ws") matches, and so does "CONNECT /ws", but "GET /ws" does not.
//
// quic-go says to every client that it takes extended CONNECT. Which of them asks is
// the client's business. Chromium 156, the one browser that was tried, does so only when
// it is started with --enable-features=EnableWebsocketsOverHttp3, and else opens a
// connection of HTTP/1.1 beside the page's HTTP/3: a server of net/http stands beside this
// one, with the same router.
//
// http3.Server has no hook for its Shutdown that lazywebsocket.Group.ShutdownOn could
// use. A program that stops ends its sockets first:
//
//	err := group.Shutdown(ctx)
//	last, cancel := context.WithTimeout(ctx, time.Second)
//	defer cancel()
//	_ = server.Shutdown(last)
//
// http3.Server.Shutdown waits for clients to end their connections, and Chromium keeps
// its own: the second is for what has been said to arrive, which http3.Server.Close
// would cut.
package http3

import (
	"time"

	"github.com/quic-go/quic-go"
)

// Config returns settings for the QUICConfig of a server that accepts WebSockets:
//
//   - MaxIncomingStreams 1000. Each socket of a client holds a stream of the one
//     connection that it has, for as long as it lives: with quic-go's 100 a page with
//     that many could not even fetch an image.
//   - Windows of 256 KiB for a stream and 6 MiB for a connection, to receive. A handler
//     that does not read leaves so much unread, and what is unread counts against all
//     streams of its connection, which stop when a quarter of its window is left:
//     quic-go widens it after each quarter that was read. Its own windows begin at 512
//     KiB and 768 KiB, and two such handlers stop the others. With these sixteen do not.
//   - KeepAlivePeriod 15 s. QUIC ends a connection on which nothing has come for 30 s,
//     with all its sockets. The pings of QUIC are seen by no application and keep a
//     connection without any request, too: http3.Server.IdleTimeout ends those.
//
// The result is the caller's.
func Config() *quic.Config {
	const stream, connection = 256 << 10, 6 << 20
	return &quic.Config{
		MaxIncomingStreams:             1000,
		InitialStreamReceiveWindow:     stream,
		MaxStreamReceiveWindow:         stream,
		InitialConnectionReceiveWindow: connection,
		MaxConnectionReceiveWindow:     connection,
		KeepAlivePeriod:                15 * time.Second,
	}
}
