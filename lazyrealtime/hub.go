package lazyrealtime

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golazy.dev/lazywebsocket"
)

// Hub is what an application has to do with topics: it publishes, follows,
// authorizes, replays, knows who is present, and serves clients. Open makes one.
// All methods may be called concurrently.
type Hub struct {
	config Config
	log    Log
	node   Node
	logger *slog.Logger
	keys   keys

	upgrader                    lazywebsocket.Upgrader
	recentMessages, recentBytes int
	recent                      atomic.Int64 // bytes in the rings of all topics

	ctx    context.Context // ends with Shutdown
	cancel context.CancelCauseFunc
	all    sync.WaitGroup // goroutines of the hub

	drains  atomic.Bool    // Shutdown was called
	leaving sync.WaitGroup // goodbyes under way

	mu     sync.Mutex
	closed bool
	topics map[string]*topic
	idle   []idleTopic // oldest first

	fullTold atomic.Int64 // when the operator was told that the node is full; Unix nanoseconds

	lost atomic.Int64 // hints that the feed has lost something, to be followed

	sessions sessions
	revoked  revocations
	pings    pings
}

type idleTopic struct {
	t     *topic
	since time.Time
}

const (
	defaultRecentMessages = 256
	defaultRecentBytes    = 256 << 10
	defaultRecentTotal    = 256 << 20
	defaultLinger         = time.Minute
	sweepEvery            = time.Second
	trimEvery             = 30     // sweeps
	idleMost              = 10_000 // topics that linger; of more, the oldest are forgotten
)

// Open makes a hub on an engine. Ctx bounds the opening only; the hub lives until
// Shutdown. The error is that of a configuration that cannot be, or the engine's.
func Open(ctx context.Context, config Config) (*Hub, error) {
	if config.Log == nil {
		return nil, errors.New("lazyrealtime: Config.Log is required: an engine, as sqlite.Open gives")
	}
	if config.PingInterval < 0 || config.RevokeWithin < 0 || config.CredentialLife < 0 {
		return nil, errors.New("lazyrealtime: Config.PingInterval, RevokeWithin and CredentialLife must not be negative")
	}
	if config.Poller != nil && config.Poller.Inline {
		return nil, errors.New("lazyrealtime: Config.Poller must not be Inline: authorizing may wait")
	}
	if len(config.Secret) == 0 {
		config.Secret = make([]byte, 32)
		_, _ = rand.Read(config.Secret) // never fails
	}
	if len(config.Secret) < 16 {
		return nil, fmt.Errorf("lazyrealtime: Config.Secret has %d bytes, and needs 32 random ones", len(config.Secret))
	}
	h := &Hub{
		config: config, log: config.Log, logger: config.Logger,
		topics:         make(map[string]*topic),
		keys:           newKeys(config.Secret),
		recentMessages: max(0, or(config.RecentMessages, defaultRecentMessages)),
		recentBytes:    max(0, or(config.RecentBytes, defaultRecentBytes)),
	}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	h.revoked.woken = make(chan struct{}, 1)
	h.upgrader = h.newUpgrader()
	h.ctx, h.cancel = context.WithCancelCause(context.Background())
	var err error
	if h.node, err = h.log.Join(ctx, (*feed)(h)); err != nil {
		h.cancel(err)
		return nil, err
	}
	if err := h.readControls(ctx); err != nil {
		h.cancel(err)
		return nil, errors.Join(err, h.node.Close(ctx))
	}
	h.goes(h.watchControls)
	h.goes(h.sweep)
	h.goes(h.watchPresence)
	return h, nil
}

// or returns v, or def where v is zero.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// feed is the hub as its engine sees it.
type feed Hub

func (f *feed) Live(m *Message, prev uint64) {
	if t := (*Hub)(f).known(m.Topic); t != nil {
		t.live(m, prev)
	}
}

func (f *feed) Fleeting(topic, origin string, data []byte) {
	if t := (*Hub)(f).known(topic); t != nil {
		t.fleet(origin, data)
	}
}

func (f *feed) Lost(topic string) {
	h := (*Hub)(f)
	if topic == "" {
		h.suspect()
	} else if t := h.known(topic); t != nil {
		t.suspect()
	}
}

func (f *feed) Presence(e PresenceEvent) {
	if t := (*Hub)(f).known(e.Topic); t != nil {
		t.present(e)
	}
}

func (f *feed) Gone(node string) {
	h := (*Hub)(f)
	for _, t := range h.openTopics() {
		t.gone(node)
	}
}

func (f *feed) Changed() { f.revoked.wake() }

// known returns the topic of a name if it is active.
func (h *Hub) known(name string) *topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topics[name]
}

// acquire returns the topic of a name, opened, to be released.
func (h *Hub) acquire(ctx context.Context, name string) (*topic, error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		t, opened, err := h.enlist(name)
		if err != nil {
			return nil, err
		}
		select {
		case <-opened:
		case <-ctx.Done():
			h.release(t)
			return nil, context.Cause(ctx)
		}
		switch {
		case t.failed == nil:
			return t, nil
		case !errors.Is(t.failed, errRetired):
			return nil, t.failed
		}
	}
}

// errRetired is the failure of a topic that is being forgotten: another follows.
var errRetired = errors.New("the topic is retired")

// enlist returns the topic of a name, and what is closed when it is open, and
// counts a user.
func (h *Hub) enlist(name string) (*topic, <-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil, ErrClosed
	}
	t := h.topics[name]
	if t == nil {
		t = &topic{hub: h, name: name, opened: make(chan struct{})}
		h.topics[name] = t
		t.users++ // who opens it, so that it is not forgotten meanwhile
		h.all.Go(func() { h.open(t) })
	}
	t.users++
	return t, t.opened, nil
}

// alreadyOpen is what the opened of all open topics becomes: theirs need not be kept.
var alreadyOpen = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// openTimeout bounds what an engine may take to follow a topic.
const openTimeout = 10 * time.Second

// open opens a topic for all who wait for it.
func (h *Hub) open(t *topic) {
	ctx, cancel := context.WithTimeout(h.ctx, openTimeout)
	defer cancel()
	t.failed = t.open(ctx)
	h.mu.Lock()
	if t.failed != nil {
		delete(h.topics, t.name)
	}
	close(t.opened)
	t.opened = alreadyOpen
	h.mu.Unlock()
	h.release(t)
}

// release ends an acquire.
func (h *Hub) release(t *topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.users--; t.users > 0 || h.closed || h.topics[t.name] != t {
		return
	}
	t.idle = time.Now()
	h.list(t)
}

// list puts a topic into the list of idle ones, where each stands once. mu is held.
func (h *Hub) list(t *topic) {
	if !t.listed {
		t.listed = true
		h.idle = append(h.idle, idleTopic{t, t.idle})
	}
}

// openTopics returns the topics that have been opened, or are being.
func (h *Hub) openTopics() []*topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	topics := make([]*topic, 0, len(h.topics))
	for _, t := range h.topics {
		topics = append(topics, t)
	}
	return topics
}

// goes runs f in a goroutine that Shutdown waits for.
func (h *Hub) goes(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.all.Go(f)
	}
}

// pause waits, and returns false if the hub has ended.
func (h *Hub) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-h.ctx.Done():
		return false
	}
}

// Stats says what a hub has to do.
type Stats struct {
	Connections   int   // clients
	Subscriptions int   // of clients
	Topics        int   // active ones: followed, or lately
	RecentBytes   int64 // messages in memory
}

// Stats returns the numbers of now.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	topics := len(h.topics)
	h.mu.Unlock()
	return Stats{
		Connections: h.sessions.len(), Subscriptions: int(h.sessions.subscriptions.Load()),
		Topics: topics, RecentBytes: h.recent.Load(),
	}
}

// count adds to a counter, if somebody counts.
func (h *Hub) count(c Counter, n int) {
	if h.config.Metrics != nil && n > 0 {
		h.config.Metrics.Add(c, int64(n))
	}
}

// now returns the time, if somebody measures.
func (h *Hub) now() (start time.Time) {
	if h.config.Metrics != nil {
		start = time.Now()
	}
	return start
}

// took notes how long something took since start.
func (h *Hub) took(m Histogram, start time.Time) {
	if h.config.Metrics != nil {
		h.config.Metrics.Record(m, time.Since(start).Seconds())
	}
}

func (h *Hub) retention(topic string) Retention {
	if h.config.Retain == nil {
		return Retention{}.OrDefault()
	}
	return h.config.Retain(topic).OrDefault()
}
