package sqlite

import (
	"context"
	"database/sql/driver"
)

const (
	reapTopics = 256 // that are looked at together
	reapPieces = 16  // in one upkeep
	// expireRows is how many records and claims are deleted at once.
	expireRows = 1000
)

// upkeep does what is done now and then.
func (s *sweeper) upkeep() error {
	for _, do := range []func() error{s.indexAll, s.expire, s.aged, s.reapSome} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// indexAll has the runs of all messages of now written, so that where little happens
// the sweeper sees them too.
func (s *sweeper) indexAll() error {
	target, left := int64(0), 1
	o := func(w *writer) error {
		w.indexTo = 0
		if target == 0 {
			target = w.tx.seq
		}
		return nil
	}
	count := func(w *writer) error {
		left = w.backlog.messages
		return nil
	}
	for left > 0 && (target == 0 || s.indexed.Load() < target) {
		if err := s.l.perform(context.Background(), &op{do: o, between: count}); err != nil {
			return err
		}
	}
	return nil
}

// expire deletes the records and claims that have expired.
func (s *sweeper) expire() error {
	for left := true; left; {
		err := s.l.perform(context.Background(), &op{do: func(w *writer) error {
			now := s.l.now().UnixMilli() // see Claim
			records, err := w.expireControls.exec(now, int64(expireRows))
			if err != nil {
				return err
			}
			claims, err := w.expireClaims.exec(now, int64(expireRows))
			left = records == expireRows || claims == expireRows
			return err
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// empty is a topic without messages.
type empty struct {
	id   int64
	name string
	idle int64 // since when that is known, ms; 0: it was not
}

// reapSome looks at the next topics for those that are to be forgotten.
func (s *sweeper) reapSome() error {
	if s.l.opts.ReapAfter == 0 {
		return nil
	}
	for range reapPieces {
		s.l.reads.RLock()
		list, end, err := s.empties()
		s.l.reads.RUnlock()
		if err != nil {
			return err
		}
		if len(list) > 0 {
			if err := s.l.perform(context.Background(), &op{do: func(w *writer) error { return w.reap(list) }}); err != nil {
				return err
			}
		}
		if end {
			s.reap = 0
			return nil
		}
	}
	return nil
}

// empties returns those of the next topics that have no messages.
func (s *sweeper) empties() (list []empty, end bool, err error) {
	before := s.l.now().Add(-s.l.opts.ReapAfter).UnixMilli()
	var all []empty
	err = s.topics.each(func(row []driver.Value) error {
		all = append(all, empty{id: number(row[0]), name: string(bytesOf(row[1])), idle: number(row[2])})
		return nil
	}, s.reap, int64(reapTopics))
	if err != nil {
		return nil, false, err
	}
	for _, e := range all {
		s.reap = e.id
		if e.idle > before {
			continue // it is not time yet
		}
		is, err := s.isEmpty(&e)
		if err != nil {
			return nil, false, err
		}
		if is {
			list = append(list, e)
		}
	}
	return list, len(all) < reapTopics, nil
}

// isEmpty reports whether a topic has no messages: the sweeper takes its last one
// last.
func (s *sweeper) isEmpty(e *empty) (bool, error) {
	if t := s.l.heads.find(e.id); t != nil {
		_, seqs := t.snapshot()
		s.l.heads.unpin(t)
		if len(seqs) > 0 {
			return false, nil
		}
	}
	tail, err := s.q.latestRun(e.id)
	if err != nil || tail.count == 0 {
		return err == nil, err
	}
	m, err := s.q.message.one(tail.seq)
	return m == nil, err
}

// reap takes the runs of empty topics away, and forgets the topics that have been
// empty for long and that nobody follows.
func (w *writer) reap(list []empty) error {
	for _, e := range list {
		t, err := w.touch(e.name)
		if err != nil {
			return err
		}
		if t.next.id != e.id || t.next != t.head || len(t.seqs) > 0 || t.tail.count > 0 && w.alive(t.tail) {
			continue // a message came
		}
		if _, err := w.deleteRuns.exec(e.id); err != nil {
			return err
		}
		w.tx.then = append(w.tx.then, func() { t.tail, t.deadRuns = run{}, 0 })
		if e.idle == 0 || w.l.local.Followed(e.name) {
			_, err = w.idle.exec(signed(t.next.last), signed(t.next.last), w.tx.at, e.id)
			t.next.lower = t.next.last
		} else {
			err = w.forget(t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// alive reports whether a run's last message is there.
func (w *writer) alive(r run) bool {
	m, err := w.message.one(r.seq)
	return err != nil || m != nil
}

// forget deletes a topic's row. Topics that are new begin behind its offset; in
// memory it has it still.
func (w *writer) forget(t *topic) error {
	if _, err := w.deleteTopic.exec(t.next.id); err != nil {
		return err
	}
	floor, err := w.floor.one()
	if err != nil {
		return err
	}
	if floor == nil || offset(floor[0]) < t.next.last {
		if _, err := w.setMeta.exec(metaFloor, signed(t.next.last)); err != nil {
			return err
		}
	}
	t.next.id, t.next.lower = 0, t.next.last
	return nil
}
