package sqlite

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golazy.dev/lazyrealtime"
)

// Bounds of a transaction. It takes what has queued, and is not the longer the more
// there is: who waits for it waits for all of it.
const (
	batchEntries = 1024
	batchBytes   = 4 << 20
)

// insertAtOnce is how many rows one statement inserts. More cost the driver more
// per parameter than they save.
const insertAtOnce = 8

// writer is the one goroutine that changes the file, and what it alone knows.
type writer struct {
	l *Log
	*queries
	statements

	// The highest that were given out: messages' seqs and times (ms), topics' ids.
	lastSeq, lastAt, lastTopic int64

	ids     *dedupe
	backlog backlog
	indexTo int // messages that may be left without a run
	tx      tx
	size    size // of the batch that is being gathered
	linger  linger

	inWAL, uncopied int     // pages, about
	finishing       bool    // nothing may be left without a run
	backup          *backup // the one that is being made

	args    []driver.Value // scratch
	runData []byte         // scratch

	commits atomic.Uint64
}

// statements are the writer's own.
type statements struct {
	beginWrite, rollback         *stmt
	insertMany, insertOne        *stmt
	newTopic, setKeep            *stmt
	growRun, newRun, dropRuns    *stmt
	setMeta                      *stmt
	deleteMessages               *stmt
	claim                        *stmt
	unidle, idle                 *stmt
	deleteRuns, deleteTopic      *stmt
	expireControls, expireClaims *stmt
}

func newWriter(l *Log, c *conn) (*writer, error) {
	q, err := newQueries(c)
	if err != nil {
		return nil, err
	}
	w := &writer{l: l, queries: q, indexTo: l.opts.Backlog}
	w.ids = newDedupe(l.opts.DedupeWindow.Milliseconds(), l.opts.DedupeIDs)
	const row = "(?,?,?,?,?,?,?)"
	insert := "INSERT INTO messages (seq, topic, off, at, id, sender, data) VALUES " + row
	for _, s := range []struct {
		to    **stmt
		query string
	}{
		{&w.beginWrite, "BEGIN IMMEDIATE"},
		{&w.rollback, "ROLLBACK"},
		{&w.insertOne, insert},
		{&w.insertMany, insert + strings.Repeat(","+row, insertAtOnce-1)},
		{&w.newTopic, "INSERT INTO topics (id, name, last, lower, keep, keep_ms) VALUES (?,?,?,?,?,?)"},
		{&w.setKeep, "UPDATE topics SET keep = ?, keep_ms = ?, lower = ? WHERE id = ?"},
		{&w.growRun, "UPDATE runs SET seqs = CAST(seqs || ? AS BLOB) WHERE topic = ? AND first = ?"},
		{&w.newRun, "INSERT INTO runs (topic, first, seqs) VALUES (?,?,?)"},
		{&w.dropRuns, "DELETE FROM runs WHERE topic = ?1 AND first < (SELECT max(first) FROM runs WHERE topic = ?1 AND first <= ?2)"},
		{&w.setMeta, setMeta},
		{&w.claim, "INSERT INTO claims VALUES (?1, ?2) ON CONFLICT DO UPDATE SET expires = excluded.expires WHERE expires <= ?3"},
		{&w.unidle, "UPDATE topics SET idle = 0 WHERE id = ? AND idle <> 0"},
		{&w.idle, "UPDATE topics SET last = ?, lower = ?, idle = ? WHERE id = ?"},
		{&w.deleteRuns, "DELETE FROM runs WHERE topic = ?"},
		{&w.deleteTopic, "DELETE FROM topics WHERE id = ?"},
		{&w.expireControls, "DELETE FROM controls WHERE seq IN (SELECT seq FROM controls WHERE expires <= ? LIMIT ?)"},
		{&w.expireClaims, "DELETE FROM claims WHERE key IN (SELECT key FROM claims WHERE expires <= ? LIMIT ?)"},
		{&w.deleteMessages, "DELETE FROM messages WHERE seq BETWEEN ? AND ?"},
	} {
		if *s.to, err = c.prepare(s.query); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// run is the writer's goroutine. While a transaction is being committed the next
// one's ops queue.
func (w *writer) run() {
	defer close(w.l.committed)
	var batch []*op
	for o := range w.l.queue {
		batch = w.gather(batch[:0], o)
		if len(batch) == 0 {
			continue
		}
		began := time.Now()
		err := w.transact(batch)
		w.linger.committed(len(batch), time.Since(began))
		if err != nil {
			err = unavailable(err)
		}
		if err == nil {
			w.between(batch)
		}
		w.l.committed <- commit{ops: slices.Clone(batch), live: w.tx.live, err: err}
		w.wrote(w.tx.size/pageSize + 6) // a few pages are in every transaction
	}
}

// between does what is not part of a transaction.
func (w *writer) between(batch []*op) {
	for _, o := range batch {
		if o.between != nil {
			o.err = o.between(w)
		}
	}
}

// finish is called when the goroutine has ended.
func (w *writer) finish() error {
	_ = w.endBackup() // what is begun is of no use
	for w.finishing = true; w.backlog.messages > 0; {
		if err := w.transact(nil); err != nil {
			return nil //nolint:nilerr // the next Open has more to read
		}
	}
	if err := w.queries.run("DELETE FROM meta WHERE key = ?", metaBoot); err != nil {
		return unavailable(err)
	}
	_ = w.restartWAL() // what is in the WAL is safe there
	return nil
}

// gather takes the ops that have queued behind the first, and those that will have
// in a moment.
func (w *writer) gather(batch []*op, o *op) []*op {
	batch = w.take(batch, o)
	for w.room() {
		select {
		case o, ok := <-w.l.queue:
			if !ok {
				return batch
			}
			batch = w.take(batch, o)
			continue
		default:
		}
		if o = w.linger.wait(w.l.queue, len(batch)); o == nil {
			return batch
		}
		batch = w.take(batch, o)
	}
	return batch
}

func (w *writer) take(batch []*op, o *op) []*op {
	if len(batch) == 0 {
		w.size = size{}
	}
	if !o.state.CompareAndSwap(opWaiting, opTaken) {
		return batch
	}
	w.size.entries += len(o.entries)
	for i := range o.entries {
		w.size.bytes += len(o.entries[i].Data)
	}
	return append(batch, o)
}

// size is how much there is in a batch.
type size struct{ entries, bytes int }

func (w *writer) room() bool { return w.size.entries < batchEntries && w.size.bytes < batchBytes }

// unavailable is an error of the file's as those of the package see it.
func unavailable(err error) error {
	return fmt.Errorf("lazyrealtime/sqlite: %w: %w", lazyrealtime.ErrUnavailable, err)
}
