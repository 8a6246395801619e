package otel_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/otel"
)

// meter returns one, and a function that collects by name what it has.
func meter(t testing.TB) (metric.Meter, func() map[string]metricdata.Metrics) {
	t.Helper()
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	t.Cleanup(func() {
		if err := provider.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return provider.Meter("test"), func() map[string]metricdata.Metrics {
		t.Helper()
		var all metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		names := map[string]metricdata.Metrics{}
		for _, scope := range all.ScopeMetrics {
			for _, m := range scope.Metrics {
				if _, ok := names[m.Name]; ok {
					t.Errorf("%s is there twice", m.Name)
				}
				names[m.Name] = m
			}
		}
		return names
	}
}

// sum returns the value of a counter without attributes.
func sum(t *testing.T, m metricdata.Metrics, monotonic bool) int64 {
	t.Helper()
	data, ok := m.Data.(metricdata.Sum[int64])
	if !ok || len(data.DataPoints) != 1 || data.IsMonotonic != monotonic || data.DataPoints[0].Attributes.Len() != 0 {
		t.Fatalf("%q: %T, %+v", m.Name, m.Data, m.Data)
	}
	return data.DataPoints[0].Value
}

func TestAdd(t *testing.T) {
	meter, collect := meter(t)
	m, err := otel.New(meter)
	if err != nil {
		t.Fatal(err)
	}
	m.Add(lazyrealtime.CountPublishes, 2)
	m.Add(lazyrealtime.CountPublishes, 3)
	m.Add(lazyrealtime.CountPublishes, -3)
	m.Add(lazyrealtime.CountGaps, 1)
	m.Add("tests.run", 7)

	got := collect()
	for name, want := range map[string]int64{
		"lazyrealtime.messages.published": 5, "lazyrealtime.replays.gaps": 1, "lazyrealtime.tests.run": 7,
	} {
		if n := sum(t, got[name], true); n != want {
			t.Errorf("%s: %d, want %d", name, n, want)
		}
	}
	if unit := got["lazyrealtime.messages.published"].Unit; unit != "{message}" {
		t.Errorf("unit %q", unit)
	}
}

func TestRecord(t *testing.T) {
	meter, collect := meter(t)
	m, err := otel.New(meter)
	if err != nil {
		t.Fatal(err)
	}
	m.Record(lazyrealtime.TimePublish, 0.0007)
	m.Record(lazyrealtime.TimePublish, 3)
	m.Record("tests.duration", 1)

	got := collect()
	for name, count := range map[string]uint64{"lazyrealtime.publish.duration": 2, "lazyrealtime.tests.duration": 1} {
		data, ok := got[name].Data.(metricdata.Histogram[float64])
		if !ok || len(data.DataPoints) != 1 || data.DataPoints[0].Count != count || got[name].Unit != "s" {
			t.Fatalf("%s: %q, %+v", name, got[name].Unit, got[name].Data)
		}
		if bounds := data.DataPoints[0].Bounds; bounds[0] <= 0 || bounds[0] > 0.0001 || bounds[len(bounds)-1] < 10 {
			t.Errorf("%s: bounds %v", name, bounds)
		}
	}
	data := got["lazyrealtime.publish.duration"].Data.(metricdata.Histogram[float64])
	if s := data.DataPoints[0].Sum; s < 3.0006 || s > 3.0008 {
		t.Errorf("sum %v", s)
	}
}

// Every name that the hub has is known here, with a unit and a description: what
// has come since is not an instrument that nobody explains.
func TestComplete(t *testing.T) {
	meter, collect := meter(t)
	m, err := otel.New(meter)
	if err != nil {
		t.Fatal(err)
	}
	names := hubNames(t)
	if len(names["Counter"]) < 17 || len(names["Histogram"]) < 3 {
		t.Fatalf("the hub's names were not found: %v", names)
	}
	for _, name := range names["Counter"] {
		m.Add(lazyrealtime.Counter(name), 1)
	}
	for _, name := range names["Histogram"] {
		m.Record(lazyrealtime.Histogram(name), 1)
	}
	got := collect()
	for _, name := range append(names["Counter"], names["Histogram"]...) {
		if m := got["lazyrealtime."+name]; m.Unit == "" || m.Description == "" {
			t.Errorf("%s has unit %q and description %q", name, m.Unit, m.Description)
		}
	}
	if len(got) != len(names["Counter"])+len(names["Histogram"]) {
		t.Errorf("%d instruments, %d names", len(got), len(names["Counter"])+len(names["Histogram"]))
	}
}

// hubNames returns the values of the constants of package lazyrealtime by type.
func hubNames(t *testing.T) map[string][]string {
	t.Helper()
	names := map[string][]string{}
	file, err := parser.ParseFile(token.NewFileSet(), "../config.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		typ, ok := spec.Type.(*ast.Ident)
		if !ok || (typ.Name != "Counter" && typ.Name != "Histogram") {
			return true
		}
		name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		names[typ.Name] = append(names[typ.Name], name)
		return true
	})
	return names
}

func TestNoAllocation(t *testing.T) {
	meter, _ := meter(t)
	m, err := otel.New(meter)
	if err != nil {
		t.Fatal(err)
	}
	m.Add("tests.run", 1)
	m.Record("tests.duration", 1)
	if n := testing.AllocsPerRun(1000, func() {
		m.Add(lazyrealtime.CountDeliveries, 1)
		m.Record(lazyrealtime.TimeFanout, 0.001)
	}); n != 0 {
		t.Errorf("%v allocations for what the hub counts", n)
	}
}

// From many goroutines, also what the tables do not have.
func TestConcurrent(t *testing.T) {
	meter, collect := meter(t)
	m, err := otel.New(meter)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				m.Add(lazyrealtime.CountDeliveries, 1)
				m.Add("tests.run", 1)
				m.Record("tests.duration", 1)
			}
		})
	}
	wg.Wait()
	got := collect()
	for _, name := range []string{"lazyrealtime.messages.delivered", "lazyrealtime.tests.run"} {
		if n := sum(t, got[name], true); n != 8000 {
			t.Errorf("%s: %d, want 8000", name, n)
		}
	}
}

type stats lazyrealtime.Stats

func (s *stats) Stats() lazyrealtime.Stats { return lazyrealtime.Stats(*s) }

func TestObserve(t *testing.T) {
	meter, collect := meter(t)
	hub := &stats{Connections: 4, Subscriptions: 3, Topics: 2, RecentBytes: 1}
	registration, err := otel.Observe(meter, hub)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got := collect()
		for name, want := range map[string]int64{
			"connections.active": int64(hub.Connections), "subscriptions.active": int64(hub.Subscriptions),
			"topics.active": int64(hub.Topics), "recent.size": hub.RecentBytes,
		} {
			if n := sum(t, got["lazyrealtime."+name], false); n != want {
				t.Errorf("%s: %d, want %d", name, n, want)
			}
		}
		hub.Connections, hub.RecentBytes = 9, 8
	}
	if err := registration.Unregister(); err != nil {
		t.Fatal(err)
	}
	if got := collect(); len(got) != 0 {
		t.Errorf("observed after Unregister: %v", got)
	}
}

// faulty is a meter that cannot make a counter.
type faulty struct {
	noop.Meter
}

var errFaulty = errors.New("no")

func (faulty) Int64Counter(name string, _ ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	if strings.HasSuffix(name, "gaps") {
		return noop.Int64Counter{}, errFaulty
	}
	return noop.Int64Counter{}, nil
}

func (faulty) Int64ObservableUpDownCounter(string, ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	return noop.Int64ObservableUpDownCounter{}, errFaulty
}

func TestError(t *testing.T) {
	m, err := otel.New(faulty{})
	if !errors.Is(err, errFaulty) {
		t.Fatalf("error %v", err)
	}
	m.Add(lazyrealtime.CountGaps, 1)
	m.Record(lazyrealtime.TimeReplay, 1)
	if _, err := otel.Observe(faulty{}, &stats{}); !errors.Is(err, errFaulty) {
		t.Fatalf("error %v", err)
	}
}

func BenchmarkAdd(b *testing.B) {
	meter, _ := meter(b)
	m, err := otel.New(meter)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Add(lazyrealtime.CountDeliveries, 1)
	}
}
