package lazyrealtime

import (
	"context"
	"iter"
	"time"

	"golazy.dev/lazywebsocket"
)

const (
	replayPage  = 64        // messages that a replay takes at a time
	replayChunk = 128 << 10 // bytes that it leaves in a connection's queue before it waits
)

// sender puts frames of a subscription into its connection's queue, unless the
// subscription has ended.
type sender func(frames iter.Seq2[*lazywebsocket.Conn, *lazywebsocket.PreparedMessage]) error

// now makes a follower get what is published from now on. Before anything of that,
// it calls told with the position since when; told must not block, or call the
// topic.
func (f *follower) now(told func(Position)) {
	t := f.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	told(t.last)
	if !f.live {
		f.from = t.last
	}
	t.join(f)
}

// nowBehindGap is now for a client that is told, first, that something is missing.
func (f *follower) nowBehindGap() {
	t := f.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	f.owner.tellGap(f, t.last)
	f.from = t.last
	t.join(f)
}

// since returns the position behind the last message that is older than a time.
func (t *topic) since(ctx context.Context, then time.Time) (at Position, err error) {
	for {
		messages, err := t.next(ctx, at, replayPage)
		if err != nil || len(messages) == 0 {
			return at, err
		}
		for _, m := range messages {
			if !m.Time.Before(then) {
				return at, nil
			}
			at = m.Position
		}
	}
}

// begin makes a follower live from where it begins. It returns a *GapError if
// something is missing there; the follower is not live then.
func (f *follower) begin(ctx context.Context, b begin, send sender, level func(Position)) error {
	switch {
	case b.gap:
		return &GapError{Topic: f.topic.name, After: b.at}
	case !b.replay:
		f.now(level)
		return nil
	case !b.since.IsZero():
		at, err := f.topic.since(ctx, b.since)
		if err != nil {
			return err
		}
		b.at = at
	}
	most := limitOf(f.topic.hub.config.Limits.ReplayMessages, defaultReplayMessages)
	return f.catchUp(ctx, b.at, most, send, level)
}

// catchUp sends what is behind a position, calls level, which says that this was
// the history, and makes the follower live: without a hole between the two, or
// anything twice. Whatever is published meanwhile is read like the history, until
// nothing is left; the last look and the joining are one step.
//
// It returns a *GapError if something behind the position is missing; the
// follower is not live then.
func (f *follower) catchUp(ctx context.Context, at Position, most int, send sender, level func(Position)) error {
	t := f.topic
	start := time.Now()
	from, replayed, told := at, 0, false
	for {
		messages, err := t.next(ctx, at, replayPage)
		if err != nil {
			return err
		}
		if len(messages) == 0 {
			if !told {
				told = true
				level(at)
				t.hub.took(TimeReplay, start)
			}
			if t.joinAt(f, from, at) {
				return nil
			}
			continue
		}
		if from.IsZero() {
			from = messages[0].Position
			from.Offset--
		}
		if replayed += len(messages); most >= 0 && replayed > most && !told {
			return &GapError{Topic: t.name, After: at, Tail: messages[len(messages)-1].Position}
		}
		if err := f.replay(messages, send); err != nil {
			return err
		}
		at = messages[len(messages)-1].Position
	}
}

// joinAt makes a follower, which has got everything between from and at, live if the
// topic has nothing behind at.
func (t *topic) joinAt(f *follower, from, at Position) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case at.IsZero():
		if !t.recent.whole || len(t.recent.messages) > 0 {
			return false
		}
		from = t.last
	case at.Epoch != t.last.Epoch || at.Offset < t.recent.base || at.Offset > t.last.Offset,
		len(t.recent.behind(at.Offset, 1)) > 0:
		return false
	}
	f.from = from
	t.join(f)
	return true
}

// replay sends messages, and waits when the connection does not take them as fast:
// a history fills no queue.
func (f *follower) replay(messages []*Message, send sender) error {
	f.sent = true
	for len(messages) > 0 {
		n, bytes := 0, 0
		for n < len(messages) && (n == 0 || bytes+len(messages[n].Data) < replayChunk) {
			bytes += len(messages[n].Data) + len(f.group.form.identifier)
			n++
		}
		if f.conn.QueueStats().Bytes+bytes > replayChunk {
			if f.conn.Flush() != nil {
				return errEnded // the connection has
			}
		}
		if err := send(f.frames(messages[:n])); err != nil {
			return err
		}
		f.topic.hub.count(CountReplayed, n)
		messages = messages[n:]
	}
	return nil
}

// mute makes a follower get nothing more, before its end.
func (f *follower) mute() {
	t := f.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	f.gone = true
	t.leave(f)
}

// end ends the following.
func (f *follower) end() {
	t := f.topic
	t.mu.Lock()
	f.gone = true
	t.leave(f)
	t.groups.release(f.group)
	t.mu.Unlock()
	t.hub.release(t)
}
