package nats_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"golazy.dev/lazyrealtime"
	lazy "golazy.dev/lazyrealtime/nats"
)

// watcher is a feed that notes who is gone.
type watcher struct {
	silent
	mu   sync.Mutex
	gone []string
}

func (w *watcher) Gone(node string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = append(w.gone, node)
}

func (w *watcher) has(node string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.gone, node)
}

func join(t *testing.T, l *lazy.Log, feed lazyrealtime.Feed) lazyrealtime.Node {
	t.Helper()
	n, err := l.Join(t.Context(), feed)
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	return n
}

func admin(t *testing.T, url string) jetstream.JetStream {
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
	return js
}

// membersOf returns who is present, as "node id info".
func membersOf(t *testing.T, n lazyrealtime.Node, topic string) []string {
	t.Helper()
	list, err := n.Members(t.Context(), topic)
	if err != nil {
		t.Fatalf("Members: %v", err)
	}
	var got []string
	for _, m := range list {
		got = append(got, fmt.Sprint(m.Node, " ", m.ID, " ", string(m.Info)))
	}
	slices.Sort(got)
	return got
}

// A node that has lost its lease takes another name and brings its members along; what
// it had under the old name is gone.
func TestLostLease(t *testing.T) {
	url := single(t)
	o := testOptions()
	o.Lease = 5 * time.Second
	l, other := open(t, url, o), open(t, url, o)
	n := join(t, l, silent{})
	w := new(watcher)
	far := join(t, other, w)
	const many = 100
	for i := range many {
		if err := n.Enter(t.Context(), "t", fmt.Sprint(i), []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Exit(t.Context(), "t", "7"); err != nil {
		t.Fatal(err)
	}
	before := n.ID()
	js := admin(t, url)
	// Entries of a node without a lease are not seen.
	if _, err := js.Publish(t.Context(), o.Name+".p.e.t.DEAD.anna", []byte(`{"node":"DEAD","id":"YW5uYQ=="}`)); err != nil {
		t.Fatal(err)
	}
	if got := membersOf(t, n, "t"); len(got) != many-1 {
		t.Fatalf("%d members, want %d", len(got), many-1)
	}
	stream, err := js.Stream(t.Context(), o.Name+"_presence")
	if err != nil {
		t.Fatal(err)
	}
	held, err := stream.GetLastMsgForSubject(t.Context(), o.Name+".p.n."+before)
	if err != nil || held.Header.Get("Nats-TTL") != "5" {
		t.Errorf("the lease is %+v, %v; want one of 5 s", held, err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(o.Name+".p.n."+before)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node has another name", func() bool { return n.ID() != before })
	var want []string
	for i := range many {
		if i != 7 {
			want = append(want, fmt.Sprint(n.ID(), " ", i, " ", i))
		}
	}
	slices.Sort(want)
	eventually(t, "the members are there under the new name", func() bool {
		return slices.Equal(membersOf(t, far, "t"), want)
	})
	eventually(t, "the old name is gone", func() bool { return w.has(before) })
	eventually(t, "its entries are removed", func() bool {
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(fmt.Sprintf("%s.p.e.*.%s.*", o.Name, before)))
		return err == nil && len(info.State.Subjects) == 0
	})
}

// More members than the servers put into one answer are all there.
func TestManyMembers(t *testing.T) {
	l := open(t, single(t), testOptions())
	n := join(t, l, silent{})
	const many = 2500
	var wg sync.WaitGroup
	for w := range 50 {
		wg.Go(func() {
			for i := w; i < many; i += 50 {
				if err := n.Enter(t.Context(), "t", fmt.Sprint(i), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(slices.Compact(membersOf(t, n, "t"))); got != many {
		t.Errorf("%d members, want %d", got, many)
	}
}

// A partition that is lost and made anew has another epoch: publishers go on, and old
// positions have a gap behind them.
func TestPartitionMadeAnew(t *testing.T) {
	url := single(t)
	o := testOptions()
	o.Recheck = -1
	o.Partitions = 1
	l, other := open(t, url, o), open(t, url, o)
	r := newReader(t, other, true)
	r.follow([]string{"t"})
	first := appendOne(t, l, lazyrealtime.Entry{Topic: "t", Data: []byte("first")})
	if err := admin(t, url).DeleteStream(t.Context(), o.Name+"_log_0"); err != nil {
		t.Fatal(err)
	}
	second := appendOne(t, l, lazyrealtime.Entry{Topic: "t", Data: []byte("second")})
	if second.Epoch == first.Epoch {
		t.Fatalf("epoch %s is that of the stream that is gone", second.Epoch)
	}
	for _, l := range []*lazy.Log{l, other} {
		if list, ok := behind(t, l, "t", first); ok {
			t.Errorf("behind %+v: %q and no gap", first, list)
		}
		if at := tailOf(t, l, "t"); at != second {
			t.Errorf("the tail is %+v, want %+v", at, second)
		}
	}
	eventually(t, "the feed is told", func() bool { return r.hasLost("t") })
}

// Who has not looked at a partition since it was made anew by another process follows
// its topics all the same, and can be asked whether all is well.
func TestFollowInAPartitionMadeAnew(t *testing.T) {
	url := single(t)
	o := testOptions()
	o.Partitions = 2
	l, follower, asked := open(t, url, o), open(t, url, o), open(t, url, o)
	n := join(t, follower, silent{})
	for p := range o.Partitions {
		if err := admin(t, url).DeleteStream(t.Context(), fmt.Sprintf("%s_log_%d", o.Name, p)); err != nil {
			t.Fatal(err)
		}
	}
	appendOne(t, l, lazyrealtime.Entry{Topic: "t"})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range 10 { // of both partitions
		if err := n.Follow(ctx, topic(i)); err != nil {
			t.Fatalf("Follow: %v", err)
		}
	}
	if err := asked.Check(ctx); err != nil {
		t.Errorf("Check: %v", err)
	}
}

// Errors say what is wrong.
func TestErrors(t *testing.T) {
	url := single(t)
	ctx := t.Context()
	plain := startPlain(t)
	for name, c := range map[string]struct {
		url  string
		o    lazy.Options
		want error
	}{
		"no JetStream": {plain, lazy.Options{}, lazy.ErrJetStream},
		"replicas":     {url, lazy.Options{Replicas: 3}, lazy.ErrReplicas},
		"no server":    {addresses([]int{freePort(t)}), lazy.Options{}, lazyrealtime.ErrUnavailable},
	} {
		if _, err := lazy.Open(ctx, c.url, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: Open: %v, want %v", name, err, c.want)
		}
	}
	var option *lazy.OptionError
	if _, err := lazy.Open(ctx, url, lazy.Options{Name: "a.b"}); !errors.As(err, &option) || option.Option != "Name" {
		t.Errorf("Open with a bad name: %v", err)
	}
	o := testOptions()
	o.Retain = lazyrealtime.Retention{Messages: 100, Age: time.Hour}
	l := open(t, url, o)
	small := lazyrealtime.Entry{Topic: "t", Data: []byte("x")}
	var payload *lazy.PayloadError
	_, err := l.Append(ctx, []lazyrealtime.Entry{small, {Topic: "t", Data: make([]byte, 3<<20)}})
	if !errors.As(err, &payload) || payload.Size < 3<<20 || payload.Max != 2<<20 {
		t.Errorf("Append of 3 MiB: %v", err)
	}
	var keep *lazy.RetentionError
	long := lazyrealtime.Entry{Topic: "t", Keep: lazyrealtime.Retention{Age: 2 * time.Hour}}
	if _, err := l.Append(ctx, []lazyrealtime.Entry{small, long}); !errors.As(err, &keep) {
		t.Errorf("Append with more retention than the streams have: %v", err)
	}
	if list, ok := behind(t, l, "t", lazyrealtime.Position{}); !ok || len(list) > 0 {
		t.Errorf("calls that failed have published %q", list)
	}
}

// startPlain starts a server without JetStream.
func startPlain(t *testing.T) string {
	t.Helper()
	o := serverOptions("")
	o.JetStream = false
	return start(t, o).ClientURL()
}

// While the server is away calls wait, until their context ends or it is there again;
// what was appended is there once.
func TestServerAway(t *testing.T) {
	so := serverOptions(t.TempDir())
	so.Port = freePort(t)
	s := start(t, so.Clone())
	o := testOptions()
	l := open(t, s.ClientURL(), o)
	n := join(t, l, silent{})
	at := appendOne(t, l, lazyrealtime.Entry{Topic: "t", ID: "1", Data: []byte("1")})
	stop(s)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, appendErr := l.Append(ctx, []lazyrealtime.Entry{{Topic: "t", ID: "2", Data: []byte("2")}})
	_, readErr := l.Read(ctx, "t", at, 1)
	_, membersErr := n.Members(ctx, "t")
	for method, err := range map[string]error{
		"Append": appendErr, "Read": readErr, "Members": membersErr,
		"Check": l.Check(ctx), "Control": l.Control(ctx, lazyrealtime.Record{}), "Enter": n.Enter(ctx, "t", "id", nil),
		"Follow": n.Follow(ctx, "t"), "Send": n.Send(ctx, "t", "", nil),
	} {
		if !errors.Is(err, lazyrealtime.ErrUnavailable) {
			t.Errorf("%s without a server: %v, want ErrUnavailable", method, err)
		}
	}
	done := make(chan error, 1)
	go func() {
		_, err := l.Append(t.Context(), []lazyrealtime.Entry{{Topic: "t", ID: "2", Data: []byte("2")}})
		done <- err
	}()
	start(t, so)
	if err := <-done; err != nil {
		t.Fatalf("Append across a restart of the server: %v", err)
	}
	if list, ok := behind(t, l, "t", at); !ok || !slices.Equal(list, []string{"2"}) {
		t.Errorf("behind the first message: %q, no gap %v", list, ok)
	}
	if err := n.Enter(t.Context(), "t", "anna", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "who entered is present", func() bool { return len(membersOf(t, n, "t")) == 1 })
}

// What the servers' settings are is read from them.
func TestDurability(t *testing.T) {
	so := serverOptions(t.TempDir())
	so.SyncInterval, so.HTTPHost, so.HTTPPort = 7*time.Second, "127.0.0.1", server.RANDOM_PORT
	s := start(t, so)
	o := testOptions()
	o.Monitor = []string{"http://" + s.MonitorAddr().String()}
	d, err := open(t, s.ClientURL(), o).Durability(t.Context())
	if want := (lazy.Durability{Replicas: 1, Known: true, SyncInterval: 7 * time.Second}); err != nil || d != want {
		t.Errorf("Durability %+v, %v, want %+v", d, err, want)
	}
	o.Monitor = nil
	d, err = open(t, s.ClientURL(), o).Durability(t.Context())
	if want := (lazy.Durability{Replicas: 1}); err != nil || d != want {
		t.Errorf("Durability without Monitor %+v, %v, want %+v", d, err, want)
	}
}
