package lazyrealtime

// OpenName returns the topic of a signed name of an identity.
func (h *Hub) OpenName(id, sealed string) (string, error) {
	return h.openName(Identity{ID: id}, sealed)
}

// OpenPosition returns a signed position of a topic.
func (h *Hub) OpenPosition(topic, sealed string) (Position, error) {
	p, err := h.openPosition(topic, sealed)
	return p.At, err
}

// Seal signs anything for a purpose, as another version may.
func (h *Hub) Seal(purpose string, v any) string {
	return seal(mac(h.config.Secret, "golazy.dev/lazyrealtime "+purpose), v)
}
