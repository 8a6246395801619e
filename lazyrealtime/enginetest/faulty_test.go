package enginetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazyrealtime/memory"
)

// feed notes calls as text. The test reads it when nothing runs.
type feed struct{ calls []string }

func (f *feed) Live(m *lazyrealtime.Message, prev uint64) {
	f.calls = append(f.calls, fmt.Sprintf("live %s %d", m.Data, prev))
}

func (f *feed) Fleeting(_, _ string, data []byte) {
	f.calls = append(f.calls, "fleeting "+string(data))
}
func (f *feed) Lost(topic string)                     { f.calls = append(f.calls, "lost "+topic) }
func (f *feed) Presence(e lazyrealtime.PresenceEvent) { f.calls = append(f.calls, "presence "+e.ID) }
func (f *feed) Gone(node string)                      { f.calls = append(f.calls, "gone "+node) }
func (f *feed) Changed()                              { f.calls = append(f.calls, "changed") }

func setup(t *testing.T) (*enginetest.Faulty, lazyrealtime.Node, *feed) {
	f := enginetest.NewFaulty(memory.Open())
	t.Cleanup(func() { _ = f.Close() })
	rec := new(feed)
	n, err := f.Join(t.Context(), rec)
	if err == nil {
		err = n.Follow(t.Context(), "t")
	}
	if err != nil {
		t.Fatal(err)
	}
	return f, n, rec
}

func appendTo(t *testing.T, f *enginetest.Faulty, data string) error {
	t.Helper()
	_, err := f.Append(t.Context(), []lazyrealtime.Entry{{Topic: "t", ID: data, Data: []byte(data)}})
	return err
}

func (f *feed) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(f.calls, want) {
		t.Errorf("calls %q, want %q", f.calls, want)
	}
	f.calls = nil
}

func TestFaultyLive(t *testing.T) {
	f, n, rec := setup(t)
	fates := map[string]enginetest.Fate{"drop": enginetest.Drop, "repeat": enginetest.Repeat, "hold": enginetest.Hold}
	f.OnLive(func(m *lazyrealtime.Message, _ uint64) enginetest.Fate { return fates[string(m.Data)] })
	for _, data := range []string{"a", "drop", "repeat", "hold", "b"} {
		if err := appendTo(t, f, data); err != nil {
			t.Fatal(err)
		}
	}
	rec.want(t, "live a 0", "live repeat 2", "live repeat 2", "live b 4")
	f.Release()
	f.Release()
	f.Lost("t")
	f.Gone("other")
	rec.want(t, "live hold 3", "lost t", "gone other")
	f.OnLive(nil)
	if err := errors.Join(appendTo(t, f, "drop 2"), n.Send(t.Context(), "t", "", []byte("c"))); err != nil {
		t.Fatal(err)
	}
	rec.want(t, "live drop 2 5", "fleeting c")
	if f.Nodes() != 1 {
		t.Errorf("%d nodes, want 1", f.Nodes())
	}
	if err := n.Close(t.Context()); err != nil || f.Nodes() != 0 {
		t.Errorf("%d nodes after Close, %v", f.Nodes(), err)
	}
}

func TestFaultyFails(t *testing.T) {
	f, n, rec := setup(t)
	ctx := t.Context()
	f.Fail(enginetest.OpAppend, enginetest.OpSend)
	for _, err := range []error{appendTo(t, f, "a"), n.Send(ctx, "t", "", nil)} {
		if !errors.Is(err, lazyrealtime.ErrUnavailable) {
			t.Errorf("error %v, want ErrUnavailable", err)
		}
	}
	if _, err := f.Tail(ctx, "t"); err != nil {
		t.Errorf("Tail, which does not fail: %v", err)
	}
	f.Fail()
	if _, err := f.Tail(ctx, "t"); !errors.Is(err, lazyrealtime.ErrUnavailable) {
		t.Errorf("Tail: %v, want ErrUnavailable", err)
	}
	f.Before(nil)
	rec.want(t)
	lost := errors.New("the answer is lost")
	f.After(func(_ context.Context, c enginetest.Call) error {
		if c == (enginetest.Call{Op: enginetest.OpAppend, Topic: "t"}) {
			return lost
		}
		return nil
	})
	if err := appendTo(t, f, "a"); !errors.Is(err, lost) {
		t.Errorf("Append: %v, want %v", err, lost)
	}
	f.After(nil)
	rec.want(t, "live a 0")
	done, err := f.Append(ctx, []lazyrealtime.Entry{{Topic: "t", ID: "a"}})
	if err != nil || !done[0].Duplicate {
		t.Errorf("Append again: %+v, %v, want a duplicate", done, err)
	}
	if appends, tails := f.Count(enginetest.OpAppend), f.Count(enginetest.OpTail); appends != 3 || tails != 2 {
		t.Errorf("%d calls of Append and %d of Tail, want 3 and 2", appends, tails)
	}
}

func TestFaultyBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _, _ := setup(t)
		unblock := f.Block(enginetest.OpRead)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		read := func(ctx context.Context) {
			_, err := f.Read(ctx, "t", lazyrealtime.Position{}, 1)
			errs <- err
		}
		go read(ctx)
		go read(t.Context())
		synctest.Wait()
		if len(errs) != 0 {
			t.Error("Read did not wait")
		}
		if _, err := f.Tail(t.Context(), "t"); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("the cancelled Read: %v", err)
		}
		unblock()
		unblock()
		if err := <-errs; err != nil {
			t.Errorf("the other Read: %v", err)
		}
		read(t.Context())
		if err := <-errs; err != nil {
			t.Errorf("a later Read: %v", err)
		}
	})
}
