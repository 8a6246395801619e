// Package otel counts what a hub of golazy.dev/lazyrealtime does with
// OpenTelemetry.
//
//	meter := provider.Meter("golazy.dev/lazyrealtime")
//	metrics, err := otel.New(meter)
//	hub, err := lazyrealtime.Open(ctx, lazyrealtime.Config{Log: log, Metrics: metrics})
//	registration, err := otel.Observe(meter, hub)
//
// Instruments have the hub's names behind "lazyrealtime.": counters such as
// lazyrealtime.messages.published ({message}), histograms of seconds such as
// lazyrealtime.publish.duration (s), and with Observe what there is at the moment:
// lazyrealtime.connections.active and its neighbours. None has attributes: a topic
// or an identity would make a series of each.
package otel

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel/metric"

	"golazy.dev/lazyrealtime"
)

// prefix is before all names.
const prefix = "lazyrealtime."

// Metrics implements lazyrealtime.Metrics. Its methods may be called concurrently,
// wait for nothing, and allocate nothing but what the provider does, which is
// nothing with the SDK of OpenTelemetry.
type Metrics struct {
	meter metric.Meter

	// counters and histograms are never written to.
	counters   map[lazyrealtime.Counter]metric.Int64Counter
	histograms map[lazyrealtime.Histogram]metric.Float64Histogram

	// What a newer hub counts and the tables do not have, made when it comes first.
	otherCounters   sync.Map // of lazyrealtime.Counter to metric.Int64Counter
	otherHistograms sync.Map // of lazyrealtime.Histogram to metric.Float64Histogram
}

var _ lazyrealtime.Metrics = (*Metrics)(nil)

// New makes the instruments. An error is the meter's; the Metrics beside it is
// usable, without the instruments that could not be made.
func New(meter metric.Meter) (*Metrics, error) {
	m := &Metrics{
		meter:      meter,
		counters:   make(map[lazyrealtime.Counter]metric.Int64Counter, len(counters)),
		histograms: make(map[lazyrealtime.Histogram]metric.Float64Histogram, len(histograms)),
	}
	var errs []error
	for name, about := range counters {
		counter, err := m.counter(name, about)
		m.counters[name] = counter
		errs = append(errs, err)
	}
	for name, about := range histograms {
		histogram, err := m.histogram(name, about)
		m.histograms[name] = histogram
		errs = append(errs, err)
	}
	return m, errors.Join(errs...)
}

// counter makes a counter. The API promises one that can be called beside an error.
func (m *Metrics) counter(name lazyrealtime.Counter, about instrument) (metric.Int64Counter, error) {
	return m.meter.Int64Counter(prefix+string(name),
		metric.WithUnit(about.unit), metric.WithDescription(about.description))
}

// histogram makes a histogram.
func (m *Metrics) histogram(name lazyrealtime.Histogram, about instrument) (metric.Float64Histogram, error) {
	return m.meter.Float64Histogram(prefix+string(name),
		metric.WithUnit(about.unit), metric.WithDescription(about.description),
		metric.WithExplicitBucketBoundaries(seconds...))
}

// Add implements lazyrealtime.Metrics. Counters do not fall: n below zero is
// ignored.
func (m *Metrics) Add(c lazyrealtime.Counter, n int64) {
	if n < 0 {
		return
	}
	counter, ok := m.counters[c]
	if !ok {
		counter = m.otherCounter(c)
	}
	counter.Add(context.Background(), n)
}

// Record implements lazyrealtime.Metrics.
func (m *Metrics) Record(h lazyrealtime.Histogram, value float64) {
	histogram, ok := m.histograms[h]
	if !ok {
		histogram = m.otherHistogram(h)
	}
	histogram.Record(context.Background(), value)
}

// otherCounter returns a counter that the table does not have. Making it twice at
// once is harmless: the meter returns the same instrument. Its error is dropped:
// there is nobody to tell, and the instrument can be called.
func (m *Metrics) otherCounter(c lazyrealtime.Counter) metric.Int64Counter {
	if counter, ok := m.otherCounters.Load(c); ok {
		return counter.(metric.Int64Counter)
	}
	counter, _ := m.counter(c, instrument{})
	m.otherCounters.Store(c, counter)
	return counter
}

// otherHistogram returns a histogram that the table does not have.
func (m *Metrics) otherHistogram(h lazyrealtime.Histogram) metric.Float64Histogram {
	if histogram, ok := m.otherHistograms.Load(h); ok {
		return histogram.(metric.Float64Histogram)
	}
	histogram, _ := m.histogram(h, instrument{unit: "s"})
	m.otherHistograms.Store(h, histogram)
	return histogram
}
