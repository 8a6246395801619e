//go:build go1.26

package lazywebsocket_test

// http2InBubbles: net/http's HTTP/2 server works inside synctest. Before Go 1.26 its
// servers share channels, which bubbles must not.
const http2InBubbles = true
