package sqlite

import (
	"context"
	"database/sql/driver"
	"time"

	"golazy.dev/lazyrealtime"
)

// Control implements lazyrealtime.Log.
func (l *Log) Control(ctx context.Context, r lazyrealtime.Record) error {
	const query = "INSERT INTO controls (kind, key, value, expires) VALUES (?,?,?,?)"
	err := l.perform(ctx, &op{do: func(w *writer) error {
		return w.queries.run(query, blob(r.Kind), blob(r.Key), blob(r.Value), r.Expires.UnixMilli())
	}})
	if err == nil {
		l.local.Changed()
	}
	return err
}

// Controls implements lazyrealtime.Log.
func (l *Log) Controls(ctx context.Context, after uint64) (list []lazyrealtime.Record, next uint64, err error) {
	if err := l.open(ctx); err != nil {
		return nil, 0, err
	}
	err = l.reading(ctx, func(q *queries) error {
		list, next, err = q.controlsAfter(after, l.now().UnixMilli())
		return err
	})
	return list, max(next, after), err
}

func (q *queries) controlsAfter(after uint64, now int64) (list []lazyrealtime.Record, next uint64, err error) {
	// What has expired counts: its number was given out.
	err = q.controls.each(func(row []driver.Value) error {
		next = offset(row[0])
		if number(row[4]) <= now {
			return nil
		}
		list = append(list, lazyrealtime.Record{
			Seq: next, Kind: string(bytesOf(row[1])), Key: string(bytesOf(row[2])), Value: string(bytesOf(row[3])),
			Expires: time.UnixMilli(number(row[4])),
		})
		return nil
	}, signed(after))
	return list, next, err
}

// Claim implements lazyrealtime.Log. Whether another claim has expired is a matter of the
// clock, not of the transaction's time: that does not go back when the clock was ahead
// for a while and has been put right, and claims would be void as long as it was.
func (l *Log) Claim(ctx context.Context, key string, then time.Time) (bool, error) {
	first := false
	err := l.perform(ctx, &op{do: func(w *writer) error {
		n, err := w.claim.exec([]byte(key), then.UnixMilli(), l.now().UnixMilli())
		first = n > 0
		return err
	}})
	return first && err == nil, err
}
