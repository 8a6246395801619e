package local

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golazy.dev/lazyrealtime"
)

// What a log's users see of this package is tested by the conformance suite, which
// every engine that uses it runs. Here is what they do not see.

// feed calls functions; those that are nil do nothing.
type feed struct {
	live     func(m *lazyrealtime.Message, prev uint64)
	fleeting func(topic string)
	presence func(e lazyrealtime.PresenceEvent)
	gone     func(node string)
}

func (f feed) Live(m *lazyrealtime.Message, prev uint64) {
	if f.live != nil {
		f.live(m, prev)
	}
}

func (f feed) Fleeting(topic, _ string, _ []byte) {
	if f.fleeting != nil {
		f.fleeting(topic)
	}
}

func (f feed) Presence(e lazyrealtime.PresenceEvent) {
	if f.presence != nil {
		f.presence(e)
	}
}

func (f feed) Gone(node string) {
	if f.gone != nil {
		f.gone(node)
	}
}

func (feed) Lost(string) {}
func (feed) Changed()    {}

func join(t testing.TB, l *Local, f feed) *node {
	t.Helper()
	n, err := l.Join(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	return n.(*node)
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// topics returns how many topics there are.
func (l *Local) topics() int {
	n := 0
	for i := range l.shards {
		n += len(l.shards[i].topics)
	}
	return n
}

// A topic that nobody follows, and where nobody is, leaves nothing behind.
func TestTopicsEnd(t *testing.T) {
	ctx := t.Context()
	l := New()
	a, b := join(t, l, feed{}), join(t, l, feed{})
	want := func(n int, after string) {
		t.Helper()
		if got := l.topics(); got != n {
			t.Errorf("%d topics after %s, want %d", got, after, n)
		}
	}
	l.Publish(&lazyrealtime.Message{Topic: "t"}, 0)
	must(t, a.Send(ctx, "t", "", nil), a.Exit(ctx, "t", "anna"))
	want(0, "messages of a topic that nobody follows")
	must(t, a.Follow(ctx, "t"), b.Follow(ctx, "t"), a.Follow(ctx, "t"))
	a.Unfollow("t")
	want(1, "one of two has unfollowed")
	b.Unfollow("t")
	want(0, "both have unfollowed")
	must(t, a.Enter(ctx, "t", "anna", nil), b.Follow(ctx, "t"))
	b.Unfollow("t")
	want(1, "unfollowing a topic where somebody is")
	must(t, a.Exit(ctx, "t", "anna"))
	want(0, "the last member has left")
	for i := range 100 {
		must(t, a.Follow(ctx, fmt.Sprint(i)), a.Enter(ctx, fmt.Sprint(i+50), "anna", nil))
	}
	must(t, a.Close(ctx))
	want(0, "the node has closed")
	must(t, b.Follow(ctx, "t"), b.Enter(ctx, "t", "anna", nil))
	l.Close()
	want(0, "Local has closed")
}

// Who lets go of a topic that has ended meanwhile does not end the one that has its
// name now.
func TestReleaseOfAnother(t *testing.T) {
	l := New()
	n := join(t, l, feed{})
	old := l.make("t")
	old.users.Add(-1) // as in release, which has not come to the rest
	must(t, n.Follow(t.Context(), "t"))
	n.Unfollow("t")
	must(t, n.Follow(t.Context(), "t"))
	old.users.Add(1)
	l.release(old)
	if !l.Followed("t") {
		t.Error("a topic is not followed by its follower")
	}
}

func TestFollowed(t *testing.T) {
	ctx := t.Context()
	l := New()
	n := join(t, l, feed{})
	must(t, n.Enter(ctx, "t", "anna", nil))
	if l.Followed("t") || l.Followed("u") {
		t.Error("a topic is followed by nobody")
	}
	must(t, n.Follow(ctx, "t"))
	if !l.Followed("t") {
		t.Error("a topic is not followed by its follower")
	}
	n.Unfollow("t")
	if l.Followed("t") {
		t.Error("a topic is followed after Unfollow")
	}
}

// While a feed is called for a topic, the feeds of others are called for other
// topics, and who is not to wait for a feed does not: all of them return in a bubble
// where the call itself does not.
func TestNothingWaitsForAFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		l := New()
		gate := make(chan struct{})
		slow := join(t, l, feed{live: func(*lazyrealtime.Message, uint64) { <-gate }})
		var others int
		other := join(t, l, feed{live: func(*lazyrealtime.Message, uint64) { others++ }})
		must(t, slow.Follow(ctx, "t"), slow.Enter(ctx, "t", "anna", nil))
		go l.Publish(&lazyrealtime.Message{Topic: "t"}, 0)
		synctest.Wait()
		for i := range 1000 { // topics of all shards
			topic := fmt.Sprint(i)
			must(t, other.Follow(ctx, topic), slow.Enter(ctx, topic, "anna", nil), other.Send(ctx, topic, "", nil))
			l.Publish(&lazyrealtime.Message{Topic: topic}, 0)
		}
		must(t, slow.Follow(ctx, "t"), other.Follow(ctx, "t"))
		slow.Unfollow("t")
		if list, err := other.Members(ctx, "t"); err != nil || len(list) != 1 {
			t.Errorf("members %v, %v", list, err)
		}
		if !l.Followed("t") || others != 1000 {
			t.Errorf("%d calls for other topics, want 1000", others)
		}
		must(t, slow.Close(ctx))
		close(gate)
		synctest.Wait()
	})
}

// What a node says comes before that it is gone.
func TestGoneIsLast(t *testing.T) {
	ctx := t.Context()
	l := New()
	var mu sync.Mutex
	var heard []string
	hear := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, what)
	}
	n := join(t, l, feed{})
	closed := make(chan struct{})
	other := join(t, l, feed{
		presence: func(e lazyrealtime.PresenceEvent) {
			go func() {
				defer close(closed)
				must(t, n.Close(ctx))
			}()
			for !n.closed.Load() {
				runtime.Gosched()
			}
			spin() // Close could go on
			hear("enter " + e.ID)
		},
		gone: func(node string) { hear("gone " + node) },
	})
	must(t, other.Follow(ctx, "t"), n.Enter(ctx, "t", "anna", nil))
	<-closed
	if want := []string{"enter anna", "gone " + n.ID()}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
	if err := n.Enter(ctx, "t", "bert", nil); !errors.Is(err, lazyrealtime.ErrClosed) {
		t.Errorf("Enter of a closed node: %v", err)
	}
	if list, err := other.Members(ctx, "t"); err != nil || len(list) != 0 {
		t.Errorf("members %v, %v, want none", list, err)
	}
}

// spin lets others go on for a while.
func spin() {
	for range 1000 {
		runtime.Gosched()
	}
}

// A topic that ends and begins anew while it is called is not called by a second
// goroutine meanwhile.
func TestOneAtATimeAnew(t *testing.T) {
	for _, entered := range []bool{false, true} {
		ctx := t.Context()
		l := New()
		m := &lazyrealtime.Message{Topic: "t"}
		var busy atomic.Bool
		var wg sync.WaitGroup
		var again sync.Once
		var n *node
		n = join(t, l, feed{live: func(*lazyrealtime.Message, uint64) {
			if busy.Swap(true) {
				t.Errorf("entered %v: two calls at a time", entered)
			}
			again.Do(func() {
				n.Unfollow("t")
				must(t, n.Follow(ctx, "t"))
				wg.Go(func() { l.Publish(m, 0) })
				spin()
			})
			busy.Store(false)
		}})
		if entered {
			must(t, n.Enter(ctx, "t", "anna", nil)) // makes the topic
		}
		must(t, n.Follow(ctx, "t"), n.Exit(ctx, "t", "anna"))
		l.Publish(m, 0)
		wg.Wait()
	}
}

// A node that is closed while others are called is not called any more.
func TestClosedBehindOthers(t *testing.T) {
	ctx := t.Context()
	l := New()
	var second *node
	first := join(t, l, feed{live: func(*lazyrealtime.Message, uint64) { must(t, second.Close(ctx)) }})
	second = join(t, l, feed{live: func(*lazyrealtime.Message, uint64) { t.Error("a closed node was called") }})
	must(t, first.Follow(ctx, "t"), second.Follow(ctx, "t"))
	l.Publish(&lazyrealtime.Message{Topic: "t"}, 0)
}

// The same at random, until there have been enough calls; nothing is left at the end.
func TestOneAtATime(t *testing.T) {
	const topic = "t"
	ctx := t.Context()
	l := New()
	var busy, calls atomic.Int32
	call := func() {
		if busy.Add(1) != 1 {
			t.Error("two calls at a time")
		}
		calls.Add(1)
		busy.Add(-1)
	}
	n := join(t, l, feed{
		live:     func(*lazyrealtime.Message, uint64) { call() },
		fleeting: func(string) { call() },
	})
	var wg sync.WaitGroup
	work := func(do func()) {
		wg.Go(func() {
			for calls.Load() < 5000 {
				do()
			}
		})
	}
	work(func() { l.Publish(&lazyrealtime.Message{Topic: topic}, 0) })
	work(func() { must(t, n.Send(ctx, topic, "", nil)) })
	work(func() { must(t, n.Enter(ctx, topic, "anna", nil), n.Exit(ctx, topic, "anna")) })
	work(func() {
		must(t, n.Follow(ctx, topic))
		runtime.Gosched()
		if !l.Followed(topic) {
			t.Error("a topic is not followed by its follower")
		}
		n.Unfollow(topic)
	})
	wg.Wait()
	if l.topics() != 0 {
		t.Errorf("%d topics are left", l.topics())
	}
}
