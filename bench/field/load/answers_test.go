package load

import (
	"errors"
	"strings"
	"testing"
)

// frame is what a server sends.
func frame(first byte, payload string) string {
	switch n := len(payload); {
	case n < 126:
		return string([]byte{first, byte(n)}) + payload
	case n < 1<<16:
		return string([]byte{first, 126, byte(n >> 8), byte(n)}) + payload
	default:
		return string([]byte{first, 127, 0, 0, 0, 0, 0, byte(n >> 16), byte(n >> 8), byte(n)}) + payload
	}
}

var long, huge = strings.Repeat("0123456789", 30), strings.Repeat("abcdefgh", 1<<14)

// Answers are the same whatever pieces they come in.
func TestAnswers(t *testing.T) {
	want := [][]byte{[]byte("one"), []byte(long), []byte(huge)}
	stream := frame(0x81, "one") +
		frame(0x01, long[:100]) + frame(0x00, "") + frame(0x80, long[100:]) + // in fragments
		frame(0x81, huge) +
		frame(0x01, "") + frame(0x80, "one") // and from the beginning
	for _, size := range []int{1, 2, 3, 7, 100, 4096, len(stream)} {
		a := answers{want: want, opcode: opText}
		complete := 0
		for rest := stream; rest != ""; {
			n := min(size, len(rest))
			got, err := a.feed([]byte(rest[:n]))
			if err != nil {
				t.Fatalf("in pieces of %d: %v", size, err)
			}
			complete += got
			rest = rest[n:]
		}
		if complete != 4 || a.next != 1 {
			t.Errorf("in pieces of %d there are %d messages, the next is %d", size, complete, a.next)
		}
	}
}

// Whatever is wrong is noticed.
func TestAnswersDiffer(t *testing.T) {
	for name, stream := range map[string]string{
		"another byte":        frame(0x81, "onf"),
		"another first byte":  frame(0x81, "pne"),
		"too short":           frame(0x81, "on"),
		"too long":            frame(0x81, "one!"),
		"empty":               frame(0x81, ""),
		"another type":        frame(0x82, "one"),
		"a ping":              frame(0x89, ""),
		"a continuation":      frame(0x80, "one"),
		"a second beginning":  frame(0x01, "o") + frame(0x81, "ne"),
		"compressed":          frame(0xc1, "one"),
		"masked":              "\x81\x83one",
		"the message before":  frame(0x81, "one") + frame(0x81, "one"),
		"fragments too short": frame(0x01, "on") + frame(0x80, ""),
	} {
		a := answers{want: [][]byte{[]byte("one"), []byte("two")}, opcode: opText}
		if _, err := a.feed([]byte(stream)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// An answer that nobody waits for is an error.
func TestPlayerUnasked(t *testing.T) {
	p := newPlayer(newScript(20, 1, false), new(score))
	p.write = func([]byte) error { return nil }
	if err := p.play(1); err != nil {
		t.Fatal(err)
	}
	first := []byte(frame(0x81, string(p.script.messages[0])))
	second := []byte(frame(0x81, string(p.script.messages[1])))
	if err := p.receive(first, p.sent); err != nil {
		t.Fatal(err)
	}
	if err := p.receive(second, p.sent); !errors.Is(err, errDiffers) {
		t.Errorf("a second answer to one message is %v", err)
	}
}
