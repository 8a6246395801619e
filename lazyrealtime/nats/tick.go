package nats

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// tickToken is no topic's.
const tickToken = "%t"

// ticksKept is how many marks a partition has at a time.
const ticksKept = 500

// ticks leaves marks in all partitions: messages by which a place among the others has
// a time, so that a position can be told to be young. Without them it could not where
// the messages around it have been pushed out by newer ones.
func (l *Log) ticks() {
	every := l.tickEvery()
	for {
		now := time.Now()
		if l.wait(l.ctx, now.Truncate(every).Add(every).Sub(now)) != nil {
			return
		}
		l.tick()
	}
}

// tickEvery is how far marks are apart: as many of them as are kept reach back as far
// as messages do.
func (l *Log) tickEvery() time.Duration {
	return max(l.o.Retain.Age/min(ticksKept, time.Duration(max(l.o.Retain.Messages, 1))), time.Second)
}

// tick leaves one mark in each partition. Of processes that do so at the same time only
// the first is heard: they use the same id. It does not wait; a mark that is lost makes
// the next one more important.
func (l *Log) tick() {
	at := strconv.FormatInt(time.Now().UnixNano()/int64(l.tickEvery()), 10)
	for _, p := range l.parts {
		m := &nats.Msg{
			Subject: l.names.message(p.now.Load().epoch, tickToken),
			Header:  nats.Header{headerID: {digest("tick", at, "")}},
		}
		if err := l.pub.nc.PublishMsg(m); err != nil {
			l.log.Debug("a mark was not left", "stream", p.stream, "err", err)
		}
	}
}
