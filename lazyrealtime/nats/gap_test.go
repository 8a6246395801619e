package nats_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"golazy.dev/lazyrealtime"
	lazy "golazy.dev/lazyrealtime/nats"
)

// appendOne appends one message and returns where it is.
func appendOne(t *testing.T, l *lazy.Log, e lazyrealtime.Entry) lazyrealtime.Position {
	t.Helper()
	done, err := l.Append(t.Context(), []lazyrealtime.Entry{e})
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	return done[0].Position
}

func tailOf(t *testing.T, l *lazy.Log, topic string) lazyrealtime.Position {
	t.Helper()
	at, err := l.Tail(t.Context(), topic)
	if err != nil {
		t.Fatalf("Tail: %v", err)
	}
	return at
}

// behind returns what is behind a position, and whether there is no gap.
func behind(t *testing.T, l *lazy.Log, topic string, after lazyrealtime.Position) (list []string, ok bool) {
	t.Helper()
	for {
		page, err := l.Read(t.Context(), topic, after, 3)
		if gap := (*lazyrealtime.GapError)(nil); errors.As(err, &gap) {
			return nil, false
		}
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		if len(page.Messages) == 0 {
			return list, true
		}
		for _, m := range page.Messages {
			list = append(list, string(m.Data))
		}
		after = page.Messages[len(page.Messages)-1].Position
	}
}

// place is a position that somebody has, and how many messages were before it.
type place struct {
	at   lazyrealtime.Position
	seen int
}

// Whatever the streams have pushed out, a reader gets all that is behind his position
// or is told of a gap; and gets it where it is certain to be there. The readers are
// processes that know nothing but their position.
func TestGapsAreNeverMissed(t *testing.T) {
	const topics, steps, most = 4, 400, 8
	url := single(t)
	o := testOptions()
	o.Partitions = 1
	o.Retain = lazyrealtime.Retention{Messages: most}
	l := open(t, url, o)
	random := rand.New(rand.NewPCG(1, 2))
	counts := make([]int, topics)
	places := make([][]place, topics)
	for i := range topics {
		places[i] = append(places[i], place{tailOf(t, l, topic(i)), 0})
	}
	gaps, reads := 0, 0
	for step := range steps {
		// The first is busy, the last almost silent.
		i := min(int(random.ExpFloat64()*topics/5), topics-1)
		at := appendOne(t, l, lazyrealtime.Entry{Topic: topic(i), Data: fmt.Append(nil, counts[i])})
		counts[i]++
		places[i] = append(places[i], place{at, counts[i]})
		i = random.IntN(topics)
		places[i] = append(places[i], place{tailOf(t, l, topic(i)), counts[i]})
		if step%20 != 0 {
			continue
		}
		other := open(t, url, o)
		for i := range topics {
			for _, p := range places[i] {
				list, ok := behind(t, other, topic(i), p.at)
				reads++
				missing := counts[i] - p.seen
				switch {
				case !ok && missing < most:
					t.Fatalf("topic %d: a gap behind %+v, where %d messages of %d have to be there", i, p.at, missing, most)
				case !ok:
					gaps++
				case len(list) != missing:
					t.Fatalf("topic %d: %d messages behind %+v, and no gap; want %d", i, len(list), p.at, missing)
				}
			}
		}
		other.Close()
	}
	if gaps == 0 || gaps == reads {
		t.Errorf("%d of %d reads had a gap: nothing was tested", gaps, reads)
	}
}

func topic(i int) string { return fmt.Sprint("topic ", i) }

// streamOf returns a partition's stream.
func streamOf(t *testing.T, url string, o lazy.Options, partition int) jetstream.Stream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), fmt.Sprintf("%s_log_%d", o.Name, partition))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// When all messages of a topic have become too old, who saw its end is not told of a
// gap by a process that saw it too; and never by one that did not, if there is none to
// be known of.
func TestAgedTopic(t *testing.T) {
	url := single(t)
	o := testOptions()
	o.Partitions = 1
	o.Window = 2 * time.Second
	o.Retain = lazyrealtime.Retention{Messages: 10, Age: time.Second}
	l := open(t, url, o)
	empty := tailOf(t, l, "t")
	first := appendOne(t, l, lazyrealtime.Entry{Topic: "t", Data: []byte("first")})
	last := appendOne(t, l, lazyrealtime.Entry{Topic: "t", Data: []byte("last")})
	if got := tailOf(t, l, "t"); got != last {
		t.Fatalf("Tail %+v, want %+v", got, last)
	}
	s := streamOf(t, url, o, 0)
	eventually(t, "the stream has removed the messages", func() bool {
		if tailOf(t, l, "t") != last { // looks every now and then, as a hub does
			t.Fatalf("the tail moved to %+v while nothing was appended behind %+v", tailOf(t, l, "t"), last)
		}
		info, err := s.Info(t.Context())
		return err == nil && info.State.FirstSeq > last.Offset
	})
	if list, ok := behind(t, l, "t", last); !ok || len(list) > 0 {
		t.Errorf("behind the last message: %q, no gap %v; want nothing and no gap", list, ok)
	}
	other := open(t, url, o)
	for _, at := range []lazyrealtime.Position{empty, first} {
		for _, l := range []*lazy.Log{l, other} {
			if list, ok := behind(t, l, "t", at); ok {
				t.Errorf("behind %+v: %q and no gap, where messages are gone", at, list)
			}
		}
	}
	if at := tailOf(t, other, "t"); at.Epoch != last.Epoch || at.Offset < last.Offset {
		t.Errorf("another process's tail is %+v, before %+v", at, last)
	}
	next := appendOne(t, l, lazyrealtime.Entry{Topic: "t", Data: []byte("next")})
	if next.Offset <= last.Offset || next.Epoch != last.Epoch {
		t.Errorf("the next message is at %+v, not behind %+v", next, last)
	}
}

// A position in a silent topic does not become a gap because others are busy.
func TestSilentBesideBusy(t *testing.T) {
	url := single(t)
	o := testOptions()
	o.Partitions = 1
	o.Retain = lazyrealtime.Retention{Messages: 5}
	l := open(t, url, o)
	churn := func() {
		var entries []lazyrealtime.Entry
		for range 20 {
			entries = append(entries, lazyrealtime.Entry{Topic: "busy", Data: []byte("x")})
		}
		if _, err := l.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	churn()
	at := tailOf(t, l, "silent")
	churn()
	other := open(t, url, o)
	if list, ok := behind(t, other, "silent", at); !ok || len(list) > 0 {
		t.Errorf("behind %+v: %q, no gap %v; want nothing and no gap", at, list, ok)
	}
	appendOne(t, l, lazyrealtime.Entry{Topic: "silent", Data: []byte("first")})
	churn()
	if list, ok := behind(t, open(t, url, o), "silent", at); !ok || len(list) != 1 {
		t.Errorf("behind %+v: %q, no gap %v; want the first message", at, list, ok)
	}
}
