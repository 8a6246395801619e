package load

import (
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Scenario is something that a server is measured at.
type Scenario struct {
	Name string
	// Clients connect, each to Each of Topics topics, round robin.
	Clients, Topics, Each int
	// Messages of Bytes are published in all, round robin over the topics, Rate a
	// second; 0: back to back.
	Messages, Bytes, Rate int
	// Kind says what is measured.
	Kind Kind
}

// Kind is what is measured.
type Kind int

// What there is.
const (
	Fanout Kind = iota // CPU per delivery and latency
	Storm              // all clients come at once and want what was published before
	Memory             // what an idle subscription takes, with its topic where that is its own
)

// Scenarios returns all, or smaller ones.
func Scenarios(quick bool) []Scenario {
	all := []Scenario{
		{Name: "Fanout1000", Clients: 1000, Topics: 1, Each: 1, Messages: 200, Bytes: 64, Rate: 50},
		{Name: "Fanout1000Burst", Clients: 1000, Topics: 1, Each: 1, Messages: 500, Bytes: 64},
		{Name: "Topics100", Clients: 1000, Topics: 100, Each: 1, Messages: 4000, Bytes: 64, Rate: 1000},
		{Name: "Pairs", Clients: 1000, Topics: 500, Each: 1, Messages: 10_000, Bytes: 64, Rate: 4000},
		{Name: "Storm", Clients: 1000, Topics: 100, Each: 1, Messages: 10_000, Bytes: 64, Kind: Storm},
		{Name: "Connections5k", Clients: 5000, Topics: 100, Each: 1, Kind: Memory},
		{Name: "Subscriptions1k", Clients: 100, Topics: 10, Each: 10, Kind: Memory},
		{Name: "Subscriptions10k", Clients: 100, Topics: 100, Each: 100, Kind: Memory},
		{Name: "Subscriptions100k", Clients: 100, Topics: 1000, Each: 1000, Kind: Memory},
		{Name: "Topics1k", Clients: 100, Topics: 1000, Each: 10, Kind: Memory},
		{Name: "Topics10k", Clients: 100, Topics: 10_000, Each: 100, Kind: Memory},
		{Name: "Topics100k", Clients: 100, Topics: 100_000, Each: 1000, Kind: Memory},
	}
	if quick {
		for i := range all {
			all[i].Messages /= 10
		}
	}
	return all
}

// Run measures a server, as benchstat's fields.
func (s Scenario) Run(p *Process, protocol string) (string, error) {
	switch s.Kind {
	case Storm:
		return s.storm(p, protocol)
	case Memory:
		return s.memory(p, protocol)
	default:
		return s.fanout(p, protocol)
	}
}

// topics are those of a client.
func (s Scenario) topics(client int) []string {
	names := make([]string, s.Each)
	for i := range names {
		names[i] = "t" + strconv.Itoa((client*s.Each+i)%s.Topics)
	}
	return names
}

// connect connects all clients, and subscribes them if live is set.
func (s Scenario) connect(p *Process, protocol string, live bool) ([]*client, error) {
	clients := make([]*client, s.Clients)
	err := each(s.Clients, 16, func(i int) (err error) {
		clients[i], err = dial(p, protocol)
		if err == nil && live {
			err = clients[i].subscribe(protocol, s.topics(i), false)
		}
		return err
	})
	return clients, err
}

// each runs f for all numbers below n, some at a time; the first error is returned.
func each(n, parallel int, f func(i int) error) error {
	var all sync.WaitGroup
	failed := make(chan error, n)
	turns := make(chan struct{}, parallel)
	for i := range n {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			if err := f(i); err != nil {
				failed <- fmt.Errorf("client %d: %w", i, err)
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// deliveries is how many messages all clients get.
func (s Scenario) deliveries() int { return s.Messages / s.Topics * s.Clients }

func (s Scenario) fanout(p *Process, protocol string) (string, error) {
	clients, err := s.connect(p, protocol, true)
	if err != nil {
		return "", err
	}
	defer closeAll(clients)
	latency := new(latencies)
	for _, c := range clients {
		c.latency = latency
	}
	done := make(chan error, 1)
	go func() {
		done <- each(s.Clients, s.Clients, func(i int) error { return clients[i].wait(s.Messages / s.Topics) })
	}()
	before, err := p.Usage(false)
	if err != nil {
		return "", err
	}
	own := newMeter()
	if err := p.publish(s.Topics, s.Messages, s.Bytes, s.Rate); err != nil {
		return "", err
	}
	if err := <-done; err != nil {
		return "", err
	}
	took := own.String()
	time.Sleep(20 * time.Millisecond) // the kernel books a running thread's time at ticks
	after, err := p.Usage(false)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %d cpu-ns/delivery %d p50-us %d p99-us %s", s.deliveries(),
		(after.CPU-before.CPU)/int64(s.deliveries()), latency.at(0.5).Microseconds(), latency.at(0.99).Microseconds(), took), nil
}

func (s Scenario) storm(p *Process, protocol string) (string, error) {
	if err := p.publish(s.Topics, s.Messages, s.Bytes, 0); err != nil {
		return "", err
	}
	clients, err := s.connect(p, protocol, false)
	if err != nil {
		return "", err
	}
	defer closeAll(clients)
	before, err := p.Usage(false)
	if err != nil {
		return "", err
	}
	own := newMeter()
	latency := new(latencies)
	err = each(s.Clients, s.Clients, func(i int) error {
		if err := clients[i].subscribe(protocol, s.topics(i), true); err != nil {
			return err
		}
		err := clients[i].wait(s.Messages / s.Topics)
		latency.add(time.Since(own.start))
		return err
	})
	if err != nil {
		return "", err
	}
	took := own.String()
	after, err := p.Usage(false)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %d cpu-ns/delivery %d p50-ms %s", s.deliveries(),
		(after.CPU-before.CPU)/int64(s.deliveries()), latency.at(0.5).Milliseconds(), took), nil
}

// memory measures what the subscriptions take, or the connections with one each.
func (s Scenario) memory(p *Process, protocol string) (string, error) {
	clients, err := s.connect(p, protocol, false)
	if err != nil {
		return "", err
	}
	defer closeAll(clients)
	before, err := p.Usage(true)
	if err != nil {
		return "", err
	}
	if err := each(s.Clients, 16, func(i int) error { return clients[i].subscribe(protocol, s.topics(i), false) }); err != nil {
		return "", err
	}
	after, err := p.Usage(true)
	if err != nil {
		return "", err
	}
	n := int64(s.Clients * s.Each)
	return fmt.Sprintf("%d %d B/subscription %d B/connection-and-all", n,
		(after.Resident-before.Resident)/n, after.Resident/int64(s.Clients)), nil
}

func closeAll(clients []*client) {
	for _, c := range clients {
		if c != nil {
			_ = c.conn.NetConn().Close() // the server is killed anyway
		}
	}
}
