package sqlite

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"time"

	"golazy.dev/lazyrealtime"
)

// queries are a connection's prepared reading statements: those of a reader, and of
// the writer, who sees what it has not committed.
type queries struct {
	*conn
	topicByName, topicByID *stmt
	tailRun, runsFrom      *stmt
	rows                   *stmt
	message                *stmt
	begin, end             *stmt
	floor, controls        *stmt

	seqs []int64 // scratch
}

// rowsAtOnce is how many messages one statement fetches. A parameter costs the
// driver time that grows with their number.
const rowsAtOnce = 16

const topicColumns = "SELECT id, last, lower, keep, keep_ms, name FROM topics WHERE "

func newQueries(c *conn) (*queries, error) {
	q := &queries{conn: c}
	places := strings.TrimSuffix(strings.Repeat("?,", rowsAtOnce), ",")
	for _, s := range []struct {
		to    **stmt
		query string
	}{
		{&q.topicByName, topicColumns + "name = ?"},
		{&q.topicByID, topicColumns + "id = ?"},
		{&q.tailRun, "SELECT first, seqs FROM runs WHERE topic = ? ORDER BY first DESC LIMIT 1"},
		{&q.runsFrom, "SELECT first, seqs FROM runs WHERE topic = ? AND first > ? AND first <= ? ORDER BY first"},
		{&q.rows, "SELECT topic, off, at, id, sender, data FROM messages WHERE seq IN (" + places + ")"},
		{&q.message, "SELECT topic, off, at, id FROM messages WHERE seq = ?"},
		{&q.begin, "BEGIN"},
		{&q.end, "COMMIT"},
		{&q.floor, "SELECT value FROM meta WHERE key = '" + metaFloor + "'"},
		{&q.controls, "SELECT seq, kind, key, value, expires FROM controls WHERE seq > ? ORDER BY seq"},
	} {
		var err error
		if *s.to, err = c.prepare(s.query); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// loadTopic reads what the file has of a topic, by name. One that it does not have
// begins behind the floor.
func (q *queries) loadTopic(name string) (head, run, error) {
	row, err := q.topicByName.one([]byte(name))
	if err != nil {
		return head{}, run{}, err
	}
	if row == nil {
		floor, err := q.floor.one()
		if err != nil || floor == nil {
			return head{}, run{}, err
		}
		f := offset(floor[0])
		return head{last: f, lower: f}, run{}, nil
	}
	return q.headOf(row)
}

// headOf completes a row of topics with its latest run.
func (q *queries) headOf(row []driver.Value) (head, run, error) {
	h := head{
		id: number(row[0]), last: offset(row[1]), lower: offset(row[2]),
		keep: lazyrealtime.Retention{
			Messages: int(number(row[3])),
			Age:      time.Duration(number(row[4])) * time.Millisecond,
		},
	}
	tail, err := q.latestRun(h.id)
	if tail.count > 0 {
		h.last = max(h.last, tail.first+uint64(tail.count)-1)
	}
	h.retain()
	return h, tail, err
}

// retain makes lower what the number of messages to keep says.
func (h *head) retain() {
	if n := uint64(h.keep.Messages); h.last > n { //nolint:gosec // positive
		h.lower = max(h.lower, h.last-n)
	}
}

func (q *queries) latestRun(topic int64) (run, error) {
	row, err := q.tailRun.one(topic)
	if err != nil || row == nil {
		return run{}, err
	}
	q.seqs, err = parseSeqs(q.seqs[:0], bytesOf(row[1]))
	if err != nil || len(q.seqs) == 0 {
		return run{}, fmt.Errorf("%w: topic %d", errRun, topic)
	}
	return run{first: offset(row[0]), count: len(q.seqs), seq: q.seqs[len(q.seqs)-1]}, nil
}

func offset(v driver.Value) uint64 {
	return uint64(number(v)) //nolint:gosec // what signed was given
}

// signed is an offset as SQLite has it: 63 bits are enough.
func signed(off uint64) int64 {
	return int64(off) //nolint:gosec // counted from 1
}
