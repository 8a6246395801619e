package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golazy.dev/lazyrealtime"
)

// Tail returns a topic's latest position, from the leader of its partition. If the
// topic has no messages it is where it was when this process looked last, or else the
// end of the partition, with all its topics.
func (l *Log) Tail(ctx context.Context, topic string) (at lazyrealtime.Position, err error) {
	p := l.of(topic)
	err = l.retry(ctx, func(ctx context.Context) error {
		t, err := l.tail(ctx, p, topic)
		at = t.position()
		return err
	})
	return at, err
}

// tail is the end of a topic.
type tail struct {
	inc   *incarnation
	seq   uint64
	empty bool                   // the topic has no messages
	end   uint64                 // the last message of the partition, if empty
	keep  lazyrealtime.Retention // as the last message says, if not empty
}

func (t tail) position() lazyrealtime.Position {
	if t.inc == nil {
		return lazyrealtime.Position{}
	}
	return lazyrealtime.Position{Epoch: t.inc.epoch, Offset: t.seq}
}

func (l *Log) tail(ctx context.Context, p *partition, topic string) (tail, error) {
	begin := time.Now()
	t, err := l.lastOf(ctx, p, topic)
	if errors.Is(err, errNone) {
		// The end of the partition has to be known first: a message between the two
		// answers would be before it and not be seen.
		var end uint64
		if end, err = l.endOf(ctx, p); err != nil {
			return t, err
		}
		if t, err = l.lastOf(ctx, p, topic); errors.Is(err, errNone) {
			t, err = tail{inc: t.inc, seq: l.tails.last(topic, t.inc, end), empty: true, end: end}, nil
		}
	}
	if err == nil {
		l.tails.note(topic, sight{t.inc, t.seq, begin})
	}
	return t, err
}

// tails is where topics ended when they were looked at last, for topics whose messages
// have all become too old: if nothing is there now, and it is not long since something
// was, nothing was appended in between, or it would be there. So the tail still is what
// it was, and whoever has seen all until then has missed nothing.
type tails struct {
	mu          sync.Mutex // guards the fields below
	now, before map[string]sight
}

// sight is where a topic ended at a time.
type sight struct {
	inc *incarnation
	seq uint64
	at  time.Time
}

// maxSights is how many topics are remembered at least; twice as many at most.
const maxSights = 32 << 10

// note remembers a topic's end.
func (t *tails) note(topic string, s sight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == nil || len(t.now) >= maxSights {
		t.now, t.before = make(map[string]sight), t.now
	}
	t.now[topic] = s
}

// last returns where a topic without messages ends: where it was seen last, or at the
// end of the partition.
func (t *tails) last(topic string, inc *incarnation, end uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.now[topic]
	if !ok {
		s, ok = t.before[topic]
	}
	if ok && s.inc == inc && s.at.After(inc.line(time.Now())) {
		return s.seq
	}
	return end
}

// lastOf asks for the last message of a topic.
func (l *Log) lastOf(ctx context.Context, p *partition, topic string) (tail, error) {
	t := tail{inc: p.now.Load()}
	m, err := l.leader(ctx, p.stream, getRequest{LastFor: l.names.message(t.inc.epoch, token(topic))})
	if err != nil {
		return t, l.missing(ctx, p, err)
	}
	t.seq = m.Message.Seq
	t.keep, err = decodeOwn(m.headers().Get(headerOwn), new(lazyrealtime.Message))
	if err != nil {
		return t, permanentError{fmt.Errorf("lazyrealtime/nats: %w", err)}
	}
	return t, nil
}

// streamInfo is what is needed of what a leader knows of its stream.
type streamInfo struct {
	reply
	Created time.Time `json:"created"`
	Config  struct {
		Metadata map[string]string `json:"metadata"`
		Replicas int               `json:"num_replicas"`
	} `json:"config"`
	State struct {
		Last uint64 `json:"last_seq"`
	} `json:"state"`
}

// endOf asks for the sequence number of the last message of a partition.
func (l *Log) endOf(ctx context.Context, p *partition) (uint64, error) {
	var info streamInfo
	if err := call(ctx, l, l.get(), "$JS.API.STREAM.INFO."+p.stream, struct{}{}, &info); err != nil {
		return 0, l.missing(ctx, p, err)
	}
	if info.Config.Metadata[metaEpoch] != p.now.Load().epoch {
		return 0, errors.Join(errAnew, p.find(ctx, l))
	}
	return info.State.Last, nil
}

var errAnew = errors.New("the stream was made anew")

// missing looks for a stream that is said not to exist, and says that it may be there
// at the next attempt.
func (l *Log) missing(ctx context.Context, p *partition, err error) error {
	if api := (*APIError)(nil); errors.As(err, &api) && api.ErrorCode == codeStreamNotFound {
		return errors.Join(errAnew, p.find(ctx, l))
	}
	return err
}
