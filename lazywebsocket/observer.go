package lazywebsocket

import (
	"context"
	"time"
)

// Observer is told what becomes of handshakes and connections: for metrics, logs and
// traces. The functions that are nil are not called; a connection without an
// Observer costs nothing for it. One Observer may serve any number of Upgraders and
// Dialers. Its fields must not change once it is used.
//
// The functions are called from whatever goroutine the event happens on, several at a
// time, and by some of them while a read or a write of the connection is in progress,
// or on a Poller's event loop. They must return at once, must neither read, write, close
// nor wait for the connection, and must not panic. Events are values and may be kept; a Conn in
// them keeps its memory as long as it is kept.
//
// A panic is caught by nobody but a Poller, for its connection, and by net/http: it comes out
// of the call that has met the event, or, where that was a goroutine of the connection's own,
// ends the process. It leaves no connection behind that cannot be closed, and what
// nobody else could close is: one that Upgrade or Dial was about to return, and one that
// Publish was sending to.
type Observer struct {
	// Handshake is called once for every call of Upgrade, and of Dial and its
	// neighbours, when it is about to return, also by a panic. Upgrade has answered
	// the request by then, and nobody else has the connection yet.
	Handshake func(HandshakeEvent)

	// Closed is called once for every connection that Handshake was told of, or would
	// have been, when its net.Conn has been closed: up to two seconds after Close,
	// which waits for the peer's Close frame behind its caller. A connection that
	// fails is closed when the application closes it.
	Closed func(ClosedEvent)

	// RoundTrip is called when a ping of the keepalive has been answered (see
	// Conn.RTT), within the read that has met the pong.
	RoundTrip func(c *Conn, d time.Duration)

	// Message is called for every text and binary message, where it is counted (see
	// Flow). Traffic costs less.
	Message func(MessageEvent)

	// Traffic counts what the connections send and receive, all together. Nil: it is
	// not counted, but for each connection until Closed.
	Traffic *Traffic
}

// HandshakeEvent is the end of a handshake.
type HandshakeEvent struct {
	// Conn is the connection; nil if the handshake has failed.
	Conn *Conn
	// Context is the request's, or that of the dial, for a trace. It is not to be kept
	// longer than the handler.
	Context context.Context
	// Client is true for a Dialer's handshake.
	Client bool
	// ProtoMajor is the version of HTTP: 1, or 2 or 3 for an extended CONNECT.
	ProtoMajor int
	// Status is the status of the answer; what Upgrader.Error was told, if the
	// application answers. Zero: there was none.
	Status int
	// Refusal says in one of few words why the handshake has failed; Accepted if it
	// has not.
	Refusal Refusal
	// Err is what the caller gets, nil if the handshake has not failed, or by a panic.
	Err error
	// Compressed says that permessage-deflate was negotiated.
	Compressed bool
	// Duration is the time since the call of Upgrade or Dial.
	Duration time.Duration
}

// ClosedEvent is the end of a connection.
type ClosedEvent struct {
	Conn *Conn
	// Client is true for a Dialer's connection.
	Client bool
	// ProtoMajor is the version of HTTP of its handshake.
	ProtoMajor int
	// Cause is what ended it first.
	Cause EndCause
	// Sent and Received are the codes of the Close frames: CloseNoStatusReceived for a
	// frame without one, CloseAbnormalClosure where there was no frame, or nobody has
	// met it, behind a breach of the protocol for example. The peer may send any code
	// from 3000 to 4999.
	Sent, Received int
	// Duration is the time since the handshake.
	Duration time.Duration
	// Traffic is what it has sent and received. What was being read or written at its
	// very end may be missing.
	Traffic TrafficStats
}

// MessageEvent is a text or binary message.
type MessageEvent struct {
	Conn *Conn
	// Sent is true for a message that was sent, false for one that was received.
	Sent bool
	// Type is TextMessage or BinaryMessage.
	Type int
	// Bytes is the size of the payload, uncompressed.
	Bytes int64
}

// Refusal says why a handshake has failed. There are few, so that they can be counted
// one by one.
type Refusal uint8

// The refusals, and who meets them.
const (
	// Accepted is no refusal.
	Accepted Refusal = iota
	// RefusedRequest: the request is no WebSocket handshake, or a malformed one.
	RefusedRequest
	// RefusedVersion: the client speaks another version of the protocol.
	RefusedVersion
	// RefusedOrigin: the Origin is not welcome.
	RefusedOrigin
	// RefusedHandshakes: Budget.Handshakes is used up.
	RefusedHandshakes
	// RefusedAddress: Budget.ConnectionsPerAddress is used up.
	RefusedAddress
	// RefusedInternal: the server could not answer as it wanted: a header of the
	// application's that must not be sent, or a connection that cannot be taken over.
	RefusedInternal
	// RefusedPanic: what the application has to say in a handshake has panicked, or
	// ended its goroutine.
	RefusedPanic
	// RefusedNetwork: the network failed: connecting, or what follows.
	RefusedNetwork
	// RefusedArguments: a Dialer was given what cannot be sent.
	RefusedArguments
	// RefusedProxy: a Dialer's proxy could not be found, or has refused.
	RefusedProxy
	// RefusedTLS: a Dialer's TLS handshake failed.
	RefusedTLS
	// RefusedTimeout: a Dialer's time has run out.
	RefusedTimeout
	// RefusedCancelled: the context of a dial was cancelled.
	RefusedCancelled
	// RefusedStatus: the server has answered a Dialer with another status than 101.
	RefusedStatus
	// RefusedAnswer: the server's answer to a Dialer is no valid one.
	RefusedAnswer
)

var refusals = [...]string{
	"", "request", "version", "origin", "handshakes", "address", "internal", "panic",
	"network", "arguments", "proxy", "tls", "timeout", "cancelled", "status", "answer",
}

// String returns one word, "" for Accepted.
func (r Refusal) String() string { return word(refusals[:], int(r)) }

// EndCause says what ended a connection.
type EndCause uint8

// The causes. What comes first counts: of a connection whose network has failed and
// that the application closes then, EndNetwork.
const (
	// EndLocal: the application has closed it, by Close, Shutdown or a Close frame, its
	// Poller's handler has returned an error, or a handler of control messages.
	EndLocal EndCause = iota + 1
	// EndPeer: the peer has sent a Close frame.
	EndPeer
	// EndProtocol: the peer has broken the protocol, or a limit; the Close frame has the
	// code.
	EndProtocol
	// EndNetwork: the network failed, or the peer vanished without a Close frame.
	EndNetwork
	// EndTimeout: a deadline of the application's has passed in a read or a write.
	EndTimeout
	// EndCancelled: a context has ended a read or a write in the middle of a message.
	EndCancelled
	// EndSlow: the peer did not take what was queued (see QueueOptions).
	EndSlow
	// EndBudget: a budget of the process was used up (see Budget).
	EndBudget
	// EndKeepalive: no sign of life came after a ping.
	EndKeepalive
	// EndPanic: a handler has panicked, or has ended its goroutine.
	EndPanic
)

var endCauses = [...]string{
	"", "local", "peer", "protocol", "network", "timeout", "cancelled", "slow", "budget", "keepalive", "panic",
}

// String returns one word.
func (e EndCause) String() string { return word(endCauses[:], int(e)) }

// word returns the i-th word, or "" where there is none.
func word(words []string, i int) string {
	if i < len(words) {
		return words[i]
	}
	return ""
}

// GroupObserver is told what a Group does; its members are told of by the Observers of
// their Upgraders and Dialers. The functions that are nil are not called. They are
// called outside of the group's lock, on the goroutine of the caller unless said
// otherwise, several at a time, must return at once, and must not panic.
type GroupObserver struct {
	// Broadcast is called behind each Broadcast and Send that had no error.
	Broadcast func(BroadcastEvent)

	// SentAway is called once for each connection that Shutdown has sent away, when it
	// has ended, on a goroutine of its own, before Shutdown returns.
	SentAway func(SentAwayEvent)
}

// BroadcastEvent is a message, or what Send was given, on its way to connections.
type BroadcastEvent struct {
	// Queued is the number of messages that were put into queues.
	Queued int
	// Refused is the number of those that were not, because their connections have
	// ended or end for it: they are slow, or say goodbye.
	Refused int
	// Duration is the time that queueing took, with the wait for the group's lock.
	Duration time.Duration
}

// count notes what became of a message.
func (e *BroadcastEvent) count(err error) {
	if err == nil {
		e.Queued++
	} else {
		e.Refused++
	}
}

// SentAwayEvent is the end of a connection that Group.Shutdown has sent away.
type SentAwayEvent struct {
	Conn *Conn
	// Err is nil if the peer has answered the Close frame, or the connection had
	// ended before; otherwise that of Conn.Shutdown.
	Err error
	// Duration is the time since its turn came.
	Duration time.Duration
}

// BudgetStats is what is counted in a Budget at a moment.
type BudgetStats struct {
	// QueuedBytes, InflatedBytes and Handshakes are what the fields of Budget of these
	// names bound.
	QueuedBytes, InflatedBytes, Handshakes int64
	// Behind is how many connections have been behind: those that may be ended when
	// QueuedBytes is used up.
	Behind int
}

// Stats returns what is counted now. It may be called at any time. It walks the
// connections that are behind.
func (b *Budget) Stats() BudgetStats {
	s := BudgetStats{QueuedBytes: b.queued.Load(), InflatedBytes: b.inflated.Load(), Handshakes: b.handshakes.Load()}
	b.mu.Lock()
	defer b.mu.Unlock()
	for e := b.oldest; e != nil; e = e.next {
		s.Behind++
	}
	return s
}
