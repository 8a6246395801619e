// Package scenario says what is measured: what the clients do, and which paths
// of a server they do it on.
package scenario

import (
	"fmt"
	"strconv"
)

// Paths of every server.
const (
	// Echo answers every message with itself.
	Echo = "/echo"
	// Queue does so through a goroutine per connection that writes what comes out
	// of a channel of QueueLength messages.
	Queue = "/queue"
	// Room is an echo too, which tells the client that it has joined, and gets
	// whatever is published.
	Room = "/room"
	// Publish publishes each message to the room, as often as Copies says.
	Publish = "/publish"
)

// QueueLength is the capacity of a connection's channel.
const QueueLength = 64

// Kind is what the clients do.
type Kind string

// The kinds.
const (
	Exchange  Kind = "exchange"  // send messages and compare the answers
	Broadcast Kind = "broadcast" // publish, and compare what the room gets
	Handshake Kind = "handshake" // connect, upgrade, say goodbye
	Idle      Kind = "idle"      // exchange two messages and wait
)

// Scenario is one of the things that are measured.
type Scenario struct {
	Name, Title string
	Kind        Kind
	Path        string
	TLS         bool
	Binary      bool
	Conns       int
	Size        int  // bytes of a message
	InFlight    int  // messages that are sent at once, when all of those before are answered
	Messages    int  // measured ones: answers, deliveries, handshakes
	Rare        bool // runs only when it is asked for
}

// Warm is how many messages come before the measured ones.
func (s Scenario) Warm() int {
	if s.Kind == Idle {
		return 0
	}
	return max(s.Messages/20, s.Conns*s.InFlight)
}

// Scaled is the scenario with another number of messages.
func (s Scenario) Scaled(scale float64) Scenario {
	s.Messages = max(int(float64(s.Messages)*scale), 1)
	return s
}

// All are the scenarios, in the order of the table.
//
// The messages keep gorilla's server busy for about 0.7 s on the machine that
// the committed results come from, and the servers that batch for long enough.
func All() []Scenario {
	const kib, mib = 1 << 10, 1 << 20
	return []Scenario{
		echo(Echo, 20, 1, 50, 130_000),
		echo(Echo, 125, 16, 50, 240_000),
		echo(Echo, 125, 64, 50, 320_000),
		echo(Echo, 16*kib, 1, 20, 30_000),
		echo(Echo, mib, 1, 4, 700),
		echo(Queue, 125, 16, 50, 240_000),
		room(1, 250_000),
		room(50, 250_000),
		{
			Name: "handshake", Title: "handshake like a browser's, and goodbye", Kind: Handshake,
			Path: Echo, Conns: 8, InFlight: 1, Messages: 20_000,
		},
		idle("idle", 10_000, false),
		overTLS(echo(Echo, 20, 16, 50, 190_000)),
		idle("tls-idle", 2_000, true),
		many(),
	}
}

func echo(path string, size, inFlight, conns, messages int) Scenario {
	s := Scenario{
		Name: fmt.Sprintf("%s-%s-x%d", path[1:], bytes(size, ""), inFlight),
		Kind: Exchange, Path: path, Conns: conns, Size: size, InFlight: inFlight, Messages: messages,
	}
	s.Title = fmt.Sprintf("echo %s, %d in flight, %d connections", bytes(size, " "), inFlight, conns)
	if path == Queue {
		s.Title = fmt.Sprintf("echo through a goroutine and a channel, %s, %d in flight", bytes(size, " "), inFlight)
	}
	return s
}

func room(burst, deliveries int) Scenario {
	s := Scenario{
		Name: "broadcast-64B", Title: "broadcast of 64 B to 1,000 connections",
		Kind: Broadcast, Path: Room, Conns: 1000, Size: 64, InFlight: burst, Messages: deliveries,
	}
	if burst > 1 {
		s.Name = fmt.Sprintf("burst-64B-x%d", burst)
		s.Title = fmt.Sprintf("bursts of %d messages of 64 B to 1,000 connections", burst)
	}
	return s
}

func idle(name string, conns int, tls bool) Scenario {
	s := Scenario{
		Name: name, Title: "memory per idle connection", Kind: Idle, Path: Echo,
		TLS: tls, Conns: conns, Size: 125, InFlight: 1,
	}
	if tls {
		s.Title += ", TLS"
	}
	return s
}

func overTLS(s Scenario) Scenario {
	s.Name, s.Title, s.TLS = "tls-"+s.Name, s.Title+", TLS", true
	return s
}

func many() Scenario {
	s := idle("idle-100k", 100_000, false)
	s.Title += ", 100,000 connections"
	s.Rare = true
	return s
}

func bytes(n int, space string) string {
	switch {
	case n >= 1<<20:
		return strconv.Itoa(n>>20) + space + "MiB"
	case n >= 1<<10:
		return strconv.Itoa(n>>10) + space + "KiB"
	}
	return strconv.Itoa(n) + space + "B"
}
