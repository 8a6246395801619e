package lazywebsocket

import (
	"net/http"
	"slices"

	"golazy.dev/lazywebsocket/internal/wsdeflate"
	"golazy.dev/lazywebsocket/internal/wsproto"
)

// fault is why a request is not upgraded, and the status that says so.
type fault struct {
	why    Refusal
	status int // zero: it cannot be answered
	reason string
	err    error // what the caller of Upgrade gets; nil: a HandshakeError
}

func badRequest(reason string) *fault {
	return &fault{why: RefusedRequest, status: http.StatusBadRequest, reason: reason}
}

func internalFault(reason string) *fault {
	return &fault{why: RefusedInternal, status: http.StatusInternalServerError, reason: reason}
}

// unanswered is the fault of an answer that could not be sent.
func unanswered(err error) *fault {
	return &fault{why: RefusedNetwork, err: &OpError{Op: "upgrade", Err: err}}
}

// refuse answers the request, if it can, and returns the error for it.
func (u *Upgrader) refuse(w http.ResponseWriter, r *http.Request, flt *fault) error {
	err := flt.err
	if err == nil {
		err = HandshakeError{"websocket: " + flt.reason}
	}
	if flt.status == 0 {
		return err
	}
	if u.Error != nil {
		u.Error(w, r, flt.status, err)
		return err
	}
	h := w.Header()
	h.Set(headerVersion, protocolVersion)
	switch flt.status {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodGet)
	case http.StatusUpgradeRequired:
		h.Set("Upgrade", "websocket")
		h.Set("Connection", "Upgrade")
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", "1") // second
	}
	http.Error(w, http.StatusText(flt.status), flt.status)
	return err
}

// check judges the client's handshake (RFC 6455, 4.2.1), and returns its key; of an
// extended CONNECT, which has none, "".
func (u *Upgrader) check(r *http.Request) (key string, flt *fault) {
	if extendedConnect(r) {
		return "", u.checkConnect(r)
	}
	const notWebSocket = "the client is not using the websocket protocol: "
	h := r.Header
	key = only(h[headerKey])
	switch {
	case !headerHasToken(h, "Connection", "upgrade"):
		return "", badRequest(notWebSocket + "no 'upgrade' in the Connection header")
	case !onlyWebSocket(h):
		return "", badRequest(notWebSocket + "the Upgrade header is not 'websocket'")
	case r.Method != http.MethodGet:
		return "", &fault{why: RefusedRequest, status: http.StatusMethodNotAllowed, reason: notWebSocket + "the method is not GET"}
	case !r.ProtoAtLeast(1, 1):
		return "", badRequest(notWebSocket + "HTTP/1.0 has no upgrade")
	case only(h[headerVersion]) != protocolVersion:
		return "", &fault{why: RefusedVersion, status: http.StatusUpgradeRequired, reason: "Sec-WebSocket-Version is not 13"}
	case !wsproto.ValidKey(key):
		return "", badRequest("Sec-WebSocket-Key is not the base64 form of 16 bytes")
	case r.ContentLength != 0:
		// Its bytes would be read as frames here, as a body by a proxy in between.
		return "", badRequest("a handshake has no body")
	}
	return key, u.checkOrigin(r)
}

func (u *Upgrader) checkOrigin(r *http.Request) *fault {
	switch {
	case len(r.Header["Origin"]) > 1:
		return &fault{why: RefusedOrigin, status: http.StatusBadRequest, reason: "more than one Origin"}
	case !u.welcome(r):
		return &fault{why: RefusedOrigin, status: http.StatusForbidden, reason: "request origin not allowed by Upgrader.CheckOrigin"}
	}
	return nil
}

// only returns the value of a header that has one line, and "" for another.
func only(lines []string) string {
	if len(lines) != 1 {
		return ""
	}
	return lines[0]
}

// onlyWebSocket reports whether the Upgrade header offers the WebSocket protocol
// and nothing else.
func onlyWebSocket(h http.Header) bool {
	found := false
	headerTokens(h, "Upgrade", func(token string) bool {
		found = equalFold(token, "websocket")
		return found
	})
	return found
}

func (u *Upgrader) welcome(r *http.Request) bool {
	if u.CheckOrigin != nil {
		return u.CheckOrigin(r)
	}
	return SameOrigin(r)
}

// chooseSubprotocol returns the subprotocol of the answer, or "".
func (u *Upgrader) chooseSubprotocol(r *http.Request, responseHeader http.Header) string {
	if u.Subprotocols == nil {
		return responseHeader.Get(headerProtocol)
	}
	offered := Subprotocols(r)
	for _, ours := range u.Subprotocols {
		if slices.Contains(offered, ours) {
			return ours
		}
	}
	return ""
}

// chooseCompression returns the answer to the client's offers of
// permessage-deflate, and what was agreed; "" if nothing was.
func (u *Upgrader) chooseCompression(r *http.Request) (string, wsdeflate.Agreement) {
	if !u.EnableCompression {
		return "", wsdeflate.Agreement{}
	}
	answer, agreed, ok := wsdeflate.Accept(r.Header[headerExtensions], u.Compression.policy())
	if !ok {
		return "", agreed
	}
	return answer.String(), agreed
}

// answerSize has room for an answer with a few headers of the application.
const answerSize = 512
