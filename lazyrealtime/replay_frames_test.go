package lazyrealtime_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"
)

// frameOf is any frame of the hub.
type frameOf struct {
	Type       string           `json:"type"`
	Identifier string           `json:"identifier"`
	Message    json.RawMessage  `json:"message"`
	Stream     string           `json:"stream_id"`
	Epoch      string           `json:"epoch"`
	Offset     uint64           `json:"offset"`
	Reason     string           `json:"reason"`
	Reconnect  bool             `json:"reconnect"`
	Streams    map[string]place `json:"streams"`
}

// place is where a client stands in a stream.
type place struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

func decoded(t *testing.T, frame string) (f frameOf) {
	t.Helper()
	if err := json.Unmarshal([]byte(frame), &f); err != nil {
		t.Fatalf("%s: %v", frame, err)
	}
	return f
}

// maybe returns the next frame that is no ping, if it comes while nothing else is
// to be done.
func (c *client) maybe() (string, bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	for {
		_, data, err := c.conn.ReadMessageContext(ctx)
		if err != nil {
			return "", false
		}
		if decoded(c.t, string(data)).Type != "ping" {
			return string(data), true
		}
	}
}
