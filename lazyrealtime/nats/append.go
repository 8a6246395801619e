package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
)

// Append publishes entries and waits until the servers have all of them: a quorum of
// the replicas in memory, and on disk as the package's comment says. The entries of a
// topic are stored in their order, those of different topics at the same time.
//
// What was not acknowledged is published again, with the same id, so that it is never
// there twice: until ctx ends, or half of Options.Window is over, or the log is closed.
// The error then wraps ErrUnavailable. Duplicate may be true for an entry with an ID that
// was published twice by the same call, because its acknowledgement was lost.
func (l *Log) Append(ctx context.Context, entries []lazyrealtime.Entry) ([]lazyrealtime.Appended, error) {
	if err := l.begin(ctx); err != nil {
		return nil, err
	}
	a := &appending{
		l: l, entries: entries, done: make([]lazyrealtime.Appended, len(entries)), ids: make([]string, len(entries)),
	}
	if err := a.prepare(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.o.Window/2)
	defer cancel()
	defer a.end()
	if err := a.run(ctx); err != nil {
		return nil, err
	}
	return a.done, nil
}

// appending is a call of Append.
type appending struct {
	l       *Log
	entries []lazyrealtime.Entry
	done    []lazyrealtime.Appended
	ids     []string // what the servers know the entries by

	chains  []chain
	open    int // chains that are not at their end
	started int // chains[started:] have not begun
	answers chan answer
	timer   *time.Timer
	due     time.Time // when the timer fires
}

// A chain is the entries of a topic: each is sent when the one before it is stored, or
// many as a batch that is stored whole or not at all. One that is sent earlier could be
// stored by a new leader while the other one is lost with the old leader.
type chain struct {
	p      *partition
	topic  string       // its token
	rest   []int        // indexes of the entries that are not stored
	m      *nats.Msg    // the request that is sent, or is to be sent again
	batch  int          // how many of rest it stores, if it ends a batch
	single bool         // a batch has failed: one at a time
	inc    *incarnation // where m was sent to
	id     uint64       // of the request; zero: none is waiting
	number int          // of the request among the chain's
	tries  int          // of the first entry that is left
	due    time.Time    // when to send again
	last   error        // why the latest attempt did not do
	places bool         // it has taken its place in pending
}

// answer is what has become of a request of a chain; nil: the connection was lost.
type answer struct {
	chain, number int
	m             *nats.Msg
}

// prepare looks for what cannot be stored, before anything is sent, and sorts the
// entries by topic.
func (a *appending) prepare() error {
	of := make(map[string]int, len(a.entries))
	for i, e := range a.entries {
		if err := a.l.fits(e); err != nil {
			return err
		}
		a.ids[i] = messageID(e)
		at, ok := of[e.Topic]
		if !ok {
			at = len(a.chains)
			of[e.Topic] = at
			a.chains = append(a.chains, chain{p: a.l.of(e.Topic), topic: token(e.Topic)})
		}
		a.chains[at].rest = append(a.chains[at].rest, i)
	}
	a.open = len(a.chains)
	a.answers = make(chan answer, 2*len(a.chains)) // one each, and some that come late
	return nil
}

// headerRoom is for the headers and line ends beside our own.
const headerRoom = 128

// fits checks an entry against the limits.
func (l *Log) fits(e lazyrealtime.Entry) error {
	keep, bound := e.Keep.OrDefault(), l.o.Retain
	if e.Keep.Messages > bound.Messages || e.Keep.Age > bound.Age {
		return &RetentionError{Topic: e.Topic, Keep: keep, Max: bound}
	}
	size := len(e.Data) + headerRoom + 3*(len(e.ID)+len(e.From))
	if limit := l.pub.nc.MaxPayload(); limit > 0 && int64(size) > limit {
		return &PayloadError{Size: size, Max: limit}
	}
	return nil
}

// run sends, and works off the answers, until all is stored.
func (a *appending) run(ctx context.Context) error {
	a.timer = time.NewTimer(a.l.o.AckWait)
	a.due = time.Now().Add(a.l.o.AckWait)
	defer a.timer.Stop()
	for a.open > 0 {
		var place chan<- struct{} // to be had only while chains wait for one
		if a.started < len(a.chains) {
			place = a.l.pending
		}
		select {
		case place <- struct{}{}:
			c := &a.chains[a.started]
			a.started++
			c.places = true
			a.send(a.started - 1)
		case got := <-a.answers:
			if err := a.answered(got); err != nil {
				return err
			}
		case <-a.timer.C:
			a.overdue(ctx)
		case <-ctx.Done():
			return ended(ctx, a.reason())
		case <-a.l.ctx.Done():
			return lazyrealtime.ErrClosed
		}
	}
	return nil
}

// message makes what is published of the entry with that index.
func (a *appending) message(c *chain, i int) *nats.Msg {
	e := a.entries[i]
	m := encode(e, a.l.keep(e))
	m.Header[headerID] = []string{a.ids[i]}
	m.Subject = a.l.names.message(c.inc.epoch, c.topic)
	return m
}

// build makes the chain's next request, and publishes what goes before it.
func (a *appending) build(c *chain) error {
	if c.batch = a.batchOf(c); c.batch > 0 {
		return a.buildBatch(c)
	}
	c.m = a.message(c, c.rest[0])
	return nil
}

// send publishes the first entry that is left of a chain, or the first ones.
func (a *appending) send(i int) {
	c := &a.chains[i]
	c.inc = c.p.now.Load()
	c.tries++
	c.number++
	number := c.number
	err := a.build(c)
	if err != nil {
		a.failed(c, err)
		return
	}
	c.id, err = a.l.pub.send(c.m, func(m *nats.Msg) bool {
		select {
		case a.answers <- answer{i, number, m}:
		default: // it is as if it had been lost
		}
		return true
	})
	if err != nil {
		a.failed(c, err)
		return
	}
	c.due = time.Now().Add(a.l.o.AckWait)
}

// again makes another attempt at the first entry that is left of a chain.
func (a *appending) again(ctx context.Context, i int) {
	c := &a.chains[i]
	if c.tries%suspicious == 0 {
		a.l.look(ctx, c.p)
	}
	if c.id == 0 {
		a.send(i)
		return
	}
	if c.inc != c.p.now.Load() { // what is acknowledged now is of another epoch
		a.l.pub.forget(c.id)
		a.send(i)
		return
	}
	if c.batch > 0 { // its beginning may be what is missing
		a.l.pub.forget(c.id)
		a.failed(c, errTimeout)
		c.single = true
		return
	}
	c.tries++
	c.last = errTimeout
	if err := a.l.pub.resend(c.id, c.m); err != nil { // whichever answer comes is good
		c.last = err
	}
	c.due = time.Now().Add(a.l.o.AckWait)
}

// answered takes what a server says. The error is one that trying again does not help
// against.
func (a *appending) answered(got answer) error {
	c := &a.chains[got.chain]
	if c.id == 0 || c.number != got.number {
		return nil // it is late
	}
	c.id = 0
	var ack ack
	err := errDisconnected
	if got.m != nil {
		err = parse(got.m, &ack)
	}
	if err == nil && c.batch > 0 && ack.Batch != c.batch {
		err = errNoBatch
	}
	switch {
	case err != nil && c.batch > 0: // for instance a duplicate in it
		a.failed(c, err)
		c.single = true
		a.send(got.chain)
		return nil
	case err != nil && !temporary(err):
		return permanent(err, c.m)
	case err != nil:
		a.failed(c, err)
		return nil
	}
	a.stored(c, ack)
	if len(c.rest) > 0 {
		a.send(got.chain)
		return nil
	}
	a.open--
	a.leave(c)
	return nil
}

// stored notes where entries are.
func (a *appending) stored(c *chain, ack ack) {
	n := max(c.batch, 1)
	for i, entry := range c.rest[:n] {
		a.done[entry] = lazyrealtime.Appended{
			Position: lazyrealtime.Position{Epoch: c.inc.epoch, Offset: ack.Seq - uint64(n-1-i)}, //nolint:gosec // i < n
			// An id that was made for this entry alone is only ever its own duplicate.
			Duplicate: ack.Duplicate && a.entries[entry].ID != "",
		}
	}
	c.rest, c.tries = c.rest[n:], 0
}

// failed notes that an attempt did not do, and when the next one is due.
func (a *appending) failed(c *chain, err error) {
	c.last, c.id = err, 0
	c.due = time.Now().Add(backoff(c.tries))
	if c.due.Before(a.due) {
		a.due = c.due
		a.timer.Reset(time.Until(c.due))
	}
}

// overdue sends again what was not answered in time, or has failed.
func (a *appending) overdue(ctx context.Context) {
	now := time.Now()
	a.due = now.Add(a.l.o.AckWait)
	for i := range a.chains[:a.started] {
		c := &a.chains[i]
		if len(c.rest) == 0 {
			continue
		}
		if !c.due.After(now) {
			a.again(ctx, i)
		}
		if c.due.Before(a.due) {
			a.due = c.due
		}
	}
	a.timer.Reset(time.Until(a.due))
}

// suspicious is after how many attempts it is asked whether a stream is still there.
const suspicious = 4

// keep is an entry's retention, as far as the streams go.
func (l *Log) keep(e lazyrealtime.Entry) lazyrealtime.Retention {
	keep := e.Keep.OrDefault()
	return lazyrealtime.Retention{
		Messages: min(keep.Messages, l.o.Retain.Messages),
		Age:      min(keep.Age, l.o.Retain.Age),
	}
}

// messageID is what a server knows duplicates of an entry by. It is the stream's, hence
// the topic in it; an entry without an ID gets one for its repetitions.
func messageID(e lazyrealtime.Entry) string {
	if e.ID == "" {
		return rand.Text()
	}
	return digest(e.Topic, e.ID)
}

// permanent turns a refusal into what the caller is told.
func permanent(err error, m *nats.Msg) error {
	if api := (*APIError)(nil); errors.As(err, &api) && api.ErrorCode == codeTooLarge {
		return &PayloadError{Size: len(m.Data)}
	}
	return err
}

// reason is why the first chain that is open is.
func (a *appending) reason() error {
	for _, c := range a.chains {
		if len(c.rest) > 0 && c.last != nil {
			return c.last
		}
	}
	return nil
}

// leave gives back a chain's place.
func (a *appending) leave(c *chain) {
	if c.places {
		c.places = false
		<-a.l.pending
	}
}

// end forgets what still waits.
func (a *appending) end() {
	for i := range a.chains {
		c := &a.chains[i]
		if c.id != 0 {
			a.l.pub.forget(c.id)
		}
		a.leave(c)
	}
}
