package lazyrealtime

import (
	"errors"
	"math"
	"net/http"
	"time"

	"golazy.dev/lazyrealtime/cable"
	"golazy.dev/lazywebsocket"
)

// keepalive is how often a connection is pinged by the protocol (RFC 6455, 5.5.2),
// when the application has not set it: what a dead peer leaves behind is gone after
// twice that.
const keepalive = 25 * time.Second

// frameOverhead is what a command is larger than its message, with the quotes
// around it escaped twice, and its identifier.
const frameOverhead = 16 << 10

// frameBytes is how many bytes a frame has at most that has a message of most bytes.
func frameBytes(most int) int64 {
	if int64(most) > (math.MaxInt64-frameOverhead)/2 {
		return math.MaxInt64
	}
	return 2*int64(most) + frameOverhead
}

// newUpgrader completes the application's upgrader.
func (h *Hub) newUpgrader() lazywebsocket.Upgrader {
	var u lazywebsocket.Upgrader
	if h.config.Upgrader != nil {
		u = *h.config.Upgrader
	}
	if u.PingInterval == 0 {
		u.PingInterval = keepalive
	}
	u.Queue.Policy = lazywebsocket.QueueClose // who lost messages silently would never know
	if u.ReadLimit == 0 {
		u.ReadLimit = -1
		if most := limitOf(h.config.Limits.MessageBytes, defaultMessageBytes); most >= 0 {
			u.ReadLimit = frameBytes(most)
		}
	}
	return u
}

// budget returns the budget of the upgrader.
func (h *Hub) budget() *lazywebsocket.Budget {
	if b := h.upgrader.Budget; b != nil {
		return b
	}
	return lazywebsocket.DefaultBudget
}

// ServeHTTP serves a client that speaks Action Cable, as those of Rails, AnyCable,
// turbo-rails and the hub's own cable.js do: it upgrades the request, and serves
// the connection until it ends. Requests that cannot be upgraded are answered
// with an error.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) { _ = h.ServeAction(w, r) }

// ServeAction is ServeHTTP for lazyroutes. Its error is nil: the request has been
// answered.
func (h *Hub) ServeAction(w http.ResponseWriter, r *http.Request) error {
	if !lazywebsocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "this is a WebSocket endpoint", http.StatusUpgradeRequired)
		return nil
	}
	protocol, _ := cable.Negotiate(lazywebsocket.Subprotocols(r))
	if protocol == "" {
		http.Error(w, "the client must offer the subprotocol "+cable.Extended+" or "+cable.Base, http.StatusBadRequest)
		return nil
	}
	if h.refusing(w) {
		return nil
	}
	id, denied := h.authenticate(r)
	upgrader := h.upgrader
	upgrader.Subprotocols = []string{protocol}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		h.count(CountRefused, 1)
		return nil //nolint:nilerr // Upgrade has answered
	}
	switch {
	case errors.Is(denied, ErrUnavailable):
		h.refused(conn, endNoEngine, denied)
	case errors.Is(denied, ErrTokenExpired):
		h.refused(conn, endExpired, denied)
	case denied != nil:
		h.refused(conn, endDenied, denied)
	default:
		h.begin(conn, id, r)
	}
	return nil
}

// refusing answers a request that comes when the hub takes no connections.
func (h *Hub) refusing(w http.ResponseWriter) bool {
	reason := "this server takes no connections now"
	if !h.draining() && h.current() {
		if h.full() == nil {
			return false
		}
		reason = "this server has as many connections as it takes"
	}
	h.count(CountRefused, 1)
	w.Header().Set("Retry-After", "5")
	http.Error(w, reason, http.StatusServiceUnavailable)
	return true
}

// refused tells a client that it may not connect, in the only way that browsers
// let it see.
func (h *Hub) refused(conn *lazywebsocket.Conn, e ending, err error) {
	h.count(CountRefused, 1)
	h.logger.Info("a connection was refused", "reason", e.reason, "remote", conn.RemoteAddr(), "error", err)
	h.dismiss(conn, e)
}

// begin serves a connection. Over HTTP/1.1 the handler returns, so that what
// net/http holds for the request is free; over HTTP/2 the connection ends with the
// handler.
func (h *Hub) begin(conn *lazywebsocket.Conn, id Identity, r *http.Request) {
	s, err := h.newSession(conn, id, h.pingInterval(r.URL.Query().Get("pi")))
	if err != nil {
		return // the client was told
	}
	h.drive(conn, r, s, func() { _ = s.run() }) // nobody is left to be told
}

// drive reads a connection until it ends: in an event loop, or by run.
func (h *Hub) drive(conn *lazywebsocket.Conn, r *http.Request, handler lazywebsocket.MessageHandler, run func()) {
	switch {
	case h.config.Poller != nil:
		if err := h.config.Poller.Serve(conn, handler); err != nil {
			handler.ServeClosed(conn, err)
		}
	case r.ProtoMajor == 1:
		go run()
	default:
		run()
	}
}

// Serve serves a connection that the application has upgraded and authenticated
// itself, with a subprotocol of Action Cable, until it ends. It closes it. The error is nil for
// every way in which connections end, and a *LimitError where the hub, or the identity, has
// too many.
func (h *Hub) Serve(conn *lazywebsocket.Conn, id Identity) error {
	id.Issued = issuedUntil(time.Now(), id)
	s, err := h.newSession(conn, id, or(h.config.PingInterval, defaultPingInterval))
	if err != nil {
		return err
	}
	return s.run()
}
