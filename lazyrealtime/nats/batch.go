package nats

import (
	"crypto/rand"
	"errors"
	"strconv"
)

// Headers of a batch that a server stores whole or not at all.
const (
	headerBatch       = "Nats-Batch-Id"
	headerBatchNumber = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
)

// What goes into a batch. A server keeps what has come of it until its last message is
// there, in memory if there are replicas, and otherwise in a file, which takes longer than
// one message at a time. It keeps no more than 50 batches of a stream: beyond that, and if
// anything else is wrong, the messages are published one at a time.
const (
	minBatchSize = 4
	maxBatchSize = 256
	maxBatchData = 1 << 20
)

var errNoBatch = errors.New("the server does not know batches")

// batchOf returns how many of the entries that are left of a chain go into a batch; zero
// for none.
func (a *appending) batchOf(c *chain) int {
	if c.inc.batch == 0 || c.single || len(c.rest) < c.inc.batch {
		return 0
	}
	n, size := 0, 0
	for n < min(len(c.rest), maxBatchSize) {
		size += len(a.entries[c.rest[n]].Data)
		if size > maxBatchData {
			break
		}
		n++
	}
	if n < c.inc.batch {
		return 0
	}
	return n
}

// buildBatch publishes all messages of a batch but the last one, which is the request.
func (a *appending) buildBatch(c *chain) error {
	id := rand.Text()
	for i := range c.batch {
		m := a.message(c, c.rest[i])
		m.Header[headerBatch] = []string{id}
		m.Header[headerBatchNumber] = []string{strconv.Itoa(i + 1)}
		if i == c.batch-1 {
			m.Header[headerBatchCommit] = []string{"1"}
			c.m = m
			return nil
		}
		if err := a.l.pub.nc.PublishMsg(m); err != nil {
			c.single = true
			return err
		}
	}
	return nil
}
