package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
)

// openTest opens a log that the test's end closes.
func openTest(t testing.TB, path string, o Options) *Log {
	t.Helper()
	l, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// testDir is a new directory, in memory where there is such: what the tests are about
// does not depend on the disk, and they do not wait for it.
func testDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "sqlite") //nolint:usetesting // see above
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// abandon ends a log as the death of its process does: nothing more is committed,
// and the file is there for others.
func abandon(l *Log) {
	l.abandoned.Store(true)
	_ = l.held.Close()
}

func TestEngine(t *testing.T) {
	const window = 8 * time.Second // where a test waits for its end; else longer than a busy machine takes
	for _, test := range []struct {
		name string
		o    Options
	}{
		{"default", Options{}},
		// Everything is indexed, evicted, reloaded and waited for all the time.
		{"tiny", Options{Backlog: 1, Topics: 1, Readers: 1, Queue: 1}},
		{"relaxed", Options{Relaxed: true, Backlog: 5}},
	} {
		if raced && test.o.Relaxed {
			continue // the same code, but for a pragma
		}
		t.Run(test.name, func(t *testing.T) {
			open := func(t *testing.T) lazyrealtime.Log {
				o := test.o
				if strings.HasSuffix(t.Name(), "/Dedupe/window") {
					o.DedupeWindow = window
				}
				return openTest(t, filepath.Join(testDir(t), "log"), o)
			}
			enginetest.Run(t, open, enginetest.Options{
				Reopen: func(t *testing.T, log lazyrealtime.Log) lazyrealtime.Log {
					if err := log.Close(); err != nil {
						t.Error(err)
					}
					return openTest(t, log.(*Log).path, test.o)
				},
				Crash: func(t *testing.T, log lazyrealtime.Log) lazyrealtime.Log {
					abandon(log.(*Log))
					return openTest(t, log.(*Log).path, test.o)
				},
				Window: window,
				MinAge: 200 * time.Millisecond,
				Wait:   50 * time.Second,
				Exact:  true,
			})
		})
	}
}
