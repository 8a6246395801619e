// Package otel measures and traces what the connections of golazy.dev/lazywebsocket do
// with OpenTelemetry.
//
//	meter := provider.Meter("golazy.dev/lazywebsocket")
//	observer, _, err := otel.Server(meter)
//	upgrader := lazywebsocket.Upgrader{Observer: observer}
//
// and, where they are used, otel.Client for Dialers, otel.Group and otel.Budget.
//
// The instruments of Server and Client, here those of a server:
//
//	websocket.server.active_connections      {connection}  up-down counter, network.protocol.version
//	websocket.server.connection.duration     s             histogram, network.protocol.version, websocket.connection.end
//	websocket.server.handshake.duration      s             histogram, network.protocol.version, http.response.status_code, error.type
//	websocket.server.closes                  {close}       counter, network.io.direction, websocket.close.code
//	websocket.server.ping.duration           s             histogram
//	websocket.server.messages                {message}     counter, network.io.direction
//	websocket.server.message.io              By            counter, network.io.direction: payloads, uncompressed
//	websocket.server.network.io              By            counter, network.io.direction: frames, before TLS
//	websocket.server.message.size            By            histogram, network.io.direction, websocket.message.type: WithMessageSizes
//	websocket.server.queue.messages          {message}     up-down counter: what waits in outgoing queues
//	websocket.server.queue.size              By            up-down counter
//	websocket.server.queue.dropped_messages  {message}     counter, websocket.queue.drop
//
// Names, units and attributes are those of OpenTelemetry's semantic conventions where
// these have them, as http.server.active_requests and signalr.server.connection.duration
// do, and begin with "websocket." otherwise. Every attribute has few values: no URL, no
// name, no reason that a peer has sent. A refused handshake has the Refusal as its
// error.type. Close codes without a registered meaning are "3xxx", "4xxx" or "other",
// and "none" is a connection without a Close frame in that direction.
//
// With the option WithTracing handshakes and connections have spans, too.
//
// A program with routes that are to be told apart makes a meter and an Observer for
// each.
package otel

import (
	"context"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"golazy.dev/lazywebsocket"
)

// Option is a setting of Server and Client.
type Option func(*side)

// WithMessageSizes adds the histogram of the sizes of messages, which costs a call of
// OpenTelemetry for each message.
func WithMessageSizes() Option { return func(s *side) { s.sizes = true } }

// Server makes the instruments for an Upgrader, and the Observer that feeds them. One
// Observer may serve any number of Upgraders. What is counted is reported until the
// Registration is unregistered. An error is the meter's; the Observer beside it is
// usable, without the instruments that could not be made, and the Registration is nil
// then.
func Server(meter metric.Meter, options ...Option) (*lazywebsocket.Observer, metric.Registration, error) {
	return newSide(meter, "websocket.server.", trace.SpanKindServer, options)
}

// Client is Server for a Dialer.
func Client(meter metric.Meter, options ...Option) (*lazywebsocket.Observer, metric.Registration, error) {
	return newSide(meter, "websocket.client.", trace.SpanKindClient, options)
}

// side are the instruments of servers or clients.
type side struct {
	sizes   bool
	spans   *spans         // nil: none
	kind    trace.SpanKind // theirs
	traffic lazywebsocket.Traffic

	active     metric.Int64UpDownCounter
	connection metric.Float64Histogram
	handshake  metric.Float64Histogram
	closes     metric.Int64Counter
	ping       metric.Float64Histogram
	size       metric.Int64Histogram
}

func newSide(meter metric.Meter, prefix string, kind trace.SpanKind, options []Option) (*lazywebsocket.Observer, metric.Registration, error) {
	s := &side{kind: kind}
	for _, option := range options {
		option(s)
	}
	m := maker{meter: meter, prefix: prefix}
	s.active = m.upDown("active_connections", "{connection}", "Connections that are open.")
	s.connection = m.seconds("connection.duration", "How long connections were open.", connectionSeconds)
	s.handshake = m.seconds("handshake.duration", "How long handshakes took, also refused ones.", handshakeSeconds)
	s.closes = m.counter("closes", "{close}", "Close codes that ended connections have sent and received.")
	s.ping = m.seconds("ping.duration", "Round trip of the keepalive's pings.", handshakeSeconds)
	o := &lazywebsocket.Observer{
		Handshake: s.onHandshake, Closed: s.onClosed, RoundTrip: s.onRoundTrip, Traffic: &s.traffic,
	}
	if s.sizes {
		s.size = m.bytes("message.size", "Payloads of messages, uncompressed.")
		o.Message = s.onMessage
	}
	registration := s.observeTraffic(&m)
	return o, registration, m.err()
}

// The attributes that have names of our own.
const (
	endKey   = attribute.Key("websocket.connection.end")
	codeKey  = attribute.Key("websocket.close.code")
	typeKey  = attribute.Key("websocket.message.type")
	dropKey  = attribute.Key("websocket.queue.drop")
	groupKey = attribute.Key("websocket.group.name")
	fateKey  = attribute.Key("websocket.group.outcome")
)

// Those of the semantic conventions (1.43): a package for each version of them would
// be one to keep up with.
const (
	versionKey   = attribute.Key("network.protocol.version")
	statusKey    = attribute.Key("http.response.status_code")
	errorKey     = attribute.Key("error.type")
	directionKey = attribute.Key("network.io.direction")
)

var (
	received = directionKey.String("receive")
	sent     = directionKey.String("transmit")

	inOption  = with(received)
	outOption = with(sent)
)

// with is an option made once, so that using it allocates nothing.
func with(attributes ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attributes...))
}

// version is the version of HTTP as the conventions write it.
func version(major int) attribute.KeyValue {
	if major == 1 {
		return versionKey.String("1.1")
	}
	return versionKey.String(strconv.Itoa(major))
}

// onHandshake is Observer.Handshake. The context is the request's, so that exemplars
// name its trace.
func (s *side) onHandshake(e lazywebsocket.HandshakeEvent) {
	attributes := []attribute.KeyValue{version(e.ProtoMajor)}
	if e.Status >= 100 && e.Status <= 599 { // a server may answer what it likes
		attributes = append(attributes, statusKey.Int(e.Status))
	}
	if e.Refusal == lazywebsocket.Accepted {
		s.active.Add(e.Context, 1, with(version(e.ProtoMajor)))
	} else {
		attributes = append(attributes, errorKey.String(e.Refusal.String()))
	}
	s.handshake.Record(e.Context, e.Duration.Seconds(), with(attributes...))
	if s.spans != nil {
		s.spans.handshake(e, s.kind, attributes)
	}
}

// onClosed is Observer.Closed.
func (s *side) onClosed(e lazywebsocket.ClosedEvent) {
	ctx := context.Background()
	s.active.Add(ctx, -1, with(version(e.ProtoMajor)))
	s.connection.Record(ctx, e.Duration.Seconds(), with(version(e.ProtoMajor), endKey.String(e.Cause.String())))
	s.closes.Add(ctx, 1, with(received, codeKey.String(closeCode(e.Received))))
	s.closes.Add(ctx, 1, with(sent, codeKey.String(closeCode(e.Sent))))
	if s.spans != nil {
		s.spans.closed(e)
	}
}

// closeCode is a code as an attribute, with few values.
func closeCode(code int) string {
	switch {
	case code == lazywebsocket.CloseAbnormalClosure:
		return "none"
	case code >= 1000 && code <= 1014:
		return strconv.Itoa(code)
	case code/1000 == 3:
		return "3xxx"
	case code/1000 == 4:
		return "4xxx"
	}
	return "other"
}

// onRoundTrip is Observer.RoundTrip.
func (s *side) onRoundTrip(_ *lazywebsocket.Conn, d time.Duration) {
	s.ping.Record(context.Background(), d.Seconds())
}

// sizeOptions are the attributes of messages by what they are: slices, so that passing
// them allocates nothing.
var sizeOptions = map[bool]map[int][]metric.RecordOption{
	false: {
		lazywebsocket.TextMessage:   {with(received, typeKey.String("text"))},
		lazywebsocket.BinaryMessage: {with(received, typeKey.String("binary"))},
	},
	true: {
		lazywebsocket.TextMessage:   {with(sent, typeKey.String("text"))},
		lazywebsocket.BinaryMessage: {with(sent, typeKey.String("binary"))},
	},
}

// onMessage is Observer.Message.
func (s *side) onMessage(e lazywebsocket.MessageEvent) {
	s.size.Record(context.Background(), e.Bytes, sizeOptions[e.Sent][e.Type]...)
}
