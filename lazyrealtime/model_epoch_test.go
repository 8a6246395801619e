package lazyrealtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazywebsocket"
)

// The second model: the log is lost under running hubs and made anew, with another epoch
// and offsets from one on, while clients come and go with the positions that they have.
// In an epoch a client gets each message once and in order; where the epochs meet, and
// only behind a position that it was told, it is told of a gap.

var epochSeeds = flag.Int("model.epochs", 40, "how many seeds of the model of epochs are run")

func TestModelOfEpochs(t *testing.T) {
	var gaps, messages atomic.Int64
	for seed := range uint64(*epochSeeds) {
		synctest.Test(t, func(t *testing.T) {
			m := &epochModel{t: t, seed: seed, log: newRemade(), gaps: &gaps, messages: &messages}
			m.run(rand.New(rand.NewPCG(seed, 100)))
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if gaps.Load() < int64(*epochSeeds) || messages.Load() < 20*int64(*epochSeeds) {
		t.Errorf("%d gaps and %d messages: nothing was tested", gaps.Load(), messages.Load())
	}
}

// epochModel is one run.
type epochModel struct {
	t              *testing.T
	seed           uint64
	log            *remade
	faulty         *enginetest.Faulty
	hubs           []*world
	topics         []string
	calm           atomic.Bool
	done           chan struct{}
	gaps, messages *atomic.Int64
}

func (m *epochModel) rand(stream int) *rand.Rand {
	return rand.New(rand.NewPCG(m.seed, uint64(stream)))
}

func (m *epochModel) run(r *rand.Rand) {
	m.faulty = enginetest.NewFaulty(m.log)
	m.done = make(chan struct{})
	keep := lazyrealtime.Retention{Messages: pick(r, 3, 20, 1000, 1000), Age: time.Hour}
	config := lazyrealtime.Config{
		Public: true, PingInterval: 20 * time.Second, RecentMessages: pick(r, -1, 2, 16, 256), Linger: pick(r, -1, time.Second, 0),
		Retain: func(string) lazyrealtime.Retention { return keep },
	}
	for i := range 1 + r.IntN(2) {
		m.hubs = append(m.hubs, open(m.t, config, m.faulty))
		m.topics = append(m.topics, fmt.Sprint("t", i))
	}
	var trouble, clients sync.WaitGroup
	for i := range 4 {
		c := &epochClient{m: m, r: m.rand(i), topic: m.topics[i%len(m.topics)]}
		clients.Go(c.run)
	}
	for i := range m.topics {
		clients.Go(func() { m.subscriber(m.rand(10+i), m.topics[i]) })
	}
	trouble.Go(func() { m.publisher(m.rand(20)) })
	trouble.Go(func() { m.loser(m.rand(21)) })
	trouble.Go(func() { m.faults(m.rand(22)) })
	trouble.Wait()
	m.faulty.Before(nil)
	m.faulty.OnLive(nil)
	m.faulty.Release()
	m.calm.Store(true)
	if r.IntN(2) == 0 {
		m.faulty.Lost("")
	} else {
		for _, topic := range m.topics {
			m.hubs[0].publish(topic, `"last"`)
		}
	}
	time.Sleep(time.Minute)
	close(m.done)
	clients.Wait()
	for _, w := range m.hubs {
		w.close()
	}
	if err := m.faulty.Close(); err != nil {
		m.t.Error(err)
	}
}

func (m *epochModel) over() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// publisher says in each message where it thinks that it is.
func (m *epochModel) publisher(r *rand.Rand) {
	for n := range 80 {
		_, _ = m.hubs[n%len(m.hubs)].hub.Publish(context.Background(), pick(r, m.topics...), fmt.Append(nil, n+1)) // the engine may fail
		if r.IntN(3) > 0 {
			time.Sleep(time.Duration(r.IntN(150)) * time.Millisecond)
		}
	}
}

func (m *epochModel) loser(r *rand.Rand) {
	for range 1 + r.IntN(4) {
		time.Sleep(time.Duration(r.IntN(1500)) * time.Millisecond)
		m.log.lose()
		if r.IntN(2) == 0 {
			time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
			m.faulty.Lost("")
		}
	}
}

func (m *epochModel) faults(r *rand.Rand) {
	for range 8 {
		share, mine := r.IntN(50), rand.New(rand.NewPCG(m.seed, r.Uint64()))
		var mu sync.Mutex
		m.faulty.OnLive(func(*lazyrealtime.Message, uint64) enginetest.Fate {
			mu.Lock()
			defer mu.Unlock()
			if mine.IntN(100) >= share {
				return enginetest.Deliver
			}
			return pick(mine, enginetest.Drop, enginetest.Hold, enginetest.Repeat)
		})
		switch r.IntN(4) {
		case 0:
			m.faulty.Fail(pick(r, enginetest.OpRead, enginetest.OpTail))
		case 1:
			m.faulty.Release()
		default:
			m.faulty.Before(func(_ context.Context, c enginetest.Call) error {
				mu.Lock()
				wait := mine.IntN(60)
				mu.Unlock()
				if c.Op == enginetest.OpRead || c.Op == enginetest.OpTail {
					time.Sleep(time.Duration(wait) * time.Millisecond)
				}
				return nil
			})
		}
		time.Sleep(time.Duration(r.IntN(800)) * time.Millisecond)
	}
}

// stand is where somebody stands in a topic, as he was told.
type stand struct {
	m     *epochModel
	who   string
	known bool
	at    lazyrealtime.Position
}

// message takes one.
func (s *stand) message(at lazyrealtime.Position) {
	s.m.messages.Add(1)
	switch {
	case !s.known:
	case at.Epoch != s.at.Epoch:
		s.m.t.Errorf("seed %d: %s stands at %v and gets %v: there was no gap", s.m.seed, s.who, s.at, at)
	case at.Offset != s.at.Offset+1:
		s.m.t.Errorf("seed %d: %s stands at %v and gets %v", s.m.seed, s.who, s.at, at)
	}
	s.known, s.at = true, at
}

// level is told where it stands, and that this was all.
func (s *stand) level(at lazyrealtime.Position) {
	if s.known && s.at != at {
		s.m.t.Errorf("seed %d: %s stands at %v and is told that it has all up to %v", s.m.seed, s.who, s.at, at)
	}
	s.known, s.at = true, at
}

// end compares where it stands with the log.
func (s *stand) end(topic string) {
	tail, _ := s.m.log.Tail(context.Background(), topic)
	if s.known && s.at != tail {
		s.m.t.Errorf("seed %d: %s stands at %v at the end, where %s ends at %v", s.m.seed, s.who, s.at, topic, tail)
	}
}

// epochClient is a client that knows its position.
type epochClient struct {
	m     *epochModel
	r     *rand.Rand
	topic string
	stand stand
}

func (c *epochClient) run() {
	c.stand.m, c.stand.who = c.m, "a client of "+c.topic
	for !c.m.over() {
		c.connected(c.m.hubs[c.r.IntN(len(c.m.hubs))])
		time.Sleep(time.Duration(1+c.r.IntN(300)) * time.Millisecond)
	}
	c.stand.end(c.topic)
}

func (c *epochClient) connected(w *world) {
	d := lazywebsocket.Dialer{NetDialContext: w.net.DialContext, Subprotocols: []string{extended}, HoldLimit: -1}
	conn, _, err := d.DialContext(context.Background(), "ws://example.com/cable", nil)
	if err != nil {
		return
	}
	defer conn.UnderlyingConn().Close() // a cut
	defer conn.Close()
	id := fmt.Sprintf(`{"channel":"$pubsub","stream_name":%q}`, c.topic)
	history := ""
	if c.stand.known {
		at, _ := json.Marshal(c.stand.at)
		history = fmt.Sprintf(`,"history":{"streams":{%q:%s}}`, streamOf(c.topic, id), at)
	}
	if conn.WriteMessage(lazywebsocket.TextMessage, []byte(command("subscribe", id, history))) != nil {
		return
	}
	for life := 2 + c.r.IntN(30); !c.m.over() && (life > 0 || c.m.calm.Load()); life-- {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, data, err := conn.ReadMessageContext(ctx)
		silent := ctx.Err() != nil
		cancel()
		if err == nil {
			c.frame(decoded(c.m.t, string(data)), streamOf(c.topic, id))
		} else if !silent { // the connection has ended
			return
		}
	}
}

func (c *epochClient) frame(f frameOf, stream string) {
	p, told := f.Streams[stream]
	at := lazyrealtime.Position{Epoch: p.Epoch, Offset: p.Offset}
	switch {
	case f.Type == "reject_history":
		c.m.gaps.Add(1)
		c.stand.known, c.stand.at = true, at
	case f.Type == "confirm_subscription" && told:
		c.stand.known = false // it begins anew
		c.stand.level(at)
	case f.Type == "confirm_history" && told:
		c.stand.level(at)
	case f.Type == "" && f.Message != nil:
		c.stand.message(lazyrealtime.Position{Epoch: f.Epoch, Offset: f.Offset})
	}
}

// subscriber follows in the process.
func (m *epochModel) subscriber(r *rand.Rand, topic string) {
	s := stand{m: m, who: "a subscription to " + topic}
	for !m.over() {
		var options []lazyrealtime.SubscribeOption
		if s.known {
			options = append(options, lazyrealtime.After(s.at))
		}
		m.follow(r, topic, &s, options)
		time.Sleep(time.Duration(1+r.IntN(100)) * time.Millisecond)
	}
	s.end(topic)
}

func (m *epochModel) follow(r *rand.Rand, topic string, s *stand, options []lazyrealtime.SubscribeOption) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	life := time.Duration(r.Int64N(int64(2 * time.Second)))
	go func() {
		select {
		case <-m.done:
		case <-time.After(life):
			if m.calm.Load() {
				<-m.done
			}
		case <-ctx.Done():
		}
		cancel()
	}()
	sub, err := pick(r, m.hubs...).hub.Subscribe(ctx, topic, options...)
	if err != nil {
		return
	}
	defer sub.Close()
	if len(options) == 0 {
		s.known, s.at = true, sub.Position()
	}
	for message, err := range sub.Messages() {
		var gap *lazyrealtime.GapError
		switch {
		case errors.As(err, &gap):
			m.gaps.Add(1)
			s.known, s.at = true, gap.Tail
		case err == nil && !message.Position.IsZero():
			s.message(message.Position)
		}
	}
}
