package lazyrealtime

// Identities returns how many identities the hub knows of.
func (h *Hub) Identities() int {
	h.sessions.mu.Lock()
	defer h.sessions.mu.Unlock()
	return len(h.sessions.identities) + len(h.sessions.resting)
}

// ConnectionsOf is the bound of a node's connections; negative: none.
func ConnectionsOf(l Limits) int { return l.connections() }
