package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
)

// What one request to read may bring.
const (
	maxBatch      = 1000
	maxBatchBytes = 4 << 20
)

// Read returns messages of a topic. The tail is the one that the leader of the
// partition's servers has; the messages come from any of them.
//
// A position is known to have no gap behind it if its message is still there, since a
// topic's messages only ever go oldest first. Of other positions, as the tail of a
// topic that has no messages, it is known only as long as the partition has another
// message that was there at the time, and the topic has had fewer messages since then
// than it keeps. In all other cases a gap is reported.
func (l *Log) Read(ctx context.Context, topic string, after lazyrealtime.Position, limit int) (page lazyrealtime.Page, err error) {
	if limit <= 0 || limit > maxBatch {
		limit = maxBatch
	}
	err = l.retry(ctx, func(ctx context.Context) error {
		page, err = l.read(ctx, topic, after, limit)
		return err
	})
	return page, err
}

// reading is one attempt at a call of Read.
type reading struct {
	l     *Log
	p     *partition
	inc   *incarnation
	topic string
	after lazyrealtime.Position
	limit int
	tail  tail
}

func (l *Log) read(ctx context.Context, topic string, after lazyrealtime.Position, limit int) (lazyrealtime.Page, error) {
	p := l.of(topic)
	r := reading{l: l, p: p, topic: topic, after: after, limit: limit}
	var err error
	if r.tail, err = l.tail(ctx, p, topic); err != nil {
		return lazyrealtime.Page{}, err
	}
	r.inc = r.tail.inc
	if !after.IsZero() && after.Epoch != r.inc.epoch {
		return lazyrealtime.Page{}, r.gap()
	}
	if after.Offset > max(r.tail.seq, r.tail.end) {
		return lazyrealtime.Page{}, r.ahead(ctx)
	}
	if r.tail.empty {
		return r.nothing(ctx)
	}
	if after.Offset == r.tail.seq {
		return lazyrealtime.Page{Tail: r.tail.position()}, nil
	}
	return r.page(ctx)
}

func (r *reading) gap() error {
	return &lazyrealtime.GapError{Topic: r.topic, After: r.after, Tail: r.tail.position()}
}

// ahead tells a position that is not one of the topic's from a leader that is none any
// more.
func (r *reading) ahead(ctx context.Context) error {
	seq, err := r.l.certain(ctx, r.p, r.inc, r.topic)
	switch {
	case err != nil:
		return err
	case r.after.Offset <= seq, r.tail.empty && seq == 0 && r.after.Offset <= r.p.marks.latest():
		return errBehind
	}
	return r.gap()
}

// nothing is what is read of a topic that has no messages. Another process may have
// seen it end elsewhere, earlier or later.
func (r *reading) nothing(ctx context.Context) (lazyrealtime.Page, error) {
	if r.after.IsZero() {
		return lazyrealtime.Page{Tail: r.tail.position()}, nil
	}
	if r.after.Offset < r.tail.seq {
		if ok, err := r.recent(ctx); err != nil {
			return lazyrealtime.Page{}, err
		} else if !ok {
			return lazyrealtime.Page{}, r.gap()
		}
	}
	return lazyrealtime.Page{Tail: r.after}, nil // as good as the latest
}

// page reads the messages of a topic that has some behind the position.
func (r *reading) page(ctx context.Context) (lazyrealtime.Page, error) {
	page := lazyrealtime.Page{Tail: r.tail.position()}
	b, err := r.fetch(ctx, max(r.after.Offset, 1), r.limit+1)
	if err != nil {
		return page, err
	}
	if !r.after.IsZero() {
		if b, err = r.anchor(ctx, b); err != nil {
			return page, err
		}
	}
	for {
		if page.Messages, err = r.kept(b); err != nil {
			return page, err
		}
		if len(page.Messages) > 0 {
			return r.cut(page), nil
		}
		if b.next > r.tail.seq {
			return page, nil // nothing of the topic is kept any more
		}
		// What is not kept has to be read over.
		if b, err = r.fetch(ctx, b.next, maxBatch); err != nil {
			return page, err
		}
	}
}

// cut shortens a page to its limit, and sees that the tail is not before its end: what
// is newer than the leader's answer may have been read.
func (r *reading) cut(page lazyrealtime.Page) lazyrealtime.Page {
	if n := len(page.Messages); n > 0 && page.Messages[n-1].Position.Offset > page.Tail.Offset {
		page.Tail = page.Messages[n-1].Position
	}
	if len(page.Messages) > r.limit {
		page.Messages = page.Messages[:r.limit]
	}
	return page
}

// anchor checks that nothing is missing between the position and the first message of
// a batch that was read from the position itself on. It returns what is behind it.
func (r *reading) anchor(ctx context.Context, b batch) (batch, error) {
	first := b.list[0]
	anchored := first.Position.Offset == r.after.Offset
	if anchored {
		b.drop()
	}
	if anchored && r.young(first.Time) {
		return b, nil
	}
	// If messages had been pushed out by newer ones there would be as many as are kept.
	if ok, err := r.recent(ctx); err != nil {
		return b, err
	} else if !ok || b.behind >= r.inc.least {
		return b, r.gap()
	}
	return b, nil
}

// kept leaves out what the topic's retention no longer keeps: all that is older or more
// than its latest message says. The stream may have it still.
func (r *reading) kept(b batch) ([]*lazyrealtime.Message, error) {
	since := time.Now().Add(-r.tail.keep.Age)
	var kept []*lazyrealtime.Message
	for i, m := range b.list {
		rank := b.behind - uint64(i)
		if rank > uint64(r.tail.keep.Messages) || m.Time.Before(since) { //nolint:gosec // it is not negative
			if !r.after.IsZero() {
				return nil, r.gap()
			}
			continue
		}
		kept = append(kept, m.Message)
	}
	return kept, nil
}

// young reports whether a message is so young that no server has removed it, or any
// that is younger, for its age.
func (r *reading) young(t time.Time) bool { return t.After(r.inc.line(time.Now())) }

// recent reports whether the position is known to be so young that no message behind it
// has been removed for its age: if the oldest message that is young is not behind it.
// The marks of tick see to it that there are such messages.
func (r *reading) recent(ctx context.Context) (bool, error) {
	at := r.inc.line(time.Now())
	m, err := r.l.leader(ctx, r.p.stream, getRequest{NextFor: r.l.names.message(r.inc.epoch, "*"), StartTime: &at})
	if errors.Is(err, errNone) {
		return false, nil
	}
	return err == nil && m.Message.Seq <= r.after.Offset+1, err
}

// errBehind says that a server has not yet what the leader has.
var errBehind = errors.New("the server that was asked is behind the leader")

// fetch reads a batch that is not empty.
func (r *reading) fetch(ctx context.Context, from uint64, limit int) (batch, error) {
	b := batch{names: r.l.names, topic: r.topic}
	_, err := r.l.stream(ctx, r.p.stream, getRequest{
		Seq: from, Batch: min(limit, maxBatch), MaxBytes: maxBatchBytes,
		NextFor: r.l.names.message(r.inc.epoch, token(r.topic)),
	}, b.add)
	if errors.Is(err, errNone) {
		return b, errBehind // or all of it has just gone: the next attempt will tell
	}
	return b, errors.Join(err, b.err)
}

// batch is what a request to read has brought.
type batch struct {
	names  names
	topic  string
	list   []stored
	behind uint64 // how many there were from the first of the list on
	next   uint64 // the place behind the last one
	err    error
}

func (b *batch) add(m *nats.Msg) {
	s, err := decode(b.names, b.topic, m)
	if err != nil {
		b.err = errors.Join(b.err, permanentError{fmt.Errorf("lazyrealtime/nats: %w", err)})
		return
	}
	if len(b.list) == 0 {
		pending, err := number(m, headerPending)
		b.behind = pending + 1
		b.err = errors.Join(b.err, err)
	}
	b.list = append(b.list, s)
	b.next = s.Position.Offset + 1
}

// drop forgets the first message.
func (b *batch) drop() {
	b.list = b.list[1:]
	b.behind--
}
