package nats

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
)

// memberKey is who is present where, on this node.
type memberKey struct{ topic, id string }

// left marks a message that says that there is nothing any more: of a lease that was
// given back, a member who has left, a claim that is free.
const left = "left"

// leftFor is for how long a mark stays, for servers that are behind.
const leftFor = time.Minute

// Enter writes a member for this incarnation, and tells the nodes that follow the
// topic.
func (n *node) Enter(ctx context.Context, topic, id string, info []byte) error {
	return n.write(ctx, memberKey{topic, id}, bytes.Clone(info), false)
}

// Exit marks a member as one who has left.
func (n *node) Exit(ctx context.Context, topic, id string) error {
	return n.write(ctx, memberKey{topic, id}, nil, true)
}

func (n *node) write(ctx context.Context, k memberKey, info []byte, out bool) error {
	n.writing.RLock()
	defer n.writing.RUnlock()
	if err := n.begin(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer context.AfterFunc(n.ctx, func() { cancel(lazyrealtime.ErrClosed) })()
	defer cancel(nil)
	if out {
		n.entries.Delete(k)
	} else {
		n.entries.Store(k, info)
	}
	return n.put(ctx, k, event{Node: n.ID(), ID: []byte(k.id), Info: info, Left: out})
}

// put writes a member, or that he has left. writing is held, for reading or writing.
func (n *node) put(ctx context.Context, k memberKey, e event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	m := &nats.Msg{
		Subject: n.l.names.member(token(k.topic), e.Node, token(k.id)),
		Header:  nats.Header{headerID: {rand.Text()}},
		Data:    data,
	}
	if limit := n.c.nc.MaxPayload(); limit > 0 && int64(len(data)+headerRoom) > limit {
		return &PayloadError{Size: len(data), Max: limit}
	}
	if e.Left {
		m.Header[headerOwn], m.Header[headerTTL] = []string{left}, []string{ttl(leftFor)}
	}
	if err := n.l.retry(ctx, func(ctx context.Context) error {
		_, err := n.l.publish(ctx, m)
		return err
	}); err != nil {
		return err
	}
	hint := &nats.Msg{Subject: n.l.names.event(token(k.topic)), Data: data}
	if err := n.l.pub.nc.PublishMsg(hint); err != nil {
		n.l.log.Debug("a presence event was lost", "topic", k.topic, "err", err)
	}
	return nil
}

// enterWorkers is how many members are written at a time for a new incarnation.
const enterWorkers = 64

// enterAll writes all members for a new incarnation. writing is held.
func (n *node) enterAll() {
	var wg sync.WaitGroup
	workers := make(chan struct{}, enterWorkers)
	n.entries.Range(func(key, value any) bool {
		k, info := key.(memberKey), value.([]byte)
		workers <- struct{}{}
		wg.Go(func() {
			defer func() { <-workers }()
			if err := n.put(n.ctx, k, event{Node: n.ID(), ID: []byte(k.id), Info: info}); err != nil {
				n.l.log.Warn("a member was not entered again", "topic", k.topic, "err", err)
			}
		})
		return n.ctx.Err() == nil
	})
	wg.Wait()
}

// Members returns who is present, as the leader of the presence stream has it by now.
func (n *node) Members(ctx context.Context, topic string) (list []lazyrealtime.Member, err error) {
	if err := n.begin(ctx); err != nil {
		return nil, err
	}
	err = n.l.retry(ctx, func(ctx context.Context) error {
		list, err = n.members(ctx, topic)
		return err
	})
	return list, err
}

func (n *node) members(ctx context.Context, topic string) ([]lazyrealtime.Member, error) {
	last, err := n.l.leader(ctx, n.l.names.presenceStream(), getRequest{LastFor: ">"})
	if errors.Is(err, errNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := n.l.snapshot(ctx, n.l.names.member(token(topic), "*", "*"), n.l.names.lease("*"))
	if err != nil {
		return nil, err
	}
	if s.upTo < last.Message.Seq {
		return nil, errBehind
	}
	var list []lazyrealtime.Member
	for _, e := range s.members {
		if _, alive := s.leases[e.Node]; alive {
			list = append(list, lazyrealtime.Member{Node: e.Node, ID: string(e.ID), Info: e.Info})
		}
	}
	return list, nil
}

// snapshot is a part of the presence stream, at one place in it.
type snapshot struct {
	names   names
	leases  map[string]uint64
	members []event
	upTo    uint64
	err     error
}

// snapshot reads the latest messages of subjects from any server.
func (l *Log) snapshot(ctx context.Context, subjects ...string) (snapshot, error) {
	s := snapshot{names: l.names, leases: make(map[string]uint64)}
	end, err := l.stream(ctx, l.names.presenceStream(), getRequest{MultiLast: subjects}, s.add)
	switch {
	case errors.Is(err, errTooMany):
		return l.largeSnapshot(ctx, subjects...)
	case errors.Is(err, errNone):
		return s, errBehind // there is our own lease at least
	case err != nil:
		return s, err
	}
	s.upTo, err = number(end, headerUpTo)
	return s, errors.Join(err, s.err)
}

// largeSnapshot reads what is too much for one answer. The stream has one message per
// subject, so that reading it through from its beginning brings the latest of each.
func (l *Log) largeSnapshot(ctx context.Context, subjects ...string) (snapshot, error) {
	s := snapshot{names: l.names, leases: make(map[string]uint64)}
	var up []uint64
	for _, subject := range subjects {
		upTo, err := l.through(ctx, subject, s.add)
		if err != nil {
			return s, err
		}
		up = append(up, upTo)
	}
	// What the first of the subjects is known to be complete up to.
	s.upTo = up[0]
	return s, s.err
}

// through reads all messages of a subject of the presence stream, and returns up to
// where they are complete.
func (l *Log) through(ctx context.Context, subject string, add func(*nats.Msg)) (uint64, error) {
	var info streamInfo
	if err := call(ctx, l, l.get(), "$JS.API.STREAM.INFO."+l.names.presenceStream(), struct{}{}, &info); err != nil {
		return 0, err
	}
	from := uint64(1)
	for {
		var seq uint64
		end, err := l.stream(ctx, l.names.presenceStream(),
			getRequest{Seq: from, NextFor: subject, Batch: maxBatch, MaxBytes: maxBatchBytes},
			func(m *nats.Msg) {
				seq, _ = number(m, headerSeq)
				add(m)
			})
		if errors.Is(err, errNone) {
			return info.State.Last, nil
		}
		if err != nil {
			return 0, err
		}
		if pending, err := number(end, headerPending); err != nil || pending == 0 || seq == 0 {
			return info.State.Last, err
		}
		from = seq + 1
	}
}

func (s *snapshot) add(m *nats.Msg) {
	if m.Header.Get(headerOwn) == left {
		return
	}
	subject := m.Header.Get(headerSubject)
	if id, ok := strings.CutPrefix(subject, s.names.lease("")); ok {
		seq, err := number(m, headerSeq)
		s.err = errors.Join(s.err, err)
		s.leases[id] = seq
		return
	}
	var e event
	if err := json.Unmarshal(m.Data, &e); err != nil {
		s.err = errors.Join(s.err, err)
		return
	}
	s.members = append(s.members, e)
}

// leave gives back the lease, so that the members are gone at once.
func (n *node) leave(ctx context.Context) error {
	id := n.ID()
	if id == "" {
		return nil
	}
	m := &nats.Msg{Subject: n.l.names.lease(id), Header: nats.Header{
		headerID: {rand.Text()}, headerOwn: {left}, headerTTL: {ttl(leftFor)},
	}}
	ctx, cancel := context.WithTimeout(ctx, closeWait)
	defer cancel()
	err := n.l.retry(ctx, func(ctx context.Context) error {
		_, err := n.l.publish(ctx, m)
		return err
	})
	if err == nil {
		err = n.l.pub.nc.Publish(n.l.names.left(), []byte(id))
		n.l.reap(id, 0)
	}
	return err
}

// reapStep is how long a node waits for each that clears up before it.
const reapStep = 200 * time.Millisecond

// reap removes the members of a node that is gone, if nobody else has until then. They
// are not seen any more, and only take room.
func (l *Log) reap(id string, delay time.Duration) {
	l.reaping.Go(func() {
		ctx, cancel := context.WithTimeout(l.ctx, delay+attemptWait)
		defer cancel()
		if l.wait(ctx, delay) != nil {
			return
		}
		stream, members := l.names.presenceStream(), l.names.member("*", id, "*")
		if _, err := l.direct(ctx, stream, getRequest{LastFor: members}); errors.Is(err, errNone) {
			return
		}
		var purged reply
		err := call(ctx, l, l.pub, "$JS.API.STREAM.PURGE."+stream, map[string]string{"filter": members}, &purged)
		if err != nil {
			l.log.Debug("members of a node that is gone were not removed", "node", id, "err", err)
		}
	})
}
