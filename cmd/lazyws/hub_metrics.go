package main

import (
	"net/http"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"golazy.dev/lazyrealtime"
)

// metrics are the hub's counters and histograms, for Prometheus.
type metrics struct {
	registry *prometheus.Registry

	// mu guards the maps, which grow when a name comes that the tables do not have.
	mu         sync.RWMutex
	counters   map[lazyrealtime.Counter]prometheus.Counter
	histograms map[lazyrealtime.Histogram]prometheus.Histogram
}

var _ lazyrealtime.Metrics = (*metrics)(nil)

// counterHelp are the counters that are there, at zero, from the beginning: what
// appears with its first event has no rate before it.
var counterHelp = map[lazyrealtime.Counter]string{
	lazyrealtime.CountConnects:     "Connections that were opened.",
	lazyrealtime.CountDisconnects:  "Connections that have ended.",
	lazyrealtime.CountRefused:      "Connections refused for their credentials, a limit or a revocation.",
	lazyrealtime.CountFull:         "Connections refused because the node has as many as it may.",
	lazyrealtime.CountSubscribes:   "Subscriptions that were confirmed.",
	lazyrealtime.CountRejects:      "Subscriptions that were rejected.",
	lazyrealtime.CountUnsubscribes: "Subscriptions that have ended.",
	lazyrealtime.CountPublishes:    "Messages that were stored.",
	lazyrealtime.CountDuplicates:   "Publishes of a message whose id was stored before.",
	lazyrealtime.CountBroadcasts:   "Messages that were sent without being stored.",
	lazyrealtime.CountDeliveries:   "Live messages queued for a connection.",
	lazyrealtime.CountReplayed:     "Stored messages queued for a connection by a replay.",
	lazyrealtime.CountGaps:         "Replays refused because messages were gone.",
	lazyrealtime.CountEngineReads:  "Reads of the store for replays that memory could not answer.",
	lazyrealtime.CountRepairs:      "Live messages that had to be read from the store.",
	lazyrealtime.CountSlow:         "Connections ended because they did not read.",
	lazyrealtime.CountRevoked:      "Connections ended by a revocation.",
	lazyrealtime.CountLimited:      "What clients asked for beyond a limit.",
}

var histogramHelp = map[lazyrealtime.Histogram]string{
	lazyrealtime.TimePublish: "Seconds until a publish is durable.",
	lazyrealtime.TimeReplay:  "Seconds until a subscriber has caught up.",
	lazyrealtime.TimeFanout:  "Seconds to queue a message for all subscribers.",
}

// buckets reach from a fan-out's microseconds to the seconds of a long replay.
var buckets = []float64{
	.000025, .0001, .00025, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10,
}

func newMetrics() *metrics {
	m := &metrics{
		registry:   prometheus.NewRegistry(),
		counters:   map[lazyrealtime.Counter]prometheus.Counter{},
		histograms: map[lazyrealtime.Histogram]prometheus.Histogram{},
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	for name := range counterHelp {
		m.counter(name)
	}
	for name := range histogramHelp {
		m.histogram(name)
	}
	return m
}

// observe adds what the hub has at the moment.
func (m *metrics) observe(hub *lazyrealtime.Hub) {
	gauge := func(name, help string, read func(lazyrealtime.Stats) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "lazyrealtime_" + name, Help: help},
			func() float64 { return read(hub.Stats()) },
		))
	}
	gauge("connections", "Connections that are open.",
		func(s lazyrealtime.Stats) float64 { return float64(s.Connections) })
	gauge("subscriptions", "Subscriptions of connections.",
		func(s lazyrealtime.Stats) float64 { return float64(s.Subscriptions) })
	gauge("topics", "Topics that are followed, or were lately.",
		func(s lazyrealtime.Stats) float64 { return float64(s.Topics) })
	gauge("recent_bytes", "Memory held by the latest messages of these topics.",
		func(s lazyrealtime.Stats) float64 { return float64(s.RecentBytes) })
	gauge("ready", "1 while the hub takes connections.", func(lazyrealtime.Stats) float64 {
		if hub.Ready() != nil {
			return 0
		}
		return 1
	})
}

// handler serves the metrics in Prometheus' format.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Add implements lazyrealtime.Metrics. Counters do not fall.
func (m *metrics) Add(c lazyrealtime.Counter, n int64) {
	if n < 0 {
		return
	}
	m.mu.RLock()
	counter := m.counters[c]
	m.mu.RUnlock()
	if counter == nil {
		counter = m.counter(c)
	}
	counter.Add(float64(n))
}

// Record implements lazyrealtime.Metrics.
func (m *metrics) Record(h lazyrealtime.Histogram, value float64) {
	m.mu.RLock()
	histogram := m.histograms[h]
	m.mu.RUnlock()
	if histogram == nil {
		histogram = m.histogram(h)
	}
	histogram.Observe(value)
}

// counter returns the counter of a name, and makes it if there is none.
func (m *metrics) counter(c lazyrealtime.Counter) prometheus.Counter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counters[c] == nil {
		m.counters[c] = prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricName(string(c)) + "_total", Help: counterHelp[c],
		})
		m.registry.MustRegister(m.counters[c])
	}
	return m.counters[c]
}

// histogram returns the histogram of a name, and makes it if there is none.
func (m *metrics) histogram(h lazyrealtime.Histogram) prometheus.Histogram {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.histograms[h] == nil {
		m.histograms[h] = prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: metricName(string(h)) + "_seconds", Help: histogramHelp[h], Buckets: buckets,
		})
		m.registry.MustRegister(m.histograms[h])
	}
	return m.histograms[h]
}

// metricName is a hub's name as Prometheus has them.
func metricName(name string) string { return "lazyrealtime_" + strings.ReplaceAll(name, ".", "_") }
