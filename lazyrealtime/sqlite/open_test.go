package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golazy.dev/lazyrealtime"
)

func wantInUse(t *testing.T, path string) {
	t.Helper()
	_, err := Open(t.Context(), path, Options{})
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.Path != path {
		t.Fatalf("Open of a log in use: %v, want an *InUseError", err)
	}
}

func TestInUse(t *testing.T) {
	path := filepath.Join(testDir(t), "log")
	l := openTest(t, path, Options{})
	wantInUse(t, path)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	openTest(t, path, Options{})
}

// A file is one log, whatever it is called: by links to it, to its directory, and to
// where it is going to be.
func TestInUseByAnotherName(t *testing.T) {
	dir := testDir(t)
	path := filepath.Join(dir, "log")
	other := filepath.Join(testDir(t), "other")
	link := filepath.Join(dir, "link")
	for from, to := range map[string]string{other: dir, link: path} {
		if err := os.Symlink(to, from); err != nil {
			if runtime.GOOS == "windows" { // where they are a privilege
				t.Skipf("no links here: %v", err)
			}
			t.Fatal(err)
		}
	}
	l := openTest(t, filepath.Join(other, "log"), Options{})
	for _, name := range []string{path, link, filepath.Join(other, "link")} {
		var inUse *InUseError
		if two, err := Open(t.Context(), name, Options{}); !errors.As(err, &inUse) {
			t.Errorf("Open of %s, which is a log in use: %v", name, err)
			_ = two.Close()
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	openTest(t, link, Options{})
	for _, name := range []string{path, filepath.Join(other, "log")} {
		if two, err := Open(t.Context(), name, Options{}); err == nil {
			t.Errorf("Open of %s, which is in use as %s: no error", name, link)
			_ = two.Close()
		}
	}
}

// Names of files are not URIs, and nobody else may read what is in them.
func TestNames(t *testing.T) {
	for _, name := range []string{"a?b=c", "100% #1", "file:x", "å b"} {
		dir := testDir(t)
		l := openTest(t, filepath.Join(dir, name), Options{})
		mustAppend(t, l, lazyrealtime.Entry{Topic: "t"})
		for _, suffix := range []string{"", "-wal", "-lock"} {
			info, err := os.Stat(filepath.Join(dir, name+suffix))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", info.Name(), info.Mode())
			}
		}
	}
}

// What is not a log is not touched.
func TestForeign(t *testing.T) {
	dir := testDir(t)
	text, database := filepath.Join(dir, "text"), filepath.Join(dir, "database")
	if err := os.WriteFile(text, []byte("this is no database, and long enough to be seen as none: it goes on and on and on, over a hundred bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := dial(database)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.run("CREATE TABLE accounts (id INTEGER)"); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, database, filepath.Join(dir, "no", "such", "directory")} {
		before, _ := os.ReadFile(path)
		if l, err := Open(t.Context(), path, Options{}); err == nil {
			_ = l.Close()
			t.Errorf("%s was opened", path)
		}
		after, _ := os.ReadFile(path)
		if string(before) != string(after) {
			t.Errorf("%s was changed", path)
		}
	}
}

// A file of version 1 gets what later versions have, and keeps what it has.
func TestUpgrade(t *testing.T) {
	path := filepath.Join(testDir(t), "log")
	c, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := upgrade(c, path, upgrades[:1]); err != nil {
		t.Fatal(err)
	}
	if err := c.run(`INSERT INTO meta VALUES ('epoch', 'old'), ('indexed', 1);
		INSERT INTO topics VALUES (7, CAST('room' AS BLOB), 0, 0, 1000, 86400000);
		INSERT INTO messages VALUES (1, 7, 1, unixepoch() * 1000, CAST('id' AS BLOB), NULL, CAST('one' AS BLOB)),
			(2, 7, 2, unixepoch() * 1000, NULL, NULL, CAST('two' AS BLOB));
		INSERT INTO runs VALUES (7, 1, x'01');`); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l := openTest(t, path, Options{})
		if n := count(t, l, "SELECT count(*) FROM schema"); n != len(upgrades) {
			t.Fatalf("%d versions", n)
		}
		list := readAll(t, l, "room")
		if len(list) != 2 || string(list[0].Data) != "one" || string(list[1].Data) != "two" || list[0].Position.Epoch != "old" {
			t.Fatalf("%+v", list)
		}
		if got := mustAppend(t, l, lazyrealtime.Entry{Topic: "room", ID: "id"}); !got.Duplicate || got.Position.Offset != 1 {
			t.Fatalf("%+v", got)
		}
		if first, err := l.Claim(t.Context(), t.Name(), l.now().Add(1)); err != nil || !first {
			t.Fatalf("claim: %v, %v", first, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A file of a version to come is refused, and not changed.
func TestNewerVersion(t *testing.T) {
	path := filepath.Join(testDir(t), "log")
	c, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := upgrade(c, path, append(upgrades[:len(upgrades):len(upgrades)], "CREATE TABLE later (x)")); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), path, Options{})
	var version *VersionError
	if !errors.As(err, &version) || version.Version != len(upgrades)+1 || version.Known != len(upgrades) {
		t.Fatalf("Open: %v, want a *VersionError", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed (%v)", err)
	}
}

// A step that fails leaves the version that was.
func TestUpgradeFails(t *testing.T) {
	path := filepath.Join(testDir(t), "log")
	c, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	if err := upgrade(c, path, []string{upgrades[0], "CREATE TABLE x (y); CREATE TABLE x (y)"}); err == nil {
		t.Fatal("no error")
	}
	if v, err := schemaVersion(c, path); v != 0 || err != nil {
		t.Fatalf("version %d, %v", v, err)
	}
	if err := upgrade(c, path, upgrades); err != nil {
		t.Fatal(err)
	}
}

// The epoch stays while nothing can have been lost.
func TestEpoch(t *testing.T) {
	dir := testDir(t)
	epoch := func(o Options, end func(*Log)) string {
		t.Helper()
		l := openTest(t, filepath.Join(dir, "log"), o)
		defer end(l)
		return l.epoch
	}
	clean := func(l *Log) { _ = l.Close() }
	// The machine has been started again, behind a death of the process.
	reboot := func(l *Log) {
		err := l.perform(t.Context(), &op{do: func(w *writer) error {
			return w.queries.run("UPDATE meta SET value = 'another boot' WHERE key = ?", metaBoot)
		}})
		if err != nil {
			t.Fatal(err)
		}
		abandon(l)
	}
	first := epoch(Options{}, clean)
	if len(first) != 13 {
		t.Fatalf("epoch %q", first)
	}
	for _, step := range []struct {
		name string
		o    Options
		end  func(*Log)
		same bool
	}{
		{"behind a clean end", Options{}, abandon, true},
		{"behind a crash", Options{Relaxed: true}, abandon, true},
		{"relaxed, behind a crash of the process", Options{Relaxed: true}, clean, true},
		{"relaxed, behind a clean end", Options{Relaxed: true}, reboot, true},
		{"relaxed, behind a crash of the machine", Options{}, reboot, false},
		{"behind a crash of the machine", Options{}, clean, true},
	} {
		got := epoch(step.o, step.end)
		if (got == first) != step.same {
			t.Errorf("%s: epoch %s, was %s", step.name, got, first)
		}
		first = got
	}
}

// What is acknowledged is on the disk, unless that is not asked for.
func TestSynchronous(t *testing.T) {
	for relaxed, want := range map[bool]int64{false: 2, true: 1} { // FULL, NORMAL
		l := openTest(t, filepath.Join(testDir(t), "log"), Options{Relaxed: relaxed})
		var got int64
		err := l.perform(t.Context(), &op{between: func(w *writer) error {
			row, err := w.one("PRAGMA synchronous")
			got = number(row[0])
			return err
		}})
		if err != nil || got != want {
			t.Errorf("relaxed %v: synchronous is %d, %v, want %d", relaxed, got, err, want)
		}
	}
}
