package chat

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"unicode/utf8"
)

// The committed file is what the generator writes.
func TestCommitted(t *testing.T) {
	if !bytes.Equal(Format(Generate()), corpus) {
		t.Error("messages.jsonl differs from the generator's output: run go generate ./deflate/chat")
	}
}

func TestLoad(t *testing.T) {
	sessions, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(sessions, Generate(), func(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }) {
		t.Error("Load differs from Generate")
	}
	if _, err := parse([]byte("{}\n{}\n")); err == nil {
		t.Error("a corpus of two messages was accepted")
	}
}

// What the benchmarks rely on: sizes, JSON, and sessions that do not repeat
// within the largest window when they are played again and again.
func TestMessages(t *testing.T) {
	const window = 32 << 10
	for i, s := range Generate() {
		total := 0
		for _, m := range s {
			total += len(m)
			if len(m) < minMessage || len(m) > maxMessage {
				t.Errorf("session %d has a message of %d bytes", i, len(m))
			}
			if !json.Valid(m) || !utf8.Valid(m) || bytes.IndexByte(m, '\n') >= 0 {
				t.Errorf("session %d has a message that is not one line of JSON: %s", i, m)
			}
		}
		if total < window+maxMessage {
			t.Errorf("session %d has %d bytes, no more than a window", i, total)
		}
	}
}

// Neither noise nor repetition, and all that a chat has.
func TestDescribe(t *testing.T) {
	st, err := Describe(Generate())
	if err != nil {
		t.Fatal(err)
	}
	if st.GzipAll < .25 || st.GzipAll > .45 || st.GzipEach < .55 || st.GzipEach > .8 {
		t.Errorf("compresses to %.3f, each message by itself to %.3f", st.GzipAll, st.GzipEach)
	}
	for _, typ := range list("message thread edit reaction typing presence receipt") {
		if st.Types[typ] < st.Messages/40 {
			t.Errorf("%d messages of type %s", st.Types[typ], typ)
		}
	}
	if st.Messages != Sessions*PerSession || st.Mean != st.Bytes/st.Messages || st.Min >= st.Median || st.Median >= st.Max {
		t.Errorf("statistics do not fit together: %v", st)
	}
}

// The random numbers are splitmix64's, and below is not biased to its ends.
func TestRandom(t *testing.T) {
	r := random{state: 1234567}
	if got := r.uint64(); got != 6457827717110365317 {
		t.Errorf("first number is %d", got)
	}
	var seen [5]int
	for range 5000 {
		seen[r.below(5)]++
	}
	for k, n := range seen {
		if n < 900 || n > 1100 {
			t.Errorf("%d drawn %d times of 5000", k, n)
		}
	}
	if a, b := r.ulid(1<<40), r.ulid(1<<40+1); a[:10] >= b[:10] || len(a) != 26 {
		t.Errorf("%s, a millisecond later %s", a, b)
	}
}

func TestZipf(t *testing.T) {
	r := random{state: 1}
	var seen [4]int
	for range 7700 {
		seen[r.zipf(4)]++ // weights 1/2, 1/3, 1/4, 1/5: of 77/60
	}
	for k, want := range []int{3000, 2000, 1500, 1200} {
		if seen[k] < want-200 || seen[k] > want+200 {
			t.Errorf("%d drawn %d times, not about %d", k, seen[k], want)
		}
	}
}
