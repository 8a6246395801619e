package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A server that has lost the lead, and does not know yet, answers as a leader: with
// what it has. That is behind by what the new leader has stored. What must not be taken
// from it, as that a position is behind a topic's end, is asked for with a mark: a
// message that a majority has stored, so that whoever has it has all before it.

// markToken is no topic's.
const markToken = "%m"

// marks lets one mark at a time into a partition.
type marks struct {
	one   sync.Mutex
	begun time.Time // when the latest one was published; guarded by one
	seq   uint64    // where it is
}

// mark returns a place in the partition behind all that was acknowledged before the
// call.
func (p *partition) mark(ctx context.Context, l *Log) (uint64, error) {
	asked := time.Now()
	p.marks.one.Lock()
	defer p.marks.one.Unlock()
	if p.marks.begun.After(asked) {
		return p.marks.seq, nil // somebody's has been left since
	}
	begun := time.Now()
	a, err := l.publish(ctx, &nats.Msg{
		Subject: l.names.message(p.now.Load().epoch, markToken),
		Header:  nats.Header{headerID: {rand.Text()}},
	})
	if err == nil {
		p.marks.begun, p.marks.seq = begun, a.Seq
	}
	return a.Seq, err
}

// latest returns where the latest mark is.
func (m *marks) latest() uint64 {
	m.one.Lock()
	defer m.one.Unlock()
	return m.seq
}

// certain returns where a topic ends, at the call or later, whoever leads. If the topic
// has no messages it is zero.
func (l *Log) certain(ctx context.Context, p *partition, inc *incarnation, topic string) (uint64, error) {
	mark, err := p.mark(ctx, l)
	if err != nil {
		return 0, err
	}
	subject, marks := l.names.message(inc.epoch, token(topic)), l.names.message(inc.epoch, markToken)
	var seq uint64
	end, err := l.stream(ctx, p.stream, getRequest{MultiLast: []string{subject, marks}}, func(m *nats.Msg) {
		if m.Header.Get(headerSubject) == subject {
			seq, _ = number(m, headerSeq) // the server's
		}
	})
	if errors.Is(err, errNone) {
		return 0, errBehind // there is the mark at least
	}
	if err != nil {
		return 0, err
	}
	upTo, err := number(end, headerUpTo)
	if err == nil && upTo < mark {
		err = errBehind
	}
	return seq, err
}
