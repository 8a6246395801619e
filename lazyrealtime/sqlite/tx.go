package sqlite

import (
	"bytes"
	"errors"
	"math"
	"time"

	"golazy.dev/lazyrealtime"
)

// tx is what the writer's transaction has done, to be shown once it is committed or
// taken back. It belongs to the writer's goroutine.
type tx struct {
	at         int64 // time of its messages, ms
	seq, topic int64 // writer.lastSeq and lastTopic before it
	touched    []*topic
	rows       []row // not inserted yet
	live       []live
	then       []func() // to be called when it is committed
	entries    int
	size       int           // bytes that are written, about
	shortest   time.Duration // that one of its messages is kept
}

// row is a message to be inserted.
type row struct {
	seq, topic int64
	off        uint64
	entry      *lazyrealtime.Entry
}

// live is a message for the feeds.
type live struct {
	entry     *lazyrealtime.Entry
	off, prev uint64
	at        int64
}

// transact does the ops in one transaction. If it returns an error nothing was done.
func (w *writer) transact(batch []*op) error {
	w.begin()
	err := w.try(batch)
	if err != nil {
		_, _ = w.rollback.exec() // SQLite has rolled back by itself after some errors
		w.undo()
		return err
	}
	w.apply()
	return nil
}

func (w *writer) try(batch []*op) error {
	if _, err := w.beginWrite.exec(); err != nil {
		return err
	}
	for _, o := range batch {
		if err := w.perform(o); err != nil {
			return err
		}
	}
	if err := w.insert(); err != nil {
		return err
	}
	if err := w.index(); err != nil {
		return err
	}
	if w.l.abandoned.Load() {
		return errAbandoned
	}
	_, err := w.end.exec()
	return err
}

func (w *writer) perform(o *op) error {
	if o.do != nil {
		return o.do(w)
	}
	if len(o.entries) == 0 {
		return nil
	}
	o.results = make([]lazyrealtime.Appended, len(o.entries))
	for i := range o.entries {
		a, err := w.append(&o.entries[i])
		if err != nil {
			return err
		}
		o.results[i] = a
	}
	return nil
}

func (w *writer) begin() {
	w.lastAt = max(w.lastAt, w.l.now().UnixMilli())
	w.indexTo = w.l.opts.Backlog
	if w.finishing {
		w.indexTo = 0
	}
	w.tx = tx{
		at: w.lastAt, shortest: math.MaxInt64, seq: w.lastSeq, topic: w.lastTopic,
		touched: w.tx.touched[:0], rows: w.tx.rows[:0], then: w.tx.then[:0],
	}
}

// touch returns a topic for the transaction to change.
func (w *writer) touch(name string) (*topic, error) {
	t := w.l.heads.pin(name)
	if err := t.load(w.l.heads, w.queries); err != nil {
		w.l.heads.unpin(t)
		return nil, err
	}
	if t.inTx {
		w.l.heads.unpin(t) // it has the transaction's pin
		return t, nil
	}
	t.inTx, t.next = true, t.head // nobody else writes head
	w.tx.touched = append(w.tx.touched, t)
	return t, nil
}

// append adds an entry to its topic.
func (w *writer) append(e *lazyrealtime.Entry) (lazyrealtime.Appended, error) {
	t, err := w.touch(e.Topic)
	if err != nil {
		return lazyrealtime.Appended{}, err
	}
	var key uint64
	dedupe := e.ID != "" && w.ids.window > 0
	if dedupe && t.next.id != 0 {
		key = w.ids.key(t.next.id, e.ID)
		off, err := w.first(t.next.id, key, e.ID)
		if err != nil || off != 0 {
			return lazyrealtime.Appended{Position: w.l.position(off), Duplicate: true}, err
		}
	}
	if err := w.keep(t, e.Keep.OrDefault()); err != nil {
		return lazyrealtime.Appended{}, err
	}
	w.lastSeq++
	prev := t.next.last
	t.next.last++
	t.next.retain()
	t.newSeqs = append(t.newSeqs, w.lastSeq)
	w.tx.rows = append(w.tx.rows, row{seq: w.lastSeq, topic: t.next.id, off: t.next.last, entry: e})
	w.tx.live = append(w.tx.live, live{entry: e, off: t.next.last, prev: prev, at: w.tx.at})
	w.tx.size += len(e.Data) + len(e.ID) + len(e.From) + 32
	w.tx.shortest = min(w.tx.shortest, w.life(t, e))
	if dedupe {
		if key == 0 {
			key = w.ids.key(t.next.id, e.ID)
		}
		w.ids.add(key, w.lastSeq, w.tx.at)
	}
	return lazyrealtime.Appended{Position: w.l.position(t.next.last)}, nil
}

// life is how long a message stays in the file, if no others take its place.
func (w *writer) life(t *topic, e *lazyrealtime.Entry) time.Duration {
	if e.ID == "" {
		return t.next.keep.Age
	}
	return max(t.next.keep.Age, w.l.opts.DedupeWindow)
}

// first returns the offset of the message with an id, 0 if there is none within
// the window.
func (w *writer) first(topic int64, key uint64, id string) (uint64, error) {
	seq := w.ids.seq(key)
	if seq == 0 {
		return 0, nil
	}
	if err := w.insert(); err != nil { // it may be one of this transaction
		return 0, err
	}
	m, err := w.message.one(seq)
	if err != nil || m == nil {
		return 0, err
	}
	if number(m[0]) != topic || number(m[2]) <= w.tx.at-w.ids.window || !bytes.Equal(bytesOf(m[3]), []byte(id)) {
		return 0, nil
	}
	return offset(m[1]), nil
}

// keep notes the topic's retention, and the topic if it is new.
func (w *writer) keep(t *topic, keep lazyrealtime.Retention) error {
	// Finer than the file's unit would be noted again with every message.
	keep.Age = max(keep.Age.Truncate(time.Millisecond), time.Millisecond)
	h := &t.next
	if h.id != 0 && h.keep == keep {
		return nil
	}
	was := h.id
	h.keep = keep
	n, age := int64(keep.Messages), keep.Age.Milliseconds()
	if was != 0 {
		_, err := w.setKeep.exec(n, age, signed(h.lower), h.id)
		return err
	}
	w.lastTopic++
	h.id = w.lastTopic
	_, err := w.newTopic.exec(h.id, []byte(t.name), signed(h.last), signed(h.lower), n, age)
	return err
}

// insert inserts the rows that wait.
func (w *writer) insert() error {
	rows := w.tx.rows
	w.tx.rows = rows[:0]
	w.tx.entries += len(rows)
	for len(rows) > 0 {
		n, s := 1, w.insertOne
		if len(rows) >= insertAtOnce {
			n, s = insertAtOnce, w.insertMany
		}
		w.args = w.args[:0]
		for _, r := range rows[:n] {
			w.args = append(w.args, r.seq, r.topic, signed(r.off), w.tx.at, blob(r.entry.ID), blob(r.entry.From), r.entry.Data)
		}
		if _, err := s.exec(w.args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// apply shows what is committed.
func (w *writer) apply() {
	for _, f := range w.tx.then {
		f()
	}
	for _, t := range w.tx.touched {
		t.mu.Lock()
		t.head = t.next
		t.seqs = append(t.seqs, t.newSeqs...)
		t.mu.Unlock()
		w.l.heads.setID(t, t.head.id)
		if len(t.newSeqs) > 0 {
			w.backlog.add(w.l.heads, t)
		}
		w.leave(t)
	}
	w.commits.Add(1)
	if w.tx.entries > 0 {
		w.l.sweeper.credit(w.tx.entries, w.tx.at, w.tx.shortest)
	}
}

// undo takes back what a transaction has done in memory. What ids has got may stay:
// it is looked at in the file.
func (w *writer) undo() {
	for _, t := range w.tx.touched {
		w.leave(t)
	}
	w.lastSeq, w.lastTopic = w.tx.seq, w.tx.topic
	w.tx.live = nil
}

func (w *writer) leave(t *topic) {
	t.inTx, t.newSeqs = false, t.newSeqs[:0]
	w.l.heads.unpin(t)
}

// load reads the topic from the file if that was not done yet.
func (t *topic) load(hs *heads, q *queries) error {
	if t.ready.Load() {
		return nil
	}
	t.loading.Lock()
	defer t.loading.Unlock()
	if t.ready.Load() {
		return nil
	}
	h, tail, err := q.loadTopic(t.name)
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.head = h
	t.mu.Unlock()
	t.tail = tail
	hs.setID(t, h.id)
	t.ready.Store(true)
	return nil
}

var errAbandoned = errors.New("abandoned")
