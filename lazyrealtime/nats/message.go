package nats

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
)

// Headers of JetStream, and our own.
const (
	headerID       = "Nats-Msg-Id"
	headerSeq      = "Nats-Sequence"
	headerLast     = "Nats-Last-Sequence"
	headerPending  = "Nats-Num-Pending"
	headerUpTo     = "Nats-UpTo-Sequence"
	headerSubject  = "Nats-Subject"
	headerTime     = "Nats-Time-Stamp"
	headerTTL      = "Nats-TTL"
	headerExpect   = "Nats-Expected-Stream"
	headerExpected = "Nats-Expected-Last-Subject-Sequence"
	headerReason   = "Nats-Marker-Reason"

	// headerOwn has what a message has beside its data: messages and milliseconds to
	// keep, its ID and its sender, escaped as in URLs, with commas between. A later
	// version may put more behind another comma, which this one does not look at.
	headerOwn = "Lazyrealtime"
)

// encode makes what is published of an entry, but for the subject and the id.
func encode(e lazyrealtime.Entry, keep lazyrealtime.Retention) *nats.Msg {
	own := make([]byte, 0, 48)
	own = strconv.AppendInt(own, int64(keep.Messages), 10)
	own = append(own, ',')
	own = strconv.AppendInt(own, keep.Age.Milliseconds(), 10)
	own = append(own, ',')
	own = append(own, url.QueryEscape(e.ID)...)
	own = append(own, ',')
	own = append(own, url.QueryEscape(e.From)...)
	return &nats.Msg{Data: e.Data, Header: nats.Header{headerOwn: {string(own)}}}
}

// stored is a message as it comes back from the servers.
type stored struct {
	*lazyrealtime.Message
	keep lazyrealtime.Retention
}

var errForeign = errors.New("a message in the log was not published by this package")

// decodeOwn reads the header of our own into a message.
func decodeOwn(own string, m *lazyrealtime.Message) (keep lazyrealtime.Retention, err error) {
	fields := strings.Split(own, ",")
	if len(fields) < 4 {
		return keep, errForeign
	}
	messages, err1 := strconv.Atoi(fields[0])
	ms, err2 := strconv.ParseInt(fields[1], 10, 64)
	id, err3 := url.QueryUnescape(fields[2])
	from, err4 := url.QueryUnescape(fields[3])
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return keep, errors.Join(errForeign, err)
	}
	m.ID, m.From = id, from
	return lazyrealtime.Retention{Messages: messages, Age: time.Duration(ms) * time.Millisecond}, nil
}

// decode reads a message that a server has sent from a stream, live or on request.
func decode(n names, topic string, m *nats.Msg) (stored, error) {
	seq, err1 := number(m, headerSeq)
	at, err2 := time.Parse(time.RFC3339Nano, m.Header.Get(headerTime))
	if err := errors.Join(err1, err2); err != nil {
		return stored{}, errors.Join(errForeign, err)
	}
	s := stored{Message: &lazyrealtime.Message{
		Topic:    topic,
		Position: lazyrealtime.Position{Epoch: n.epochOf(m.Header.Get(headerSubject)), Offset: seq},
		Time:     at.Truncate(time.Millisecond),
		Data:     m.Data,
	}}
	var err error
	s.keep, err = decodeOwn(m.Header.Get(headerOwn), s.Message)
	return s, err
}

func number(m *nats.Msg, header string) (uint64, error) {
	return strconv.ParseUint(m.Header.Get(header), 10, 64)
}
