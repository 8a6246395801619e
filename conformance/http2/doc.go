// Package http2 tests WebSockets over HTTP/2 (RFC 8441) against the client of
// golang.org/x/net, over TLS: a Dialer that believes it speaks HTTP/1.1, behind a proxy
// that makes an extended CONNECT of its upgrade, as haproxy does the other way round.
//
// It is a module of its own because nothing else here needs golang.org/x/net. That
// client works when it is built with Go 1.25 and 1.26; of Go 1.27 it uses net/http's,
// which does not send :protocol.
package http2
