package lazyrealtime

import (
	"sync"
	"time"

	"golazy.dev/lazyrealtime/cable"
	"golazy.dev/lazywebsocket"
)

// pings sends the pings of Action Cable. Connections with the same interval are
// spread over shards, which take turns, so that not all connections are written to
// at the same moment.
type pings struct {
	mu    sync.Mutex
	every map[time.Duration]*pinger
}

type pinger struct {
	shards [pingShards]lazywebsocket.Group
	next   int // the shard of the next connection
}

const (
	pingShards          = 32
	defaultPingInterval = 3 * time.Second
	longestPing         = time.Minute
)

// join gives a connection pings, and returns the group that sends them: it may send
// other frames, too.
func (h *Hub) join(c *lazywebsocket.Conn, interval time.Duration) *lazywebsocket.Group {
	p := &h.pings
	p.mu.Lock()
	defer p.mu.Unlock()
	pg := p.every[interval]
	if pg == nil {
		pg = new(pinger)
		if p.every == nil {
			p.every = make(map[time.Duration]*pinger)
		}
		p.every[interval] = pg
		h.goes(func() { h.ping(pg, interval) })
	}
	g := &pg.shards[pg.next]
	pg.next = (pg.next + 1) % pingShards
	g.Add(c)
	return g
}

// ping sends pings until the hub ends.
func (h *Hub) ping(p *pinger, interval time.Duration) {
	tick := time.NewTicker(max(interval/pingShards, time.Millisecond)) // of nothing there is no ticker
	defer tick.Stop()
	for i := 0; ; i = (i + 1) % pingShards {
		select {
		case now := <-tick.C:
			if g := &p.shards[i]; g.Len() > 0 {
				_ = g.BroadcastMessage(lazywebsocket.TextMessage, cable.AppendPing(nil, now.Unix())) // text is never refused
			}
		case <-h.ctx.Done():
			return
		}
	}
}

// pingInterval is what a client may choose: whole seconds between the hub's
// interval and a minute.
func (h *Hub) pingInterval(asked string) time.Duration {
	interval := or(h.config.PingInterval, defaultPingInterval)
	if d, err := time.ParseDuration(asked + "s"); err == nil && d > interval {
		return min(d.Truncate(time.Second), longestPing)
	}
	return interval
}
