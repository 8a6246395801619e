package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"

	"golazy.dev/lazyrealtime"
)

// Close leaves no goroutine: a bubble does not end with one.
func TestCloseEndsAll(t *testing.T) {
	path := filepath.Join(testDir(t), "log")
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, lazyrealtime.Entry{Topic: "t"})
		for range 2 {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// What is held in memory for topics is bounded, however many there are.
func TestTopicsBounded(t *testing.T) {
	l := openTest(t, filepath.Join(testDir(t), "log"), Options{Topics: 10, Backlog: 20})
	for i := range 50 {
		entries := make([]lazyrealtime.Entry, 20)
		for j := range entries {
			entries[j] = lazyrealtime.Entry{Topic: fmt.Sprint(i, ".", j)}
		}
		if _, err := l.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	l.heads.mu.Lock()
	defer l.heads.mu.Unlock()
	// Those of the backlog, and of the last transaction.
	if n, m := len(l.heads.topics), len(l.heads.byID); n > 10+20+20 || m > n {
		t.Errorf("%d topics in memory, %d with ids", n, m)
	}
}

// An append that waits for its turn can be given up, and is not made then; one that
// the writer has is made whatever happens.
func TestWithdraw(t *testing.T) {
	l := openTest(t, filepath.Join(testDir(t), "log"), Options{Queue: 2})
	begun, goOn := make(chan struct{}), make(chan struct{})
	busy := make(chan error, 1)
	go func() {
		busy <- l.perform(context.Background(), &op{do: func(*writer) error {
			close(begun)
			<-goOn
			return nil
		}})
	}()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error, 3)
	for range 3 { // two in the queue, one that waits for a place
		go func() {
			_, err := l.Append(ctx, []lazyrealtime.Entry{{Topic: "t"}})
			given <- err
		}()
	}
	waitFor(t, func() bool { return len(l.queue) == 2 })
	cancel()
	for range 3 {
		if err := <-given; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	}
	close(goOn)
	if err := <-busy; err != nil {
		t.Fatal(err)
	}
	if got := mustAppend(t, l, lazyrealtime.Entry{Topic: "t"}); got.Position.Offset != 1 {
		t.Errorf("%+v, want the first message", got)
	}
}

// A message too large for the file fails alone.
func TestTooBig(t *testing.T) {
	l := openTest(t, filepath.Join(testDir(t), "log"), Options{})
	if err := checkEntry(&lazyrealtime.Entry{Data: make([]byte, maxEntry+1)}); err == nil {
		t.Error("no error")
	}
	mustAppend(t, l, lazyrealtime.Entry{Topic: "t"})
}

// FuzzRuns reads runs as they were written, and any other bytes without harm.
func FuzzRuns(f *testing.F) {
	f.Add([]byte{1, 1, 0x80, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		seqs, err := parseSeqs(nil, b)
		if err != nil {
			return
		}
		last := int64(0)
		for _, s := range seqs {
			if s < last {
				return // no writer's
			}
			last = s
		}
		again, err := parseSeqs(nil, appendSeqs(nil, 0, seqs))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(seqs) {
			t.Errorf("%v, %v, want %v", again, err, seqs)
		}
	})
}

// A transaction that fails leaves nothing, in the file and in memory.
func TestFailedTransaction(t *testing.T) {
	path := filepath.Join(testDir(t), "log")
	l := openTest(t, path, Options{Backlog: 1})
	bad := errors.New("bad")
	e := lazyrealtime.Entry{Topic: "t", ID: "id", Data: []byte("x")}
	for want := uint64(1); want < 4; want++ {
		err := l.perform(t.Context(), &op{do: func(w *writer) error {
			for _, topic := range []string{"t", "other"} {
				failing := lazyrealtime.Entry{Topic: topic, ID: fmt.Sprint(want), Keep: lazyrealtime.Retention{Messages: 1}}
				if _, err := w.append(&failing); err != nil {
					t.Error(err)
				}
			}
			if err := w.insert(); err != nil {
				t.Error(err)
			}
			return bad
		}})
		if !errors.Is(err, bad) || !errors.Is(err, lazyrealtime.ErrUnavailable) {
			t.Fatalf("error %v", err)
		}
		e.ID = fmt.Sprint(want) // that of the one that failed
		if got := mustAppend(t, l, e); got.Duplicate || got.Position.Offset != want {
			t.Fatalf("%+v, want offset %d", got, want)
		}
		if tail, err := l.Tail(t.Context(), "other"); err != nil || tail.Offset != 0 {
			t.Fatalf("%+v, %v", tail, err)
		}
	}
	for range 2 {
		if list := readAll(t, l, "t"); len(list) != 3 {
			t.Fatalf("%d messages", len(list))
		}
		if n := count(t, l, countTopics); n != 1 {
			t.Fatalf("%d topics", n)
		}
		_ = l.Close()
		l = openTest(t, path, Options{})
	}
}
