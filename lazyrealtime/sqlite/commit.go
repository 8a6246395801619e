package sqlite

import (
	"slices"
	"time"

	"golazy.dev/lazyrealtime"
)

// commit is a transaction that has ended.
type commit struct {
	ops  []*op
	live []live
	err  error // if not nil, nothing was done
}

// acknowledge is the goroutine that tells the callers of transactions what became
// of them, so that the writer need not wake them one by one.
func (l *Log) acknowledge() {
	defer close(l.told)
	for c := range l.committed {
		// Who follows is asked first: who begins to when a message was acknowledged
		// is not told of it.
		heard := l.followed(c.live)
		for _, o := range c.ops {
			if c.err != nil && o.err == nil {
				o.results, o.err = nil, c.err
			}
			close(o.done)
		}
		if len(heard) > 0 {
			l.told <- heard
		}
	}
}

// followed returns the messages of a list that somebody follows, in its place.
func (l *Log) followed(list []live) []live {
	return slices.DeleteFunc(list, func(m live) bool { return !l.local.Followed(m.entry.Topic) })
}

// tell is the goroutine that calls the feeds, in the order of transactions. One that
// is long in a call makes the others wait, at last the publishers: what waits for
// the feeds is bounded.
func (l *Log) tell() {
	defer close(l.silent)
	for list := range l.told {
		for i := range list {
			l.local.Publish(list[i].message(l.epoch), list[i].prev)
		}
	}
}

func (m *live) message(epoch string) *lazyrealtime.Message {
	return &lazyrealtime.Message{
		Topic: m.entry.Topic, ID: m.entry.ID, From: m.entry.From, Data: m.entry.Data,
		Position: lazyrealtime.Position{Epoch: epoch, Offset: m.off},
		Time:     time.UnixMilli(m.at),
	}
}
