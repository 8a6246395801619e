package nats_test

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
	lazy "golazy.dev/lazyrealtime/nats"
)

// cutter makes connections that a test can cut.
type cutter struct {
	mu    sync.Mutex // guards the fields below
	conns []net.Conn
	shut  chan struct{} // no connections are made until it is closed
}

func (c *cutter) Dial(network, address string) (net.Conn, error) {
	c.mu.Lock()
	shut := c.shut
	c.mu.Unlock()
	if shut != nil {
		<-shut
	}
	conn, err := net.Dial(network, address)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	return conn, err
}

// cut cuts the connection that was made last, which is a node's right after Join. It
// is not made again before the function that cut returns is called.
func (c *cutter) cut() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	shut := make(chan struct{})
	c.shut = shut
	c.conns[len(c.conns)-1].Close()
	return func() { close(shut) }
}

// cuttable opens a log whose connections can be cut, and makes a reader of it.
func cuttable(t *testing.T, deaf bool) (*lazy.Log, *reader, *cutter) {
	t.Helper()
	url := single(t)
	o := testOptions()
	o.Recheck = -1
	c := new(cutter)
	plain := o.Connect
	o.Connect = append(slices.Clip(plain), nats.SetCustomDialer(c))
	l := open(t, url, o)
	r := newReader(t, l, deaf)
	r.follow([]string{"t"})
	o.Connect = plain
	return open(t, url, o), r, c
}

// appendN appends messages with these numbers to topic "t".
func appendN(t *testing.T, l *lazy.Log, from, to int) {
	t.Helper()
	var entries []lazyrealtime.Entry
	for i := from; i < to; i++ {
		entries = append(entries, lazyrealtime.Entry{
			Topic: "t", Data: fmt.Append(nil, i), Keep: lazyrealtime.Retention{Messages: 1 << 20},
		})
	}
	if _, err := l.Append(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func (r *reader) wants(n int) {
	r.t.Helper()
	eventually(r.t, fmt.Sprint("the reader has seen ", n, " messages"), func() bool {
		return len(r.seenOf("t")) >= n
	})
	var got, want []string
	for _, m := range r.seenOf("t") {
		got = append(got, string(m.Data))
	}
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	if !slices.Equal(got, want) {
		r.t.Fatalf("the reader has seen %d messages, which are not the %d in order", len(got), n)
	}
}

// What is lost while the live connection is cut shows with the next message, even to
// one who does not hear that the connection was lost.
func TestCutShowsWithTheNext(t *testing.T) {
	l, r, c := cuttable(t, true)
	appendN(t, l, 0, 1)
	appendN(t, l, 1, 20) // a batch
	r.wants(20)
	if r.repairs != 0 {
		t.Fatalf("%d repairs while nothing was wrong", r.repairs)
	}
	mend := c.cut()
	appendN(t, l, 20, 23) // nobody hears of these
	mend()
	eventually(t, "the connection is there again", func() bool { return r.hasLost("") })
	appendN(t, l, 23, 24)
	r.wants(24)
	if r.repairs == 0 || r.repaired < 3 {
		t.Errorf("%d messages came by %d repairs, want 3 at least", r.repaired, r.repairs)
	}
}

// What is lost at the end of a topic, behind which nothing comes, shows because the
// feed is told of the connection.
func TestCutAtTheEnd(t *testing.T) {
	l, r, c := cuttable(t, false)
	appendN(t, l, 0, 3)
	r.wants(3)
	mend := c.cut()
	appendN(t, l, 3, 6)
	mend()
	r.wants(6)
}

// A feed that is too slow is told so, and has everything in the end.
func TestSlowFeed(t *testing.T) {
	l, r, _ := cuttable(t, false)
	hold := make(chan struct{})
	var once sync.Once
	r.drop = func(*lazyrealtime.Message) bool {
		once.Do(func() { <-hold })
		return false
	}
	const n = 24_000 // more than wait for a node
	for i := 0; i < n; i += 1000 {
		appendN(t, l, i, i+1000)
	}
	close(hold)
	r.wants(n)
	// The next message may have shown it before.
	eventually(t, "the feed is told that messages were dropped", func() bool { return r.hasLost("t") })
	appendN(t, l, n, n+1)
	r.wants(n + 1)
}

// A feed is told of each topic once in a while, and of the control log.
func TestRecheck(t *testing.T) {
	o := testOptions()
	o.Recheck = 300 * time.Millisecond
	l := open(t, single(t), o)
	r := newReader(t, l, true)
	r.follow([]string{"t", "u"})
	for range 2 {
		eventually(t, "the feed is told", func() bool { return r.hasLost("t") && r.hasLost("u") })
		r.forgetLost()
	}
}
