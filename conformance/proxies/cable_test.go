package proxies_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golazy.dev/lazywebsocket"
)

// extended is the subprotocol of clients that know positions.
const extended = "actioncable-v1-ext-json"

// What cable.js does, and the others like it.
const (
	restartWindow = 5 * time.Second // a server that restarts gets its clients back over this time
	backoffBase   = time.Second
	backoffCap    = 30 * time.Second
	deadAfter     = 10 * time.Second // without a word
)

// event is something that happened to a client.
type event struct {
	Seconds float64 `json:"seconds"` // since the beginning
	Client  int     `json:"client"`
	What    string  `json:"what"`             // told, lost, back
	Server  string  `json:"server,omitempty"` // where it is now
}

// journal is what happened to all of them.
type journal struct {
	began time.Time
	mu    sync.Mutex
	list  []event
}

func (j *journal) add(client int, what, server string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list = append(j.list, event{time.Since(j.began).Seconds(), client, what, server})
}

func (j *journal) events() []event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]event(nil), j.list...)
}

// content is a message of the tests.
type content struct {
	N  int   `json:"n"`  // from 1 on, in each topic
	At int64 `json:"at"` // Unix nanoseconds
}

// position is where a subscription is.
type position struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

// frame is what a hub sends.
type frame struct {
	Type       string              `json:"type"`
	Identifier string              `json:"identifier"`
	Message    json.RawMessage     `json:"message"`
	Stream     string              `json:"stream_id"`
	Epoch      string              `json:"epoch"`
	Offset     uint64              `json:"offset"`
	Reason     string              `json:"reason"`
	Reconnect  bool                `json:"reconnect"`
	Streams    map[string]position `json:"streams"`
}

// follower follows one topic, as a page with cable.js does: it comes back, and says
// where it was.
type follower struct {
	id      int
	url     string
	topic   string
	journal *journal
	window  time.Duration // restartWindow, if zero

	told      bool // that the server restarts
	failures  int
	positions map[string]position

	mu        sync.Mutex // guards what follows
	confirmed bool
	seen      []bool // by number
	most      int
	doubled   int
	reordered int
	gaps      int
	faults    []string
	delays    []time.Duration
}

// run follows until ctx is done.
func (f *follower) run(ctx context.Context) {
	f.positions = make(map[string]position)
	for ctx.Err() == nil {
		if f.connected(ctx) {
			f.failures = 0
		}
		if ctx.Err() != nil {
			return
		}
		window := min(backoffCap, backoffBase<<min(f.failures, 10))
		f.failures++
		if f.told {
			window = max(window, f.window)
			if f.window == 0 {
				window = max(window, restartWindow)
			}
		}
		f.told = false
		select {
		case <-time.After(rand.N(window)):
		case <-ctx.Done():
		}
	}
}

// connected connects, and follows until the connection ends. It reports whether one
// was made and welcomed.
func (f *follower) connected(ctx context.Context) (welcomed bool) {
	d := lazywebsocket.Dialer{Subprotocols: []string{extended}, HandshakeTimeout: deadAfter}
	conn, response, err := d.DialContext(ctx, f.url, nil)
	if err != nil {
		what := "refused"
		if response == nil {
			what = "failed"
		}
		f.journal.add(f.id, what, "")
		return false
	}
	server := response.Header.Get("X-Served-By")
	defer conn.Close()
	defer func() { f.journal.add(f.id, "lost", server) }()
	for {
		wait, cancel := context.WithTimeout(ctx, deadAfter)
		_, data, err := conn.ReadMessageContext(wait)
		cancel()
		if err != nil {
			return welcomed
		}
		var got frame
		if err := json.Unmarshal(data, &got); err != nil {
			f.fault("%v in %q", err, data)
			return welcomed
		}
		switch got.Type {
		case "welcome":
			welcomed = true
			f.journal.add(f.id, "back", server)
			f.send(conn, "subscribe")
		case "ping":
			f.send(conn, "pong")
		case "disconnect":
			f.told = got.Reason == "server_restart"
			f.journal.add(f.id, "told", server)
		default:
			f.take(got)
		}
	}
}

func (f *follower) identifier() string {
	return fmt.Sprintf(`{"channel":"$pubsub","stream_name":%q}`, f.topic)
}

// send sends a command. A connection that has ended shows when it is read.
func (f *follower) send(conn *lazywebsocket.Conn, command string) {
	c := map[string]any{"command": command}
	if command == "subscribe" {
		c["identifier"] = f.identifier()
		if len(f.positions) > 0 {
			c["history"] = map[string]any{"streams": f.positions}
		}
	}
	_ = conn.WriteJSON(c)
}

// take takes a frame about the subscription.
func (f *follower) take(got frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case got.Identifier != f.identifier():
		f.faults = append(f.faults, fmt.Sprintf("a frame for nobody: %+v", got))
		return
	case got.Type == "confirm_subscription":
		f.confirmed = true
	case got.Type == "reject_history":
		f.gaps++
	case got.Type == "":
		f.message(got)
	case got.Type != "confirm_history":
		f.faults = append(f.faults, fmt.Sprintf("%+v", got))
	}
	for name, p := range got.Streams {
		f.positions[name] = p
	}
}

// message takes a message. mu is held.
func (f *follower) message(got frame) {
	f.positions[got.Stream] = position{got.Epoch, got.Offset}
	var c content
	if err := json.Unmarshal(got.Message, &c); err != nil || c.N < 1 {
		f.faults = append(f.faults, fmt.Sprintf("a strange message: %s", got.Message))
		return
	}
	for len(f.seen) <= c.N {
		f.seen = append(f.seen, false)
	}
	switch {
	case f.seen[c.N]:
		f.doubled++
	case c.N < f.most:
		f.reordered++
	}
	f.seen[c.N] = true
	f.most = max(f.most, c.N)
	f.delays = append(f.delays, time.Since(time.Unix(0, c.At)))
}

func (f *follower) fault(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
}

// ready reports whether it is subscribed.
func (f *follower) ready() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.confirmed
}

// has reports whether it has heard of message n, or of a later one.
func (f *follower) has(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most >= n
}

// lost counts the messages from 1 to n that it has not got.
func (f *follower) lost(n int) (lost int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := 1; i <= n; i++ {
		if i >= len(f.seen) || !f.seen[i] {
			lost++
		}
	}
	return lost
}
