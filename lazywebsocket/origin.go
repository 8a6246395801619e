package lazywebsocket

import (
	"net/http"
	"net/url"
	"strings"
)

// sameOrigin is the default of Upgrader.CheckOrigin: browsers send an Origin
// with every WebSocket handshake (RFC 6455, 10.2), and its host must be the
// request's. A request without Origin does not come from a browser and passes.
//
// Hosts match when they are equal without regard to the case of ASCII letters,
// ports included, where the port that belongs to the origin's scheme may be
// left out on either side. "null", user information, and bytes that no browser
// sends there never match.
func sameOrigin(r *http.Request) bool {
	lines := r.Header["Origin"]
	if len(lines) == 0 {
		return true
	}
	// International names come as punycode (RFC 6454, 6.2).
	if len(lines) > 1 || !visibleASCII(lines[0]) {
		return false
	}
	u, err := url.Parse(lines[0])
	if err != nil || u.Scheme == "" || u.User != nil || u.Opaque != "" || u.Host == "" {
		return false
	}
	return equalFold(withoutPort(u.Host, defaultPort(u.Scheme)), withoutPort(r.Host, defaultPort(u.Scheme)))
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return ":80"
	case "https", "wss":
		return ":443"
	}
	return ""
}

// withoutPort removes the port from host if it is the given one, in the form
// ":80". An IPv6 address has brackets, so that its own colons are safe.
func withoutPort(host, port string) string {
	return strings.TrimSuffix(host, port)
}
