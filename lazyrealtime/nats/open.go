package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"golazy.dev/lazyrealtime"
)

// Log is a log of topics on the servers of NATS JetStream. Its methods may be called
// concurrently.
type Log struct {
	o     Options
	names names
	log   *slog.Logger
	url   string

	// What is read is looked up on the server's goroutine for the connection that asks,
	// and a large answer fills it: publishing has a connection of its own, reading has
	// several, by turns, and each node has one for what is live.
	pub  *caller
	gets []*caller
	turn atomic.Uint32
	js   jetstream.JetStream // on pub's connection; for streams

	replicas int
	batches  bool // the servers can store several messages whole or not at all

	parts   []*partition
	tails   tails
	records records
	pending chan struct{} // a place for each message that may wait for its answer

	ctx   context.Context // ends with Close
	close context.CancelFunc

	mu    sync.Mutex // guards the fields below
	nodes map[*node]struct{}

	reaping sync.WaitGroup // goroutines that clear up behind nodes
	ticking sync.WaitGroup // the goroutine of ticks
}

var _ lazyrealtime.Log = (*Log)(nil)

// Open connects to the servers at url, which may be several with commas between, and
// makes what the log needs: its streams. It returns when all of them are there. Several
// processes may do so at the same time. The log reconnects by itself until it is
// closed.
func Open(ctx context.Context, url string, options Options) (*Log, error) {
	o, err := options.orDefault()
	if err != nil {
		return nil, err
	}
	l := &Log{
		o: o, names: names(o.Name), log: o.Logger, url: url,
		pending: make(chan struct{}, o.Pending),
		nodes:   make(map[*node]struct{}),
	}
	l.ctx, l.close = context.WithCancel(context.WithoutCancel(ctx))
	if err := l.open(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Log) open(ctx context.Context) (err error) {
	if l.pub, err = l.caller("publish"); err != nil {
		return err
	}
	for range readers {
		c, err := l.caller("read")
		if err != nil {
			return err
		}
		l.gets = append(l.gets, c)
	}
	if l.js, err = jetstream.New(l.pub.nc); err != nil {
		return fmt.Errorf("lazyrealtime/nats: %w", err)
	}
	if err := l.setUp(ctx); err != nil {
		return err
	}
	l.tick()
	l.ticking.Go(l.ticks)
	return nil
}

// readers is how many connections there are for reading.
const readers = 4

// get returns the connection for reading whose turn it is.
func (l *Log) get() *caller {
	return l.gets[l.turn.Add(1)%uint32(len(l.gets))] //nolint:gosec // there are few
}

// caller connects for requests.
func (l *Log) caller(purpose string) (*caller, error) {
	// The caller is made after its connection, which may be lost in between.
	var c *caller
	var mu sync.Mutex
	nc, err := l.connect(purpose, nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
		l.log.Debug("disconnected from NATS", "purpose", purpose, "err", err)
		mu.Lock()
		defer mu.Unlock()
		if c != nil {
			c.disconnected()
		}
	}))
	if err != nil {
		return nil, err
	}
	mu.Lock()
	defer mu.Unlock()
	if c, err = newCaller(nc); err != nil {
		nc.Close()
		return nil, unavailable(err)
	}
	return c, nil
}

// reconnectWait is how long it takes until a server is tried again; the library adds
// up to 0.1 s, or 1 s with TLS, by chance.
const reconnectWait = 250 * time.Millisecond

// connect makes one connection.
func (l *Log) connect(purpose string, more ...nats.Option) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("lazyrealtime " + l.o.Name + " " + purpose),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		// What cannot be sent is sent again by whoever wants it to be: behind a
		// reconnect, in a buffer, it would be late and out of order.
		nats.ReconnectBufSize(-1),
	}
	options = append(append(options, l.o.Connect...), more...)
	nc, err := nats.Connect(l.url, options...)
	if err != nil {
		return nil, fmt.Errorf("lazyrealtime/nats: connecting: %w", unavailable(err))
	}
	return nc, nil
}

// Close leaves with the nodes that are still joined, and disconnects. Calls that wait
// return ErrClosed. A second Close does nothing.
func (l *Log) Close() error {
	l.mu.Lock()
	nodes := l.nodes
	l.nodes = nil
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(l.ctx, closeWait)
	defer cancel()
	for n := range nodes {
		if err := n.Close(ctx); err != nil {
			l.log.Debug("a node's lease is left to expire", "node", n.ID(), "err", err)
		}
	}
	l.reaping.Wait()
	l.close()
	for _, c := range append([]*caller{l.pub}, l.gets...) {
		if c != nil {
			c.nc.Close()
			c.disconnected()
		}
	}
	l.ticking.Wait()
	return nil
}

// begin returns ErrClosed if the log is closed, or a context's error if it has ended.
func (l *Log) begin(ctx context.Context) error {
	if l.ctx.Err() != nil {
		return lazyrealtime.ErrClosed
	}
	if ctx.Err() != nil {
		return ended(ctx, nil)
	}
	return nil
}
