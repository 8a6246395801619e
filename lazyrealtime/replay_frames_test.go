package lazyrealtime_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
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

// wantNothingFor fails if a frame comes that is no ping.
func (c *client) wantNothingFor(d time.Duration) {
	c.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
		c.wantNothing()
	}
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

// roomID is an identifier whose members no encoder would write in this way: answers
// must bear it byte for byte.
const roomID = `{ "stream_name":"room",  "channel":"$pubsub", "é<>&":"\u00e9" }`

// streamOf is how an extended client knows a topic in a subscription.
func streamOf(topic, identifier string) string {
	sum := sha256.Sum256([]byte(identifier))
	return topic + "~" + hex.EncodeToString(sum[:])[:10]
}

// echoed is a text as the hub writes it into a frame, where quoted escapes more.
func echoed(s string) string {
	out := []byte{'"'}
	for _, c := range []byte(s) {
		if c == '"' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return string(append(out, '"'))
}

// command is a frame of a client; members follow the identifier.
func command(name, identifier, members string) string {
	return `{"command":"` + name + `","identifier":` + quoted(identifier) + members + `}`
}

// answer is a frame that says nothing but what it is.
func answer(kind, identifier string) string {
	return `{"type":"` + kind + `","identifier":` + echoed(identifier) + `}`
}

// epoch returns that of the log.
func (w *world) epoch() string {
	w.t.Helper()
	tail, err := w.log.Tail(w.t.Context(), "room")
	if err != nil {
		w.t.Fatal(err)
	}
	return tail.Epoch
}

// place is a member of "streams" of a frame.
func (w *world) place(topic, identifier string, offset uint64) string {
	return fmt.Sprintf(`%q:{"epoch":%q,"offset":%d}`, streamOf(topic, identifier), w.epoch(), offset)
}

// answerAt is an answer that tells where the client stands in a topic.
func (w *world) answerAt(kind, identifier, topic string, offset uint64) string {
	return fmt.Sprintf(`{"type":%q,"identifier":%s,"streams":{%s}}`, kind, echoed(identifier), w.place(topic, identifier, offset))
}

// stored is a message as an extended client gets it.
func (w *world) stored(identifier, topic, data string, offset uint64) string {
	return fmt.Sprintf(`{"identifier":%s,"message":%s,"stream_id":%q,"epoch":%q,"offset":%d}`,
		echoed(identifier), data, streamOf(topic, identifier), w.epoch(), offset)
}

// plain is a message as a base client gets it, and one that is not stored.
func plain(identifier, data string) string {
	return `{"identifier":` + echoed(identifier) + `,"message":` + data + `}`
}

// fill publishes the numbers from first to last.
func (w *world) fill(topic string, first, last int) {
	w.t.Helper()
	for n := first; n <= last; n++ {
		w.publish(topic, fmt.Sprintf(`{"n":%d}`, n))
	}
}

// numbers are the messages of fill as an extended client gets them, each with the
// offset of its number.
func (w *world) numbers(identifier, topic string, first, last int) (frames []string) {
	for n := first; n <= last; n++ {
		frames = append(frames, w.stored(identifier, topic, fmt.Sprintf(`{"n":%d}`, n), uint64(n)))
	}
	return frames
}

// behind is the member "history" of a client that stands at an offset.
func (w *world) behind(identifier, topic string, offset uint64) string {
	return `,"history":{"streams":{` + w.place(topic, identifier, offset) + `}}`
}
