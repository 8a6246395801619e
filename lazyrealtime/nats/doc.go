// Package nats keeps the logs of lazyrealtime on the servers of NATS JetStream, for
// several processes that are one: messages, the control log, claims, who is present,
// and what is live between the processes.
//
//	log, err := nats.Open(ctx, "nats://10.0.0.1:4222,nats://10.0.0.2:4222", nats.Options{Name: "chat"})
//	hub, err := lazyrealtime.Open(ctx, lazyrealtime.Config{Log: log})
//
// It needs servers from version 2.11 on; from 2.12 on, calls of Append with many
// messages of one topic are faster. What it needs there it makes: a stream for each of
// Options.Partitions, over which the topics are spread, and two more.
//
// # What an acknowledgement is worth
//
// Append returns when more than half of a partition's replicas have a message: with
// three replicas any one server may die, and nothing that was acknowledged is lost,
// doubled or reordered. That is in the servers' memory at first, or their operating
// systems'. It survives the death of any number of their processes; but when the power
// of more than half of the replicas fails at the same time, what was acknowledged
// within the servers' sync_interval (2 min unless they are told otherwise) may be lost.
// Offsets are then given out a second time, and a reader who has seen the lost ones is
// not told of a gap. Servers with `sync_interval: always` write to disk first. Durability
// reads what they do.
//
// While a partition has no leader, for 5 to 10 s after the death of a server, nothing of
// its topics is acknowledged and calls wait; see Log.Append.
//
// # Duplicates
//
// The servers remember the IDs of messages for Options.Window, by topic and ID. Append
// itself relies on it when it publishes again what was not acknowledged.
//
// # Positions
//
// An offset is a message's sequence number in its partition. The epoch is a random name
// that a partition gets when it is made. It is part of the subjects, so that nothing ends
// up in a partition that has taken the place of another one. It is kept in the stream's
// metadata: whoever restores a partition from a backup has to change it there, and in
// its subjects, or readers miss what was lost without a gap being reported.
//
// # Retention
//
// The streams keep what Options.Retain says of each topic. Less is kept for topics whose
// entries say so: what is beyond that is not read any more, but takes room until the
// stream removes it, and is read again if a later entry wants more. Messages can not be
// deleted by hand, and partitions not be purged: gaps could not be told then.
//
// # Permissions
//
// A user of the servers has to be allowed to publish and subscribe to NAME.>, _INBOX.>
// and $JS.API.>, and to subscribe to $JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.*.
package nats
