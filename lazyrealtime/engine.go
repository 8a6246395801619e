package lazyrealtime

import (
	"context"
	"time"
)

// Position is a place in the log of a topic: behind the message that has it, and
// before the next one. Offsets rise strictly within a topic and an epoch; only
// their order has a meaning. The epoch names the log's incarnation: a log that was
// lost and made anew, or restored from a backup, has another one. The zero Position
// is before everything.
type Position struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

// IsZero reports whether p is the place before everything.
func (p Position) IsZero() bool { return p == Position{} }

// Message is a message of a topic. Messages are shared by everybody who gets them:
// they must not be changed.
type Message struct {
	// Topic is where it was published.
	Topic string
	// Position is its place in the topic's log; zero for one that is not stored.
	Position Position
	// ID is what duplicates are known by; empty for none.
	ID string
	// From is the id of the identity that published it; empty for the application.
	From string
	// Time is when it was appended, in milliseconds, by the engine's clock.
	Time time.Time
	// Data is the message.
	Data []byte
}

// Retention says how much of a topic's log is kept. A message goes as soon as one
// of the two bounds says so; when exactly, up to a second later, is the engine's
// business.
type Retention struct {
	// Messages is how many of the latest messages are kept. If zero, 1000.
	Messages int
	// Age is how long messages are kept. If zero, 24 h.
	Age time.Duration
}

const (
	defaultRetainMessages = 1000
	defaultRetainAge      = 24 * time.Hour
)

// OrDefault returns r with the defaults where it is zero or negative.
func (r Retention) OrDefault() Retention {
	if r.Messages <= 0 {
		r.Messages = defaultRetainMessages
	}
	if r.Age <= 0 {
		r.Age = defaultRetainAge
	}
	return r
}

// Entry is a message to be appended.
type Entry struct {
	Topic string
	// ID is what duplicates of the message are known by, within its topic and the
	// engine's window; empty: it has no duplicates.
	ID   string
	From string
	// Data is the message. The engine may keep it, until Append has returned an
	// error or for ever: it must not be changed.
	Data []byte
	// Keep is the topic's retention from now on.
	Keep Retention
}

// Appended is what became of an Entry.
type Appended struct {
	// Position is that of the message, or of the first one with the same ID.
	Position Position
	// Duplicate says that a message with the ID was there.
	Duplicate bool
}

// Page is a piece of a topic's log.
type Page struct {
	// Messages, oldest first. They are shared and must not be changed.
	Messages []*Message
	// Tail is the topic's latest position at the time of reading; with it, the last
	// message of the last page has been read. It has an epoch even if the topic has
	// never had a message.
	Tail Position
}

// Log is an engine: the durable log of all topics, the control log beside it, and
// the way between nodes. All methods may be called concurrently. An engine that
// cannot be reached returns an error that wraps ErrUnavailable; what was appended
// meanwhile may or may not be in the log, and is appended again with the same ID.
//
// golazy.dev/lazyrealtime/enginetest has the suite that every engine passes.
type Log interface {
	// Append makes the entries durable, in their order, and returns what became of
	// each once they are: none is lost then, whatever dies. If it returns an error,
	// nothing is known of any of them. Concurrent calls are ordered by the engine.
	Append(ctx context.Context, entries []Entry) ([]Appended, error)

	// Read returns messages behind a position, oldest first, at most limit of them
	// and at least one if there is one. A zero position means the oldest that is
	// retained. If messages behind the position are gone, or may be, the error is a
	// *GapError: for another epoch, a position that retention has passed, and one
	// behind the tail.
	Read(ctx context.Context, topic string, after Position, limit int) (Page, error)

	// Tail returns a topic's latest position, that of Page.Tail.
	Tail(ctx context.Context, topic string) (Position, error)

	// Join makes the caller a node: its feed is called until Node.Close.
	Join(ctx context.Context, feed Feed) (Node, error)

	// Control appends a record to the control log, durably, and lets the feeds of
	// all nodes know. Record.Seq is ignored.
	Control(ctx context.Context, r Record) error

	// Controls returns the records behind a sequence number that have not expired,
	// oldest first, and the number to go on from.
	Controls(ctx context.Context, after uint64) ([]Record, uint64, error)

	// Claim returns true to the first who claims key, durably, and false to all
	// others until then has passed.
	Claim(ctx context.Context, key string, then time.Time) (bool, error)

	// Check makes a round trip to where appended messages, the control log and the
	// leases are kept.
	Check(ctx context.Context) error

	// Close ends the engine. Nodes that are still joined are closed.
	Close() error
}

// Record is a record of the control log.
type Record struct {
	Seq     uint64 // rises strictly
	Kind    string // for instance "revoke"
	Key     string
	Value   string
	Expires time.Time // when it may be forgotten
}

// Feed is what an engine calls to tell a node what happens. Its methods do not
// block, and may call nothing of the engine's. The engine calls Live and Fleeting
// for a topic from one goroutine at a time.
type Feed interface {
	// Live is called for each message that is appended to a followed topic, in the
	// order of offsets, as far as the engine can: some may be missing, repeated or
	// late. Prev is the offset of the message before it in its topic, that of the
	// tail for the first; by that the node notices. It may be called before Append
	// has returned, never before the message is durable.
	Live(m *Message, prev uint64)

	// Fleeting is called for what Node.Send has sent to a followed topic. Data must
	// not be changed and may be kept.
	Fleeting(topic, origin string, data []byte)

	// Lost says that calls of Live may have been lost for a topic, or for all if it
	// is empty.
	Lost(topic string)

	// Presence says that somebody has entered or left a followed topic. It is a hint:
	// Node.Members has the truth.
	Presence(e PresenceEvent)

	// Gone says that a node has left or died: its members are no longer present.
	Gone(node string)

	// Changed says that the control log has grown.
	Changed()
}

// Node is a process, or a hub in it, that follows topics: one incarnation of it.
// Methods may be called concurrently.
type Node interface {
	// ID is the node's name, which no other incarnation had or will have. It may
	// change when the engine has lost the node's lease and taken another.
	ID() string

	// Follow starts the feed of a topic: what is appended once it has returned, and
	// what is sent, and who enters or leaves. Following twice is following once.
	Follow(ctx context.Context, topic string) error

	// Unfollow ends it.
	Unfollow(topic string)

	// Send calls Feed.Fleeting of all nodes that follow the topic, the caller's too,
	// perhaps before it returns; data must not be changed afterwards.
	// Nothing is stored, and nothing is known of its arrival. Origin comes with it.
	Send(ctx context.Context, topic, origin string, data []byte) error

	// Enter notes that an identity is present in a topic on this node, or has other
	// info than before. Info is JSON and may be nil. The engine repeats it by itself
	// when it has lost the node's lease.
	Enter(ctx context.Context, topic, id string, info []byte) error

	// Exit notes that it no longer is.
	Exit(ctx context.Context, topic, id string) error

	// Members returns who is present in a topic, on all nodes that live.
	Members(ctx context.Context, topic string) ([]Member, error)

	// Close ends the incarnation: its members are gone.
	Close(ctx context.Context) error
}

// Member is the presence of an identity in a topic on one node.
type Member struct {
	Node string
	ID   string
	Info []byte // JSON, or nil; must not be changed
}

// PresenceEvent says that a Member has entered a topic (or changed its info), or
// left it.
type PresenceEvent struct {
	Topic string
	Member
	Left bool
}
