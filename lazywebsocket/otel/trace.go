package otel

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"golazy.dev/lazywebsocket"
)

// The attributes of a connection's span that have names of our own.
const (
	receivedCodeKey     = attribute.Key("websocket.close.received_code")
	sentCodeKey         = attribute.Key("websocket.close.sent_code")
	receivedMessagesKey = attribute.Key("websocket.messages.received")
	sentMessagesKey     = attribute.Key("websocket.messages.sent")
	receivedBytesKey    = attribute.Key("websocket.message.bytes.received")
	sentBytesKey        = attribute.Key("websocket.message.bytes.sent")
	compressedKey       = attribute.Key("websocket.compressed")
)

// WithTracing adds two spans for each connection.
//
// "websocket.handshake" is the call of Upgrade or Dial, a child of the span in the
// context of the request or of the dial; a refused one has the status Error and the
// Refusal as its error.type. "websocket.connection" lasts from there until the
// connection is closed. It begins a trace of its own, because it may outlive any other,
// and is linked with the handshake; where that is not sampled there is none. Its
// attributes are what ended it, the close codes, messages and payload bytes in both
// directions. It is reported when it ends: of a connection that is open nothing is
// seen but the handshake.
//
// Messages have no spans: a handler that wants one begins it with the message.
func WithTracing(tracer trace.Tracer) Option {
	return func(s *side) { s.spans = &spans{tracer: tracer} }
}

// spans are the traces of servers or clients.
type spans struct {
	tracer trace.Tracer
	open   sync.Map // of *lazywebsocket.Conn to trace.Span, until Closed
}

// handshake reports a handshake, which has ended by now, and begins the connection.
func (s *spans) handshake(e lazywebsocket.HandshakeEvent, kind trace.SpanKind, attributes []attribute.KeyValue) {
	now := time.Now()
	_, span := s.tracer.Start(e.Context, "websocket.handshake",
		trace.WithTimestamp(now.Add(-e.Duration)), trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
	if e.Refusal != lazywebsocket.Accepted {
		description := ""
		if e.Err != nil { // not by a panic
			description = e.Err.Error()
		}
		span.SetStatus(codes.Error, description)
	}
	span.End(trace.WithTimestamp(now))
	if e.Conn == nil || !span.SpanContext().IsSampled() {
		return
	}
	_, connection := s.tracer.Start(context.Background(), "websocket.connection",
		trace.WithTimestamp(now), trace.WithSpanKind(kind),
		trace.WithLinks(trace.Link{SpanContext: span.SpanContext()}),
		trace.WithAttributes(version(e.ProtoMajor), compressedKey.Bool(e.Compressed)))
	if connection.IsRecording() {
		s.open.Store(e.Conn, connection)
	}
}

// closed ends the span of a connection, if it has one.
func (s *spans) closed(e lazywebsocket.ClosedEvent) {
	v, ok := s.open.LoadAndDelete(e.Conn)
	if !ok {
		return
	}
	span := v.(trace.Span)
	defer span.End()
	span.SetAttributes(
		endKey.String(e.Cause.String()), receivedCodeKey.Int(e.Received), sentCodeKey.Int(e.Sent),
		receivedMessagesKey.Int64(signed(e.Traffic.Received.Messages)), sentMessagesKey.Int64(signed(e.Traffic.Sent.Messages)),
		receivedBytesKey.Int64(signed(e.Traffic.Received.Bytes)), sentBytesKey.Int64(signed(e.Traffic.Sent.Bytes)),
	)
}
