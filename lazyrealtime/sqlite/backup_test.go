package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golazy.dev/lazyrealtime"
)

// A backup is made under load; it has what was acknowledged before, one piece of each
// topic, and an epoch of its own.
func TestBackup(t *testing.T) {
	dir := testDir(t)
	l := openTest(t, filepath.Join(dir, "log"), Options{Backlog: 100})
	for i := range 300 {
		entries := make([]lazyrealtime.Entry, 20)
		for j := range entries {
			entries[j] = lazyrealtime.Entry{Topic: fmt.Sprint("t", j), Data: make([]byte, 1000), ID: fmt.Sprint(i), Keep: keepAll}
		}
		if _, err := l.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for p := range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				_, _ = l.Append(ctx, []lazyrealtime.Entry{{Topic: fmt.Sprint("t", p), Keep: keepAll}})
			}
		})
	}
	path := filepath.Join(dir, "copy")
	if err := l.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	stop()
	load.Wait()
	wantCopy(t, l, path)
	if err := l.Backup(t.Context(), path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second backup to the same file: %v", err)
	}
}

func wantCopy(t *testing.T, l *Log, path string) {
	t.Helper()
	for _, suffix := range []string{"-wal", ".partial", ".partial-wal", ".partial-journal"} {
		if _, err := os.Stat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path+suffix, err)
		}
	}
	cp := openTest(t, path, Options{})
	if cp.epoch == l.epoch {
		t.Error("the copy has the original's epoch")
	}
	for n := range 20 {
		name := fmt.Sprint("t", n)
		list := readAll(t, cp, name)
		if len(list) < 300 {
			t.Fatalf("%s has %d messages", name, len(list))
		}
		for i, m := range list {
			if m.Position != (lazyrealtime.Position{Epoch: cp.epoch, Offset: uint64(i + 1)}) {
				t.Fatalf("message %d of %s has position %+v", i+1, name, m.Position)
			}
		}
		_, err := cp.Read(t.Context(), name, lazyrealtime.Position{Epoch: l.epoch, Offset: 3}, 1)
		if !errors.As(err, new(*lazyrealtime.GapError)) {
			t.Errorf("a position of the original: %v", err)
		}
	}
	epoch := cp.epoch
	if err := cp.Close(); err != nil {
		t.Fatal(err)
	}
	if again := openTest(t, path, Options{}); again.epoch != epoch {
		t.Error("the copy has another epoch each time")
	}
}

// A backup that is cancelled, or whose log is closed, leaves nothing and keeps
// nothing from working.
func TestBackupEnds(t *testing.T) {
	dir := testDir(t)
	l := openTest(t, filepath.Join(dir, "log"), Options{})
	mustAppend(t, l, lazyrealtime.Entry{Topic: "t", Data: make([]byte, 10<<20)})
	ctx, cancel := context.WithCancel(t.Context())
	path := filepath.Join(dir, "copy")
	if err := l.copyTo(ctx, path); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	// One has begun, and ends in the middle.
	step := func(w *writer) error {
		if err := w.beginBackup(path); err != nil {
			return err
		}
		if err := w.beginBackup(path); !errors.Is(err, errBackup) {
			t.Errorf("two backups at once: %v", err)
		}
		_, err := w.backup.b.Step(10)
		return err
	}
	if err := l.perform(ctx, &op{between: step}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := l.Backup(ctx, filepath.Join(dir, "another")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	mustAppend(t, l, lazyrealtime.Entry{Topic: "t"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Backup(t.Context(), filepath.Join(dir, "another")); !errors.Is(err, lazyrealtime.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "another.partial")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was begun is there: %v", err)
	}
}
