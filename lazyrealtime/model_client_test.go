package lazyrealtime_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"golazy.dev/lazywebsocket"
)

// modelClient is a browser: it goes by what the real clients do.
type modelClient struct {
	m       *model
	r       *rand.Rand
	name    string
	kind    string // the subprotocol
	forgets bool   // it knows positions from messages alone, as @anycable/core does
	subs    []*modelSub
	conn    *lazywebsocket.Conn
}

func (c *modelClient) run() {
	for i := range 1 + c.r.IntN(3) {
		topic := pick(c.r, c.m.topics...)
		identifier := fmt.Sprintf(`{"channel":"$pubsub","stream_name":%q,"copy":%d}`, topic, i)
		c.subs = append(c.subs, &modelSub{m: c.m, name: fmt.Sprintf("%s/%d", c.name, i), topic: topic, identifier: identifier})
	}
	for !c.subs[0].over() {
		if !c.connected() {
			c.m.pause(time.Duration(1+c.r.IntN(500)) * time.Millisecond)
		}
	}
	for _, s := range c.subs {
		if c.kind == extended || !c.m.passed(s.topic, s.at) { // a base client is not told of gaps
			s.atTheEnd()
		}
	}
}

// connected connects and lives until the connection ends. It returns false if none
// was made.
func (c *modelClient) connected() bool {
	w := c.m.hub(c.r)
	d := lazywebsocket.Dialer{NetDialContext: w.net.DialContext, Subprotocols: []string{c.kind}, HoldLimit: -1}
	conn, _, err := d.DialContext(context.Background(), "ws://example.com/cable", nil)
	if err != nil {
		return false
	}
	defer conn.UnderlyingConn().Close() // a cut: no goodbye
	defer conn.Close()
	c.conn = conn
	for _, s := range c.subs {
		s.wanted, s.got, s.first, s.subscribed, s.asked = 0, 0, 0, false, math.MaxUint64
		if c.kind == base {
			s.known = false
		}
	}
	life := 5 + c.r.IntN(80) // frames until it is cut
	for c.m.calm.Load() || life > 0 {
		f, ok, alive := c.next()
		switch {
		case !alive:
			return true
		case ok:
			life--
			c.frame(f)
		}
		if c.subs[0].over() {
			return true
		}
		if c.r.IntN(8) == 0 && !c.m.calm.Load() {
			c.act()
		}
	}
	return true
}

// next reads a frame, for a while.
func (c *modelClient) next() (f frameOf, ok, alive bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(100+c.r.IntN(500))*time.Millisecond)
	defer cancel()
	_, data, err := c.conn.ReadMessageContext(ctx)
	if err != nil {
		return f, false, ctx.Err() != nil
	}
	return decoded(c.m.t, string(data)), true, true
}

// frame takes what the hub sends.
func (c *modelClient) frame(f frameOf) {
	switch f.Type {
	case "welcome":
		for _, s := range c.subs {
			c.subscribe(s)
		}
		return
	case "ping":
		return
	case "disconnect":
		if !f.Reconnect || f.Reason != "server_restart" {
			c.m.errorf("%s is told %+v", c.name, f)
		}
		return
	}
	for _, s := range c.subs {
		if s.identifier == f.Identifier {
			c.about(s, f)
			return
		}
	}
	c.m.errorf("%s gets %+v, which is for nobody", c.name, f)
}

// about takes a frame that is for a subscription.
func (c *modelClient) about(s *modelSub, f frameOf) {
	p, told := f.Streams[streamOf(s.topic, s.identifier)]
	told = told && !c.forgets
	switch f.Type {
	case "confirm_subscription":
		if s.got++; s.got == s.first && told {
			s.moved(p, f.Type)
		}
	case "confirm_history":
		if s.got >= s.first && s.subscribed && told {
			s.moved(p, f.Type)
		}
	case "reject_history":
		if s.got >= s.first && s.subscribed {
			c.m.gap(s.name, s.topic, min(s.at, s.asked)) // a history may have been asked for before a gap was told
			s.at = f.Streams[streamOf(s.topic, s.identifier)].Offset
		}
	case "":
		c.message(s, f)
	default:
		c.m.errorf("%s gets %+v", s.name, f)
	}
	if c.kind == base && f.Type != "" && f.Type != "confirm_subscription" {
		c.m.errorf("%s speaks the base protocol and gets %+v", s.name, f)
	}
}

// message takes a message. Clients drop what comes before their subscribe is
// answered.
func (c *modelClient) message(s *modelSub, f frameOf) {
	if !s.subscribed || s.got < s.first {
		if s.wanted == 0 {
			c.m.errorf("%s gets %+v before it has subscribed", s.name, f)
		}
		return
	}
	if c.kind == extended {
		if f.Stream != streamOf(s.topic, s.identifier) || f.Epoch != c.m.epoch(s.topic) {
			c.m.errorf("%s gets %+v", s.name, f)
		}
		s.message(f.Offset, string(f.Message))
		return
	}
	offset := c.m.truth.offset(s.topic, string(f.Message))
	if s.known && offset > s.at+1 && c.m.passed(s.topic, s.at) {
		s.known = false // it is not told of gaps
	}
	s.message(offset, string(f.Message))
}

// act does something that clients do.
func (c *modelClient) act() {
	s := pick(c.r, c.subs...)
	switch c.r.IntN(6) {
	case 0: // leave, and come back
		c.unsubscribe(s)
		if c.r.IntN(2) == 0 {
			c.m.pause(time.Duration(c.r.IntN(300)) * time.Millisecond)
		}
		c.subscribe(s)
	case 1: // an answer seems to be late
		if s.subscribed {
			c.again(s)
		}
	case 2:
		c.ask(s)
	case 3: // both
		if c.ask(s) {
			c.again(s)
		}
	case 4:
		c.m.pause(time.Duration(c.r.IntN(2000)) * time.Millisecond)
	default:
		for range c.r.IntN(5) {
			c.unsubscribe(s)
			c.subscribe(s)
		}
	}
}

// ask sends the command history, where a client would.
func (c *modelClient) ask(s *modelSub) bool {
	if c.kind == base || !s.subscribed || s.got < s.first || !s.known {
		return false
	}
	s.asked = min(s.asked, s.at)
	c.send(command("history", s.identifier, c.history(s)))
	return true
}

// again repeats a subscribe as it is, which is not confirmed again so soon to
// extended clients.
func (c *modelClient) again(s *modelSub) {
	if c.kind == base {
		s.wanted++
	} else if time.Since(s.since) > 5*time.Second {
		return
	}
	c.send(command("subscribe", s.identifier, c.history(s)))
}

func (c *modelClient) subscribe(s *modelSub) {
	s.wanted++
	s.first, s.subscribed, s.since = s.wanted, true, time.Now()
	c.send(command("subscribe", s.identifier, c.history(s)))
}

func (c *modelClient) unsubscribe(s *modelSub) {
	if !s.subscribed {
		return
	}
	s.subscribed = false
	if c.kind == base {
		s.known = false
	}
	c.send(command("unsubscribe", s.identifier, ""))
}

// history is the member of a command, if the client knows where it stands.
func (c *modelClient) history(s *modelSub) string {
	if c.kind == base || !s.known {
		return ""
	}
	return fmt.Sprintf(`,"history":{"streams":{%q:{"epoch":%q,"offset":%d}}}`, streamOf(s.topic, s.identifier), c.m.epoch(s.topic), s.at)
}

func (c *modelClient) send(frame string) {
	_ = c.conn.WriteMessage(lazywebsocket.TextMessage, []byte(frame)) // a connection that has ended shows when it is read
}
