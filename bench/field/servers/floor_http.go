package servers

import (
	"crypto/sha1" //nolint:gosec // RFC 6455, 4.2.2 asks for it
	"encoding/base64"
	"net"
	"net/http"

	"golazy.dev/bench/field/scenario"
)

// floorHTTP is the floor behind net/http: what a handshake costs at least that
// begins with a request of http.Server.
func floorHTTP() Server {
	f := new(floorServer)
	return Server{
		Name:    "floor-http",
		Setting: "floor behind net/http: a handler that takes the connection over, in the handler",
		Start:   overHTTP(http.HandlerFunc(f.serveHTTP)),
	}
}

func (f *floorServer) serveHTTP(w http.ResponseWriter, r *http.Request) {
	nc, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer nc.Close() //nolint:errcheck // the end of the connection
	if _, err := nc.Write(appendAnswer(nil, r.Header.Get("Sec-WebSocket-Key"))); err != nil {
		return
	}
	f.serveFrames(nc, r.URL.Path)
}

// appendAnswer appends the answer to a handshake.
func appendAnswer(b []byte, key string) []byte {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = base64.StdEncoding.AppendEncode(b, sum[:])
	return append(b, "\r\n\r\n"...)
}

// serveFrames serves a connection after its handshake.
func (f *floorServer) serveFrames(nc net.Conn, path string) {
	switch path {
	case scenario.Echo:
		answerReads(nc, nc)
	case scenario.Queue:
		q := newFloorQueue(nc)
		defer close(q)
		answerReads(nc, q)
	case scenario.Room:
		f.room.join(nc)
		defer f.room.leave(nc)
		answerReads(nc, nc)
	case scenario.Publish:
		answerReads(nc, publisher{f})
	}
}
