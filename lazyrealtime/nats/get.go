package nats

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
)

// getRequest is a request for messages of a stream.
type getRequest struct {
	Seq       uint64     `json:"seq,omitempty"`
	LastFor   string     `json:"last_by_subj,omitempty"`
	NextFor   string     `json:"next_by_subj,omitempty"`
	MultiLast []string   `json:"multi_last,omitempty"`
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
}

var (
	errNone    = errors.New("there is no such message")
	errTooMany = errors.New("there are too many such messages")
)

func directSubject(stream string) string { return "$JS.API.DIRECT.GET." + stream }

// direct gets one message from any server that has the stream.
func (l *Log) direct(ctx context.Context, stream string, r getRequest) (*nats.Msg, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	m, err := l.once(ctx, l.get(), &nats.Msg{Subject: directSubject(stream), Data: data})
	if err != nil {
		return nil, err
	}
	return m, status(m)
}

// status is the error that an answer to a direct request is, or nil.
func status(m *nats.Msg) error {
	if len(m.Data) > 0 {
		return nil
	}
	switch m.Header.Get("Status") {
	case "":
		return nil
	case "404":
		return errNone
	case "413":
		return errTooMany
	case "503":
		return errNobody
	}
	return permanentError{errors.New("lazyrealtime/nats: the server says: " + m.Header.Get("Description"))}
}

// endOfBatch is the status of the message behind the last one.
const endOfBatch = "204"

// stream gets messages from any server that has the stream. It returns the message
// behind the last one.
func (l *Log) stream(ctx context.Context, stream string, r getRequest, add func(*nats.Msg)) (*nats.Msg, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	messages := make(chan *nats.Msg, maxBatch+2)
	c := l.get()
	id, err := c.send(&nats.Msg{Subject: directSubject(stream), Data: data}, func(m *nats.Msg) bool {
		messages <- m // the server sends no more than were asked for, and the end
		return m == nil || m.Header.Get("Status") != ""
	})
	if err != nil {
		return nil, err
	}
	defer c.forget(id)
	timer := time.NewTimer(attemptWait)
	defer timer.Stop()
	for {
		select {
		case m := <-messages:
			if m == nil {
				return nil, errDisconnected
			}
			if m.Header.Get("Status") == endOfBatch {
				return m, nil
			}
			if err := status(m); err != nil {
				return nil, err
			}
			add(m)
		case <-timer.C:
			return nil, errTimeout
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.ctx.Done():
			return nil, lazyrealtime.ErrClosed
		}
	}
}

// leaderMessage is a message as the leader of a stream gives it.
type leaderMessage struct {
	reply
	Message struct {
		Subject string    `json:"subject"`
		Seq     uint64    `json:"seq"`
		Headers []byte    `json:"hdrs"`
		Data    []byte    `json:"data"`
		Time    time.Time `json:"time"`
	} `json:"message"`
}

// leader gets one message from the leader of a stream, which has all that has been
// acknowledged. Servers that follow it may be behind.
func (l *Log) leader(ctx context.Context, stream string, r getRequest) (*leaderMessage, error) {
	var m leaderMessage
	err := call(ctx, l, l.get(), "$JS.API.STREAM.MSG.GET."+stream, r, &m)
	if api := (*APIError)(nil); errors.As(err, &api) && api.ErrorCode == codeNoMessage {
		return nil, errNone
	}
	return &m, err
}

func (m *leaderMessage) headers() nats.Header {
	h, err := nats.DecodeHeadersMsg(m.Message.Headers)
	if err != nil {
		return nil
	}
	return h
}
