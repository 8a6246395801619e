package peers

import (
	"net/http"

	"golazy.dev/lazywebsocket"
)

func lazywebsockets() []Server {
	off := Server{"lazywebsocket/" + Off, "no compression", func() http.Handler {
		return &lazywebsocketEcho{}
	}}
	with := func(name, setting string, o lazywebsocket.CompressionOptions) Server {
		return Server{"lazywebsocket/" + name, setting, func() http.Handler {
			return &lazywebsocketEcho{lazywebsocket.Upgrader{EnableCompression: true, Compression: o}}
		}}
	}
	memory := func(kib int) lazywebsocket.CompressionOptions {
		return lazywebsocket.CompressionOptions{MemoryPerConn: kib << 10}
	}
	return []Server{
		off,
		with("default", "the zero CompressionOptions: 4 KiB to receive, 2 KiB to send", lazywebsocket.CompressionOptions{}),
		with("mem=2KiB", "MemoryPerConn 2 KiB", memory(2)),
		with("mem=4KiB", "MemoryPerConn 4 KiB", memory(4)),
		with("mem=8KiB", "MemoryPerConn 8 KiB", memory(8)),
		with("mem=16KiB", "MemoryPerConn 16 KiB", memory(16)),
		with("mem=32KiB", "MemoryPerConn 32 KiB", memory(32)),
		with("mem=64KiB", "MemoryPerConn 64 KiB", memory(64)),
		with("mem=72KiB", "MemoryPerConn 72 KiB", memory(72)),
		with("no-takeover", "DisableTakeover", lazywebsocket.CompressionOptions{DisableTakeover: true}),
		with("level=6", "Level 6", lazywebsocket.CompressionOptions{Level: 6}),
	}
}

type lazywebsocketEcho struct{ upgrader lazywebsocket.Upgrader }

func (e *lazywebsocketEcho) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := e.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		messageType, payload, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := conn.WriteMessage(messageType, payload); err != nil {
			return
		}
	}
}
