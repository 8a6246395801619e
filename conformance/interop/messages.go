package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golazy.dev/lazywebsocket"
)

// A message is one that a client sends and a server sends back.
type message struct {
	text bool
	data []byte
}

func (m message) wireType() int {
	if m.text {
		return lazywebsocket.TextMessage
	}
	return lazywebsocket.BinaryMessage
}

// smallSizes lie around what frames, thresholds and windows have for bounds.
var smallSizes = []int{
	0, 1, 2, 5, 20, 63, 64, 65, 100, 125, 126, 127, 200, 255, 256, 257, 300, 511, 512, 513,
	700, 1000, 1023, 1024, 1025, 2000, 4000, 4095, 4096, 4097, 8192,
}

const (
	rounds  = 8
	large   = 64 << 10
	largest = 1 << 20
)

// corpus returns some hundred messages, always the same ones: what chats send,
// text whose characters have up to four bytes, records, and noise.
func corpus() []message {
	r := rand.New(rand.NewPCG(7692, 6455)) //nolint:gosec // G404: the same messages in every run.
	kinds := []func(*rand.Rand, int) message{chatText, wideText, records, noise}
	var out []message
	for round := range rounds {
		for i, size := range smallSizes {
			out = append(out, kinds[(i+round)%len(kinds)](r, size))
		}
	}
	for _, size := range []int{large - 1, large, large + 1} {
		for _, kind := range kinds {
			out = append(out, kind(r, size))
		}
	}
	out = append(out, wideText(r, largest), records(r, largest))
	// And small ones once more, with the window full.
	for i, size := range smallSizes {
		out = append(out, kinds[i%2](r, size))
	}
	return out
}

// repeated returns one message many times. By itself it becomes a little smaller,
// and beside the one before it next to nothing.
func repeated() []message {
	const one = `{"room":"lobby","from":"Ada","at":"2026-11-23T04:12:59Z","text":"Engines weave algebraic patterns ` +
		`just as looms weave flowers and leaves; who would have thought that a brass machine could go so far?"}`
	return slices.Repeat([]message{{text: true, data: []byte(one)}}, 300)
}

func chatText(r *rand.Rand, size int) message {
	var b strings.Builder
	for b.Len() < size {
		_, _ = fmt.Fprintf(&b, `{"id":%d,"room":"lobby","from":"user-%d","text":"message number %d of many"}`,
			r.IntN(1e6), r.IntN(20), r.IntN(1000))
	}
	return message{text: true, data: []byte(b.String()[:size])}
}

// wideText is cut between characters, and filled up to the size behind that.
func wideText(r *rand.Rand, size int) message {
	words := []string{"naïve ", "Ωμέγα ", "語彙 ", "🙂🙃", "plain ", "\u2028", "\x00"}
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(words[r.IntN(len(words))])
	}
	text := b.String()
	cut := size
	for cut > 0 && cut < len(text) && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return message{text: true, data: []byte(text[:cut] + strings.Repeat(".", size-cut))}
}

func records(r *rand.Rand, size int) message {
	data := make([]byte, size)
	for i := range data {
		if i%16 < 3 {
			data[i] = byte(r.IntN(256)) //nolint:gosec // G115: a byte.
		} else {
			data[i] = byte(i % 16 * 7)
		}
	}
	return message{data: data}
}

// noise does not become smaller.
func noise(r *rand.Rand, size int) message {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(r.IntN(256)) //nolint:gosec // G115: a byte.
	}
	return message{data: data}
}

// writeMessages puts the messages into a file for the peers, and returns its name.
func writeMessages(messages []message) (string, error) {
	type line struct {
		Text   *string `json:"text,omitempty"`
		Binary []byte  `json:"binary,omitempty"` // base64; absent with Text, "" or absent when empty
	}
	lines := make([]line, len(messages))
	for i, m := range messages {
		if m.text {
			text := string(m.data)
			lines[i].Text = &text
		} else {
			lines[i].Binary = m.data
		}
	}
	file, err := os.CreateTemp("", "interop-*.json")
	if err != nil {
		return "", err
	}
	err = json.NewEncoder(file).Encode(lines)
	if errClose := file.Close(); err == nil {
		err = errClose
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return "", err
	}
	return file.Name(), nil
}
