package enginetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golazy.dev/lazyrealtime"
)

var endCases = []testCase{
	{"Close/errors", testCloseErrors},
	{"Close/under load", testCloseUnderLoad},
	{"Close/node", testCloseNode},
	{"Cancelled", testCancelled},
	{"Check", testCheck},
}

func testCheck(e *env) {
	if err := e.log.Check(e.Context()); err != nil {
		e.Errorf("Check of a log that works: %v", err)
	}
}

// calls makes each call of a log once.
func calls(ctx context.Context, log lazyrealtime.Log) map[string]error {
	errs := make(map[string]error)
	_, errs["Append"] = log.Append(ctx, []lazyrealtime.Entry{entry("t", "", "x")})
	_, errs["Read"] = log.Read(ctx, "t", lazyrealtime.Position{}, 1)
	_, errs["Tail"] = log.Tail(ctx, "t")
	_, errs["Join"] = log.Join(ctx, &recorder{busy: make(map[string]bool)})
	errs["Control"] = log.Control(ctx, lazyrealtime.Record{Expires: later()})
	_, _, errs["Controls"] = log.Controls(ctx, 0)
	_, errs["Claim"] = log.Claim(ctx, "key", later())
	errs["Check"] = log.Check(ctx)
	return errs
}

// A closed log says so, and so do its nodes, whose feeds are silent.
func testCloseErrors(e *env) {
	ctx := e.Context()
	e.append("t", "0")
	n, rec := e.join(e.log)
	e.follow(n, "t")
	e.must(n.Enter(ctx, "t", "anna", nil))
	e.must(e.log.Close())
	lives := rec.data("t") // what was appended before Follow may come late
	for method, err := range calls(ctx, e.log) {
		if !errors.Is(err, lazyrealtime.ErrClosed) {
			e.Errorf("%s of a closed log: error %v, want ErrClosed", method, err)
		}
	}
	e.wantClosedNode(n)
	if got := rec.data("t"); len(got) > len(lives) {
		e.Errorf("Live was called behind Close: %q", got)
	}
	if err := e.log.Close(); err != nil && !errors.Is(err, lazyrealtime.ErrClosed) {
		e.Errorf("a second Close: %v, want nil or ErrClosed", err)
	}
}

// Close beside all other calls: each returns.
func testCloseUnderLoad(e *env) {
	ctx := e.Context()
	n, _ := e.join(e.log)
	e.follow(n, "t")
	var wg sync.WaitGroup
	begun := make(chan struct{}, 8)
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				_, err := e.log.Append(ctx, []lazyrealtime.Entry{entry("t", "", fmt.Sprint(w, " ", i))})
				if err != nil {
					if !errors.Is(err, lazyrealtime.ErrClosed) && !errors.Is(err, lazyrealtime.ErrUnavailable) {
						e.Errorf("Append beside Close: %v, want ErrClosed or ErrUnavailable", err)
					}
					return
				}
				// These have to return.
				_ = n.Send(ctx, "t", "", nil)
				_ = n.Enter(ctx, "t", "id", nil)
				_, _ = e.log.Tail(ctx, "t")
				_ = n.Follow(ctx, fmt.Sprint(w, "."))
				if i == 3 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range 8 {
		<-begun
	}
	e.must(e.log.Close())
	wg.Wait()
	for method, err := range calls(ctx, e.log) {
		if !errors.Is(err, lazyrealtime.ErrClosed) {
			e.Errorf("%s of a closed log: error %v, want ErrClosed", method, err)
		}
	}
}

// A node that is closed hears nothing more; the others go on.
func testCloseNode(e *env) {
	ctx := e.Context()
	n, rec := e.join(e.log)
	other, otherRec := e.join(e.log)
	e.follow(n, "t")
	e.follow(other, "t")
	e.append("t", "1")
	e.eventually(func() error { return rec.hasLive("t", "1") })
	e.must(n.Close(ctx))
	changes := rec.changes()
	e.append("t", "2")
	e.must(other.Send(ctx, "t", "", []byte("sent")))
	e.must(other.Enter(ctx, "t", "anna", nil))
	e.control(lazyrealtime.Record{Kind: "k", Key: "key", Expires: later()})
	e.eventually(func() error { return otherRec.hasLive("t", "2") })
	e.eventually(func() error { return otherRec.hasFleeting(fleeting{"t", "", "sent"}) })
	e.eventually(func() error { return otherRec.hasPresence("t", other.ID(), "anna", "", false) })
	e.eventually(func() error { return otherRec.hasChanged(0) })
	e.fence(other, otherRec)
	if got := rec.data("t"); len(got) != 1 {
		e.Errorf("Live was called for %q, want what was appended before Close", got)
	}
	if got, what := rec.fleetings("t"), rec.presenceOf("t"); len(got) > 0 || len(what) > 0 || rec.changes() != changes {
		e.Errorf("a closed node heard of sends %q, presence %+v, %d changes", got, what, rec.changes()-changes)
	}
	if err := rec.hasGone(n.ID()); err == nil {
		e.Error("a node was told that it is gone itself")
	}
}

// A call with a cancelled context returns, with the context's error if any, and
// the log goes on.
func testCancelled(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	for method, err := range calls(ctx, e.log) {
		if err != nil && !errors.Is(err, context.Canceled) {
			e.Errorf("%s with a cancelled context: %v, want context.Canceled or nil", method, err)
		}
	}
	for method, err := range calls(e.Context(), e.log) {
		if err != nil {
			e.Errorf("%s after one that was cancelled: %v", method, err)
		}
	}
}
