package nats

import (
	"log/slog"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
)

// Options say how a log is kept. The zero Options are good for a cluster that has
// nothing else to do.
type Options struct {
	// Name keeps several logs on the same servers apart: it begins the names of their
	// streams and subjects. Letters, digits, - and _. If empty, "lazy".
	Name string

	// Partitions is how many streams the topics are spread over. It is settled when
	// the log is made; later ones are not looked at. The more there are, the faster a
	// topic is read, as the servers look through a stream for it; and the more a
	// publisher costs them, as fewer messages share a round of replication: RESULTS.md
	// has figures. If zero, 64.
	Partitions int

	// Replicas is how many servers hold each stream: 1, 3 or 5. If zero, 3 in a
	// cluster and 1 on a single server. Streams that have another number are changed
	// only if it is not zero.
	Replicas int

	// Retain is the most that any topic keeps. Less is kept for topics whose entries
	// say so; more is refused with a *RetentionError. Streams that were made with less
	// get more; with more, they stay. Zero fields are as in lazyrealtime.Retention.
	Retain lazyrealtime.Retention

	// Window is for how long a message's ID is remembered. Within it an entry that
	// comes again is a duplicate; Append does not try for longer than half of it. It
	// costs the servers about 150 bytes per message published in it. If zero, 2 min;
	// at least 2 s. As with Partitions, it is settled when the log is made.
	Window time.Duration

	// Lease is how long the members of a node that died are still present. It is
	// renewed five times in that time. It should be longer than the servers take to
	// elect a leader, which is up to 10 s, or nodes lose it for nothing. If zero, 20 s;
	// at least 1 s.
	Lease time.Duration

	// Recheck is how often each followed topic's feed is told that messages may have
	// been lost, for the case that nothing else tells. If zero, 1 min; if negative,
	// never.
	Recheck time.Duration

	// AckWait is after how long a message that was not acknowledged is sent again. If
	// zero, 2 s.
	AckWait time.Duration

	// Pending is how many messages may wait for their acknowledgement; beyond it Append
	// waits before it sends. If zero, 4096.
	Pending int

	// Monitor is where servers are monitored over HTTP, for Durability: for instance
	// http://127.0.0.1:8222. It is not needed for anything else.
	Monitor []string

	// Connect has more options for the connections: credentials, TLS, a name.
	Connect []nats.Option

	// Logger is told of lost leases, leaders and connections. If nil, nobody is.
	Logger *slog.Logger
}

const (
	defaultName       = "lazy"
	defaultPartitions = 64
	maxPartitions     = 1024
	clusterReplicas   = 3
	defaultWindow     = 2 * time.Minute
	minWindow         = 2 * time.Second
	defaultLease      = 20 * time.Second
	minLease          = time.Second // the servers refuse less
	defaultRecheck    = time.Minute
	defaultAckWait    = 2 * time.Second
	defaultPending    = 4096
)

var validName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// orDefault returns o without zeros, but for Replicas.
func (o Options) orDefault() (Options, error) {
	if o.Name == "" {
		o.Name = defaultName
	}
	if !validName.MatchString(o.Name) {
		return o, &OptionError{"Name", "letters, digits, - and _ only, 64 at most"}
	}
	o.Partitions = orDefault(o.Partitions, defaultPartitions)
	if o.Partitions > maxPartitions {
		return o, &OptionError{"Partitions", "1024 at most"}
	}
	if o.Replicas < 0 || o.Replicas > 5 {
		return o, &OptionError{"Replicas", "0 to 5"}
	}
	o.Retain = o.Retain.OrDefault()
	o.Window = max(orDefault(o.Window, defaultWindow), minWindow)
	o.Lease = max(orDefault(o.Lease, defaultLease), minLease)
	o.Recheck = orDefaultOrNever(o.Recheck, defaultRecheck)
	o.AckWait = orDefault(o.AckWait, defaultAckWait)
	o.Pending = orDefault(o.Pending, defaultPending)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func orDefault[T int | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}

func orDefaultOrNever(v, d time.Duration) time.Duration {
	if v == 0 {
		return d
	}
	return max(v, 0)
}
