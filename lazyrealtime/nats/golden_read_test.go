package nats_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"golazy.dev/lazyrealtime"
	lazy "golazy.dev/lazyrealtime/nats"
)

// restore brings a dump to a server of its own, with changes, and returns its URL. The
// messages of partitions have their places.
func (g *goldenLog) restore(t *testing.T, changes ...func(*jetstream.StreamConfig)) string {
	t.Helper()
	url := single(t)
	js := admin(t, url)
	for _, s := range g.Streams {
		var c jetstream.StreamConfig
		must(t, json.Unmarshal(s.Config, &c))
		for _, change := range changes {
			change(&c)
		}
		_, err := js.CreateStream(t.Context(), c)
		must(t, err)
		for _, m := range s.Messages {
			header := nats.Header{}
			for k, v := range m.Header {
				if !strings.HasPrefix(k, "Nats-Expected-") { // it was the case, in another place
					header[k] = v
				}
			}
			ack, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: m.Subject, Header: header, Data: m.Data})
			must(t, err)
			if strings.Contains(c.Name, "_log_") && ack.Sequence != m.Seq {
				t.Fatalf("%s %d is at %d", c.Name, m.Seq, ack.Sequence)
			}
		}
	}
	return url
}

// say publishes what a node of another version says to the others.
func say(t *testing.T, url string, messages ...goldenMessage) {
	t.Helper()
	nc, err := nats.Connect(url)
	must(t, err)
	defer nc.Close()
	for _, m := range messages {
		must(t, nc.PublishMsg(&nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}))
	}
	must(t, nc.Flush())
}

// heard is a feed that notes what it is told.
type heard struct {
	mu       sync.Mutex
	live     []*lazyrealtime.Message
	fleeting []string
	presence []lazyrealtime.PresenceEvent
	gone     []string
	lost     int
	changed  int
}

func (h *heard) note(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (h *heard) Live(m *lazyrealtime.Message, _ uint64) {
	h.note(func() { h.live = append(h.live, m) })
}

func (h *heard) Fleeting(topic, origin string, data []byte) {
	h.note(func() { h.fleeting = append(h.fleeting, topic+"|"+origin+"|"+string(data)) })
}
func (h *heard) Lost(string) { h.note(func() { h.lost++ }) }
func (h *heard) Presence(e lazyrealtime.PresenceEvent) {
	h.note(func() { h.presence = append(h.presence, e) })
}
func (h *heard) Gone(node string) { h.note(func() { h.gone = append(h.gone, node) }) }
func (h *heard) Changed()         { h.note(func() { h.changed++ }) }

// until waits until something has been heard.
func (h *heard) until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	eventually(t, what, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return condition()
	})
}

// What is on the servers of revision e5316bf is read, and goes on.
func TestGoldenRead(t *testing.T) {
	g := readGolden(t)
	url := g.restore(t)
	l := open(t, url, lazy.Options{Name: "gold", Recheck: -1}) // how many partitions there are it has noted
	for _, topic := range goldenTopics {
		page, err := l.Read(t.Context(), topic, lazyrealtime.Position{}, 10)
		entries := goldenEntries(topic)
		if err != nil || len(page.Messages) != len(entries) {
			t.Fatalf("%q: %+v, %v", topic, page, err)
		}
		for i, e := range entries {
			m := page.Messages[i]
			if m.Topic != topic || m.ID != e.ID || m.From != e.From || string(m.Data) != string(e.Data) || len(m.Position.Epoch) != 16 {
				t.Errorf("%q: %+v, want %+v", topic, m, e)
			}
		}
		first := page.Messages[0].Position
		if page, err = l.Read(t.Context(), topic, first, 10); err != nil || len(page.Messages) != len(entries)-1 {
			t.Errorf("%q behind a client's position: %+v, %v", topic, page, err)
		}
		got, err := l.Append(t.Context(), entries[:1])
		if err != nil || !got[0].Duplicate || got[0].Position != first {
			t.Errorf("%q again: %+v, %v", topic, got, err)
		}
	}
	wantGoldenControls(t, l)
	node := g.nodeOf(t)
	n := join(t, l, silent{})
	for _, topic := range goldenTopics {
		members, err := n.Members(t.Context(), topic)
		slices.SortFunc(members, func(a, b lazyrealtime.Member) int { return strings.Compare(a.ID, b.ID) })
		if err != nil || len(members) != 2 || members[0].ID != "alice" || string(members[0].Info) != `{"a":1}` ||
			members[0].Node != node || members[1].ID != "b\xff.ob" || len(members[1].Info) > 0 {
			t.Errorf("%q: %+v, %v", topic, members, err)
		}
	}
}

func wantGoldenControls(t *testing.T, l *lazy.Log) {
	t.Helper()
	records, _, err := l.Controls(t.Context(), 0)
	for i := range records {
		records[i].Seq = 0
	}
	if err != nil || !slices.Equal(records, goldenRecords) {
		t.Errorf("control log: %+v, %v", records, err)
	}
	if won, err := l.Claim(t.Context(), "ticket/x", goldenExpires); err != nil || won {
		t.Errorf("claimed again: %v, %v", won, err)
	}
}

// What nodes of revision e5316bf say is understood.
func TestGoldenLive(t *testing.T) {
	g := readGolden(t)
	url := g.restore(t)
	l := open(t, url, goldenOptions)
	h := new(heard)
	n := join(t, l, h)
	for _, topic := range goldenTopics {
		must(t, n.Follow(t.Context(), topic))
	}
	say(t, url, g.Live...)
	h.until(t, "everything", func() bool {
		return len(h.live) == 9 && len(h.fleeting) == 3 && len(h.presence) == 12 && len(h.gone) == 1 && h.changed >= 2
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost > 0 {
		t.Errorf("%d messages were not understood", h.lost)
	}
	byTopic := make(map[string][]*lazyrealtime.Message)
	for _, m := range h.live {
		byTopic[m.Topic] = append(byTopic[m.Topic], m)
	}
	for _, topic := range goldenTopics {
		for i, e := range goldenEntries(topic) {
			if m := byTopic[topic][i]; m.ID != e.ID || m.From != e.From || string(m.Data) != string(e.Data) || m.Position.Offset == 0 || len(m.Position.Epoch) != 16 {
				t.Errorf("%q: %+v, want %+v", topic, m, e)
			}
		}
		if !slices.Contains(h.fleeting, topic+`|origin é,|{"typing":true}`) {
			t.Errorf("fleeting: %q", h.fleeting)
		}
	}
	node := g.nodeOf(t)
	for i, want := range []lazyrealtime.Member{{ID: "alice", Info: []byte(`{"a":1}`)}, {ID: "b\xff.ob"}, {ID: "who left"}, {ID: "who left"}} {
		var list []lazyrealtime.PresenceEvent
		for _, e := range h.presence {
			if e.Topic == goldenTopics[1] {
				list = append(list, e)
			}
		}
		if e := list[i]; e.ID != want.ID || string(e.Info) != string(want.Info) || e.Node != node || e.Left != (i == 3) {
			t.Errorf("%d: %+v, want %+v", i, e, want)
		}
	}
	if h.gone[0] != node {
		t.Errorf("%q is gone, and not %q", h.gone, node)
	}
}

// What a later version may add, without another format, is ignored.
func TestGoldenLater(t *testing.T) {
	g := readGolden(t)
	const own = "Lazyrealtime"
	for i, s := range g.Streams {
		for j, m := range s.Messages {
			if len(m.Header[own]) > 0 && m.Header[own][0] != "left" {
				m.Header[own][0] += ",later,still later"
			}
			if len(m.Header) > 0 {
				m.Header["Lazyrealtime-Later"] = []string{"x"}
			}
			if strings.HasPrefix(string(m.Data), `{"`) && !strings.Contains(m.Subject, ".m.") {
				g.Streams[i].Messages[j].Data = append([]byte(`{"later":{"x":1},`), m.Data[1:]...)
			}
		}
	}
	url := g.restore(t, func(c *jetstream.StreamConfig) {
		if c.Metadata == nil {
			c.Metadata = make(map[string]string)
		}
		c.Metadata["lazyrealtime-later"] = "x"
		c.Metadata["lazyrealtime-format"] = "1"
	})
	o := goldenOptions
	o.Retain = lazyrealtime.Retention{Messages: 5000} // has the partitions changed
	l := open(t, url, o)
	for _, topic := range goldenTopics {
		page, err := l.Read(t.Context(), topic, lazyrealtime.Position{}, 10)
		if err != nil || len(page.Messages) != 3 {
			t.Fatalf("%q: %+v, %v", topic, page, err)
		}
		for i, e := range goldenEntries(topic) {
			if m := page.Messages[i]; m.ID != e.ID || m.From != e.From || string(m.Data) != string(e.Data) {
				t.Errorf("%q: %+v, want %+v", topic, m, e)
			}
		}
	}
	wantGoldenControls(t, l)
	n := join(t, l, silent{})
	if members, err := n.Members(t.Context(), goldenTopics[0]); err != nil || len(members) != 2 {
		t.Errorf("members: %+v, %v", members, err)
	}
	js := admin(t, url)
	for _, s := range []string{"gold_log_0", "gold_control"} {
		info, err := js.Stream(t.Context(), s)
		must(t, err)
		c := info.CachedInfo().Config
		if c.Metadata["lazyrealtime-later"] != "x" || s == "gold_log_0" && c.MaxMsgsPerSubject != 5000 {
			t.Errorf("%s: %+v", s, c)
		}
	}
}

// What a later version's nodes may say is ignored where it is not known.
func TestGoldenLaterLive(t *testing.T) {
	g := readGolden(t)
	url := g.restore(t)
	l := open(t, url, goldenOptions)
	h := new(heard)
	n := join(t, l, h)
	must(t, n.Follow(t.Context(), "room:1"))
	say(t, url,
		goldenMessage{Subject: "gold.l.room:1.z", Data: []byte("\x00 of another kind")},
		goldenMessage{Subject: "gold.l.room:1.later"},
		goldenMessage{Subject: "gold.later", Data: []byte("x")},
		goldenMessage{Subject: "gold.l.room:1.e", Data: []byte(`{"node":"N","id":"Ym9i","later":[1],"info":"e30="}`), Header: nats.Header{"Later": {"x"}}},
		goldenMessage{Subject: "gold.l.room:1.f", Data: []byte(`1`), Header: nats.Header{"Lazyrealtime": {"me,later"}, "Later": {"x"}}},
	)
	h.until(t, "what is known", func() bool { return len(h.presence) == 1 && len(h.fleeting) == 1 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.presence[0]; e.ID != "bob" || e.Node != "N" || string(e.Info) != "{}" || e.Left {
		t.Errorf("%+v", e)
	}
	if h.fleeting[0] != "room:1|me|1" || h.lost > 0 || len(h.live) > 0 {
		t.Errorf("%q, %d lost, %v", h.fleeting, h.lost, h.live)
	}
}

// A log of a later format is refused, whichever stream says so, and not changed.
func TestGoldenFormat(t *testing.T) {
	g := readGolden(t)
	for _, stream := range []string{"gold_log_1", "gold_control", "gold_presence"} {
		for _, format := range []string{"2", "1.1"} {
			url := g.restore(t, func(c *jetstream.StreamConfig) {
				if c.Name == stream {
					if c.Metadata == nil {
						c.Metadata = make(map[string]string)
					}
					c.Metadata["lazyrealtime-format"] = format
				}
			})
			o := goldenOptions
			o.Retain = lazyrealtime.Retention{Age: 1000 * time.Hour}
			l, err := lazy.Open(t.Context(), url, o)
			if err == nil {
				_ = l.Close()
			}
			var of *lazy.FormatError
			if !errors.As(err, &of) || of.Stream != stream || of.Format != format || of.Known != 1 {
				t.Fatalf("%s of format %s: %v", stream, format, err)
			}
			info, err := admin(t, url).Stream(t.Context(), stream)
			must(t, err)
			if age := info.CachedInfo().Config.MaxAge; age > 100*time.Hour {
				t.Errorf("%s was changed: it keeps messages for %v", stream, age)
			}
		}
	}
}

// A record of the control log that cannot be read is an error: it could be a revocation.
func TestGoldenStrangeRecord(t *testing.T) {
	g := readGolden(t)
	url := g.restore(t)
	l := open(t, url, goldenOptions)
	_, err := admin(t, url).Publish(t.Context(), "gold.c.r", []byte("no JSON"))
	must(t, err)
	if records, _, err := l.Controls(t.Context(), 0); err == nil {
		t.Errorf("%+v", records)
	}
}
