package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"golazy.dev/lazywebsocket"
)

const aboutLoad = `
Opens connections to a server that sends each message back, as lazyws serve does,
and measures how long that takes.

With -rate, messages leave at fixed times, whatever the server does, and latency
counts from those times: a server that stalls is charged for what should have left
meanwhile. Without, each connection keeps -in-flight messages under way, which
measures throughput. The client runs on the same machine as lazyws load: what it
costs itself is in the figures.`

// loadOptions are the flags of lazyws load.
type loadOptions struct {
	connectOptions
	connections, atOnce int
	rate                float64
	inFlight, size      int
	time                time.Duration
}

func parseLoad(p *program, args []string) (*loadOptions, error) {
	o := &loadOptions{connectOptions: connectOptions{maxMessage: 16 << 20, timeout: 15 * time.Second}}
	f := newFlagSet(p, "load", " URL", aboutLoad)
	o.handshakeFlags(f)
	f.IntVar(&o.connections, "n", 100, "connections")
	f.IntVar(&o.atOnce, "at-once", 64, "connections that are being opened at a time")
	f.Float64Var(&o.rate, "rate", 0, "messages a second on each connection; 0 is as fast as they come back")
	f.IntVar(&o.inFlight, "in-flight", 1, "messages under way on each connection, without -rate")
	f.IntVar(&o.size, "size", 125, "size of a message in `bytes`")
	f.DurationVar(&o.time, "time", 10*time.Second, "how long messages are sent")
	f.BoolVar(&o.compress, "compress", false, "offer compression (permessage-deflate)")
	rest, err := f.parse(args)
	switch {
	case err != nil:
		return nil, err
	case o.connections < 1 || o.atOnce < 1 || o.inFlight < 1 || o.size < 1 || o.time <= 0:
		return nil, usagef("-n, -at-once, -in-flight, -size and -time are more than 0")
	case o.rate != 0 && !(o.rate >= slowest && o.rate <= fastest): // nor what is no number
		return nil, usagef("-rate is 0, or from %g to %g", slowest, fastest)
	}
	return o, o.setURL(rest)
}

// What -rate may be, in messages a second.
const slowest, fastest = 0.001, 1e6

// load is a run of lazyws load.
type load struct {
	options *loadOptions
	payload []byte

	sent, answered, wrong, broken atomic.Int64

	mu      sync.Mutex // guards the histograms, in microseconds
	dials   *hdrhistogram.Histogram
	answers *hdrhistogram.Histogram
}

// longest is the longest time that the histograms know, in microseconds.
const longest = int64(time.Minute / time.Microsecond)

// runLoad is lazyws load.
func runLoad(ctx context.Context, p *program, args []string) error {
	o, err := parseLoad(p, args)
	if err != nil {
		return err
	}
	l := &load{
		options: o, payload: []byte(strings.Repeat("lazyws ", o.size/7+1)[:o.size]),
		dials: hdrhistogram.New(1, longest, 3), answers: hdrhistogram.New(1, longest, 3),
	}
	conns, err := l.open(ctx)
	if err != nil {
		return err
	}
	sending, stop := context.WithTimeout(ctx, o.time)
	defer stop()
	start := time.Now()
	var wg sync.WaitGroup
	for _, conn := range conns {
		wg.Go(func() { l.drive(sending, conn) })
	}
	wg.Wait()
	if err := l.report(p.out, time.Since(start)); err != nil {
		return err
	}
	if l.wrong.Load()+l.broken.Load() > 0 {
		return errors.New("not every message came back")
	}
	return nil
}

// open opens all connections. One that fails ends the run.
func (l *load) open(ctx context.Context) ([]*lazywebsocket.Conn, error) {
	conns := make([]*lazywebsocket.Conn, l.options.connections)
	errs := make([]error, len(conns))
	places := make(chan struct{}, l.options.atOnce)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for i := range conns {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			start := time.Now()
			if conns[i], errs[i] = l.options.dial(ctx); errs[i] != nil {
				cancel() // the others fail too, and later
				return
			}
			l.record(l.dials, time.Since(start))
		})
	}
	wg.Wait()
	err := firstOf(errs)
	if err == nil {
		return conns, nil
	}
	for _, conn := range conns {
		if conn != nil {
			_ = conn.Close() // the error is the dial's
		}
	}
	return nil, err
}

// firstOf returns the error that made others end, or any.
func firstOf(errs []error) (first error) {
	for _, err := range errs {
		if err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	return first
}

// record notes a time.
func (l *load) record(h *hdrhistogram.Histogram, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = h.RecordValue(min(max(d.Microseconds(), 1), longest)) // within its bounds
}

// drive sends on a connection until ctx is done, and waits for what is under way.
func (l *load) drive(ctx context.Context, conn *lazywebsocket.Conn) {
	defer conn.Close()
	// What has been sent, by the time it should have been. With a rate the server may
	// be behind by this much before the sender waits for it.
	depth := l.options.inFlight
	if l.options.rate > 0 {
		depth = 4096
	}
	under := make(chan time.Time, depth)
	slots := make(chan struct{}, depth)
	read := make(chan struct{})
	go func() {
		defer close(read)
		l.receive(conn, under, slots)
	}()
	l.send(ctx, conn, under, slots, read)
	close(under)
	late := time.AfterFunc(lastAnswer, func() { _ = conn.Close() }) // ends the read
	defer late.Stop()
	<-read
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastAnswer)
	defer cancel()
	_ = conn.Shutdown(end, lazywebsocket.CloseNormalClosure, "") // it is closed all the same
}

// lastAnswer is how long answers are waited for at the end.
const lastAnswer = 5 * time.Second

// send sends messages until ctx is done or the reader has ended.
func (l *load) send(ctx context.Context, conn *lazywebsocket.Conn, under chan<- time.Time, slots chan<- struct{}, read <-chan struct{}) {
	next, step := time.Now(), time.Duration(0)
	if l.options.rate > 0 {
		step = time.Duration(float64(time.Second) / l.options.rate)
		next = next.Add(rand.N(step)) //nolint:gosec // spreads the connections
	}
	for due(ctx, next) && take(ctx, slots, read) {
		if step == 0 {
			next = time.Now()
		}
		under <- next // before it can come back; there is a slot
		if err := conn.WriteMessage(lazywebsocket.TextMessage, l.payload); err != nil {
			l.broken.Add(1)
			return
		}
		l.sent.Add(1)
		next = next.Add(step)
	}
}

// due waits until next. It returns false if that is behind the end, however late
// the context's timer may be.
func due(ctx context.Context, next time.Time) bool {
	if end, ok := ctx.Deadline(); ok && next.After(end) {
		return false
	}
	if wait := time.Until(next); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// take takes a slot for a message that is under way; false at the end.
func take(ctx context.Context, slots chan<- struct{}, read <-chan struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	case <-read:
	case <-ctx.Done():
	}
	return false
}

// receive matches answers with what was sent, in order.
func (l *load) receive(conn *lazywebsocket.Conn, under <-chan time.Time, slots <-chan struct{}) {
	var buf []byte
	for start := range under {
		_, data, err := conn.AppendMessage(buf[:0])
		if err != nil {
			l.broken.Add(1)
			return
		}
		if buf = data; !bytes.Equal(data, l.payload) {
			l.wrong.Add(1)
		}
		l.record(l.answers, time.Since(start))
		l.answered.Add(1)
		<-slots
	}
}

// report prints what was measured.
func (l *load) report(w io.Writer, took time.Duration) error {
	o := l.options
	mode := fmt.Sprintf("%d in flight each", o.inFlight)
	if o.rate > 0 {
		mode = fmt.Sprintf("%g/s each, latency from when a message should have left", o.rate)
	}
	answered := float64(l.answered.Load())
	_, err := fmt.Fprintf(w, `assumed      %s sends each message back; messages of %d bytes, %s
connections  %d, broken %d
connecting   %s
messages     %d sent, %d came back, %d of them other than sent, in %v
throughput   %.0f messages/s, %.2f MB/s each way
latency      %s
`, o.url, o.size, mode, o.connections, l.broken.Load(), percentiles(l.dials),
		l.sent.Load(), l.answered.Load(), l.wrong.Load(), took.Round(time.Millisecond),
		answered/took.Seconds(), answered*float64(o.size)/took.Seconds()/1e6, percentiles(l.answers))
	return err
}

// percentiles says how the values are spread.
func percentiles(h *hdrhistogram.Histogram) string {
	var b strings.Builder
	for _, p := range []float64{50, 90, 99, 99.9, 100} {
		name := fmt.Sprintf("p%g", p)
		if p == 100 {
			name = "max"
		}
		fmt.Fprintf(&b, "%s %v  ", name, time.Duration(h.ValueAtQuantile(p))*time.Microsecond)
	}
	return strings.TrimSpace(b.String())
}
