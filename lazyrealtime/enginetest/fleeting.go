package enginetest

import (
	"fmt"
	"strings"
	"sync"

	"golazy.dev/lazyrealtime"
)

var fleetingCases = []testCase{
	{"Fleeting/nodes", testFleetingNodes},
	{"Fleeting/data", testFleetingData},
	{"Fleeting/concurrent", testFleetingConcurrent},
}

// What is sent reaches all followers, the sender too, and is not stored.
func testFleetingNodes(e *env) {
	ctx := e.Context()
	peer := e.peer()
	sender, recSender := e.join(e.log)
	near, recNear := e.join(e.log)
	far, recFar := e.join(peer)
	deaf, recDeaf := e.join(peer)
	e.follow(sender, "t")
	e.follow(near, "t", "u")
	e.follow(far, "t")
	e.follow(deaf, "u")
	stored := e.append("t", "stored")
	e.must(sender.Send(ctx, "t", "connection-1", []byte("typing")))
	e.must(sender.Send(ctx, "nobody", "connection-1", []byte("typing")))
	for _, rec := range []*recorder{recSender, recNear, recFar} {
		e.eventually(func() error { return rec.hasFleeting(fleeting{"t", "connection-1", "typing"}) })
		if got := rec.fleetings("t"); len(got) != 1 {
			e.Errorf("Fleeting was called for %q, want one call", got)
		}
	}
	e.must(far.Send(ctx, "u", "connection-2", []byte("cursor"))) // by one that does not follow
	e.eventually(func() error { return recNear.hasFleeting(fleeting{"u", "connection-2", "cursor"}) })
	e.eventually(func() error { return recDeaf.hasFleeting(fleeting{"u", "connection-2", "cursor"}) })
	if got := recDeaf.fleetings("t"); len(got) > 0 {
		e.Errorf("a node that does not follow got %q", got)
	}
	if got := recSender.fleetings("u"); len(got) > 0 {
		e.Errorf("a sender that does not follow got %q", got)
	}
	if got := e.tail("t"); got != stored {
		e.Errorf("Send has moved the tail from %+v to %+v", stored, got)
	}
	e.wantData("t", "stored")
	e.wantData("u")
}

func testFleetingData(e *env) {
	n, rec := e.join(e.log)
	e.follow(n, "t")
	list := []string{"", "x", "\x00\xff\r\n", strings.Repeat("y", 64<<10)}
	for i, data := range list {
		for _, origin := range []string{"", "o", "a b.*>\r\n\u65e5", fmt.Sprint(i)} {
			e.must(n.Send(e.Context(), "t", origin, []byte(data)))
			e.eventually(func() error { return rec.hasFleeting(fleeting{"t", origin, data}) })
		}
	}
}

// Sends and appends on one topic call the feed one at a time: the recorder looks.
func testFleetingConcurrent(e *env) {
	const senders, rounds = 8, 20
	n, rec := e.join(e.log)
	e.follow(n, "t")
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range rounds {
				var err error
				if s%2 == 0 {
					err = n.Send(e.Context(), "t", "", fmt.Append(nil, s, " ", i))
				} else {
					_, err = e.log.Append(e.Context(), []lazyrealtime.Entry{entry("t", "", fmt.Sprint(s, " ", i))})
				}
				if err != nil {
					e.Errorf("sender %d: %v", s, err)
					return
				}
			}
		})
	}
	wg.Wait()
	e.eventually(func() error {
		if sent, lives := len(rec.fleetings("t")), len(rec.livesOf("t")); sent != senders/2*rounds || lives != senders/2*rounds {
			return fmt.Errorf("%d of %d sent messages and %d of %d appended ones have come", sent, senders/2*rounds, lives, senders/2*rounds)
		}
		return nil
	})
}
