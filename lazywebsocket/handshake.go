package lazywebsocket

import (
	"net/http"
	"strings"
)

// The headers of the handshake (RFC 6455, 11.3), as net/http writes their names.
const (
	headerKey        = "Sec-Websocket-Key"
	headerAccept     = "Sec-Websocket-Accept"
	headerVersion    = "Sec-Websocket-Version"
	headerProtocol   = "Sec-Websocket-Protocol"
	headerExtensions = "Sec-Websocket-Extensions"

	protocolVersion = "13"
)

// HandshakeError is what was wrong with a client's handshake. Upgrade returns
// it, as a value, after it has answered the request.
type HandshakeError struct {
	message string
}

func (e HandshakeError) Error() string { return e.message }

// headerTokens calls yield for each element of a header that is a
// comma-separated list, over all its lines, without the white space around it
// and without empty ones (RFC 9110, 5.6.1), until yield returns false. It looks
// at each byte a fixed number of times.
func headerTokens(h http.Header, name string, yield func(token string) bool) {
	for _, line := range h[name] {
		for more := true; more; {
			var token string
			token, line, more = strings.Cut(line, ",")
			if token = strings.Trim(token, " \t"); token != "" && !yield(token) {
				return
			}
		}
	}
}

// headerHasToken reports whether a list header has the token, without regard to
// the case of ASCII letters (RFC 9110, 5.6.1).
func headerHasToken(h http.Header, name, token string) bool {
	found := false
	headerTokens(h, name, func(t string) bool {
		found = equalFold(t, token)
		return !found
	})
	return found
}

// equalFold is equality without regard to the case of ASCII letters, and only
// of those: a KELVIN SIGN is not a k.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// validToken reports whether s is a token (RFC 9110, 5.6.2): what header names
// are.
func validToken(s string) bool {
	for i := range len(s) {
		c := lower(s[i])
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// validSubprotocol reports whether s can stand in a list of subprotocols: visible
// ASCII without a comma. RFC 6455, 4.1, asks for tokens, but every Kubernetes
// cluster speaks "SPDY/3.1+portforward.k8s.io", which is none for its slash.
func validSubprotocol(s string) bool {
	return s != "" && visibleASCII(s) && !strings.Contains(s, ",")
}

// visibleASCII reports whether s has none but the visible characters of ASCII.
func visibleASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// validHeaderValue reports whether s may be a header's value: visible ASCII,
// spaces and tabs. Bytes beyond ASCII are legal (RFC 9110, 5.5) but read
// differently by different receivers, and a CR or an LF would begin another
// header.
func validHeaderValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '\t' && (c < ' ' || c > '~') {
			return false
		}
	}
	return true
}

// Subprotocols returns the subprotocols that the client offers, in its order
// of preference (RFC 6455, 4.1). Elements with other than visible ASCII bytes
// are left out.
func Subprotocols(r *http.Request) []string {
	var offered []string
	headerTokens(r.Header, headerProtocol, func(token string) bool {
		if validSubprotocol(token) {
			offered = append(offered, token)
		}
		return true
	})
	return offered
}

// IsWebSocketUpgrade reports whether the request asks for an upgrade to the
// WebSocket protocol: whether Upgrade is worth calling. Over HTTP/2 that is an
// extended CONNECT (RFC 8441).
func IsWebSocketUpgrade(r *http.Request) bool {
	return extendedConnect(r) || headerHasToken(r.Header, "Connection", "upgrade") &&
		headerHasToken(r.Header, "Upgrade", "websocket")
}
