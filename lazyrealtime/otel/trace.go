package otel

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"golazy.dev/lazyrealtime"
)

// Attributes of the semantic conventions for messaging (1.43), and one of ours.
const (
	systemKey      = attribute.Key("messaging.system")
	operationKey   = attribute.Key("messaging.operation.name")
	kindKey        = attribute.Key("messaging.operation.type")
	destinationKey = attribute.Key("messaging.destination.name")
	countKey       = attribute.Key("messaging.batch.message_count")
	sizeKey        = attribute.Key("messaging.message.body.size")
	messageKey     = attribute.Key("messaging.message.id")
	errorKey       = attribute.Key("error.type")
	gapKey         = attribute.Key("lazyrealtime.gap")
)

// Trace returns log with spans about what waits for it, for Config.Log:
//
//	hub, err := lazyrealtime.Open(ctx, lazyrealtime.Config{Log: otel.Trace(log, tracer)})
//
// A span "publish", of the kind producer, lasts until messages are durable; its parent
// is the span in the context that Hub.Publish was given. A span "read", of the kind
// client, is a read of the log for a replay that memory could not answer. Their
// attributes are those of OpenTelemetry's conventions for messaging: the topic, the
// message's id and size, or how many messages there were. An error makes its type the
// error.type; a gap is none, and has the attribute lazyrealtime.gap. What is broadcast
// and what is delivered has no span.
func Trace(log lazyrealtime.Log, tracer trace.Tracer) lazyrealtime.Log {
	return &traced{log, tracer}
}

// traced is an engine whose slow calls have spans.
type traced struct {
	lazyrealtime.Log
	tracer trace.Tracer
}

// Append implements lazyrealtime.Log.
func (t *traced) Append(ctx context.Context, entries []lazyrealtime.Entry) ([]lazyrealtime.Appended, error) {
	ctx, span := t.tracer.Start(ctx, "publish", trace.WithSpanKind(trace.SpanKindProducer))
	defer span.End()
	if span.IsRecording() {
		span.SetAttributes(about("publish", "send")...)
		span.SetAttributes(ofEntries(entries)...)
	}
	appended, err := t.Log.Append(ctx, entries)
	fail(span, err)
	return appended, err
}

// ofEntries says what is published.
func ofEntries(entries []lazyrealtime.Entry) []attribute.KeyValue {
	if len(entries) == 0 {
		return nil
	}
	first := &entries[0]
	for i := range entries {
		if entries[i].Topic != first.Topic {
			return []attribute.KeyValue{countKey.Int(len(entries))}
		}
	}
	all := []attribute.KeyValue{destinationKey.String(first.Topic)}
	if len(entries) > 1 {
		return append(all, countKey.Int(len(entries)))
	}
	if first.ID != "" {
		all = append(all, messageKey.String(first.ID))
	}
	return append(all, sizeKey.Int(len(first.Data)))
}

// Read implements lazyrealtime.Log.
func (t *traced) Read(ctx context.Context, topic string, after lazyrealtime.Position, limit int) (lazyrealtime.Page, error) {
	ctx, span := t.tracer.Start(ctx, "read", trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	page, err := t.Log.Read(ctx, topic, after, limit)
	if span.IsRecording() {
		span.SetAttributes(about("read", "receive")...)
		span.SetAttributes(destinationKey.String(topic), countKey.Int(len(page.Messages)))
	}
	var gap *lazyrealtime.GapError
	if errors.As(err, &gap) {
		span.SetAttributes(gapKey.Bool(true)) // an answer, and no failure
	} else {
		fail(span, err)
	}
	return page, err
}

func about(operation, kind string) []attribute.KeyValue {
	return []attribute.KeyValue{systemKey.String("lazyrealtime"), operationKey.String(operation), kindKey.String(kind)}
}

// fail makes err the outcome of a span, if there is one.
func fail(span trace.Span, err error) {
	if err == nil {
		return
	}
	span.SetStatus(codes.Error, err.Error())
	span.SetAttributes(errorKey.String(errorType(err)))
}

// errorType is an error in one of few words.
func errorType(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, lazyrealtime.ErrUnavailable):
		return "unavailable"
	}
	return fmt.Sprintf("%T", err)
}
