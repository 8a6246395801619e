// Package http2 switches WebSockets over HTTP/2 (RFC 8441) on for the process:
//
//	import _ "golazy.dev/lazywebsocket/http2"
//
// From then on every HTTP/2 server of net/http in the process, over TLS or not, says
// that it takes extended CONNECT requests. Browsers then open WebSockets as streams of
// the HTTP/2 connection that they have; lazywebsocket.Upgrader accepts them, and
// lazyroutes takes them to the route that is drawn for GET. An http.ServeMux sees a
// request with the method CONNECT: a pattern without a method ("/ws") matches, and so
// does "CONNECT /ws", but "GET /ws" does not.
//
// It is an effect on the whole process, which is why it has to be asked for: a browser
// that has been told does not fall back to HTTP/1.1. An endpoint that cannot answer an
// extended CONNECT, because it hijacks its connection as other WebSocket libraries do,
// fails for such browsers.
//
// net/http has no setting for it but the text http2xconnect=1 in the environment
// variable GODEBUG, which it reads once when it is initialised. This package puts that
// there before, which works because Go initialises packages in the order of their import
// paths, and takes it away afterwards, so that child processes do not inherit it. A
// GODEBUG that has a word on http2xconnect already, such as http2xconnect=0, is left as
// it is: that is how an operator switches this off.
//
// [Config] has settings for such servers, and [Handler] is for programs whose handlers
// return before their connections end.
package http2

import (
	"net/http"
	"os"
	"time"

	"golazy.dev/lazywebsocket/http2/internal/switchon"
)

func init() {
	if switchon.Changed && os.Getenv("GODEBUG") == switchon.After {
		if switchon.Before == "" {
			_ = os.Unsetenv("GODEBUG")
		} else {
			_ = os.Setenv("GODEBUG", switchon.Before)
		}
	}
}

// Config returns settings for http.Server.HTTP2 of a server that accepts WebSockets:
//
//   - MaxConcurrentStreams 1000. Each socket of a page holds a stream of the one
//     connection that its browser has, for as long as it lives: with net/http's 250
//     a page with that many could not even fetch an image.
//   - MaxReceiveBufferPerStream 256 KiB and MaxReceiveBufferPerConnection 4 MiB. A
//     handler that does not read leaves so much unread, and what is unread counts
//     against all streams of its connection. net/http's default is 1 MiB for both: one
//     such handler stops the others. With these it takes sixteen.
//   - WriteByteTimeout 30 s: twice that at most. A client that reads nothing from the network blocks all
//     writes to its connection, and a handler that is in one, or waits for it in
//     Conn.Close, cannot return before the connection ends. By default net/http lets
//     it be for ever.
//
// An upload gets no more than MaxReceiveBufferPerStream through in a round trip. The
// result is the caller's.
func Config() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          1000,
		MaxReceiveBufferPerStream:     256 << 10,
		MaxReceiveBufferPerConnection: 4<<20 - 1, // the most that net/http's documentation allows
		WriteByteTimeout:              30 * time.Second,
	}
}
