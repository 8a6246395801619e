package nats

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
)

// How long one attempt of a request waits for its answer, and how long all of them
// together go on if the caller's context has no end.
const (
	attemptWait = 2 * time.Second
	requestWait = 20 * time.Second
	closeWait   = 2 * time.Second
)

// reply is what the answers of JetStream have in common.
type reply struct {
	Error *APIError `json:"error"`
}

// ack is the answer to a published message.
type ack struct {
	reply
	Stream    string `json:"stream"`
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
	Batch     int    `json:"count"`
}

// parse decodes an answer, and returns the error in it.
func parse[T any, P interface {
	*T
	failure() error
}](m *nats.Msg, into P,
) error {
	if nobody(m) {
		return errNobody
	}
	if err := json.Unmarshal(m.Data, into); err != nil {
		return err
	}
	return into.failure()
}

func (r *reply) failure() error {
	if r.Error == nil {
		return nil
	}
	return r.Error
}

// once sends a request and waits for one answer.
func (l *Log) once(ctx context.Context, c *caller, m *nats.Msg) (*nats.Msg, error) {
	answer := make(chan *nats.Msg, 1)
	id, err := c.send(m, func(m *nats.Msg) bool {
		answer <- m
		return true
	})
	if err != nil {
		return nil, err
	}
	return l.answer(ctx, c, id, answer)
}

// answer waits for one answer.
func (l *Log) answer(ctx context.Context, c *caller, id uint64, answer <-chan *nats.Msg) (m *nats.Msg, err error) {
	timer := time.NewTimer(attemptWait)
	defer timer.Stop()
	select {
	case m := <-answer:
		if m == nil {
			return nil, errDisconnected
		}
		return m, nil
	case <-timer.C:
		err = errTimeout
	case <-ctx.Done():
		err = ctx.Err()
	case <-l.ctx.Done():
		err = lazyrealtime.ErrClosed
	}
	c.forget(id)
	return nil, err
}

// retry calls attempt until it succeeds, or fails in a way that another attempt does
// not change, or the context ends, which wraps ErrUnavailable.
func (l *Log) retry(ctx context.Context, attempt func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	if err := l.begin(ctx); err != nil {
		return err
	}
	for tries := 0; ; tries++ {
		err := attempt(ctx)
		if err == nil || !temporary(err) {
			return err
		}
		if wait := l.wait(ctx, backoff(tries)); wait != nil {
			if errors.Is(wait, lazyrealtime.ErrClosed) {
				return wait
			}
			return ended(ctx, err)
		}
	}
}

// wait waits, unless the context ends or the log is closed.
func (l *Log) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.ctx.Done():
		return lazyrealtime.ErrClosed
	}
}

// temporary reports whether an attempt that failed in this way may succeed later. A
// context's end is temporary too: retry notices it.
func temporary(err error) bool {
	if gap := (*lazyrealtime.GapError)(nil); errors.As(err, &gap) {
		return false
	}
	if api := (*APIError)(nil); errors.As(err, &api) {
		return api.again()
	}
	return !errors.Is(err, lazyrealtime.ErrClosed) && !errors.As(err, new(permanentError))
}

// call makes a request of JetStream's API and decodes the answer.
func call[T any, P interface {
	*T
	failure() error
}](ctx context.Context, l *Log, c *caller, subject string, body any, into P,
) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	m, err := l.once(ctx, c, &nats.Msg{Subject: subject, Data: data})
	if err != nil {
		return err
	}
	return parse(m, into)
}

// publish publishes one message for an acknowledgement, in one attempt.
func (l *Log) publish(ctx context.Context, m *nats.Msg) (ack, error) {
	var a ack
	answer, err := l.once(ctx, l.pub, m)
	if err == nil {
		err = parse(answer, &a)
	}
	return a, err
}
