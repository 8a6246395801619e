package sqlite

import (
	"context"
	"database/sql/driver"
	"math"
	"sync/atomic"
	"time"
)

const (
	// sweepRows is how many messages are looked at, and deleted, at once.
	sweepRows = 256
	// sweepPerAppend is how many messages are looked at for each that is appended.
	// With 1 the file has about as many dead messages as living ones; with more there
	// are fewer, and more pages to write for each, as fewer of a page die together.
	sweepPerAppend = 1
	// upkeepEvery is how often what takes no part in appending is looked after.
	upkeepEvery = time.Minute
)

// sweeper finds the messages that retention has taken, and has the writer delete
// them, a few at a time. It goes through all messages in the order in which they
// were appended, again and again, and pays for that with what was appended
// meanwhile: rows that die together lie together mostly. When nothing is appended
// it goes when the next message becomes too old.
type sweeper struct {
	l       *Log
	q       *queries
	scan    *stmt
	topics  *stmt
	indexed atomic.Int64 // backlog.indexed: behind it nothing is deleted
	credits atomic.Int64 // messages that may be looked at
	soonest atomic.Int64 // when the first message will be too old, ms, or before
	paid    chan struct{}
	demand  chan chan<- error // upkeep out of turn, answered with its error
	done    chan struct{}

	// The sweeper's goroutine only, from here on.
	round round
	known map[int64]kept
	list  []seen
	reap  int64 // id of the topic that was looked at last
}

// round is one time through all messages.
type round struct {
	place int64 // seq of the last message that was looked at
	now   int64 // the round's time, ms: within it nobody becomes too old before an older one
	next  int64 // when the first of those that live will be too old, ms
}

// kept is what the sweeper needs to know of a topic. The zero kept keeps nothing.
type kept struct {
	lower uint64
	age   int64 // ms
}

// seen is a message that is looked at.
type seen struct {
	seq, topic, at int64
	off            uint64
	hasID          bool
}

// span is a range of seqs in which no message is to be kept.
type span struct{ from, to int64 }

func newSweeper(l *Log) (*sweeper, error) {
	q, err := l.dialReader("cache_size = -1024")
	if err != nil {
		return nil, err
	}
	s := &sweeper{l: l, q: q, known: make(map[int64]kept), paid: make(chan struct{}, 1), demand: make(chan chan<- error), done: make(chan struct{})}
	if s.scan, err = q.prepare("SELECT seq, topic, off, at, id IS NOT NULL FROM messages WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"); err != nil {
		return s, err
	}
	s.topics, err = q.prepare("SELECT id, name, idle FROM topics WHERE id > ? ORDER BY id LIMIT ?")
	return s, err
}

// credit is told by the writer of n messages of the time at, of which one is to go
// behind its life.
func (s *sweeper) credit(n int, at int64, life time.Duration) {
	dies := at + life.Milliseconds()
	if dies < s.soonest.Load() { // the sweeper only makes it later, and looks again
		s.soonest.Store(dies)
	}
	if s.credits.Add(int64(n*sweepPerAppend)) < sweepRows {
		return
	}
	select {
	case s.paid <- struct{}{}:
	default:
	}
}

func (s *sweeper) run() {
	defer close(s.done)
	upkeep := time.NewTicker(upkeepEvery)
	defer upkeep.Stop()
	for {
		var err error
		select {
		case <-s.l.closing:
			return
		case <-s.paid:
			err = s.spend()
		case <-upkeep.C:
			err = s.upkeep()
		case answer := <-s.demand:
			answer <- s.upkeep()
		}
		_ = err // as of a full disk: what was not done is done later
	}
}

// spend looks at as much as was paid for.
func (s *sweeper) spend() error {
	for s.credits.Load() >= sweepRows {
		s.credits.Add(-sweepRows)
		if _, err := s.sweep(); err != nil {
			return err
		}
	}
	return nil
}

// aged goes through all messages if one of them is too old. It rests as long as it
// works.
func (s *sweeper) aged() error {
	if s.l.now().UnixMilli() < s.soonest.Load() {
		return nil
	}
	s.soonest.Store(math.MaxInt64) // the writer may make it earlier from now on
	s.round = round{}
	for {
		began := time.Now()
		end, err := s.sweep()
		if err != nil || end {
			return err
		}
		select {
		case <-time.After(time.Since(began)):
		case <-s.l.closing:
			return nil
		}
	}
}

// sweep looks at some messages, and reports whether it has come to the end.
func (s *sweeper) sweep() (end bool, err error) {
	if s.round.place == 0 {
		s.round = round{now: s.l.now().UnixMilli(), next: math.MaxInt64}
	}
	s.l.reads.RLock()
	dead, err := s.look()
	s.l.reads.RUnlock()
	if err != nil {
		return false, err
	}
	if len(dead) > 0 {
		if err := s.l.perform(context.Background(), &op{do: func(w *writer) error { return w.bury(dead) }}); err != nil {
			return false, err
		}
	}
	if len(s.list) < sweepRows {
		if s.round.next < s.soonest.Load() {
			s.soonest.Store(s.round.next)
		}
		s.round = round{}
		return true, nil
	}
	s.round.place = s.list[len(s.list)-1].seq
	return false, nil
}

// look returns the dead among the next messages.
func (s *sweeper) look() ([]span, error) {
	s.list = s.list[:0]
	clear(s.known)
	err := s.scan.each(func(row []driver.Value) error {
		s.list = append(s.list, seen{
			seq: number(row[0]), topic: number(row[1]), off: offset(row[2]), at: number(row[3]), hasID: number(row[4]) != 0,
		})
		return nil
	}, s.round.place, s.indexed.Load(), int64(sweepRows))
	if err != nil {
		return nil, err
	}
	var dead []span
	before := false // the message before is dead, too
	for _, m := range s.list {
		k, err := s.keptOf(m.topic)
		if err != nil {
			return nil, err
		}
		switch lives := s.lives(m, k); {
		case lives:
			before = false
		case before:
			dead[len(dead)-1].to = m.seq
		default:
			dead = append(dead, span{m.seq, m.seq})
			before = true
		}
	}
	return dead, nil
}

// lives reports whether a message is kept: for its topic, or for its id.
func (s *sweeper) lives(m seen, k kept) bool {
	until := int64(0)
	if m.off > k.lower {
		until = m.at + k.age
	}
	if m.hasID {
		until = max(until, m.at+s.l.opts.DedupeWindow.Milliseconds())
	}
	if until <= s.round.now {
		return false
	}
	s.round.next = min(s.round.next, until)
	return true
}

// keptOf returns what is kept of a topic: what is in memory, or else in the file.
func (s *sweeper) keptOf(id int64) (kept, error) {
	if t := s.l.heads.find(id); t != nil {
		defer s.l.heads.unpin(t)
		h, _ := t.snapshot()
		return kept{h.lower, h.keep.Age.Milliseconds()}, nil
	}
	if k, ok := s.known[id]; ok {
		return k, nil
	}
	row, err := s.q.topicByID.one(id)
	if err != nil || row == nil {
		return kept{}, err
	}
	h, _, err := s.q.headOf(row)
	k := kept{h.lower, h.keep.Age.Milliseconds()}
	s.known[id] = k
	return k, err
}

// bury deletes messages.
func (w *writer) bury(dead []span) error {
	for _, d := range dead {
		n, err := w.deleteMessages.exec(d.from, d.to)
		if err != nil {
			return err
		}
		w.tx.size += int(n) * 300
	}
	return nil
}
