package cable_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golazy.dev/lazyrealtime/cable"
)

// TestTranscripts follows conversations of the published clients with a server
// that is made of this package.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := script{T: t, names: map[string]bool{}, positions: map[string]cable.Position{}}
			for line := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
				kind, rest, _ := strings.Cut(line, " ")
				s.line(kind, rest)
			}
			if s.commands < 8 || s.frames < 15 {
				t.Errorf("%d commands, %d frames", s.commands, s.frames)
			}
		})
	}
}

// script is what one conversation has come to.
type script struct {
	*testing.T
	protocol         string
	names            map[string]bool           // identifiers that the client has used
	positions        map[string]cable.Position // what the client has received, by stream
	commands, frames int
}

func (s *script) line(kind, rest string) {
	s.Helper()
	switch kind {
	case "offer":
		s.offer(rest)
	case "C":
		s.commands++
		s.client(rest)
	case "S":
		s.frames++
		s.server(rest)
	case "#", "query":
	default:
		s.Fatalf("line of kind %q", kind)
	}
}

func (s *script) offer(offered string) {
	protocol, token := cable.Negotiate(strings.Split(offered, ", "))
	wantToken := ""
	if strings.Contains(offered, cable.TokenPrefix) {
		wantToken = "aaa.bbb-c_d"
	}
	if protocol == "" || !strings.HasPrefix(offered, protocol) || token != wantToken {
		s.Errorf("%s: %q, %q", offered, protocol, token)
	}
	s.protocol = protocol
}

func (s *script) client(frame string) {
	s.Helper()
	got, err := cable.ParseCommand([]byte(frame))
	if err != nil {
		s.Fatalf("%s: %v", frame, err)
	}
	want, err := oracle([]byte(frame))
	if err != nil || !reflect.DeepEqual(got, want) {
		s.Errorf("%s:\n%+v, want\n%+v, %v", frame, got, want, err)
	}
	s.names[got.Identifier] = true
	if got.Identifier != "" {
		params, err := cable.ParseIdentifier(got.Identifier)
		if err != nil || !strings.HasSuffix(params.Channel, "Channel") {
			s.Errorf("%s: %+v, %v", frame, params, err)
		}
	}
	if got.Name == cable.CommandMessage {
		if err := cable.CheckMessage([]byte(got.Text)); err != nil {
			s.Errorf("%s: %v", frame, err)
		}
	}
	if got.History != nil {
		for stream, position := range got.History.Streams {
			if position != s.positions[stream] {
				s.Errorf("%s: received %+v", frame, s.positions[stream])
			}
		}
	}
}

// server takes a frame apart with encoding/json, and wants the same bytes when
// this package builds it again.
func (s *script) server(frame string) {
	s.Helper()
	var f wireFrame
	if err := json.Unmarshal([]byte(frame), &f); err != nil {
		s.Fatalf("%s: %v", frame, err)
	}
	if f.Identifier != "" && !s.names[f.Identifier] {
		s.Errorf("the client knows no %q", f.Identifier)
	}
	if f.Epoch != "" && cable.Truthy(f.Message) {
		s.positions[f.Stream] = cable.Position{Epoch: f.Epoch, Offset: f.Offset}
	}
	if got := string(f.build()); got != frame {
		s.Errorf("got  %s\nwant %s", got, frame)
	}
	if s.protocol == cable.Base && (f.Epoch != "" || f.Type == "presence" || strings.HasSuffix(f.Type, "_history")) {
		s.Errorf("a base client was sent %s", frame)
	}
}
