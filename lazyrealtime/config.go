package lazyrealtime

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"golazy.dev/lazywebsocket"
)

// Config says what a hub does. Log is required; the zero value of everything else
// is safe: nobody may do anything but follow stream names that the hub has signed.
type Config struct {
	// Log is the engine. The hub does not close it.
	Log Log

	// Authenticate says who makes a request, at connect. An error refuses it: 401,
	// or to a WebSocket that can be told so, disconnect with reason unauthorized.
	// ErrTokenExpired within it lets clients fetch another token. If nil, everybody
	// is the zero Identity: anonymous.
	//
	// TokenOf returns the token that the clients send. golazy.dev/lazyrealtime/jwt
	// has an Authenticate for JSON Web Tokens.
	Authenticate func(r *http.Request) (Identity, error)

	// Authorize says whether an identity may do something with a topic; an error
	// refuses it, which is logged and not told. It is called at every subscribe,
	// publish, replay and presence, also after a reconnect. If nil, or for a topic
	// that it does not know, the answer should be no: nil denies everything, except
	// that a stream name signed by this hub may be followed by the identity that it
	// was signed for.
	Authorize func(ctx context.Context, id Identity, op Op, topic string) error

	// Retain says how much of a topic is kept. If nil, the default Retention.
	Retain func(topic string) Retention

	// Secret signs stream names, positions and tickets: 32 random bytes or more,
	// the same on all nodes and after a restart. If empty, the hub makes one, and
	// what it signed is void when the process ends.
	Secret []byte

	// TurboSecret is the key of a Rails application's Turbo.signed_stream_verifier_key.
	// With it, the names that the application signs are accepted, from everybody: they
	// carry no identity and do not expire. If empty, they are refused.
	TurboSecret []byte

	// Public accepts unsigned names with the channel $pubsub, from everybody, without
	// asking Authorize to subscribe, replay and whisper. Publishing by clients and
	// presence are asked for all the same.
	Public bool

	// PublishKey is what programs send to ServePublish as a bearer token. If empty,
	// the endpoint does not exist: 404.
	PublishKey string

	// Channels are the application's channels by name, beside $pubsub and
	// Turbo::StreamsChannel.
	Channels map[string]Channel

	// Upgrader upgrades requests; its Subprotocols are the hub's, and its Queue.Policy is
	// QueueClose. Nil is one with the defaults of lazywebsocket, which refuses pages of
	// other origins, and messages beyond Limits.MessageBytes.
	Upgrader *lazywebsocket.Upgrader

	// Poller serves the connections from event loops. If nil, each has a goroutine.
	// It must not be Inline: authorizing may wait.
	Poller *lazywebsocket.Poller

	// Limits bound what clients may do.
	Limits Limits

	// PingInterval is how often clients that speak Action Cable get a ping. They
	// take a connection for dead after two without. If zero, 3 s.
	PingInterval time.Duration

	// RevokeWithin is the time within which Revoke closes an identity's connections
	// on every node. A node that has not read the control log for that long refuses
	// connections and closes its own. If zero, 10 s.
	RevokeWithin time.Duration

	// CredentialLife is the longest that a credential of Authenticate may be valid:
	// revocations are kept for so long, and what was issued before is refused as
	// expired, whatever its own end. A signed name is good as long as the credential
	// that comes with it. If zero, 31 days. For credentials that never end, a hundred
	// years: every revocation is kept then, in memory, too. Making it longer lets in
	// again what was revoked, and forgotten, while it was shorter.
	CredentialLife time.Duration

	// RecentMessages and RecentBytes bound the latest messages that are kept in
	// memory for each active topic; the newest may be larger alone. If zero, 256 and
	// 256 KiB. If RecentMessages is negative, none.
	RecentMessages, RecentBytes int

	// Linger is how long a topic stays active after its last subscriber has gone,
	// for the reconnects after a deployment. If zero, 1 min. If negative, not at all.
	Linger time.Duration

	// Drain is the time over which Shutdown spreads the goodbyes. If zero, 5 s. If
	// negative, none.
	Drain time.Duration

	// Metrics counts what happens. If nil, nothing does. golazy.dev/lazyrealtime/otel
	// has one for OpenTelemetry.
	Metrics Metrics

	// Logger gets what an operator should know, never a line per message. If nil,
	// slog.Default.
	Logger *slog.Logger
}

// Identity is who makes a request.
type Identity struct {
	// ID is unique and stable. Presence, revocation and limits go by it. Empty for
	// somebody anonymous, who cannot be present or revoked.
	ID string
	// Issued is when the credential was issued: one that was issued before the
	// identity was revoked is void, and so is one older than Config.CredentialLife. If
	// zero, or later than now, by a clock that is ahead, now: it was checked by the
	// application against its own records. The beginning of Unix time is for one of
	// which nobody knows: older than every revocation, and refused unless it Expires
	// within Config.CredentialLife.
	Issued time.Time
	// Expires is when the credential ends: the connection is told token_expired then
	// and closed. If zero, never.
	Expires time.Time
	// Info is what others see of somebody who is present, as JSON; nil for nothing.
	Info []byte
	// Value is the application's own; the hub does not look at it.
	Value any
}

// Op is what an identity wants to do with a topic.
type Op int

const (
	// OpSubscribe is to get messages from now on.
	OpSubscribe Op = iota + 1
	// OpReplay is to get messages that were published before.
	OpReplay
	// OpPublish is to publish a message that is stored.
	OpPublish
	// OpWhisper is to send a message that is not stored.
	OpWhisper
	// OpPresence is to be present, and to see who is.
	OpPresence
)

// String returns the name, as "subscribe".
func (op Op) String() string {
	switch op {
	case OpSubscribe:
		return "subscribe"
	case OpReplay:
		return "replay"
	case OpPublish:
		return "publish"
	case OpWhisper:
		return "whisper"
	case OpPresence:
		return "presence"
	default:
		return "unknown"
	}
}

// Limits bound what clients may do. The zero value has the documented defaults;
// negative is no limit.
type Limits struct {
	// MessageBytes is the largest message, of clients, Publish and Broadcast. If zero, 64 KiB.
	MessageBytes int
	// IdentifierBytes is the longest identifier of a subscription, which is what
	// names its channel and parameters. If zero, 2048.
	IdentifierBytes int
	// TopicBytes is the longest topic. If zero, 255, which is also the most.
	TopicBytes int
	// Subscriptions is the most subscriptions of a connection. If zero, 100.
	Subscriptions int
	// Connections is the most connections of a node, of all clients together: WebSockets
	// and event streams, with an identity or anonymous. Requests beyond it are answered
	// with 503 and Retry-After, an EventSource with a stream that ends, so that it comes
	// back. If zero, 100,000, for which a node needs a GiB or two. Of one address: see
	// lazywebsocket.Budget.
	Connections int
	// ConnectionsPerIdentity is the most connections of an identity on a node; the
	// anonymous are not counted. If zero, 50.
	ConnectionsPerIdentity int
	// PublishesPerSecond is how often an identity, or an anonymous connection, may
	// publish, whisper, or send messages to channels, on a node, on average; four times
	// as many may come at once. Beyond it the connection ends, unless the sender waits
	// for an answer: then it is told to wait. If zero, 50.
	PublishesPerSecond int
	// CommandsPerSecond is how often a connection may send commands of any kind, on
	// average; four times as many may come at once. If zero, 100, or as many as it
	// may have subscriptions. To ask who is present in a topic is a command more for every
	// hundred that are; who may not at the moment is answered with an error.
	CommandsPerSecond int
	// Members is the most members of a topic's presence. If zero, 10,000.
	Members int
	// ReplayMessages is the most messages of one replay; what would be more is a gap.
	// If zero, 10,000.
	ReplayMessages int
	// InfoBytes is the largest presence info. If zero, 1024.
	InfoBytes int
}

const (
	defaultMessageBytes           = 64 << 10
	defaultIdentifierBytes        = 2048
	defaultSubscriptions          = 100
	defaultConnections            = 100_000
	defaultConnectionsPerIdentity = 50
	defaultPublishesPerSecond     = 50
	defaultCommandsPerSecond      = 100
	defaultMembers                = 10_000
	defaultReplayMessages         = 10_000
	defaultInfoBytes              = 1024
)

// Metrics counts what happens. Its methods are called from many goroutines, on hot
// paths, and must not block.
type Metrics interface {
	// Add adds n to a counter.
	Add(c Counter, n int64)
	// Record notes a value of a histogram.
	Record(h Histogram, value float64)
}

// Counter is the name of something that is counted, in lower case with dots.
type Counter string

// Histogram is the name of something that is measured.
type Histogram string

// What a hub counts and measures.
const (
	CountConnects     Counter   = "connections.opened"
	CountDisconnects  Counter   = "connections.closed"
	CountRefused      Counter   = "connections.refused"     // by Authenticate, limits or revocation
	CountFull         Counter   = "connections.full"        // of these, by Limits.Connections
	CountSubscribes   Counter   = "subscriptions.confirmed" //
	CountRejects      Counter   = "subscriptions.rejected"  //
	CountUnsubscribes Counter   = "subscriptions.ended"     //
	CountPublishes    Counter   = "messages.published"      // stored
	CountDuplicates   Counter   = "messages.duplicate"      // publishes whose id was there
	CountBroadcasts   Counter   = "messages.broadcast"      // not stored
	CountDeliveries   Counter   = "messages.delivered"      // put into a connection's queue
	CountReplayed     Counter   = "messages.replayed"       // put into a connection's queue by a replay
	CountGaps         Counter   = "replays.gaps"            // replays that were refused
	CountEngineReads  Counter   = "engine.reads"            // replays that memory could not answer
	CountRepairs      Counter   = "feed.repairs"            // live messages that had to be read
	CountSlow         Counter   = "connections.slow"        // ended because they did not read
	CountRevoked      Counter   = "connections.revoked"     //
	CountLimited      Counter   = "limits.exceeded"         //
	TimePublish       Histogram = "publish.duration"        // seconds until a publish is durable
	TimeReplay        Histogram = "replay.duration"         // seconds until a subscriber has caught up
	TimeFanout        Histogram = "fanout.duration"         // seconds to queue a message for all subscribers
)
