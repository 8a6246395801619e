//go:build !race

package lazywebsocket_test

import (
	"testing"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// Compression allocates nothing a message, in neither direction; sending at the
// default level with a window allocates once, for the compressor that has no
// state.
func TestCompressedMessagesAllocate(t *testing.T) {
	for name, tc := range map[string]struct {
		o     lazywebsocket.CompressionOptions
		write float64
	}{
		"default":                {lazywebsocket.CompressionOptions{}, 1},
		"no takeover":            {lazywebsocket.CompressionOptions{DisableTakeover: true}, 0},
		"whole windows":          {lazywebsocket.CompressionOptions{MemoryPerConn: 72 << 10}, 1},
		"level 6":                {lazywebsocket.CompressionOptions{Level: 6}, 0},
		"level 6 without":        {lazywebsocket.CompressionOptions{Level: 6, DisableTakeover: true}, 0},
		"small windows, level 3": {lazywebsocket.CompressionOptions{Level: 3, WindowBits: 10}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := wstest.NewPair(t,
				&lazywebsocket.Upgrader{EnableCompression: true, Compression: tc.o},
				&lazywebsocket.Dialer{EnableCompression: true, Compression: tc.o})
			text := []byte(chats(0, 2000))
			buf := make([]byte, 0, 4096)
			prepared, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, text)
			must(t, err)
			var failed error
			note := func(err error) {
				if err != nil {
					failed = err
				}
			}
			read := func(conn *lazywebsocket.Conn) {
				_, data, err := conn.AppendMessage(buf[:0])
				if note(err); len(data) != len(text) {
					t.Errorf("read %d bytes", len(data))
				}
			}
			for what, step := range map[string]struct {
				f    func()
				most float64
			}{
				"server to client": {func() { note(s.WriteMessage(1, text)); read(c) }, tc.write},
				"client to server": {func() { note(c.WriteMessage(1, text)); read(s) }, tc.write},
				"prepared":         {func() { note(s.WritePreparedMessage(prepared)); read(c) }, 0}, // and so reading is 0
			} {
				for range 20 {
					step.f() // the windows are full then, and the pools
				}
				if n := testing.AllocsPerRun(300, step.f); n > step.most {
					t.Errorf("%s: %v allocations a message, want %v", what, n, step.most)
				}
			}
			must(t, failed)
		})
	}
}

// What a connection holds between messages, after a long conversation.
func TestCompressionHeld(t *testing.T) {
	for name, tc := range map[string]struct {
		o           lazywebsocket.CompressionOptions
		least, most int
	}{
		"default":                 {lazywebsocket.CompressionOptions{}, 6 << 10, 6 << 10},
		"8 KiB":                   {lazywebsocket.CompressionOptions{MemoryPerConn: 8 << 10}, 8 << 10, 8 << 10},
		"level 9":                 {lazywebsocket.CompressionOptions{Level: 9}, 6 << 10, 6 << 10},
		"no takeover":             {lazywebsocket.CompressionOptions{DisableTakeover: true}, 0, 0},
		"no takeover, all memory": {lazywebsocket.CompressionOptions{DisableTakeover: true, MemoryPerConn: 72 << 10}, 0, 0},
		"no memory":               {lazywebsocket.CompressionOptions{MemoryPerConn: 766}, 0, 0},
		"2 KiB":                   {lazywebsocket.CompressionOptions{MemoryPerConn: 2 << 10}, 2 << 10, 2 << 10},
		"small windows":           {lazywebsocket.CompressionOptions{WindowBits: 9}, 1 << 10, 1 << 10},
		"whole windows":           {lazywebsocket.CompressionOptions{Level: 6, WindowBits: 15, MemoryPerConn: 72 << 10}, 64 << 10, 72 << 10},
		"level 1 has enough":      {lazywebsocket.CompressionOptions{MemoryPerConn: 72 << 10}, 40 << 10, 40 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := wstest.NewPair(t,
				&lazywebsocket.Upgrader{EnableCompression: true, Compression: tc.o},
				&lazywebsocket.Dialer{EnableCompression: true, Compression: tc.o})
			for i := range 200 {
				text := chats(i, 1+i*10)
				for _, pair := range [][2]*lazywebsocket.Conn{{s, c}, {c, s}} {
					weSend(t, pair[0], i, text)
					wantRead(t, pair[1], message(1, []byte(text)))
				}
				for _, conn := range []*lazywebsocket.Conn{s, c} {
					if held := conn.CompressionHeld(); held > tc.most {
						t.Fatalf("%d bytes are held after %d messages, want at most %d", held, i, tc.most)
					}
				}
			}
			for _, conn := range []*lazywebsocket.Conn{s, c} {
				if held := conn.CompressionHeld(); held < tc.least {
					t.Errorf("%d bytes are held, want %d", held, tc.least)
				}
			}
		})
	}
}
