package main

import (
	"errors"
	"fmt"
	"strings"

	"golazy.dev/lazywebsocket"
)

// report is what is known of a connection when it has ended.
type report struct {
	testCase
	peer     string
	err      error // how it ended for us
	theirs   event
	offered  []string
	answered []string
	// plain are the bytes of the messages, one way. The others are the bytes on
	// the wire, with frames and handshake.
	plain, fromServer, fromClient int64
}

func (r report) String() string {
	return fmt.Sprintf("%s: offer %q, answer %q; %d bytes as %d from the server, %d from the client",
		r.name, r.offered, r.answered, r.plain, r.fromServer, r.fromClient)
}

// What compression leaves of the messages' bytes.
const (
	// Of the corpus less than this: it has some noise, the rest becomes far smaller.
	compressed = 0.5
	// Of a repeated message with takeover less, and without it more.
	withTakeover    = 0.2
	withoutTakeover = 0.5
)

// judge reports why the case has failed.
func (r report) judge(messages int) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if r.err != nil {
		fault("we: %w", r.err)
	}
	if r.theirs.Error != "" {
		fault("%s: %s", r.peer, r.theirs.Error)
	}
	if r.theirs.Received != messages {
		fault("%s has got %d messages, want %d", r.peer, r.theirs.Received, messages)
	}
	if r.theirs.Closed != lazywebsocket.CloseNormalClosure {
		fault("%s saw close code %d", r.peer, r.theirs.Closed)
	}
	if err := checkNegotiation(r.offered, r.answered); err != nil {
		fault("%w", err)
	}
	if want := expected(r.offer, r.peer); want != "" && strings.Join(r.offered, ", ") != want {
		fault("the offer is %q, want %q", r.offered, want)
	}
	if want := deflateName + withParams(expected(r.answer, r.peer)); strings.Join(r.answered, ", ") != want {
		fault("the answer is %q, want %q", r.answered, want)
	}
	if err := r.judgeSizes(); err != nil {
		fault("%w", err)
	}
	return errors.Join(faults...)
}

// judgeSizes reports a direction whose messages took more or less than they
// should.
func (r report) judgeSizes() error {
	answer := strings.Join(r.answered, ", ")
	for _, direction := range []struct {
		what, alone string
		wire        int64
	}{
		{"server", serverNoTakeover, r.fromServer},
		{"client", clientNoTakeover, r.fromClient},
	} {
		part := float64(direction.wire) / float64(r.plain)
		wrong := part >= compressed
		if r.repeats {
			wrong = part >= withTakeover
			if strings.Contains(answer, direction.alone) {
				wrong = part <= withoutTakeover
			}
		}
		if wrong {
			return fmt.Errorf("the %s sent messages of %d bytes as %d", direction.what, r.plain, direction.wire)
		}
	}
	return nil
}

func expected(of map[string]string, peer string) string {
	if text, ok := of[peer]; ok {
		return text
	}
	return of[both]
}

func withParams(p string) string {
	if p == "" {
		return ""
	}
	return "; " + p
}

func size(messages []message) int64 {
	n := 0
	for _, m := range messages {
		n += len(m.data)
	}
	return int64(n)
}

// runnable are the cases that the peer can do.
func runnable(cases []testCase, p peer) []testCase {
	var out []testCase
	for _, tc := range cases {
		if tc.skip[p.name] == "" {
			out = append(out, tc)
		}
	}
	return out
}
