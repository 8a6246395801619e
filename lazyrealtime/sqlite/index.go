package sqlite

import (
	"cmp"
	"slices"
)

// indexTopics is how many topics a transaction indexes at most, so that none is
// long.
const indexTopics = 256

// backlog is the messages that have no run yet: their seqs are in their topics. A
// topic that waits for its runs collects messages meanwhile, and costs one small
// write for all of them: that is why messages are not indexed one by one. The topics
// are indexed in passes in the order of their ids, so that those of a transaction
// share pages.
type backlog struct {
	indexed  int64    // all messages up to this seq are in runs; as it is in meta
	messages int      // without a run
	pass     []*topic // that have some and are being indexed
	queue    []*topic // that are in the next pass, the one whose first is oldest in front
}

// add counts the messages that t.seqs has got. The topic is pinned until it is
// indexed.
func (b *backlog) add(h *heads, t *topic) {
	b.messages += len(t.seqs) - t.counted
	t.counted = len(t.seqs)
	if t.queued {
		return
	}
	t.queued = true
	h.again(t)
	b.queue = append(b.queue, t)
}

// begin begins a pass if none is under way.
func (b *backlog) begin() {
	if len(b.pass) > 0 {
		return
	}
	b.pass, b.queue = b.queue, nil
	slices.SortFunc(b.pass, func(x, y *topic) int { return cmp.Compare(x.head.id, y.head.id) })
}

// index writes runs until no more than indexTo messages are left without, or the
// transaction has had enough, or the pass has ended.
func (w *writer) index() error {
	b := &w.backlog
	if b.messages <= w.indexTo {
		return nil
	}
	b.begin()
	n, left := 0, b.messages
	for ; n < len(b.pass) && n < indexTopics && left > w.indexTo; n++ {
		if err := w.indexTopic(b.pass[n]); err != nil {
			return err
		}
		left -= len(b.pass[n].seqs)
	}
	indexed := b.indexed
	if n == len(b.pass) {
		indexed = w.tx.seq
		if len(b.queue) > 0 {
			indexed = b.queue[0].seqs[0] - 1
		}
		if _, err := w.setMeta.exec(metaIndexed, indexed); err != nil {
			return err
		}
	}
	w.tx.size += n * pageSize / 8
	w.tx.then = append(w.tx.then, func() { w.indexedUpTo(n, indexed) })
	return nil
}

// indexTopic writes the runs of what is committed of a topic without. Readers find
// it in both places until the transaction is committed, and take it from one.
func (w *writer) indexTopic(t *topic) error {
	seqs := t.seqs
	first := t.head.last - uint64(len(seqs)) + 1
	tail := t.tail
	for len(seqs) > 0 {
		n := min(len(seqs), runLength)
		grown := int64(0)
		if tail.count > 0 && tail.count+n <= runLength {
			w.runData = appendSeqs(w.runData[:0], tail.seq, seqs[:n])
			var err error
			if grown, err = w.growRun.exec(w.runData, t.head.id, signed(tail.first)); err != nil {
				return err
			}
		}
		if grown == 0 { // the run is full, or there is none
			w.runData = appendSeqs(w.runData[:0], 0, seqs[:n])
			if _, err := w.newRun.exec(t.head.id, signed(first), w.runData); err != nil {
				return err
			}
			if tail.count == 0 {
				if _, err := w.unidle.exec(t.head.id); err != nil {
					return err
				}
			}
			tail = run{first: first}
		}
		tail.count += n
		tail.seq = seqs[n-1]
		first += uint64(n)
		seqs = seqs[n:]
	}
	t.nextTail = tail
	return w.dropDeadRuns(t)
}

// dropDeadRuns deletes the runs that lie below what is retained.
func (w *writer) dropDeadRuns(t *topic) error {
	lower := t.head.lower
	if lower < t.deadRuns+runLength {
		return nil
	}
	if _, err := w.dropRuns.exec(t.head.id, signed(lower+1)); err != nil {
		return err
	}
	w.tx.then = append(w.tx.then, func() { t.deadRuns = lower })
	return nil
}

// indexedUpTo takes the first n topics from the pass, once that is committed.
func (w *writer) indexedUpTo(n int, indexed int64) {
	b := &w.backlog
	for _, t := range b.pass[:n] {
		b.messages -= len(t.seqs)
		t.mu.Lock()
		t.seqs = nil
		t.mu.Unlock()
		t.tail, t.counted, t.queued = t.nextTail, 0, false
		w.l.heads.unpin(t)
	}
	clear(b.pass[:n])
	b.pass = b.pass[n:]
	b.indexed = indexed
	w.l.sweeper.indexed.Store(indexed)
}
