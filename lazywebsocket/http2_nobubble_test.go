//go:build !go1.26

package lazywebsocket_test

const http2InBubbles = false
