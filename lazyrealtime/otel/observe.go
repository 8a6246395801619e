package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/metric"

	"golazy.dev/lazyrealtime"
)

// gauges are what Observe reads.
var gauges = []struct {
	name  string
	about instrument
	read  func(lazyrealtime.Stats) int64
}{
	{
		"connections.active",
		instrument{"{connection}", "Connections that are open."},
		func(s lazyrealtime.Stats) int64 { return int64(s.Connections) },
	},
	{
		"subscriptions.active",
		instrument{"{subscription}", "Subscriptions of connections."},
		func(s lazyrealtime.Stats) int64 { return int64(s.Subscriptions) },
	},
	{
		"topics.active",
		instrument{"{topic}", "Topics that are followed."},
		func(s lazyrealtime.Stats) int64 { return int64(s.Topics) },
	},
	{
		"recent.size",
		instrument{"By", "Memory held by the latest messages of active topics."},
		func(s lazyrealtime.Stats) int64 { return s.RecentBytes },
	},
}

// Observe reports a hub's Stats whenever the provider collects, until the
// Registration is unregistered. hub is a *lazyrealtime.Hub. They are up-down
// counters, which add up over the nodes of a cluster.
func Observe(meter metric.Meter, hub interface{ Stats() lazyrealtime.Stats }) (metric.Registration, error) {
	instruments := make([]metric.Int64ObservableUpDownCounter, len(gauges))
	observables := make([]metric.Observable, len(gauges))
	var errs []error
	for i, gauge := range gauges {
		counter, err := meter.Int64ObservableUpDownCounter(prefix+gauge.name,
			metric.WithUnit(gauge.about.unit), metric.WithDescription(gauge.about.description))
		instruments[i], observables[i] = counter, counter
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		stats := hub.Stats()
		for i, gauge := range gauges {
			observer.ObserveInt64(instruments[i], gauge.read(stats))
		}
		return nil
	}, observables...)
}
