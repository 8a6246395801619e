package otel

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"golazy.dev/lazywebsocket"
)

// Spans of connections are kept until they are closed, and only those of handshakes
// that are sampled, whatever a sampler says of a trace that begins.
func TestSpansKept(t *testing.T) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())))
	s := &spans{tracer: provider.Tracer("test")}
	kept := func() (n int) {
		s.open.Range(func(any, any) bool { n++; return true })
		return n
	}
	parent := func(flags trace.TraceFlags) context.Context {
		return trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: flags,
		}))
	}
	for flags, want := range map[trace.TraceFlags]int{0: 0, trace.FlagsSampled: 1} {
		conn := new(lazywebsocket.Conn)
		s.handshake(lazywebsocket.HandshakeEvent{Conn: conn, Context: parent(flags)}, trace.SpanKindServer, nil)
		if n := kept(); n != want {
			t.Errorf("flags %v: %d spans are kept, want %d", flags, n, want)
		}
		s.closed(lazywebsocket.ClosedEvent{Conn: conn})
		if n := kept(); n != 0 {
			t.Errorf("flags %v: %d spans are kept behind the end", flags, n)
		}
	}
}
