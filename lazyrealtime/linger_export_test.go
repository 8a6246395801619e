package lazyrealtime

import (
	"context"

	"golazy.dev/lazywebsocket"
)

// IdleEntries returns how long the list of idle topics is.
func (h *Hub) IdleEntries() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.idle)
}

// Users returns how many users the active topics have.
func (h *Hub) Users() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.topics {
		n += t.users
	}
	return n
}

// Listeners returns how many groups of followers, and subscriptions in the process, a
// topic has.
func (h *Hub) Listeners(topic string) (groups, pulls int) {
	t := h.known(topic)
	if t == nil {
		return 0, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(len(t.groups.all), len(t.groups.index)), len(t.pulls)
}

// CatchUp makes a follower of a topic catch up with a connection, and calls level as
// a replay does: when there was nothing more, just before it looks again and joins.
func (h *Hub) CatchUp(ctx context.Context, topic string, conn *lazywebsocket.Conn, at Position, level func(Position)) error {
	t, err := h.acquire(ctx, topic)
	if err != nil {
		return err
	}
	f := t.follow(conn, form{kind: formExtended, identifier: "i", stream: "s"}, nobody{})
	return f.catchUp(ctx, at, -1, new(lazywebsocket.Group).Send, level)
}

// nobody is an owner who is told nothing.
type nobody struct{}

func (nobody) from() string                { return "" }
func (nobody) tellGap(*follower, Position) {}
