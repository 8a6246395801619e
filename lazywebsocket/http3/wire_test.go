package http3_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// Scripts of the wire against an echo, in DATA frames of any size.
func TestWire(t *testing.T) {
	scripts := map[string][]string{ // what is written, what is wanted
		"text":                   {"81 85 00000000 'hello'", "81 05 'hello'"},
		"masked":                 {"81 85 37fa213d 7f9f4d5158", "81 05 'Hello'"},
		"empty":                  {"82 80 00000000", "82 00"},
		"126 bytes":              {"82 fe 007e 00000000 61*126", "82 7e 007e 61*126"},
		"64 KiB":                 {"82 ff 0000000000010000 00000000 62*65536", "82 7f 0000000000010000 62*65536"},
		"fragments and a ping":   {"01 82 00000000 'he' 89 81 00000000 'p' 80 83 00000000 'llo'", "8a 01 'p' 81 05 'hello'"},
		"two at once":            {"81 81 00000000 'a' 81 81 00000000 'b'", "81 01 'a' 81 01 'b'"},
		"close":                  {"88 85 00000000 03e9 'bye'", "88 02 03e9"},
		"close without code":     {"88 80 00000000", "88 00"},
		"leaves":                 {"81 85 00000000 'leave'", "88 02 03e8"},
		"not masked":             {"81 05 'hello'", "88 close 1002"},
		"RSV":                    {"c1 80 00000000", "88 close 1002"},
		"reserved opcode":        {"83 80 00000000", "88 close 1002"},
		"fragmented ping":        {"09 80 00000000", "88 close 1002"},
		"bad UTF-8":              {"81 82 00000000 c328", "88 close 1007"},
		"too large":              {"82 ff 0000000000200000 00000000", "88 close 1009"},
		"continues nothing":      {"80 80 00000000", "88 close 1002"},
		"message within message": {"01 80 00000000 81 80 00000000", "88 close 1002"},
	}
	for chunks, chunk := range map[string]func() int{"whole": nil, "bytewise": wstest.Bytewise, "random": wstest.RandomChunks(7, 9)} {
		bubble(t, chunks, func(t *testing.T) {
			l := newWorld(t, plain(echo(new(lazywebsocket.Upgrader)))).client(1 << 20).proxy(wstest.Network{Chunk: chunk})
			for name, script := range scripts {
				if chunks == "bytewise" && name == "64 KiB" {
					continue // a DATA frame for each byte: seconds with the race detector
				}
				t.Log(name)
				p := l.DialPeer(t)
				p.Request("/")
				p.Response()
				play(p, script[0], script[1])
			}
		})
	}
}

// play writes a script and wants another, and ends the connection cleanly. What is
// wanted may be a Close frame with a code and any reason: "88 close 1002".
func play(p *wstest.Peer, write, want string) {
	p.Write(write)
	var status int
	if n, _ := fmt.Sscanf(want, "88 close %d", &status); n == 1 {
		p.WantClose(status)
	} else {
		p.Want(want)
	}
	switch {
	case !strings.HasPrefix(want, "88"):
		p.WantNothing()
		p.Close(1000, "")
		p.WantClose(1000)
	case !strings.HasPrefix(write, "88"):
		p.Close(1000, "")
	}
	p.WantEOF()
}

// A Conn of this library at the client's end: compressed and not, both contexts kept,
// messages of any size, closed by either side.
func TestConns(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		bubble(t, fmt.Sprint("compressed ", compressed), func(t *testing.T) {
			u := lazywebsocket.Upgrader{EnableCompression: true, Subprotocols: []string{"echo"}}
			l := newWorld(t, routed(echo(&u))).client(1 << 20).proxy(wstest.Network{})
			for i := range 4 {
				d := lazywebsocket.Dialer{NetDialContext: l.DialContext, EnableCompression: compressed, Subprotocols: []string{"x", "echo"}}
				conn, resp, err := d.DialContext(context.Background(), "ws://server/ws", nil)
				must(t, err)
				if got := resp.Header.Get("Sec-Websocket-Extensions"); (got != "") != compressed || conn.Subprotocol() != "echo" {
					t.Errorf("%q, %q", got, conn.Subprotocol())
				}
				exchange(t, conn, rand.New(rand.NewPCG(uint64(i), 0)))
				if i%2 == 0 {
					must(t, conn.Shutdown(context.Background(), 4000, "enough"))
				} else {
					must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("leave")))
					if _, _, err := conn.ReadMessage(); !lazywebsocket.IsCloseError(err, lazywebsocket.CloseNormalClosure) {
						t.Errorf("ended with %v", err)
					}
				}
				_ = conn.Close()
			}
		})
	}
}

// exchange sends messages and compares what comes back.
func exchange(t *testing.T, conn *lazywebsocket.Conn, random *rand.Rand) {
	t.Helper()
	for range 20 {
		message := make([]byte, random.IntN(1<<random.IntN(18)))
		for i := range message {
			message[i] = byte(random.IntN(50))
		}
		must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, message))
		if _, got, err := conn.ReadMessage(); err != nil || !bytes.Equal(got, message) {
			t.Fatalf("%d bytes, want %d: %v", len(got), len(message), err)
		}
	}
}
