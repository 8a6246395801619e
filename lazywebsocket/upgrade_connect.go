package lazywebsocket

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// extendedConnect reports whether the request asks for a WebSocket on a stream of
// HTTP/2 (RFC 8441, 5) or HTTP/3 (RFC 9220, 3). net/http puts the pseudo-header among
// the others, where no client can, and lets it through where
// golazy.dev/lazywebsocket/http2 has switched it on; golazy.dev/lazywebsocket/http3
// does the same for quic-go.
func extendedConnect(r *http.Request) bool {
	return r.Method == http.MethodConnect && r.ProtoMajor >= 2 && equalFold(only(r.Header[":protocol"]), "websocket")
}

// errTaken is what a second Upgrade of a stream gets, which cannot be answered.
var errTaken = errors.New("the stream has been taken over already")

// notTwice says that Upgrade has taken the request's stream before; nil if not.
func notTwice(r *http.Request) *fault {
	if r.Body == http.NoBody && extendedConnect(r) {
		return &fault{why: RefusedInternal, err: &OpError{Op: "upgrade", Err: errTaken}}
	}
	return nil
}

// checkConnect judges an extended CONNECT: what the check of an upgrade does, as far
// as it has a meaning there (RFC 8441, 5: there is no Sec-WebSocket-Key).
func (u *Upgrader) checkConnect(r *http.Request) *fault {
	h := r.Header
	hosts := h["Host"]
	switch {
	case only(h[headerVersion]) != protocolVersion:
		// Not 426: its Upgrade header does not exist there (RFC 9113, 8.2.2).
		return &fault{why: RefusedVersion, status: http.StatusBadRequest, reason: "Sec-WebSocket-Version is not 13"}
	case r.ContentLength == 0:
		return badRequest("the stream has no body: frames could not be sent")
	case r.ContentLength != -1:
		return badRequest("a handshake has no Content-Length")
	case len(hosts) > 1 || len(hosts) == 1 && !equalFold(hosts[0], r.Host):
		return badRequest("Host is not :authority") // RFC 9113, 8.3.1
	}
	return u.checkOrigin(r)
}

// takeStream accepts an extended CONNECT and makes a connection of its stream.
func (u *Upgrader) takeStream(w http.ResponseWriter, r *http.Request, s settings, extension string, responseHeader http.Header) (*Conn, *fault) {
	nc := newStreamConn(innermost(w), r)
	if err := nc.clearDeadlines(); err != nil {
		return nil, internalFault("the stream cannot be taken over: " + err.Error())
	}
	// What stands in the header so far is not sent over HTTP/1.1 either.
	h := w.Header()
	clear(h)
	for name, values := range responseHeader {
		h[http.CanonicalHeaderKey(name)] = values
	}
	delete(h, headerProtocol)
	if s.subprotocol != "" {
		h.Set(headerProtocol, s.subprotocol)
	}
	if extension != "" {
		h.Set(headerExtensions, extension)
	}
	timeout := u.HandshakeTimeout
	if timeout == 0 {
		timeout = defaultUpgradeTimeout
	}
	if err := nc.accept(timeout); err != nil {
		_ = nc.Close()
		return nil, unanswered(err)
	}
	r.Body = http.NoBody // whoever else comes by finds nothing to take
	if nc.w != w {
		w.WriteHeader(http.StatusOK) // so that those in between know that they cannot answer
	}
	return newConn(nc, s), nil
}

// innermost returns the response writer that w wraps in the end.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		wraps, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = wraps.Unwrap()
	}
}

// clearDeadlines takes away those of http.Server, which would end the stream.
func (s *streamConn) clearDeadlines() error {
	if err := s.control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return s.control.SetWriteDeadline(time.Time{})
}

// accept sends the answer, which is 200 and no other (RFC 8441, 5). A negative
// timeout is none.
func (s *streamConn) accept(timeout time.Duration) error {
	if timeout > 0 {
		_ = s.SetWriteDeadline(time.Now().Add(timeout))
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.enter(); err != nil {
		return err
	}
	s.w.WriteHeader(http.StatusOK)
	if err := s.leave(s.control.Flush()); err != nil {
		return err
	}
	return s.SetWriteDeadline(time.Time{})
}

// outlive waits until nothing uses the stream any more. The end of a stream ends a
// connection that nobody reads, too, after the time in which who reads would have
// noticed: its queue, its place in groups, and what is counted for it.
func (c *Conn) outlive(s *streamConn) {
	var closed <-chan bool
	over := s.ctx.Done()
	if w, ok := s.w.(http.CloseNotifier); ok { //nolint:staticcheck // the context may be one of a middleware, which ends for reasons of its own
		closed, over = w.CloseNotify(), nil
	}
	select {
	case <-s.done:
		return
	case <-closed:
	case <-over:
	}
	timer := time.NewTimer(streamLinger)
	defer timer.Stop()
	select {
	case <-s.done:
	case <-timer.C:
		c.ends(EndNetwork)
		c.abort()
		<-s.done // if it was ending already, who lingers is at its end, too
	}
}

// checkExtras says what of the application's part of the answer must not be sent.
func checkExtras(subprotocol string, extra http.Header) *fault {
	if subprotocol != "" && !validSubprotocol(subprotocol) {
		return internalFault("subprotocol " + strconv.Quote(subprotocol) + " must not be sent")
	}
	for name, values := range extra {
		if http.CanonicalHeaderKey(name) == headerProtocol {
			continue
		}
		if reason := forbiddenInAnswer(name, values); reason != "" {
			return internalFault(reason)
		}
	}
	return nil
}
