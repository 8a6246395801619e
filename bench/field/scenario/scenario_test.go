package scenario_test

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"golazy.dev/bench/field/scenario"
)

// Scenarios are told apart by their names, and say what they do.
func TestAll(t *testing.T) {
	names, titles := map[string]bool{}, map[string]bool{}
	for _, s := range scenario.All() {
		if names[s.Name] || titles[s.Title] || s.Title == "" {
			t.Errorf("%q, %q is there twice, or says nothing", s.Name, s.Title)
		}
		names[s.Name], titles[s.Title] = true, true
		if s.Kind != scenario.Idle && s.Messages < 100*s.InFlight {
			t.Errorf("%s has %d messages", s.Name, s.Messages)
		}
		if s.Conns < 1 || s.InFlight < 1 || s.Path == "" {
			t.Errorf("%+v", s)
		}
	}
	for _, want := range []string{
		"echo-20B-x1", "echo-125B-x16", "echo-125B-x64", "echo-16KiB-x1", "echo-1MiB-x1", "queue-125B-x16",
		"broadcast-64B", "burst-64B-x50", "handshake", "idle", "idle-100k", "tls-echo-20B-x16", "tls-idle",
	} {
		if !names[want] {
			t.Errorf("no scenario %s", want)
		}
	}
}

func TestScaled(t *testing.T) {
	s := scenario.Scenario{Messages: 1000}
	if got := s.Scaled(0.5).Messages; got != 500 {
		t.Errorf("half of 1000 is %d", got)
	}
	if got := s.Scaled(0).Messages; got != 1 {
		t.Errorf("nothing of 1000 is %d", got)
	}
}

// Text is valid UTF-8 of the size that was asked for, and each message is
// another one.
func TestMessages(t *testing.T) {
	for _, size := range []int{20, 64, 125, 16 << 10, 1 << 20} {
		all := scenario.Messages(4, size, false)
		seen := map[string]bool{}
		for _, m := range all {
			if len(m) != size || !utf8.Valid(m) {
				t.Errorf("%d bytes of text are %d, valid %t", size, len(m), utf8.Valid(m))
			}
			seen[string(m)] = true
		}
		if len(seen) != len(all) {
			t.Errorf("of %d messages of %d bytes %d differ", len(all), size, len(seen))
		}
		if again := scenario.Messages(4, size, false); !bytes.Equal(again[3], all[3]) {
			t.Errorf("messages of %d bytes are others the second time", size)
		}
		if b := scenario.Messages(1, size, true)[0]; len(b) != size || size > 64 && utf8.Valid(b) {
			t.Errorf("%d random bytes are %d, or text", size, len(b))
		}
	}
}

// No size makes text longer or shorter.
func TestMessageSizes(t *testing.T) {
	for size := range 300 {
		for _, m := range scenario.Messages(8, size, false) {
			if len(m) != size {
				t.Fatalf("%d bytes of text are %d", size, len(m))
			}
		}
	}
}

func TestPublication(t *testing.T) {
	m := scenario.Publication(50, 7, 64)
	if len(m) != 64 || scenario.Copies(m) != 50 {
		t.Errorf("%q has %d bytes and %d copies", m, len(m), scenario.Copies(m))
	}
	if bytes.Equal(m, scenario.Publication(50, 8, 64)) {
		t.Error("two publications are the same")
	}
	for _, other := range []string{"", "hi", "hello"} {
		if n := scenario.Copies([]byte(other)); n != 1 {
			t.Errorf("%q is to be published %d times", other, n)
		}
	}
}
