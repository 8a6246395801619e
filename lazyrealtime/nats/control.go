package nats

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
)

// record is a Record as it is stored: any strings.
type record struct {
	Kind    []byte    `json:"kind"`
	Key     []byte    `json:"key"`
	Value   []byte    `json:"value"`
	Expires time.Time `json:"expires"`
}

// Control appends a record. The servers remove it when it has expired; one whose
// Expires is zero stays.
func (l *Log) Control(ctx context.Context, r lazyrealtime.Record) error {
	data, err := json.Marshal(record{[]byte(r.Kind), []byte(r.Key), []byte(r.Value), r.Expires.UTC()})
	if err != nil {
		return fmt.Errorf("lazyrealtime/nats: %w", err)
	}
	m := &nats.Msg{Subject: l.names.record(), Data: data, Header: nats.Header{headerID: {rand.Text()}}}
	if !r.Expires.IsZero() {
		m.Header[headerTTL] = []string{ttl(time.Until(r.Expires))}
	}
	return l.retry(ctx, func(ctx context.Context) error {
		_, err := l.publish(ctx, m)
		return err
	})
}

// Controls returns records: all that were acknowledged before the call.
func (l *Log) Controls(ctx context.Context, after uint64) (list []lazyrealtime.Record, next uint64, err error) {
	err = l.retry(ctx, func(ctx context.Context) error {
		list, next, err = l.controls(ctx, after)
		return err
	})
	return list, next, err
}

// records is what is known of the control stream, so that numbers go on rising where it
// has been lost and made anew.
type records struct {
	one  sync.Mutex
	made time.Time // when the stream was
	base uint64    // what is added to its sequence numbers
	most uint64    // the highest number that was given out or asked behind
}

// baseOf returns what is added to the numbers of a stream that was made then.
func (r *records) baseOf(made time.Time, after uint64) uint64 {
	r.one.Lock()
	defer r.one.Unlock()
	if !made.Equal(r.made) {
		if !r.made.IsZero() {
			r.base = r.most
		}
		r.made = made
	}
	r.most = max(r.most, after)
	return r.base
}

func (r *records) note(n uint64) {
	r.one.Lock()
	defer r.one.Unlock()
	r.most = max(r.most, n)
}

func (l *Log) controls(ctx context.Context, after uint64) ([]lazyrealtime.Record, uint64, error) {
	var info streamInfo
	if err := call(ctx, l, l.get(), "$JS.API.STREAM.INFO."+l.names.controlStream(), struct{}{}, &info); err != nil {
		return nil, after, err
	}
	base := l.records.baseOf(info.Created, after)
	last, upTo, err := l.lastControl(ctx)
	if err != nil {
		return nil, after, err
	}
	next := after - min(after, base) // what is behind a number of an earlier stream is all there is
	if next > upTo {
		next = 0 // the end of the stream was lost, and its numbers are given out again
	}
	var list []lazyrealtime.Record
	for next < last {
		some, err := l.someControls(ctx, next)
		if err != nil {
			return nil, after, err
		}
		if len(some) == 0 {
			return nil, after, errBehind // or it has just expired
		}
		for _, r := range some {
			next = r.Seq
			r.Seq += base
			if r.Expires.IsZero() || r.Expires.After(time.Now()) {
				list = append(list, r)
			}
		}
	}
	l.records.note(base + next)
	return list, base + next, nil
}

// lastControl returns where the last record is, zero if there is none, and up to where
// the server that was asked has the stream: up to a mark at least, which a majority has
// stored since the call. A leader that is cut off from the others answers for up to 20 s
// more as if it led, and whoever took its word would not hear of a revocation for so
// long (see mark).
func (l *Log) lastControl(ctx context.Context) (last, upTo uint64, err error) {
	mark, err := l.publish(ctx, &nats.Msg{
		Subject: l.names.controlMark(),
		Header:  nats.Header{headerTTL: {ttl(controlMarkFor)}},
	})
	if err != nil {
		return 0, 0, err
	}
	request := getRequest{MultiLast: []string{l.names.record(), l.names.controlMark()}}
	end, err := l.stream(ctx, l.names.controlStream(), request, func(m *nats.Msg) {
		if m.Header.Get(headerSubject) == l.names.record() {
			last, _ = number(m, headerSeq) // the server's
		}
	})
	if errors.Is(err, errNone) {
		return 0, 0, errBehind // there is the mark at least
	}
	if err != nil {
		return 0, 0, err
	}
	if upTo, err = number(end, headerUpTo); err == nil && upTo < mark.Seq {
		err = errBehind
	}
	return last, upTo, err
}

// controlMarkFor is how long a mark is kept: longer than it is looked for.
const controlMarkFor = 10 * time.Second

func (l *Log) someControls(ctx context.Context, after uint64) ([]lazyrealtime.Record, error) {
	var list []lazyrealtime.Record
	var errs error
	_, err := l.stream(ctx, l.names.controlStream(), getRequest{
		Seq: after + 1, NextFor: l.names.record(), Batch: maxBatch, MaxBytes: maxBatchBytes,
	}, func(m *nats.Msg) {
		var r record
		seq, err := number(m, headerSeq)
		if err = errors.Join(err, json.Unmarshal(m.Data, &r)); err != nil {
			errs = errors.Join(errs, permanentError{fmt.Errorf("lazyrealtime/nats: control log: %w", err)})
			return
		}
		list = append(list, lazyrealtime.Record{
			Seq: seq, Kind: string(r.Kind), Key: string(r.Key), Value: string(r.Value), Expires: r.Expires,
		})
	})
	if errors.Is(err, errNone) {
		return nil, errs
	}
	return list, errors.Join(err, errs)
}

// claimed is a claim as it is stored.
type claimed struct {
	By   string    `json:"by"`
	Then time.Time `json:"then"`
}

// Claim writes a claim if there is none, or one whose time has passed.
func (l *Log) Claim(ctx context.Context, key string, then time.Time) (won bool, err error) {
	by := rand.Text()
	data, err := json.Marshal(claimed{by, then.UTC()})
	if err != nil {
		return false, fmt.Errorf("lazyrealtime/nats: %w", err)
	}
	var before uint64 // the claim that is replaced
	err = l.retry(ctx, func(ctx context.Context) error {
		won, before, err = l.claim(ctx, &nats.Msg{Subject: l.names.claim(key), Data: data, Header: nats.Header{
			headerID:       {by},
			headerTTL:      {ttl(time.Until(then))},
			headerExpected: {strconv.FormatUint(before, 10)},
		}}, by)
		return err
	})
	return won, err
}

var errExpiredClaim = errors.New("the claim that was there has expired")

// claim is one attempt. If there is a claim that has expired it returns its place.
func (l *Log) claim(ctx context.Context, m *nats.Msg, by string) (won bool, before uint64, err error) {
	_, err = l.publish(ctx, m)
	if api := (*APIError)(nil); err == nil || !errors.As(err, &api) || !api.wrongLast() {
		return err == nil, 0, err
	}
	last, err := l.leader(ctx, l.names.controlStream(), getRequest{LastFor: m.Subject})
	if errors.Is(err, errNone) {
		return false, 0, errExpiredClaim
	}
	if err != nil {
		return false, 0, err
	}
	var c claimed
	if err := json.Unmarshal(last.Message.Data, &c); err != nil {
		return false, 0, permanentError{fmt.Errorf("lazyrealtime/nats: claim: %w", err)}
	}
	if c.By == by { // the acknowledgement of an earlier attempt was lost
		return true, 0, nil
	}
	if !time.Now().Before(c.Then) {
		return false, last.Message.Seq, errExpiredClaim
	}
	return false, 0, nil
}

// Check makes a round trip to the leaders of all streams.
func (l *Log) Check(ctx context.Context) error {
	return l.retry(ctx, func(ctx context.Context) error {
		errs := make(chan error, 2+len(l.parts))
		for _, s := range []string{l.names.record(), l.names.lease("-")} {
			go func() { errs <- l.barrier(ctx, l.pub, s) }()
		}
		for _, p := range l.parts {
			go func() { errs <- l.barrierAt(ctx, l.pub, p) }()
		}
		var err error
		for range cap(errs) {
			err = errors.Join(err, <-errs)
		}
		return err
	})
}
