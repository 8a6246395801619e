package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	driversqlite "modernc.org/sqlite"
)

// backupPages is how many pages are copied between two transactions.
const backupPages = 256

// backup is one that is being made. It belongs to the writer's goroutine: what is
// written meanwhile by the connection that is copied goes into the copy, too.
type backup struct{ b *driversqlite.Backup }

var errBackup = errors.New("lazyrealtime/sqlite: another backup is being made")

// Backup writes a copy of the log to a file, which must not exist, while the log is
// in use: publishers wait a few milliseconds more now and then. It has everything
// that was acknowledged before Backup was called. A log that is opened from it has
// an epoch of its own: its readers are told of a gap where their positions are of
// the original, which may have gone on.
func (l *Log) Backup(ctx context.Context, path string) (err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("lazyrealtime/sqlite: backup to %s: %w", path, fs.ErrExist), err)
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return err
	}
	partial := path + ".partial"
	defer func() {
		for _, suffix := range []string{"", "-journal"} {
			_ = os.Remove(partial + suffix) // it is not there if all went well
		}
	}()
	if err := l.copyTo(ctx, partial); err != nil {
		return err
	}
	if err := markRestored(partial); err != nil {
		return fmt.Errorf("lazyrealtime/sqlite: backup to %s: %w", path, err)
	}
	if err := os.Rename(partial, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// copyTo copies the file, a piece between two transactions each.
func (l *Log) copyTo(ctx context.Context, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := create(path); err != nil {
		return err
	}
	if err := l.perform(ctx, &op{between: func(w *writer) error { return w.beginBackup(path) }}); err != nil {
		return err
	}
	for more := true; more; {
		err := l.perform(ctx, &op{between: func(w *writer) (err error) {
			more, err = w.backup.b.Step(backupPages)
			return err
		}})
		if err != nil {
			// Where the log is closed this is done by then.
			_ = l.perform(context.Background(), &op{between: (*writer).endBackup})
			return err
		}
	}
	return l.perform(context.WithoutCancel(ctx), &op{between: (*writer).endBackup})
}

func (w *writer) beginBackup(path string) error {
	if w.backup != nil {
		return errBackup
	}
	from, ok := w.dc.(interface {
		NewBackup(uri string) (*driversqlite.Backup, error)
	})
	if !ok {
		return errors.ErrUnsupported
	}
	b, err := from.NewBackup(uri(path))
	if err == nil {
		w.backup = &backup{b}
	}
	return err
}

func (w *writer) endBackup() error {
	if w.backup == nil {
		return nil
	}
	err := w.backup.b.Finish()
	w.backup = nil
	return err
}

// markRestored makes whoever opens a copy begin a new epoch. The copy is one file
// then.
func markRestored(path string) error {
	c, err := dial(path, "journal_mode = DELETE", "synchronous = FULL", "fullfsync = ON")
	if err != nil {
		return err
	}
	err = c.run(setMeta, metaRestored, int64(1))
	return errors.Join(err, c.close())
}

// syncDir makes a new name durable, where that can be asked for.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir) //nolint:gosec // the application's
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
