// Package chat is the traffic of a chat application: what 8 connections receive,
// 104 messages of JSON each, 100 B to 4 KiB long. It is made up by a generator
// that draws words by frequency, and people, rooms and recent messages by how
// busy they are. Identifiers, signatures and hashes in it are random.
package chat

import (
	"bytes"
	_ "embed"
	"fmt"
)

//go:generate go run ../corpus -o messages.jsonl

//go:embed messages.jsonl
var corpus []byte

// Load returns the committed corpus: for each session its messages, in order.
// The memory is shared and must not be changed.
func Load() ([][][]byte, error) { return parse(corpus) }

// parse is the inverse of Format.
func parse(b []byte) ([][][]byte, error) {
	lines := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	if len(lines) != Sessions*PerSession {
		return nil, fmt.Errorf("the corpus has %d messages, not %d", len(lines), Sessions*PerSession)
	}
	var sessions [][][]byte
	for i := 0; i < len(lines); i += PerSession {
		sessions = append(sessions, lines[i:i+PerSession])
	}
	return sessions, nil
}

// Format is the corpus as a file: one message a line, one session behind the
// other.
func Format(sessions [][][]byte) []byte {
	var b bytes.Buffer
	for _, s := range sessions {
		for _, m := range s {
			b.Write(m)
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}
