package nats_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
	lazy "golazy.dev/lazyrealtime/nats"
)

// testdata/golden.json was written once, by revision e5316bf, and is not written again:
// every later version understands it. The command, in the module lazyrealtime/nats of a
// tree of that revision with this file in it:
//
//	go test . -run TestGoldenWrite -golden /path/to/golden.json
//
// A format to come gets a file of its own beside it.
var golden = flag.String("golden", "", "`file` to be written")

const goldenFile = "testdata/golden.json"

// A goldenLog is all that a log has on the servers, and what nodes say to each other.
type goldenLog struct {
	Streams []goldenStream  `json:"streams"`
	Live    []goldenMessage `json:"live"`
}

type goldenStream struct {
	Config   json.RawMessage `json:"config"`
	Messages []goldenMessage `json:"messages"` // oldest first
}

type goldenMessage struct {
	Seq     uint64      `json:"seq,omitempty"`
	Subject string      `json:"subject"`
	Header  nats.Header `json:"header,omitempty"`
	Data    []byte      `json:"data,omitempty"`
}

var (
	// goldenExpires is when what is in the log expires.
	goldenExpires = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	goldenOptions = lazy.Options{Name: "gold", Partitions: 2, Recheck: -1}
	goldenTopics  = []string{"room:1", "a.b *é", strings.Repeat("long", 50)}
	goldenRecords = []lazyrealtime.Record{
		{Kind: "revoke", Key: "alice", Value: "1767225600000000000", Expires: goldenExpires},
		{Kind: "odd\xff", Key: "\x00", Expires: goldenExpires},
	}
	goldenMembers = []lazyrealtime.Member{{ID: "alice", Info: []byte(`{"a":1}`)}, {ID: "b\xff.ob"}}
)

// goldenEntries are the messages of a topic.
func goldenEntries(topic string) []lazyrealtime.Entry {
	return []lazyrealtime.Entry{
		{Topic: topic, Data: []byte(`{"n":1}`), ID: "id,1 é", From: "alice, or é"},
		{Topic: topic, Data: []byte("\x00\xff"), Keep: lazyrealtime.Retention{Messages: 10, Age: time.Hour}},
		{Topic: topic, ID: "id 3"},
	}
}

// dumper makes a goldenLog of a log.
type dumper struct {
	t  *testing.T
	nc *nats.Conn

	mu   sync.Mutex
	live []goldenMessage
}

func newDumper(t *testing.T, url string) *dumper {
	t.Helper()
	d := &dumper{t: t}
	var err error
	if d.nc, err = nats.Connect(url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.nc.Close)
	for _, subject := range []string{"gold.l.>", "gold.k", "gold.x"} {
		if _, err := d.nc.Subscribe(subject, d.hear); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *dumper) hear(m *nats.Msg) {
	if strings.Contains(m.Subject, ".%t.") || strings.Contains(m.Subject, ".%m.") {
		return // marks, which are no topic's
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.live = append(d.live, goldenMessage{Subject: m.Subject, Header: m.Header, Data: m.Data})
}

// heard waits until n messages have been heard.
func (d *dumper) heard(n int) []goldenMessage {
	d.t.Helper()
	var list []goldenMessage
	eventually(d.t, "the messages between the nodes", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		list = slices.Clone(d.live)
		return len(list) >= n
	})
	slices.SortStableFunc(list, func(a, b goldenMessage) int { return strings.Compare(a.Subject, b.Subject) })
	return list
}

// ask makes a request of JetStream's API.
func (d *dumper) ask(subject string, body, into any) {
	d.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		d.t.Fatal(err)
	}
	m, err := d.nc.Request("$JS.API."+subject, data, patience)
	if err != nil {
		d.t.Fatalf("%s: %v", subject, err)
	}
	if err := json.Unmarshal(m.Data, into); err != nil || strings.Contains(string(m.Data), `"err_code"`) {
		d.t.Fatalf("%s: %s, %v", subject, m.Data, err)
	}
}

// stream dumps a stream. What has no place in it any more is left out.
func (d *dumper) stream(name string) (s goldenStream) {
	d.t.Helper()
	var info struct {
		Config json.RawMessage `json:"config"`
		State  struct {
			Last uint64 `json:"last_seq"`
		} `json:"state"`
	}
	d.ask("STREAM.INFO."+name, struct{}{}, &info)
	s.Config = info.Config
	for seq := range info.State.Last {
		m, err := d.nc.Request("$JS.API.DIRECT.GET."+name, fmt.Appendf(nil, `{"seq":%d}`, seq+1), patience)
		if err != nil {
			d.t.Fatal(err)
		}
		if m.Header.Get("Status") != "" {
			continue
		}
		header := maps.Clone(m.Header)
		for _, h := range []string{"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending", "Nats-Last-Sequence"} {
			delete(header, h) // the servers'
		}
		s.Messages = append(s.Messages, goldenMessage{Seq: seq + 1, Subject: m.Header.Get("Nats-Subject"), Header: header, Data: m.Data})
	}
	return s
}

// makeGolden fills a log, and dumps it before its node leaves; what the node says then
// is in it.
func makeGolden(t *testing.T) (dump goldenLog, node string) {
	t.Helper()
	url := single(t)
	d := newDumper(t, url)
	l := open(t, url, goldenOptions)
	n := join(t, l, silent{})
	for _, topic := range goldenTopics {
		for _, e := range goldenEntries(topic) {
			if _, err := l.Append(t.Context(), []lazyrealtime.Entry{e}); err != nil {
				t.Fatal(err)
			}
		}
		must(t, n.Send(t.Context(), topic, "origin é,", []byte(`{"typing":true}`)))
		for _, m := range goldenMembers {
			must(t, n.Enter(t.Context(), topic, m.ID, m.Info))
		}
		must(t, n.Enter(t.Context(), topic, "who left", nil))
		must(t, n.Exit(t.Context(), topic, "who left"))
	}
	for _, r := range goldenRecords {
		must(t, l.Control(t.Context(), r))
	}
	if won, err := l.Claim(t.Context(), "ticket/x", goldenExpires); err != nil || !won {
		t.Fatalf("claim: %v, %v", won, err)
	}
	for _, name := range []string{"gold_log_0", "gold_log_1", "gold_control", "gold_presence"} {
		dump.Streams = append(dump.Streams, d.stream(name))
	}
	node = n.ID()
	must(t, n.Close(t.Context()))
	dump.Live = d.heard(len(goldenTopics)*8 + len(goldenRecords) + 1)
	return dump, node
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// nodeOf returns the node in a dump.
func (g *goldenLog) nodeOf(t *testing.T) string {
	t.Helper()
	for _, m := range g.Live {
		if m.Subject == "gold.x" {
			return string(m.Data)
		}
	}
	t.Fatal("no node has left")
	return ""
}

func readGolden(t *testing.T) (g goldenLog) {
	t.Helper()
	text, err := os.ReadFile(goldenFile)
	must(t, err)
	must(t, json.Unmarshal(text, &g))
	return g
}

var (
	randomText = regexp.MustCompile(`\b[A-Z2-7]{26}\b`)
	timeStamp  = regexp.MustCompile(`\b20\d\d-\d\d-\d\dT[0-9:.]+Z`)
	far        = regexp.MustCompile(`"(Nats-TTL)":\["\d{6,}"\]`)
)

// masked is a dump without what is different each time, as lines.
func (g goldenLog) masked(t *testing.T) []string {
	t.Helper()
	var lines []string
	replace := []string{g.nodeOf(t), "NODE"}
	for _, s := range g.Streams {
		var c map[string]any
		must(t, json.Unmarshal(s.Config, &c))
		meta, _ := c["metadata"].(map[string]any)
		if epoch, ok := meta["lazyrealtime-epoch"].(string); ok {
			replace = append(replace, epoch, fmt.Sprint("EPOCH", len(replace)/2))
		}
		maps.DeleteFunc(meta, func(k string, _ any) bool { return strings.HasPrefix(k, "_nats.") }) // the server's
		line, _ := json.Marshal(c)
		lines = append(lines, string(line))
		for _, m := range s.Messages {
			if !strings.HasSuffix(m.Subject, ".%t") { // left now and then
				lines = append(lines, m.line(false))
			}
		}
	}
	for _, m := range g.Live {
		lines = append(lines, m.line(true))
	}
	masks := strings.NewReplacer(replace...)
	for i, line := range lines {
		line = randomText.ReplaceAllString(masks.Replace(line), "RANDOM")
		lines[i] = far.ReplaceAllString(timeStamp.ReplaceAllString(line, "TIME"), `"$1":["FAR"]`)
	}
	return lines
}

// line is a message without its place, and its data as they are.
func (m goldenMessage) line(live bool) string {
	header := maps.Clone(m.Header)
	if live {
		for _, h := range []string{"Nats-Sequence", "Nats-Last-Sequence", "Nats-Time-Stamp"} {
			if header.Get(h) != "" {
				header[h] = []string{"THERE"}
			}
		}
	}
	h, _ := json.Marshal(header)
	return fmt.Sprintf("%s %s %s", m.Subject, h, m.Data)
}

// What this version writes is what the golden file has, so that what reads this reads
// it: the version that wrote it, for one.
func TestGoldenWrite(t *testing.T) {
	dump, _ := makeGolden(t)
	if *golden != "" {
		text, err := json.MarshalIndent(dump, "", "\t")
		must(t, err)
		must(t, os.MkdirAll(filepath.Dir(*golden), 0o755))
		must(t, os.WriteFile(*golden, append(text, '\n'), 0o644))
		return
	}
	want := readGolden(t)
	g, w := dump.masked(t), want.masked(t)
	if len(w) < 50 {
		t.Fatalf("only %d lines", len(w))
	}
	for i := range max(len(g), len(w)) {
		if i >= min(len(g), len(w)) || g[i] != w[i] {
			t.Fatalf("%d of %d and %d: written now, and was\n%s\n%s", i, len(g), len(w), at(g, i), at(w, i))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}
