package peers

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455, 4.2.2 asks for it
	"encoding/base64"
	"net"
	"net/http"

	"golazy.dev/bench/deflate/wire"
)

// newLive is the server that the others are measured by: every connection has a
// compressor of its own with all its state, and windows of 32 KiB. It checks
// nothing.
func newLive() http.Handler { return http.HandlerFunc(serveLive) }

func serveLive(w http.ResponseWriter, r *http.Request) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer nc.Close()                                                                                    //nolint:errcheck // the end of the connection
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	_, err = nc.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"))
	if err != nil {
		return
	}
	echoLive(nc, rw.Reader)
}

func echoLive(nc net.Conn, r *bufio.Reader) {
	out, err := wire.NewDeflater(1, true)
	if err != nil {
		return
	}
	in := wire.Inflater{Takeover: true}
	var payload, plain, frame []byte
	for {
		m, err := wire.ReadMessage(r, payload[:0])
		if err != nil {
			return
		}
		payload = m.Payload
		text := payload
		if m.Compressed {
			if plain, err = in.Inflate(plain[:0], payload); err != nil {
				return
			}
			text = plain
		}
		packed, err := out.Deflate(text)
		if err != nil {
			return
		}
		frame = wire.AppendFrame(frame[:0], packed, true, nil)
		if _, err := nc.Write(frame); err != nil {
			return
		}
	}
}
