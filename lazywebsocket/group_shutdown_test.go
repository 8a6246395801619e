package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// farewells answers the Close frames that the peers get, and returns for each
// peer when that came and what it said.
func farewells(peers []*wstest.Peer) <-chan []time.Time {
	return result(func() []time.Time {
		came := make(chan time.Time)
		for _, p := range peers {
			go func() {
				p.WantText("last")
				reason := p.WantClose(1012)
				now := time.Now()
				if reason != "restart" {
					now = time.Time{}
				}
				time.Sleep(50 * time.Millisecond) // of the bubble
				p.Close(1012, "")
				p.WantEOF()
				came <- now
			}()
		}
		var times []time.Time
		for range peers {
			times = append(times, <-came)
		}
		slices.SortFunc(times, time.Time.Compare)
		return times
	})
}

// The Close frames leave evenly spread, behind what was queued, and Shutdown
// returns with the last answer, in all ways of reading.
func TestGroupShutdown(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(drivers())) {
		bubble(t, name, func(t *testing.T) {
			d := drivers()[name]
			if d.poller != nil {
				defer d.poller.Close()
			}
			g := lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{
				Code: lazywebsocket.CloseServiceRestart, Reason: "restart", Spread: 10 * time.Second,
			}}
			conns, peers := joined(t, &g, 5, options{})
			for i, c := range conns {
				if i == 0 && name == "blocking" {
					continue // one that nobody reads
				}
				driven := drive(t, c, d)
				defer driven.release()
				go readAll(driven)
			}
			synctest.Wait()
			must(t, g.BroadcastMessage(lazywebsocket.TextMessage, []byte("last")))
			came := farewells(peers)
			start := time.Now()
			must(t, g.Shutdown(t.Context()))
			if d := time.Since(start); d != 8*time.Second+50*time.Millisecond {
				t.Errorf("Shutdown took %v", d)
			}
			for i, at := range <-came {
				if d := at.Sub(start); d != time.Duration(i)*2*time.Second {
					t.Errorf("Close frame %d came after %v", i, d)
				}
			}
			if g.Len() != 0 {
				t.Errorf("%d members are left", g.Len())
			}
			must(t, g.Shutdown(t.Context())) // nothing is left to do
		})
	}
}

// How the Close frames spread where nobody has said it, and how much of a context
// they take.
func TestGroupShutdownPace(t *testing.T) {
	for name, tt := range map[string]struct {
		spread, limit, last time.Duration
		members             int
	}{
		"default":            {members: 4, last: 3 * time.Millisecond},
		"half of a deadline": {spread: time.Minute, limit: 10 * time.Second, members: 5, last: 4 * time.Second},
		"within a deadline":  {spread: 4 * time.Second, limit: 10 * time.Second, members: 4, last: 3 * time.Second},
		"at once":            {spread: -1, members: 4},
		"one":                {spread: time.Hour, members: 1},
	} {
		bubble(t, name, func(t *testing.T) {
			g := lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{Spread: tt.spread}}
			_, peers := joined(t, &g, tt.members, options{})
			ctx := t.Context()
			if tt.limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tt.limit)
				defer cancel()
			}
			for _, p := range peers {
				go func() {
					p.WantClose(lazywebsocket.CloseGoingAway)
					p.Close(lazywebsocket.CloseGoingAway, "")
				}()
			}
			start := time.Now()
			must(t, g.Shutdown(ctx))
			if d := time.Since(start); d != tt.last {
				t.Errorf("Shutdown took %v", d)
			}
		})
	}
}

// The default spread of a large group is five seconds.
func TestGroupShutdownDefaultSpread(t *testing.T) {
	var o lazywebsocket.ClosingOptions
	if step := o.Step(100_000, time.Time{}); step != 50*time.Microsecond {
		t.Errorf("a step is %v", step)
	}
	if step := o.Step(0, time.Time{}); step != 0 {
		t.Errorf("a step of nobody is %v", step)
	}
	if step := o.Step(5, time.Unix(1, 0)); step != 0 {
		t.Errorf("a step behind the deadline is %v", step)
	}
}

// Peers that do not answer, or take nothing, are cut off.
func TestGroupShutdownPatience(t *testing.T) {
	for name, patience := range map[string]time.Duration{"default": 0, "3 s": 3 * time.Second} {
		bubble(t, name, func(t *testing.T) {
			g := lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{Patience: patience, Spread: -1}}
			conns, peers := joined(t, &g, 2, options{})
			// The second takes nothing, and has a queue that does not leave.
			must(t, conns[1].Publish(prepare(t, string(make([]byte, 100_000)))))
			if patience == 0 {
				patience = 10 * time.Second
			}
			start := time.Now()
			must(t, g.Shutdown(t.Context()))
			if d := time.Since(start); d < patience || d > patience+300*time.Millisecond {
				t.Errorf("Shutdown took %v", d)
			}
			peers[0].WantClose(1001)
			for _, c := range conns {
				if err := c.WriteMessage(lazywebsocket.TextMessage, nil); err == nil {
					t.Error("a connection is open")
				}
			}
		})
	}
}

// With the end of the context all that is left ends at once, said goodbye to.
func TestGroupShutdownContext(t *testing.T) {
	for name, limit := range map[string]time.Duration{"later": 3 * time.Second, "ended": 0} {
		bubble(t, name, func(t *testing.T) {
			g := lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{Spread: time.Hour}}
			_, peers := joined(t, &g, 10, options{})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(limit, cancel)
			if limit == 0 {
				cancel()
			}
			start := time.Now()
			err := g.Shutdown(ctx)
			var op *lazywebsocket.OpError
			if !errors.As(err, &op) || op.Op != "shutdown" || !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v", err)
			}
			if d := time.Since(start); d < limit || d > limit+300*time.Millisecond {
				t.Errorf("Shutdown took %v", d)
			}
			for _, p := range peers {
				p.WantClose(1001)
			}
			if g.Len() != 0 {
				t.Errorf("%d members are left", g.Len())
			}
		})
	}
}

// A second call waits for the first, and its context counts, too.
func TestGroupShutdownTwice(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		g := lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{Spread: time.Hour}}
		_, peers := joined(t, &g, 2, options{})
		start := time.Now()
		first := result(func() error { return g.Shutdown(context.Background()) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
		must(t, <-first)
		if d := time.Since(start); d > 1300*time.Millisecond {
			t.Errorf("Shutdown took %v", d)
		}
		for _, p := range peers {
			p.WantClose(1001)
		}
	})
}

// Who comes late is sent away, at once, and waited for.
func TestGroupShutdownLate(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		away := 0
		g := lazywebsocket.Group{Observer: &lazywebsocket.GroupObserver{
			SentAway: func(lazywebsocket.SentAwayEvent) { away++ },
		}}
		must(t, g.Shutdown(t.Context())) // of a group without members
		conn, p := server.connect(t, tight, options{})
		g.Add(conn)
		g.Add(conn)
		if g.Len() != 0 {
			t.Error("a member of a group that has ended")
		}
		must(t, g.BroadcastMessage(lazywebsocket.TextMessage, []byte("nobody")))
		ended := result(func() error { return g.Shutdown(context.Background()) })
		p.WantClose(1001)
		synctest.Wait()
		select {
		case <-ended:
			t.Error("Shutdown did not wait")
		default:
		}
		p.Close(1001, "")
		p.WantEOF()
		must(t, <-ended)
		g.Add(conn)
		synctest.Wait()
		if away != 1 {
			t.Errorf("it was sent away %d times", away)
		}
	})
}

// A member that comes again while it leaves changes nothing.
func TestGroupShutdownMemberAgain(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		g := lazywebsocket.Group{Closing: lazywebsocket.ClosingOptions{Spread: 10 * time.Second}}
		conns, peers := joined(t, &g, 2, options{})
		ended := result(func() error { return g.Shutdown(context.Background()) })
		synctest.Wait()
		for _, c := range conns {
			g.Add(c)
		}
		synctest.Wait()
		must(t, g.BroadcastMessage(lazywebsocket.TextMessage, []byte("still here")))
		synctest.Wait()
		peers[1].Want("81 0a 'still' 20 'here'")
		for _, p := range peers {
			p.WantClose(1001)
			p.Close(1001, "")
		}
		must(t, <-ended)
	})
}

func TestGroupShutdownClosing(t *testing.T) {
	for _, o := range []lazywebsocket.ClosingOptions{
		{Code: lazywebsocket.CloseAbnormalClosure},
		{Code: 70000},
		{Reason: fmt.Sprintf("%124d", 0)},
		{Reason: "\xff"},
	} {
		bubble(t, "", func(t *testing.T) {
			g := lazywebsocket.Group{Closing: o}
			_, peers := joined(t, &g, 1, options{})
			if err := g.Shutdown(t.Context()); err == nil {
				t.Error("no error")
			}
			must(t, g.BroadcastMessage(lazywebsocket.TextMessage, []byte("unchanged")))
			peers[0].WantText("unchanged")
			defer func() {
				if recover() == nil {
					t.Error("ShutdownOn did not panic")
				}
			}()
			g.ShutdownOn(new(http.Server))
		})
	}
}

// The line that README shows.
func TestGroupShutdownOn(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var g lazywebsocket.Group
		s := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			g.Add(conn)
			_, _, err = conn.ReadMessage()
			wantSummary(t, err, "close 1001")
		}))
		g.ShutdownOn(s.HTTP)
		p := s.Peer()
		p.Request("/")
		p.Response()
		synctest.Wait()
		ended := result(func() error {
			return errors.Join(s.HTTP.Shutdown(context.Background()), g.Shutdown(context.Background()))
		})
		p.WantClose(1001)
		p.Close(1001, "")
		p.WantEOF()
		must(t, <-ended)
	})
}

// What the application has set for control messages runs on a goroutine of the group
// when nobody else reads: a panic of it ends neither the process nor the shutdown.
func TestGroupShutdownHandlerPanics(t *testing.T) {
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	for name, end := range map[string]func(){"panic": func() { panic("no") }, "exit": runtime.Goexit} {
		for _, polled := range []bool{false, true} {
			bubble(t, fmt.Sprint(name, " polled ", polled), func(t *testing.T) {
				events := make(chan lazywebsocket.SentAwayEvent, 2)
				g := lazywebsocket.Group{Observer: &lazywebsocket.GroupObserver{
					SentAway: func(e lazywebsocket.SentAwayEvent) { events <- e },
				}}
				conns, peers := joined(t, &g, 2, options{})
				var p lazywebsocket.Poller
				served := make(chan bool, 2)
				for _, c := range conns {
					if polled {
						must(t, p.Serve(c, handlerFuncs{closed: func(*lazywebsocket.Conn, error) { served <- true }}))
					}
					c.SetCloseHandler(func(int, string) error { end(); return nil })
				}
				ended := result(func() error { return g.Shutdown(t.Context()) })
				time.Sleep(time.Second) // all are told, and the group reads: no loop comes before it
				for _, peer := range peers {
					peer.WantClose(1001)
					peer.Close(1001, "")
				}
				must(t, <-ended)
				var broken *lazywebsocket.PanicError
				for range conns {
					if name == "panic" && (!errors.As((<-events).Err, &broken) || broken.Value != "no") {
						t.Errorf("the event has %v", broken)
					}
					if polled {
						<-served
					}
				}
				must(t, p.Close())
				for _, c := range conns {
					_ = c.Close()
				}
			})
		}
	}
}
