package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
)

var errHole = errors.New("the offsets of a topic do not follow each other")

// restore makes the memory what the writer's was when the file was last written to:
// the backlog, and the ids within the window.
func (w *writer) restore() error {
	for _, q := range []struct {
		to    *int64
		query string
	}{
		{&w.lastSeq, "SELECT max(coalesce((SELECT max(seq) FROM messages), 0), coalesce((SELECT value FROM meta WHERE key = 'indexed'), 0))"},
		{&w.lastTopic, "SELECT max(id) FROM topics"},
		{&w.lastAt, "SELECT at FROM messages ORDER BY seq DESC LIMIT 1"},
		{&w.backlog.indexed, "SELECT value FROM meta WHERE key = 'indexed'"},
	} {
		row, err := w.one(q.query)
		if err != nil {
			return err
		}
		if row != nil {
			*q.to = number(row[0])
		}
	}
	if err := w.restoreBacklog(); err != nil {
		return err
	}
	return w.restoreIDs()
}

func (w *writer) restoreBacklog() error {
	byID := make(map[int64]*topic)
	defer func() {
		for _, t := range byID {
			w.l.heads.unpin(t)
		}
	}()
	s, err := w.prepare("SELECT seq, topic, off FROM messages WHERE seq > ? ORDER BY seq")
	if err != nil {
		return err
	}
	return s.each(func(row []driver.Value) error {
		seq, id, off := number(row[0]), number(row[1]), offset(row[2])
		t := byID[id]
		if t == nil {
			found, err := w.topicByID.one(id)
			if err != nil {
				return err
			}
			if found == nil {
				return fmt.Errorf("message %d has no topic", seq)
			}
			t = w.l.heads.pin(string(bytesOf(found[5])))
			if err := t.load(w.l.heads, w.queries); err != nil {
				return err
			}
			byID[id] = t
		}
		if off <= t.head.last {
			return nil // its run was written
		}
		if off != t.head.last+1 {
			return fmt.Errorf("%w: topic %q, %d behind %d", errHole, t.name, off, t.head.last)
		}
		t.head.last = off
		t.head.retain()
		t.seqs = append(t.seqs, seq)
		w.backlog.add(w.l.heads, t)
		return nil
	}, w.backlog.indexed)
}

// restoreIDs reads the ids of the window. The seq it begins at is found by halving:
// times never fall.
func (w *writer) restoreIDs() error {
	if w.ids.window == 0 {
		return nil
	}
	from := w.l.now().UnixMilli() - w.ids.window
	at, err := w.prepare("SELECT at FROM messages WHERE seq >= ? ORDER BY seq LIMIT 1")
	if err != nil {
		return err
	}
	low, high := int64(0), w.lastSeq+1 // all before low are too old, high is not
	for low < high {
		mid := low + (high-low)/2
		row, err := at.one(mid)
		if err != nil {
			return err
		}
		if row != nil && number(row[0]) <= from {
			low = mid + 1
		} else {
			high = mid
		}
	}
	s, err := w.prepare("SELECT seq, topic, at, id FROM messages WHERE seq >= ? AND id IS NOT NULL ORDER BY seq")
	if err != nil {
		return err
	}
	return s.each(func(row []driver.Value) error {
		key := w.ids.key(number(row[1]), string(bytesOf(row[3])))
		w.ids.add(key, number(row[0]), number(row[2]))
		return nil
	}, low)
}
