package otel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/otel"
	"golazy.dev/lazywebsocket/wstest"
)

// meter returns one, and a function that collects what it has: a line for each
// series, "name{attributes} value", of histograms "name{attributes} sum/count".
func meter(t testing.TB) (metric.Meter, func() []string) {
	t.Helper()
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	t.Cleanup(func() { _ = provider.Shutdown(context.WithoutCancel(t.Context())) })
	return provider.Meter("test"), func() []string {
		t.Helper()
		var all metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, scope := range all.ScopeMetrics {
			for _, m := range scope.Metrics {
				if m.Unit == "" || m.Description == "" {
					t.Errorf("%s has unit %q and description %q", m.Name, m.Unit, m.Description)
				}
				lines = append(lines, series(t, m)...)
			}
		}
		slices.Sort(lines)
		return lines
	}
}

func series(t testing.TB, m metricdata.Metrics) (lines []string) {
	t.Helper()
	add := func(set attribute.Set, value string) {
		lines = append(lines, m.Name+"{"+set.Encoded(attribute.DefaultEncoder())+"} "+value)
	}
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			sign := "+"
			if !data.IsMonotonic {
				sign = ""
			}
			add(p.Attributes, fmt.Sprint(sign, p.Value))
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, fmt.Sprint(p.Sum, "/", p.Count))
		}
	case metricdata.Histogram[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, fmt.Sprint(p.Sum, "/", p.Count))
		}
	default:
		t.Fatalf("%s is a %T", m.Name, m.Data)
	}
	return lines
}

// want compares, line by line.
func want(t *testing.T, got []string, lines string) {
	t.Helper()
	wanted := strings.Split(strings.TrimSpace(lines), "\n")
	for i, line := range wanted {
		wanted[i] = strings.TrimSpace(line)
	}
	slices.Sort(wanted)
	for _, line := range got {
		if !slices.Contains(wanted, line) {
			t.Errorf("unexpected: %s", line)
		}
	}
	for _, line := range wanted {
		if !slices.Contains(got, line) {
			t.Errorf("missing:    %s", line)
		}
	}
}

// A visit, from both sides.
func TestVisit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		meter, collect := meter(t)
		server, registration, err := otel.Server(meter, otel.WithMessageSizes())
		must(t, err)
		client, _, err := otel.Client(meter)
		must(t, err)
		s, c := wstest.NewPair(t,
			&lazywebsocket.Upgrader{Observer: server, PingInterval: time.Minute}, &lazywebsocket.Dialer{Observer: client})
		reads := make(chan error)
		go func() { _, _, err := c.ReadMessage(); reads <- err; _, _, _ = c.ReadMessage(); close(reads) }()
		go func() { _, _, _ = s.ReadMessage() }()
		time.Sleep(90 * time.Second)
		must(t, s.WriteMessage(lazywebsocket.TextMessage, make([]byte, 100)))
		must(t, <-reads)
		synctest.Wait()
		want(t, collect(), `
			websocket.server.active_connections{network.protocol.version=1.1} 1
			websocket.server.handshake.duration{http.response.status_code=101,network.protocol.version=1.1} 0/1
			websocket.server.ping.duration{} 0/1
			websocket.server.messages{network.io.direction=receive} +0
			websocket.server.messages{network.io.direction=transmit} +1
			websocket.server.message.io{network.io.direction=receive} +0
			websocket.server.message.io{network.io.direction=transmit} +100
			websocket.server.network.io{network.io.direction=receive} +14
			websocket.server.network.io{network.io.direction=transmit} +112
			websocket.server.message.size{network.io.direction=transmit,websocket.message.type=text} 100/1
			websocket.server.queue.messages{} 0
			websocket.server.queue.size{} 0
			websocket.server.queue.dropped_messages{websocket.queue.drop=oldest} +0
			websocket.server.queue.dropped_messages{websocket.queue.drop=closed} +0
			websocket.client.active_connections{network.protocol.version=1.1} 1
			websocket.client.handshake.duration{http.response.status_code=101,network.protocol.version=1.1} 0/1
			websocket.client.messages{network.io.direction=receive} +1
			websocket.client.messages{network.io.direction=transmit} +0
			websocket.client.message.io{network.io.direction=receive} +100
			websocket.client.message.io{network.io.direction=transmit} +0
			websocket.client.network.io{network.io.direction=receive} +112
			websocket.client.network.io{network.io.direction=transmit} +14
			websocket.client.queue.messages{} 0
			websocket.client.queue.size{} 0
			websocket.client.queue.dropped_messages{websocket.queue.drop=oldest} +0
			websocket.client.queue.dropped_messages{websocket.queue.drop=closed} +0
		`)
		must(t, c.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(4711, "private"), time.Time{}))
		<-reads
		_ = c.Close()
		time.Sleep(5 * time.Second)
		must(t, registration.Unregister())
		got := slices.DeleteFunc(collect(), func(line string) bool {
			return !strings.Contains(line, "connection") && !strings.Contains(line, "close") || strings.Contains(line, "queue")
		})
		want(t, got, `
			websocket.server.active_connections{network.protocol.version=1.1} 0
			websocket.server.connection.duration{network.protocol.version=1.1,websocket.connection.end=peer} 90/1
			websocket.server.closes{network.io.direction=receive,websocket.close.code=4xxx} +1
			websocket.server.closes{network.io.direction=transmit,websocket.close.code=4xxx} +1
			websocket.client.active_connections{network.protocol.version=1.1} 0
			websocket.client.connection.duration{network.protocol.version=1.1,websocket.connection.end=local} 90/1
			websocket.client.closes{network.io.direction=receive,websocket.close.code=4xxx} +1
			websocket.client.closes{network.io.direction=transmit,websocket.close.code=4xxx} +1
		`)
		if slices.ContainsFunc(collect(), func(line string) bool { return strings.HasPrefix(line, "websocket.server.messages") }) {
			t.Error("observed after Unregister")
		}
	})
}

// Refused handshakes have a word, not a text.
func TestRefused(t *testing.T) {
	meter, collect := meter(t)
	o, _, err := otel.Client(meter)
	must(t, err)
	d := lazywebsocket.Dialer{Observer: o}
	_, _, err = d.Dial("http://server.example/secret", nil)
	if err == nil {
		t.Fatal("no error")
	}
	o.Handshake(lazywebsocket.HandshakeEvent{Context: t.Context(), ProtoMajor: 2, Status: 777, Refusal: lazywebsocket.RefusedStatus})
	o.Handshake(lazywebsocket.HandshakeEvent{Context: t.Context(), ProtoMajor: 1, Status: 403, Refusal: lazywebsocket.RefusedOrigin})
	got := regexp.MustCompile(` \S+/1`).ReplaceAllString(strings.Join(names(collect(), "handshake"), "\n"), "")
	want(t, strings.Split(got, "\n"), `
		websocket.client.handshake.duration{error.type=arguments,network.protocol.version=1.1}
		websocket.client.handshake.duration{error.type=status,network.protocol.version=2}
		websocket.client.handshake.duration{error.type=origin,http.response.status_code=403,network.protocol.version=1.1}
	`)
}

// names keeps the lines whose name has the word.
func names(lines []string, word string) []string {
	return slices.DeleteFunc(lines, func(line string) bool { return !strings.Contains(line, word) })
}

// Whatever a peer sends, the codes are few.
func TestCloseCodes(t *testing.T) {
	meter, collect := meter(t)
	o, _, err := otel.Server(meter)
	must(t, err)
	for code := range 5000 {
		o.Closed(lazywebsocket.ClosedEvent{ProtoMajor: 1, Cause: lazywebsocket.EndPeer, Sent: lazywebsocket.CloseNormalClosure, Received: code})
	}
	got := names(collect(), "closes{network.io.direction=receive")
	if len(got) != 15-1+4 {
		t.Errorf("%d series: %q", len(got), got)
	}
	for _, line := range []string{"=3xxx} +1000", "=4xxx} +1000", "=none} +1", "=1000} +1", "=other} +2985", "=1001} +1", "=1014} +1"} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasSuffix(s, line) }) {
			t.Errorf("nothing ends with %s: %q", line, got)
		}
	}
}

// Two Observers of one meter add up.
func TestTwice(t *testing.T) {
	meter, collect := meter(t)
	for range 2 {
		o, _, err := otel.Server(meter)
		must(t, err)
		s, c := wstest.NewPair(t, &lazywebsocket.Upgrader{Observer: o}, nil)
		must(t, s.WriteMessage(lazywebsocket.BinaryMessage, nil))
		_, _, err = c.ReadMessage()
		must(t, err)
	}
	got := names(collect(), "server.messages{network.io.direction=transmit")
	want(t, got, `websocket.server.messages{network.io.direction=transmit} +2`)
}

func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		meter, collect := meter(t)
		var g, other lazywebsocket.Group
		_, err := otel.Group(meter, "lobby", &g)
		must(t, err)
		_, err = otel.Group(meter, "lobby", &other)
		must(t, err)
		conn, peer := wstest.PeerOfServer(t, nil)
		silent, _ := wstest.PeerOfServer(t, nil)
		g.Add(conn)
		g.Add(silent)
		other.Add(silent)
		must(t, g.BroadcastMessage(lazywebsocket.TextMessage, []byte("x")))
		want(t, collect(), `
			websocket.group.members{websocket.group.name=lobby} 3
			websocket.group.broadcast.duration{websocket.group.name=lobby} 0/1
			websocket.group.messages{websocket.group.name=lobby,websocket.group.outcome=queued} +2
			websocket.group.messages{websocket.group.name=lobby,websocket.group.outcome=refused} +0
		`)
		go func() {
			peer.WantText("x")
			peer.WantClose(1001)
			peer.Close(1001, "")
		}()
		must(t, g.Shutdown(t.Context()))
		want(t, names(collect(), "sent_away"), `
			websocket.group.sent_away{websocket.group.name=lobby,websocket.group.outcome=answered} +1
			websocket.group.sent_away{websocket.group.name=lobby,websocket.group.outcome=cut_off} +1
		`)
	})
}

func TestBudget(t *testing.T) {
	meter, collect := meter(t)
	registration, err := otel.Budget(meter, new(lazywebsocket.Budget))
	must(t, err)
	want(t, collect(), `
		websocket.budget.queue.size{} 0
		websocket.budget.inflated.size{} 0
		websocket.budget.handshakes{} 0
		websocket.budget.behind{} 0
	`)
	must(t, registration.Unregister())
	if got := collect(); len(got) > 0 {
		t.Error(got)
	}
}

// faulty is a meter that cannot make anything.
type faulty struct{ noop.Meter }

var errFaulty = errors.New("no")

func (faulty) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return noop.Int64Counter{}, errFaulty
}

func (faulty) Int64ObservableUpDownCounter(string, ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	return noop.Int64ObservableUpDownCounter{}, errFaulty
}

func TestError(t *testing.T) {
	o, registration, err := otel.Server(faulty{}, otel.WithMessageSizes())
	if !errors.Is(err, errFaulty) || registration != nil {
		t.Fatalf("error %v", err)
	}
	s, c := wstest.NewPair(t, &lazywebsocket.Upgrader{Observer: o}, nil)
	must(t, s.WriteMessage(lazywebsocket.TextMessage, nil))
	_, _, err = c.ReadMessage()
	must(t, err)
	if _, err := otel.Budget(faulty{}, new(lazywebsocket.Budget)); !errors.Is(err, errFaulty) {
		t.Errorf("error %v", err)
	}
	if _, err := otel.Group(faulty{}, "x", new(lazywebsocket.Group)); !errors.Is(err, errFaulty) {
		t.Errorf("error %v", err)
	}
}

// What the package's comment says of the instruments is what there is.
func TestComment(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "otel.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	must(t, err)
	documented := map[string]string{}
	for line := range strings.Lines(file.Doc.Text()) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasPrefix(f[0], "websocket.server.") {
			documented[f[0]] = f[1]
		}
	}
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	o, _, err := otel.Server(provider.Meter("test"), otel.WithMessageSizes())
	must(t, err)
	o.Handshake(lazywebsocket.HandshakeEvent{Context: t.Context(), ProtoMajor: 1, Status: http.StatusSwitchingProtocols})
	o.Closed(lazywebsocket.ClosedEvent{ProtoMajor: 1})
	o.RoundTrip(nil, time.Second)
	o.Message(lazywebsocket.MessageEvent{Type: lazywebsocket.TextMessage})
	var all metricdata.ResourceMetrics
	must(t, reader.Collect(t.Context(), &all))
	made := map[string]string{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		made[m.Name] = m.Unit
	}
	if !maps.Equal(made, documented) {
		t.Errorf("made %v\ndocumented %v", made, documented)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkMessage is what a message costs with each way to count it: an echo of both
// directions in memory.
func BenchmarkMessage(b *testing.B) {
	for name, options := range map[string][]otel.Option{"counted": nil, "sizes": {otel.WithMessageSizes()}} {
		b.Run(name, func(b *testing.B) {
			meter, _ := meter(b)
			o, _, err := otel.Server(meter, options...)
			must(b, err)
			benchmark(b, o)
		})
	}
	b.Run("nil", func(b *testing.B) { benchmark(b, nil) })
}

func benchmark(b *testing.B, o *lazywebsocket.Observer) {
	s, c := wstest.NewPair(b, &lazywebsocket.Upgrader{Observer: o, HoldLimit: -1}, nil)
	question := bytes.Repeat([]byte("x"), 100)
	var theirs, ours []byte
	b.ReportAllocs()
	for b.Loop() {
		must(b, c.WriteMessage(lazywebsocket.TextMessage, question))
		_, data, err := s.AppendMessage(theirs[:0])
		must(b, err)
		must(b, s.WriteMessage(lazywebsocket.TextMessage, data))
		theirs = data
		_, data, err = c.AppendMessage(ours[:0])
		must(b, err)
		ours = data
	}
}
