package otel_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazyrealtime/otel"
)

// tracer returns one, and a function that returns the spans that have ended, as
// "name kind status{attributes}".
func tracer(t testing.TB, options ...sdktrace.TracerProviderOption) (trace.Tracer, func() []sdktrace.ReadOnlySpan) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(append(options, sdktrace.WithSpanProcessor(recorder))...)
	t.Cleanup(func() { _ = provider.Shutdown(context.WithoutCancel(t.Context())) })
	return provider.Tracer("test"), recorder.Ended
}

func text(s sdktrace.ReadOnlySpan) string {
	var all []string
	for _, a := range s.Attributes() {
		all = append(all, fmt.Sprintf("%s=%s", a.Key, a.Value.String()))
	}
	slices.Sort(all)
	return fmt.Sprintf("%s %s %s{%s}", s.Name(), s.SpanKind(), s.Status().Code, strings.Join(all, " "))
}

// broken is an engine that fails in the way that it is told to.
type broken struct {
	lazyrealtime.Log
	err error
}

func (b *broken) Append(ctx context.Context, e []lazyrealtime.Entry) ([]lazyrealtime.Appended, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b.Log.Append(ctx, e)
}

func TestTrace(t *testing.T) {
	start, ended := tracer(t)
	engine := &broken{Log: memory.Open()}
	log := otel.Trace(engine, start)
	hub, err := lazyrealtime.Open(t.Context(), lazyrealtime.Config{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Shutdown(context.WithoutCancel(t.Context())) })

	ctx, parent := start.Start(t.Context(), "request")
	position, err := hub.Publish(ctx, "room:1", []byte(`"hello"`), lazyrealtime.MessageID("a"))
	if err != nil || position.Offset != 1 {
		t.Fatal(position, err)
	}
	if _, err := log.Append(ctx, []lazyrealtime.Entry{{Topic: "x", Data: []byte("1")}, {Topic: "x", Data: []byte("2")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(ctx, []lazyrealtime.Entry{{Topic: "x", Data: []byte("3")}, {Topic: "y", Data: []byte("4")}}); err != nil {
		t.Fatal(err)
	}
	if page, err := log.Read(ctx, "x", lazyrealtime.Position{}, 10); err != nil || len(page.Messages) != 3 {
		t.Fatal(page, err)
	}
	var gap *lazyrealtime.GapError
	if _, err := log.Read(ctx, "x", lazyrealtime.Position{Epoch: "other", Offset: 1}, 10); !errors.As(err, &gap) {
		t.Fatal(err)
	}
	for _, failure := range []error{
		fmt.Errorf("disk: %w", lazyrealtime.ErrUnavailable), context.Canceled,
		fmt.Errorf("%w: %w", lazyrealtime.ErrUnavailable, context.DeadlineExceeded), errors.New("odd"),
	} {
		engine.err = failure
		if _, err := hub.Publish(ctx, "room:1", []byte(`"again"`)); !errors.Is(err, failure) {
			t.Errorf("publish: %v, want %v", err, failure)
		}
	}
	parent.End()

	common := "messaging.operation.name=publish messaging.operation.type=send messaging.system=lazyrealtime"
	failed := func(kind string) string {
		return "publish producer Error{error.type=" + kind + " messaging.destination.name=room:1 messaging.message.body.size=7 " + common + "}"
	}
	read := "messaging.operation.name=read messaging.operation.type=receive messaging.system=lazyrealtime}"
	want := []string{
		"publish producer Unset{messaging.destination.name=room:1 messaging.message.body.size=7 messaging.message.id=a " + common + "}",
		"publish producer Unset{messaging.batch.message_count=2 messaging.destination.name=x " + common + "}",
		"publish producer Unset{messaging.batch.message_count=2 " + common + "}",
		"read client Unset{messaging.batch.message_count=3 messaging.destination.name=x " + read,
		"read client Unset{lazyrealtime.gap=true messaging.batch.message_count=0 messaging.destination.name=x " + read,
		failed("unavailable"), failed("canceled"), failed("timeout"), failed("*errors.errorString"),
		"request internal Unset{}",
	}
	var got []string
	for _, s := range ended() {
		if s.Name() != "request" && s.Parent().SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("%s: its parent is not the caller's span", s.Name())
		}
		if (s.Status().Code == codes.Error) != (s.Status().Description != "") {
			t.Errorf("%s: status %+v", s.Name(), s.Status())
		}
		got = append(got, text(s))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What is not sampled costs no attributes, and works.
func TestTraceUnsampled(t *testing.T) {
	start, ended := tracer(t, sdktrace.WithSampler(sdktrace.NeverSample()))
	log := otel.Trace(memory.Open(), start)
	if _, err := log.Append(t.Context(), []lazyrealtime.Entry{{Topic: "x", Data: []byte("1")}}); err != nil {
		t.Fatal(err)
	}
	if page, err := log.Read(t.Context(), "x", lazyrealtime.Position{}, 1); err != nil || len(page.Messages) != 1 || len(ended()) != 0 {
		t.Fatal(page, err, ended())
	}
	if err := log.Check(t.Context()); err != nil { // what has no span is the engine's
		t.Fatal(err)
	}
}
