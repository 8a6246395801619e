module golazy.dev/conformance/http2

go 1.25.0

require (
	golang.org/x/net v0.58.0
	golazy.dev v0.0.0
)

require (
	github.com/klauspost/compress v1.20.3 // indirect
	golang.org/x/text v0.41.0 // indirect
)

replace golazy.dev => ../..
