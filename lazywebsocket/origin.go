package lazywebsocket

import (
	"net/http"
	"net/url"
	"strings"
)

// SameOrigin is the default of Upgrader.CheckOrigin, for those that accept more
// than it does: browsers send an Origin
// with every WebSocket handshake (RFC 6455, 10.2), and its host must be the
// request's. A request without Origin does not come from a browser and passes.
//
// Hosts match when they are equal without regard to the case of ASCII letters,
// ports included, where the port that belongs to the origin's scheme may be
// left out on either side. "null", user information, and bytes that no browser
// sends there never match.
func SameOrigin(r *http.Request) bool {
	lines := r.Header["Origin"]
	if len(lines) == 0 {
		return true
	}
	// International names come as punycode (RFC 6454, 6.2).
	if len(lines) > 1 || !visibleASCII(lines[0]) {
		return false
	}
	if scheme, host, _ := strings.Cut(lines[0], "://"); (scheme == "http" || scheme == "https") && plainHost(host) {
		return sameHost(scheme, host, r.Host)
	}
	u, err := url.Parse(lines[0])
	if err != nil || u.Scheme == "" || u.User != nil || u.Opaque != "" || u.Host == "" {
		return false
	}
	return sameHost(u.Scheme, u.Host, r.Host)
}

// plainHost reports whether s is a name or an IPv4 address, with or without a
// port: what nearly every Origin has behind its scheme, and what url.Parse would
// find in it unchanged.
func plainHost(s string) bool {
	name, port, _ := strings.Cut(s, ":")
	for i := range len(name) {
		if c := lower(name[i]); (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
	}
	return name != ""
}

// sameHost compares the host of an origin with the request's.
func sameHost(scheme, origin, host string) bool {
	port := defaultPort(scheme)
	return equalFold(withoutPort(origin, port), withoutPort(host, port))
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
