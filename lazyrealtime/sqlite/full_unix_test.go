//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golazy.dev/lazyrealtime"
)

// fullChild runs in a process of its own, because the limit is a process's: that of
// the size of files stands in for a full disk, and lets writes fail in the middle of
// a commit.
func fullChild(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	none := limit
	ctx := context.Background()
	l, err := Open(ctx, path, Options{Backlog: 50})
	if err != nil {
		return err
	}
	e := lazyrealtime.Entry{Topic: "t", Data: make([]byte, 1000), Keep: keepAll}
	acked := uint64(0)
	for round := range 5 {
		limit.Cur = uint64(300_000 * (round + 1))
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
		for {
			e.ID = fmt.Sprint(acked + 1)
			done, err := l.Append(ctx, []lazyrealtime.Entry{e})
			if errors.Is(err, lazyrealtime.ErrUnavailable) {
				break
			}
			if err != nil || done[0].Position.Offset != acked+1 {
				return fmt.Errorf("append %s: %+v, %w", e.ID, done, err)
			}
			acked++
		}
		if err := fullReads(ctx, l, acked); err != nil {
			return err
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &none); err != nil {
			return err
		}
		// What failed is there once, whichever way it failed.
		for range 2 {
			done, err := l.Append(ctx, []lazyrealtime.Entry{e})
			if err != nil || done[0].Position.Offset != acked+1 {
				return fmt.Errorf("again %s: %+v, %w", e.ID, done, err)
			}
		}
		acked++
	}
	if err := fullReads(ctx, l, acked); err != nil {
		return err
	}
	return l.Close()
}

// fullReads checks that a log that cannot be written to can be read.
func fullReads(ctx context.Context, l *Log, acked uint64) error {
	if tail, err := l.Tail(ctx, "t"); err != nil || tail.Offset != acked {
		return fmt.Errorf("tail %d, %w; want %d", tail.Offset, err, acked)
	}
	page, err := l.Read(ctx, "t", lazyrealtime.Position{}, int(acked)+100)
	if err != nil || len(page.Messages) != int(acked) {
		return fmt.Errorf("%d messages, %w; want %d", len(page.Messages), err, acked)
	}
	if _, err := l.Join(ctx, nil); err != nil {
		return err
	}
	_, err = l.Tail(ctx, "never used")
	return err
}

// A disk without room is an error to publishers and to nobody else, and is forgotten
// when there is room again.
func TestFull(t *testing.T) {
	path := filepath.Join(testDir(t), "log")
	cmd, out := child(t, "full", path)
	said, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || strings.TrimSpace(string(said)) != "" {
		t.Fatalf("%v: %s", err, said)
	}
	list := readAll(t, openTest(t, path, Options{}), "t")
	for i, m := range list {
		if m.ID != fmt.Sprint(i+1) {
			t.Fatalf("message %d is %s", i+1, m.ID)
		}
	}
	if len(list) < 100 {
		t.Fatalf("%d messages", len(list))
	}
}
