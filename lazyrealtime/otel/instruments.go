package otel

import "golazy.dev/lazyrealtime"

// instrument is what a name means.
type instrument struct {
	unit        string // UCUM; what is counted in braces, as OpenTelemetry's conventions have it
	description string
}

var counters = map[lazyrealtime.Counter]instrument{
	lazyrealtime.CountConnects:     {"{connection}", "Connections that were opened."},
	lazyrealtime.CountDisconnects:  {"{connection}", "Connections that have ended."},
	lazyrealtime.CountRefused:      {"{connection}", "Connections refused for their credentials, a limit or a revocation."},
	lazyrealtime.CountFull:         {"{connection}", "Connections refused because the node has as many as it may."},
	lazyrealtime.CountSubscribes:   {"{subscription}", "Subscriptions that were confirmed."},
	lazyrealtime.CountRejects:      {"{subscription}", "Subscriptions that were rejected."},
	lazyrealtime.CountUnsubscribes: {"{subscription}", "Subscriptions that have ended."},
	lazyrealtime.CountPublishes:    {"{message}", "Messages that were stored."},
	lazyrealtime.CountDuplicates:   {"{message}", "Publishes of a message whose id was stored before."},
	lazyrealtime.CountBroadcasts:   {"{message}", "Messages that were sent without being stored."},
	lazyrealtime.CountDeliveries:   {"{message}", "Live messages queued for a connection."},
	lazyrealtime.CountReplayed:     {"{message}", "Stored messages queued for a connection by a replay."},
	lazyrealtime.CountGaps:         {"{replay}", "Replays refused because messages were gone."},
	lazyrealtime.CountEngineReads:  {"{read}", "Reads of the engine for replays that memory could not answer."},
	lazyrealtime.CountRepairs:      {"{message}", "Live messages that had to be read from the engine."},
	lazyrealtime.CountSlow:         {"{connection}", "Connections ended because they did not read."},
	lazyrealtime.CountRevoked:      {"{connection}", "Connections ended by a revocation."},
	lazyrealtime.CountLimited:      {"{request}", "What clients asked for beyond a limit."},
}

var histograms = map[lazyrealtime.Histogram]instrument{
	lazyrealtime.TimePublish: {"s", "Time until a publish is durable."},
	lazyrealtime.TimeReplay:  {"s", "Time until a subscriber has caught up."},
	lazyrealtime.TimeFanout:  {"s", "Time to queue a message for all subscribers."},
}

// seconds are the bounds of the histograms' buckets: a fan-out takes microseconds,
// an fsync milliseconds, a long replay seconds. OpenTelemetry's default bounds are
// for milliseconds.
var seconds = []float64{
	.000025, .0001, .00025, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10,
}
