package lazywebsocket

import (
	"sync/atomic"
	"unsafe"
)

// Traffic counts what connections send and receive. The zero value is ready. It has
// several counters of each kind, which different connections use, so that many
// processors can count at the same time. It must not be copied.
type Traffic struct {
	next    atomic.Uint32 // which tallies the next connection uses
	tallies [trafficTallies]struct {
		tally
		_ [128 - unsafe.Sizeof(tally{})%128]byte // of a pair of cache lines
	}
}

const trafficTallies = 32

// TrafficStats is what was counted so far.
type TrafficStats struct {
	Received, Sent Flow
	// QueuedMessages and QueuedBytes wait in outgoing queues, as QueueOptions counts
	// them; what has begun to leave is not among them.
	QueuedMessages, QueuedBytes int64
	// Dropped is how many queued messages QueueDropOldest has dropped.
	Dropped uint64
	// Discarded is how many queued messages were thrown away because their connection
	// ended.
	Discarded uint64
}

// Flow is one direction.
//
// A message that is received is counted when it has been read to its end, or dropped
// because its reader was left. One that is sent is counted when its write has
// returned without an error, or when it has been taken out of the outgoing queue; it
// may be held for a moment longer then.
type Flow struct {
	// Messages are text and binary messages.
	Messages uint64
	// Bytes are those of their payloads as the application sees them: uncompressed.
	Bytes uint64
	// WireBytes are those of all frames, with their headers, compressed, before TLS and
	// HTTP/2; without what still comes after the connection's end.
	WireBytes uint64
}

// tally is one set of counters.
type tally struct {
	received, sent              flow
	queuedMessages, queuedBytes atomic.Int64
	dropped, discarded          atomic.Uint64
}

type flow struct{ messages, bytes, wire atomic.Uint64 }

// pick returns the tally of a new connection.
func (t *Traffic) pick() *tally {
	return &t.tallies[t.next.Add(1)%trafficTallies].tally
}

// Stats returns the sums. It may be called at any time; it is not one moment of all
// counters.
func (t *Traffic) Stats() (s TrafficStats) {
	for i := range t.tallies {
		t.tallies[i].addTo(&s)
	}
	return s
}

func (t *tally) addTo(s *TrafficStats) {
	t.received.addTo(&s.Received)
	t.sent.addTo(&s.Sent)
	s.QueuedMessages += t.queuedMessages.Load()
	s.QueuedBytes += t.queuedBytes.Load()
	s.Dropped += t.dropped.Load()
	s.Discarded += t.discarded.Load()
}

func (f *flow) addTo(s *Flow) {
	s.Messages += f.messages.Load()
	s.Bytes += f.bytes.Load()
	s.WireBytes += f.wire.Load()
}

// message counts a message with so many bytes.
func (f *flow) message(bytes int64) {
	f.messages.Add(1)
	f.bytes.Add(uint64(bytes)) //nolint:gosec // not negative
}
