package otel

import (
	"context"
	"errors"
	"math"

	"go.opentelemetry.io/otel/metric"

	"golazy.dev/lazywebsocket"
)

// maker makes instruments whose names begin with prefix. The API promises one that
// can be called beside an error.
type maker struct {
	meter  metric.Meter
	prefix string
	errs   []error
}

func (m *maker) note(err error) {
	if err != nil {
		m.errs = append(m.errs, err)
	}
}

// err returns what has failed.
func (m *maker) err() error { return errors.Join(m.errs...) }

func (m *maker) counter(name, unit, about string) metric.Int64Counter {
	i, err := m.meter.Int64Counter(m.prefix+name, metric.WithUnit(unit), metric.WithDescription(about))
	m.note(err)
	return i
}

func (m *maker) upDown(name, unit, about string) metric.Int64UpDownCounter {
	i, err := m.meter.Int64UpDownCounter(m.prefix+name, metric.WithUnit(unit), metric.WithDescription(about))
	m.note(err)
	return i
}

func (m *maker) seconds(name, about string, bounds []float64) metric.Float64Histogram {
	i, err := m.meter.Float64Histogram(m.prefix+name, metric.WithUnit("s"), metric.WithDescription(about),
		metric.WithExplicitBucketBoundaries(bounds...))
	m.note(err)
	return i
}

func (m *maker) bytes(name, about string) metric.Int64Histogram {
	i, err := m.meter.Int64Histogram(m.prefix+name, metric.WithUnit("By"), metric.WithDescription(about),
		metric.WithExplicitBucketBoundaries(messageBytes...))
	m.note(err)
	return i
}

func (m *maker) sum(name, unit, about string) metric.Int64ObservableCounter {
	i, err := m.meter.Int64ObservableCounter(m.prefix+name, metric.WithUnit(unit), metric.WithDescription(about))
	m.note(err)
	return i
}

func (m *maker) level(name, unit, about string) metric.Int64ObservableUpDownCounter {
	i, err := m.meter.Int64ObservableUpDownCounter(m.prefix+name, metric.WithUnit(unit), metric.WithDescription(about))
	m.note(err)
	return i
}

// register reports what observe reads, until the Registration is unregistered. It is
// nil where an instrument is missing.
func (m *maker) register(observe metric.Callback, instruments ...metric.Observable) metric.Registration {
	if len(m.errs) > 0 {
		return nil
	}
	registration, err := m.meter.RegisterCallback(observe, instruments...)
	if m.note(err); err != nil {
		return nil
	}
	return registration
}

// The bounds of the histograms' buckets. Those of handshakes are the ones that the
// conventions have for requests, those of connections begin with the ones that they
// have for SignalR's; a page may stay open for a day.
var (
	handshakeSeconds  = []float64{.0005, .001, .0025, .005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	connectionSeconds = []float64{.01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 120, 300, 1800, 3600, 14400, 86400}
	messageBytes      = []float64{16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}
)

// observeTraffic reports what the connections have counted.
func (s *side) observeTraffic(m *maker) metric.Registration {
	messages := m.sum("messages", "{message}", "Messages that were received and sent.")
	payload := m.sum("message.io", "By", "Payloads of messages, uncompressed.")
	wire := m.sum("network.io", "By", "Frames, with their headers, compressed, before TLS and HTTP/2.")
	waiting := m.level("queue.messages", "{message}", "Messages that wait in outgoing queues.")
	size := m.level("queue.size", "By", "What waits in outgoing queues.")
	dropped := m.sum("queue.dropped_messages", "{message}", "Queued messages that were never sent.")
	oldest, closed := with(dropKey.String("oldest")), with(dropKey.String("closed"))
	return m.register(func(_ context.Context, o metric.Observer) error {
		t := s.traffic.Stats()
		for _, d := range []struct {
			flow   lazywebsocket.Flow
			option metric.MeasurementOption
		}{{t.Received, inOption}, {t.Sent, outOption}} {
			o.ObserveInt64(messages, signed(d.flow.Messages), d.option)
			o.ObserveInt64(payload, signed(d.flow.Bytes), d.option)
			o.ObserveInt64(wire, signed(d.flow.WireBytes), d.option)
		}
		o.ObserveInt64(waiting, t.QueuedMessages)
		o.ObserveInt64(size, t.QueuedBytes)
		o.ObserveInt64(dropped, signed(t.Dropped), oldest)
		o.ObserveInt64(dropped, signed(t.Discarded), closed)
		return nil
	}, messages, payload, wire, waiting, size, dropped)
}

// signed is n as OpenTelemetry has it.
func signed(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// Budget reports what a budget counts, until the Registration is unregistered:
//
//	websocket.budget.queue.size     By            up-down counter: queued bytes of connections that are behind
//	websocket.budget.inflated.size  By            up-down counter: what messages in progress have inflated to
//	websocket.budget.handshakes     {handshake}   up-down counter: handshakes in progress
//	websocket.budget.behind         {connection}  up-down counter: connections that are behind
//
// Where an error is returned nothing is reported.
func Budget(meter metric.Meter, b *lazywebsocket.Budget) (metric.Registration, error) {
	m := maker{meter: meter, prefix: "websocket.budget."}
	queued := m.level("queue.size", "By", "Queued bytes of connections that are behind.")
	inflated := m.level("inflated.size", "By", "What messages in progress have inflated to.")
	handshakes := m.level("handshakes", "{handshake}", "Handshakes in progress.")
	behind := m.level("behind", "{connection}", "Connections that do not take what is queued as fast as it comes.")
	registration := m.register(func(_ context.Context, o metric.Observer) error {
		s := b.Stats()
		o.ObserveInt64(queued, s.QueuedBytes)
		o.ObserveInt64(inflated, s.InflatedBytes)
		o.ObserveInt64(handshakes, s.Handshakes)
		o.ObserveInt64(behind, int64(s.Behind))
		return nil
	}, queued, inflated, handshakes, behind)
	return registration, m.err()
}

// Group makes the Observer of a group that is not used yet, and reports until the
// Registration is unregistered:
//
//	websocket.group.members             {connection}  up-down counter
//	websocket.group.broadcast.duration  s             histogram: until a message is in all queues
//	websocket.group.messages            {message}     counter, websocket.group.outcome: queued, refused
//	websocket.group.sent_away           {connection}  counter, websocket.group.outcome: answered, cut_off
//
// All have the attribute websocket.group.name: name is one of few, such as the kind of
// a room, and not the room's. Groups with the same name add up.
//
// Beside an error it works without the instruments that could not be made.
func Group(meter metric.Meter, name string, g *lazywebsocket.Group) (metric.Registration, error) {
	m := maker{meter: meter, prefix: "websocket.group."}
	label := groupKey.String(name)
	duration := m.seconds("broadcast.duration", "Time to queue a message for all members.", handshakeSeconds)
	messages := m.counter("messages", "{message}", "Messages that were queued for members, or were not.")
	away := m.counter("sent_away", "{connection}", "Connections that were sent away by a shutdown.")
	all, queued, refused := with(label), with(label, fateKey.String("queued")), with(label, fateKey.String("refused"))
	answered, cut := with(label, fateKey.String("answered")), with(label, fateKey.String("cut_off"))
	ctx := context.Background()
	g.Observer = &lazywebsocket.GroupObserver{
		Broadcast: func(e lazywebsocket.BroadcastEvent) {
			duration.Record(ctx, e.Duration.Seconds(), all)
			messages.Add(ctx, int64(e.Queued), queued)
			messages.Add(ctx, int64(e.Refused), refused)
		},
		SentAway: func(e lazywebsocket.SentAwayEvent) {
			if e.Err == nil {
				away.Add(ctx, 1, answered)
			} else {
				away.Add(ctx, 1, cut)
			}
		},
	}
	members := m.level("members", "{connection}", "Members of the group.")
	registration := m.register(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(members, int64(g.Len()), all)
		return nil
	}, members)
	return registration, m.err()
}
