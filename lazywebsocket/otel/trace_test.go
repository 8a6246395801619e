package otel_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/otel"
	"golazy.dev/lazywebsocket/wstest"
)

// tracer returns one, and a function that returns the spans that have ended.
func tracer(t testing.TB, options ...sdktrace.TracerProviderOption) (trace.Tracer, func() []sdktrace.ReadOnlySpan) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(append(options, sdktrace.WithSpanProcessor(recorder))...)
	t.Cleanup(func() { _ = provider.Shutdown(context.WithoutCancel(t.Context())) })
	return provider.Tracer("test"), recorder.Ended
}

// span is one as a line: "name kind status duration{attributes}".
func span(s sdktrace.ReadOnlySpan) string {
	var all []string
	for _, a := range s.Attributes() {
		all = append(all, fmt.Sprintf("%s=%s", a.Key, a.Value.String()))
	}
	slices.Sort(all)
	return fmt.Sprintf("%s %s %s %s{%s}", s.Name(), s.SpanKind(), s.Status().Code, s.EndTime().Sub(s.StartTime()), strings.Join(all, ","))
}

// A visit, from both sides.
func TestSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, ended := tracer(t)
		server, _, err := otel.Server(noop.Meter{}, otel.WithTracing(start))
		must(t, err)
		client, _, err := otel.Client(noop.Meter{}, otel.WithTracing(start))
		must(t, err)
		s, c := wstest.NewPair(t,
			&lazywebsocket.Upgrader{Observer: server, EnableCompression: true},
			&lazywebsocket.Dialer{Observer: client, EnableCompression: true})
		handshakes := ended()
		if len(handshakes) != 2 {
			t.Fatalf("%d spans while the connection is open", len(handshakes))
		}
		must(t, s.WriteMessage(lazywebsocket.TextMessage, make([]byte, 100)))
		_, _, err = c.ReadMessage()
		must(t, err)
		time.Sleep(90 * time.Second)
		go func() { _, _, _ = s.ReadMessage(); _ = s.Close() }()
		must(t, c.Shutdown(t.Context(), 4711, "private"))
		time.Sleep(5 * time.Second)

		connections := ended()[2:]
		got := make(map[trace.SpanKind][]string)
		for _, s := range append(handshakes, connections...) {
			got[s.SpanKind()] = append(got[s.SpanKind()], span(s))
		}
		common := "network.protocol.version=1.1"
		for kind, want := range map[trace.SpanKind][]string{
			trace.SpanKindServer: {
				"websocket.handshake server Unset 0s{http.response.status_code=101," + common + "}",
				"websocket.connection server Unset 1m30s{" + common + ",websocket.close.received_code=4711,websocket.close.sent_code=4711," +
					"websocket.compressed=true,websocket.connection.end=peer,websocket.message.bytes.received=0,websocket.message.bytes.sent=100," +
					"websocket.messages.received=0,websocket.messages.sent=1}",
			},
			trace.SpanKindClient: {
				"websocket.handshake client Unset 0s{http.response.status_code=101," + common + "}",
				"websocket.connection client Unset 1m30s{" + common + ",websocket.close.received_code=4711,websocket.close.sent_code=4711," +
					"websocket.compressed=true,websocket.connection.end=local,websocket.message.bytes.received=100,websocket.message.bytes.sent=0," +
					"websocket.messages.received=1,websocket.messages.sent=0}",
			},
		} {
			if !slices.Equal(got[kind], want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got[kind], "\n"), strings.Join(want, "\n"))
			}
		}
		for _, s := range connections {
			if s.Parent().IsValid() || len(s.Links()) != 1 || !slices.ContainsFunc(handshakes, func(h sdktrace.ReadOnlySpan) bool {
				return h.SpanContext().Equal(s.Links()[0].SpanContext) && h.SpanKind() == s.SpanKind()
			}) {
				t.Errorf("%s: parent %v, links %v", s.Name(), s.Parent(), s.Links())
			}
		}
	})
}

// A refusal is an error, below the span of who has dialled.
func TestSpanOfRefusal(t *testing.T) {
	start, ended := tracer(t)
	o, _, err := otel.Client(noop.Meter{}, otel.WithTracing(start))
	must(t, err)
	ctx, parent := start.Start(t.Context(), "request")
	d := lazywebsocket.Dialer{Observer: o}
	if _, _, err := d.DialContext(ctx, "http://server.example/", nil); err == nil {
		t.Fatal("no error")
	}
	o.Handshake(lazywebsocket.HandshakeEvent{Context: ctx, ProtoMajor: 2, Refusal: lazywebsocket.RefusedInternal, Duration: time.Second}) // a panic
	spans := ended()
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	for i, want := range []string{
		"websocket.handshake client Error 0s{error.type=arguments,network.protocol.version=1.1}",
		"websocket.handshake client Error 1s{error.type=internal,network.protocol.version=2}",
	} {
		got := span(spans[i])
		if i == 0 {
			got = strings.Replace(got, spans[i].EndTime().Sub(spans[i].StartTime()).String(), "0s", 1)
		}
		if got != want || spans[i].Parent().SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("got %s below %v, want %s", got, spans[i].Parent().SpanID(), want)
		}
	}
	if spans[0].Status().Description == "" {
		t.Error("the error is not said")
	}
}

// Where the trace of a handshake is not sampled, its connection has no span, and
// nothing is kept of it.
func TestSpansUnsampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, ended := tracer(t, sdktrace.WithSampler(sdktrace.NeverSample()))
		o, _, err := otel.Server(noop.Meter{}, otel.WithTracing(start))
		must(t, err)
		s, c := wstest.NewPair(t, &lazywebsocket.Upgrader{Observer: o}, nil)
		must(t, s.Close())
		must(t, c.Close())
		time.Sleep(5 * time.Second)
		if len(ended()) != 0 {
			t.Errorf("%d spans", len(ended()))
		}
	})
}
