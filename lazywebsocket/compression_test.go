package lazywebsocket_test

import (
	"errors"
	"testing"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// Nothing is negotiated, and the switches do nothing but judge.
func TestCompressionIsNotNegotiated(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		u := &lazywebsocket.Upgrader{EnableCompression: true}
		s := wstest.Serve(t, upgradeHandler(u))
		p := s.Peer()
		p.Request("/", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
		resp := p.Response()
		if got := resp.Header.Values("Sec-Websocket-Extensions"); len(got) != 0 {
			t.Errorf("negotiated %q", got)
		}
		p.Frame(0xc1, []byte{0x4a, 0x04, 0x00})
		p.WantClose(1002)
	})
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		conn.EnableWriteCompression(true)
		for level := -2; level <= 9; level++ {
			must(t, conn.SetCompressionLevel(level))
		}
		for _, level := range []int{-3, 10} {
			var op *lazywebsocket.OpError
			if err := conn.SetCompressionLevel(level); !errors.As(err, &op) {
				t.Errorf("level %d: %v", level, err)
			}
		}
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("plain")))
		p.WantText("plain")
	})
}
