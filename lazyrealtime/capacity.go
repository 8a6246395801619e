package lazyrealtime

import (
	"errors"
	"time"
)

// fullWarning is how long nobody is told again that a node is full.
const fullWarning = time.Minute

// full returns a *LimitError while the hub has as many connections as it may. Requests
// are refused before they cost an upgrade; those that come at the same time are by
// register.
func (h *Hub) full() error {
	most := h.config.Limits.connections()
	if most < 0 || h.sessions.len() < most {
		return nil
	}
	h.count(CountLimited, 1)
	h.turnedAway()
	return &LimitError{"Connections", most}
}

// turnedAway notes that somebody was, because the hub is full.
func (h *Hub) turnedAway() {
	h.count(CountFull, 1)
	now, last := time.Now().UnixNano(), h.fullTold.Load()
	if now-last >= int64(fullWarning) && h.fullTold.CompareAndSwap(last, now) {
		h.logger.Warn("connections are refused: the node is full", "limit", h.config.Limits.connections())
	}
}

// isFull tells the limit of the node from that of an identity.
func isFull(err error) bool {
	var limit *LimitError
	return errors.As(err, &limit) && limit.Limit == "Connections"
}

// tooMany is the end of a connection that register has refused: of an identity that has
// too many a client should not come back, to a node that is full it may, or to another.
func (h *Hub) tooMany(err error) ending {
	h.count(CountRefused, 1)
	if isFull(err) {
		return endFull
	}
	return endTooMany
}
