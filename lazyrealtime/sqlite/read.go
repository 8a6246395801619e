package sqlite

import (
	"context"
	"database/sql/driver"
	"time"

	"golazy.dev/lazyrealtime"
)

func (l *Log) position(off uint64) lazyrealtime.Position {
	return lazyrealtime.Position{Epoch: l.epoch, Offset: off}
}

// Tail implements lazyrealtime.Log. It reads the file for topics that are not in
// memory only.
func (l *Log) Tail(ctx context.Context, name string) (lazyrealtime.Position, error) {
	t, err := l.pin(ctx, name)
	if err != nil {
		return lazyrealtime.Position{}, err
	}
	defer l.heads.unpin(t)
	h, _ := t.snapshot()
	return l.position(h.last), nil
}

// pin returns a loaded topic.
func (l *Log) pin(ctx context.Context, name string) (*topic, error) {
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	t := l.heads.pin(name)
	if t.ready.Load() {
		return t, nil
	}
	err := l.reading(ctx, func(q *queries) error { return t.load(l.heads, q) })
	if err != nil {
		l.heads.unpin(t)
		return nil, err
	}
	return t, nil
}

// reading calls what with a connection of its own. Errors of the file's come back
// as such of the package.
func (l *Log) reading(ctx context.Context, what func(*queries) error) error {
	select {
	case q := <-l.readers:
		defer func() { l.readers <- q }()
		l.reads.RLock()
		defer l.reads.RUnlock()
		if err := what(q); err != nil {
			return unavailable(err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed:
		return lazyrealtime.ErrClosed
	}
}

// Read implements lazyrealtime.Log. It never waits for the writer.
func (l *Log) Read(ctx context.Context, name string, after lazyrealtime.Position, limit int) (lazyrealtime.Page, error) {
	t, err := l.pin(ctx, name)
	if err != nil {
		return lazyrealtime.Page{}, err
	}
	defer l.heads.unpin(t)
	// What is in memory is looked at before the file: what has left the memory since
	// is there.
	r := reader{l: l, topic: name}
	r.head, r.seqs = t.snapshot()
	page := lazyrealtime.Page{Tail: l.position(r.head.last)}
	gap := &lazyrealtime.GapError{Topic: name, After: after, Tail: page.Tail}
	from := after.Offset
	if after.IsZero() {
		from = r.head.lower
	} else if after.Epoch != l.epoch || from > r.head.last || from < r.head.lower {
		return page, gap
	}
	if from == r.head.last {
		return page, nil
	}
	whole := true
	err = l.reading(ctx, func(q *queries) error {
		page.Messages, whole, err = r.read(q, from+1, max(limit, 1), after.IsZero())
		return err
	})
	if err == nil && !whole {
		return lazyrealtime.Page{Tail: page.Tail}, gap
	}
	return page, err
}

// reader is a Read.
type reader struct {
	l      *Log
	topic  string
	head   head
	seqs   []int64 // of the latest messages
	cutoff int64   // ms: what is not younger is gone
	found  []*lazyrealtime.Message
	args   [rowsAtOnce]driver.Value
}

// read returns messages from an offset on. What age has taken is left out if the
// beginning does not matter; otherwise whole is false.
func (r *reader) read(q *queries, from uint64, limit int, anyBeginning bool) (list []*lazyrealtime.Message, whole bool, err error) {
	r.cutoff = r.l.now().Add(-r.head.keep.Age).UnixMilli()
	if _, err := q.begin.exec(); err != nil {
		return nil, false, err
	}
	defer func() {
		if _, e := q.end.exec(); err == nil {
			err = e
		}
	}()
	for from <= r.head.last {
		to := min(from+uint64(limit)-1, r.head.last) //nolint:gosec // positive
		if err := r.fetch(q, from, to); err != nil {
			return nil, false, err
		}
		switch {
		case anyBeginning && len(r.found) > 0:
			return r.end(), true, nil
		case !anyBeginning:
			return r.found, r.unbroken(from), nil
		}
		from = to + 1
	}
	return nil, true, nil
}

// unbroken reports whether what was found is one piece from an offset on.
func (r *reader) unbroken(from uint64) bool {
	n := len(r.found)
	return n > 0 && r.found[0].Position.Offset == from && r.found[n-1].Position.Offset == from+uint64(n)-1
}

// end returns the last piece of what was found. There is more than one only where a
// topic was given a longer age than it had: then the sweeper may have been at the
// middle of what lives again.
func (r *reader) end() []*lazyrealtime.Message {
	i := len(r.found) - 1
	for i > 0 && r.found[i-1].Position.Offset == r.found[i].Position.Offset-1 {
		i--
	}
	return r.found[i:]
}

// fetch finds the messages of a range of offsets that are there and young enough.
func (r *reader) fetch(q *queries, from, to uint64) error {
	inMemory := r.head.last - uint64(len(r.seqs)) + 1
	q.seqs = q.seqs[:0]
	if from < inMemory {
		if err := r.fromRuns(q, from, min(to, inMemory-1)); err != nil {
			return err
		}
	}
	if to >= inMemory {
		q.seqs = append(q.seqs, r.seqs[max(from, inMemory)-inMemory:to-inMemory+1]...)
	}
	if r.found == nil {
		r.found = make([]*lazyrealtime.Message, 0, len(q.seqs))
	}
	for seqs := q.seqs; len(seqs) > 0; {
		n := min(len(seqs), rowsAtOnce)
		for i := range r.args {
			r.args[i] = seqs[min(i, n-1)] // the last again: it is found once
		}
		if err := q.rows.each(r.add, r.args[:]...); err != nil {
			return err
		}
		seqs = seqs[n:]
	}
	return nil
}

// fromRuns appends the seqs of a range of offsets to q.seqs.
func (r *reader) fromRuns(q *queries, from, to uint64) error {
	return q.runsFrom.each(func(row []driver.Value) error {
		first, n := offset(row[0]), len(q.seqs)
		var err error
		if q.seqs, err = parseSeqs(q.seqs, bytesOf(row[1])); err != nil {
			return err
		}
		run := q.seqs[n:]
		if end := first + uint64(len(run)); end > to+1 {
			run = run[:max(to+1, first)-first]
		}
		if first < from {
			run = run[min(from-first, uint64(len(run))):]
		}
		q.seqs = q.seqs[:n+copy(q.seqs[n:], run)]
		return nil
	}, r.head.id, signed(from)-runLength, signed(to))
}

func (r *reader) add(row []driver.Value) error {
	at := number(row[2])
	if number(row[0]) != r.head.id || at <= r.cutoff {
		return nil
	}
	r.found = append(r.found, &lazyrealtime.Message{
		Topic: r.topic, Position: r.l.position(offset(row[1])),
		ID: string(bytesOf(row[3])), From: string(bytesOf(row[4])),
		Time: time.UnixMilli(at), Data: bytesOf(row[5]),
	})
	return nil
}
