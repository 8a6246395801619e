package lazyrealtime_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// The model: random publishers, clients of all kinds, faults of the engine, and hubs
// that come and go on one log. What every client gets is compared with the log: what
// is missing, doubled or out of order is an error, and so is a gap that is told where
// nothing is missing.

var (
	modelSeed  = flag.Uint64("model.seed", 0, "run this seed of the model only")
	modelSeeds = flag.Int("model.seeds", 40, "how many seeds of the model are run")
)

func TestModel(t *testing.T) {
	count := new(counters)
	if *modelSeed > 0 {
		runModel(t, *modelSeed, count)
		return
	}
	for seed := range uint64(*modelSeeds) {
		runModel(t, seed+1, count)
		if t.Failed() {
			t.Fatalf("seed %d", seed+1)
		}
	}
	for _, name := range []lazyrealtime.Counter{
		lazyrealtime.CountPublishes, lazyrealtime.CountDuplicates, lazyrealtime.CountSubscribes, lazyrealtime.CountDeliveries,
		lazyrealtime.CountReplayed, lazyrealtime.CountRepairs, lazyrealtime.CountGaps, lazyrealtime.CountEngineReads,
	} {
		t.Logf("%s: %d", name, count.get(name))
		if count.get(name) == 0 {
			t.Errorf("the model has nothing of %s", name)
		}
	}
}

// model is one run.
type model struct {
	t      *testing.T
	seed   uint64
	memory *memory.Log
	truth  *truth
	log    *enginetest.Faulty
	config lazyrealtime.Config
	keep   lazyrealtime.Retention
	topics []string

	mu    sync.Mutex
	hubs  []*world // that take connections
	wrong int

	calm  atomic.Bool // no more faults and cuts
	gaps  atomic.Int64
	done  chan struct{}
	chaos sync.WaitGroup // who makes trouble and publishes
	all   sync.WaitGroup // clients
}

// truth notes what is in the log.
type truth struct {
	lazyrealtime.Log
	mu   sync.Mutex
	data map[string][]string // by topic; offset n is at n-1
}

func (l *truth) Append(ctx context.Context, entries []lazyrealtime.Entry) ([]lazyrealtime.Appended, error) {
	l.mu.Lock() // so that a message is noted before anybody asks
	defer l.mu.Unlock()
	done, err := l.Log.Append(ctx, entries)
	for i, a := range done {
		if !a.Duplicate {
			l.data[entries[i].Topic] = append(l.data[entries[i].Topic], string(entries[i].Data))
		}
	}
	return done, err
}

// at returns the message at an offset, and whether there is one. It waits for the
// append that is under way.
func (l *truth) at(topic string, offset uint64) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if offset == 0 || offset > uint64(len(l.data[topic])) {
		return "", false
	}
	return l.data[topic][offset-1], true
}

func (l *truth) tail(topic string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.data[topic]))
}

// offset returns that of a message.
func (l *truth) offset(topic, data string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, d := range l.data[topic] {
		if d == data {
			return uint64(i + 1)
		}
	}
	return 0
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func runModel(t *testing.T, seed uint64, count *counters) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(seed, 0))
		m := &model{t: t, seed: seed, memory: memory.Open(), done: make(chan struct{})}
		m.truth = &truth{Log: m.memory, data: make(map[string][]string)}
		m.log = enginetest.NewFaulty(m.truth)
		m.keep = lazyrealtime.Retention{Messages: pick(r, 5, 30, 100_000, 100_000, 100_000), Age: pick(r, 2*time.Second, time.Hour, time.Hour)}
		m.config = lazyrealtime.Config{
			Public: true, PingInterval: 20 * time.Second, Metrics: count,
			RecentMessages: pick(r, -1, 1, 4, 4, 16, 256), RecentBytes: pick(r, 0, 0, 1000),
			Linger: pick(r, -1, 2*time.Second, 0),
			Retain: func(string) lazyrealtime.Retention { return m.keep },
		}
		if r.IntN(3) == 0 {
			m.config.Poller = new(lazywebsocket.Poller)
		}
		for i := range 1 + r.IntN(3) {
			m.topics = append(m.topics, fmt.Sprintf("t%d", i))
		}
		m.run(r)
		if m.wrong > 0 {
			t.Errorf("seed %d: %d errors with %+v, recent %d and %d bytes, linger %v, %d topics, poller %v", seed, m.wrong, m.keep,
				m.config.RecentMessages, m.config.RecentBytes, m.config.Linger, len(m.topics), m.config.Poller != nil)
		}
	})
}

func (m *model) run(r *rand.Rand) {
	m.hubs = append(m.hubs, open(m.t, m.config, m.log))
	for i := range 4 {
		c := &modelClient{m: m, r: m.rand(10 + i), name: fmt.Sprintf("extended %d", i), kind: extended, forgets: i == 3}
		m.all.Go(c.run)
	}
	for i := range 2 {
		c := &modelClient{m: m, r: m.rand(20 + i), name: fmt.Sprintf("base %d", i), kind: base}
		m.all.Go(c.run)
	}
	for i := range 2 {
		m.all.Go(func() { m.subscriber(m.rand(30+i), fmt.Sprintf("subscription %d", i)) })
	}
	for i := range 2 {
		m.chaos.Go(func() { m.publisher(m.rand(40+i), i) })
	}
	m.chaos.Go(func() { m.faults(m.rand(50)) })
	m.chaos.Go(func() { m.restarts(m.rand(60)) })
	m.chaos.Wait()

	m.log.Before(nil)
	m.log.After(nil)
	m.log.OnLive(nil)
	m.log.Release()
	m.calm.Store(true)
	if r.IntN(2) == 0 {
		m.log.Lost("")
	} else {
		for _, topic := range m.topics {
			m.publish(r, topic, `"last"`)
		}
	}
	time.Sleep(time.Minute)
	close(m.done)
	m.all.Wait()
	for _, w := range m.hubs {
		w.close()
	}
	if m.config.Poller != nil {
		_ = m.config.Poller.Close()
	}
}

func (m *model) rand(stream int) *rand.Rand { return rand.New(rand.NewPCG(m.seed, uint64(stream))) }

// errorf notes an error. The first few are told.
func (m *model) errorf(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wrong++; m.wrong <= 5 {
		m.t.Errorf("seed %d: "+format, append([]any{m.seed}, args...)...)
	}
}

// pause lets some time pass, and reports whether the run goes on.
func (m *model) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-m.done:
		return false
	}
}

// hub returns one that takes connections.
func (m *model) hub(r *rand.Rand) *world {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hubs[r.IntN(len(m.hubs))]
}

// gap judges a gap that was told to who stood at an offset.
func (m *model) gap(who, topic string, at uint64) {
	m.gaps.Add(1)
	if !m.passed(topic, at) {
		m.errorf("%s is told of a gap in %s behind %d, where nothing is missing up to %d", who, topic, at, m.truth.tail(topic))
	}
}

// passed reports whether messages behind an offset are gone.
func (m *model) passed(topic string, at uint64) bool {
	_, err := m.memory.Read(context.Background(), topic, lazyrealtime.Position{Epoch: m.epoch(topic), Offset: at}, 1)
	var gap *lazyrealtime.GapError
	return errors.As(err, &gap)
}

func (m *model) epoch(topic string) string {
	tail, _ := m.memory.Tail(context.Background(), topic)
	return tail.Epoch
}

// publisher publishes, until the log has taken each message.
func (m *model) publisher(r *rand.Rand, p int) {
	for n := range 60 + r.IntN(60) {
		m.publish(r, pick(r, m.topics...), fmt.Sprintf(`{"p":%d,"n":%d}`, p, n))
		if r.IntN(3) > 0 {
			time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
		}
	}
}

func (m *model) publish(r *rand.Rand, topic, data string) {
	for {
		at, err := m.hub(r).hub.Publish(context.Background(), topic, []byte(data), lazyrealtime.MessageID(data))
		if err == nil {
			if got, _ := m.truth.at(topic, at.Offset); got != data {
				m.errorf("publish of %s has returned the position of %s", data, got)
			}
			return
		}
		if !errors.Is(err, lazyrealtime.ErrUnavailable) && !errors.Is(err, lazyrealtime.ErrClosed) {
			m.errorf("publish: %v", err)
			return
		}
		time.Sleep(time.Duration(1+r.IntN(300)) * time.Millisecond)
	}
}

// faults lets the engine do what it may, and some things that it may not for long.
func (m *model) faults(r *rand.Rand) {
	for range 10 {
		m.fault(r)
		time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
	}
	m.log.Before(nil) // who publishes waits for the engine
}

func (m *model) fault(r *rand.Rand) {
	var mu sync.Mutex
	switch r.IntN(9) {
	case 0, 1:
		share := r.IntN(60)
		mine := rand.New(rand.NewPCG(m.seed, r.Uint64()))
		m.log.OnLive(func(*lazyrealtime.Message, uint64) enginetest.Fate {
			mu.Lock()
			defer mu.Unlock()
			if mine.IntN(100) >= share {
				return enginetest.Deliver
			}
			return pick(mine, enginetest.Drop, enginetest.Hold, enginetest.Repeat)
		})
	case 2:
		m.log.OnLive(nil)
	case 3:
		m.log.Release()
	case 4:
		m.log.Lost(pick(r, append(m.topics, "", "nobody's")...))
	case 5:
		m.log.Fail(enginetest.OpRead, enginetest.OpTail)
	case 6:
		m.log.Fail(pick(r, enginetest.OpRead, enginetest.OpTail, enginetest.OpAppend, enginetest.OpFollow))
	case 7: // slow, sometimes lost on the way back
		mine := rand.New(rand.NewPCG(m.seed, r.Uint64()))
		m.log.After(func(_ context.Context, c enginetest.Call) error {
			mu.Lock()
			wait, lost := mine.IntN(100), mine.IntN(20) == 0
			mu.Unlock()
			if c.Op != enginetest.OpAppend {
				time.Sleep(time.Duration(wait) * time.Millisecond)
			}
			if lost && c.Op != enginetest.OpControls {
				return fmt.Errorf("the answer is lost: %w", lazyrealtime.ErrUnavailable)
			}
			return nil
		})
	default:
		m.log.Before(nil)
		m.log.After(nil)
	}
}

// restarts replaces hubs: sometimes the old one ends first, sometimes the new one
// begins first.
func (m *model) restarts(r *rand.Rand) {
	for range r.IntN(4) {
		time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
		next, err := m.another()
		if err != nil {
			continue // the engine does not answer
		}
		m.mu.Lock()
		old := m.hubs[0]
		m.hubs = append(m.hubs, next)
		m.mu.Unlock()
		time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
		m.mu.Lock()
		m.hubs = m.hubs[1:]
		m.mu.Unlock()
		old.close()
	}
}

// another is open, unless the engine fails.
func (m *model) another() (*world, error) {
	config := m.config
	config.Log, config.Drain, config.Logger = m.log, -1, slog.New(slog.DiscardHandler)
	hub, err := lazyrealtime.Open(context.Background(), config)
	if err != nil {
		return nil, err
	}
	return &world{t: m.t, log: m.log, hub: hub, net: wstest.Serve(m.t, hub.Handler())}, nil
}
