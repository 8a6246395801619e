package lazyrealtime

// Identities returns how many identities the hub knows of.
func (h *Hub) Identities() int {
	h.sessions.mu.Lock()
	defer h.sessions.mu.Unlock()
	return len(h.sessions.identities) + len(h.sessions.resting)
}
