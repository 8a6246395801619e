module golazy.dev/bench

go 1.25.0

replace golazy.dev => ..

require (
	github.com/coder/websocket v1.8.15
	github.com/gorilla/websocket v1.5.3
	github.com/klauspost/compress v1.20.3
	github.com/lxzan/gws v1.8.9
	golazy.dev v0.0.0-00010101000000-000000000000
)

require github.com/dolthub/maphash v0.1.0 // indirect
