package http3

import (
	"net/http"
	"strings"

	"github.com/quic-go/quic-go/http3"
)

// Handler returns a handler that hands extended CONNECT requests for WebSockets
// (RFC 9220, 3) to next in the form that lazywebsocket.Upgrader accepts: Proto is
// "HTTP/3.0", as it is for other requests, and what quic-go has put there stands in
// the header ":protocol", where net/http puts it over HTTP/2 and where no client can.
//
// A connection is a stream of the request, and ends with its handler. Where next has
// upgraded and returns before the connection's end, as in
//
//	conn, err := upgrader.Upgrade(w, r, nil)
//	...
//	go client.read(conn)
//	go client.write(conn)
//
// the request waits for that. When it is over the stream ends with FIN, or is reset
// where a write has not ended, and when next has panicked: behind a Close frame that says
// so (CloseInternalServerErr), if the peer takes it.
//
// A request that came before the handshake of TLS was done, in QUIC's 0-RTT, is
// answered 425 (RFC 8470, 5.2): whoever has recorded it could send it again, and the
// messages behind it. Other requests pass as they are. Handler stands outside of what
// looks at requests for WebSockets; what stands outside of Handler must pass quic-go's
// response writer, or wrap it with a method Unwrap.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		streamer := findStreamer(w)
		switch {
		case r.Method != http.MethodConnect || r.ProtoMajor != 3 || !strings.EqualFold(r.Proto, "websocket") || streamer == nil:
			next.ServeHTTP(w, r)
		case r.TLS == nil || !r.TLS.HandshakeComplete:
			http.Error(w, http.StatusText(http.StatusTooEarly), http.StatusTooEarly)
		default:
			s := newStream(w, streamer, r)
			s.serve(next, s.request(r))
		}
	})
}

// findStreamer returns what lets a handler take the stream over: quic-go's response
// writer, which others may wrap; nil if there is none.
func findStreamer(w http.ResponseWriter) http3.HTTPStreamer {
	for {
		if s, ok := w.(http3.HTTPStreamer); ok {
			return s
		}
		wraps, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = wraps.Unwrap()
	}
}
