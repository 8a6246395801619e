package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// The files in testdata were written once, by revision e5316bf, and are not written
// again: every later version reads them. The command, in a tree of that revision with
// this file in it:
//
//	go test ./lazyrealtime/sqlite -run TestGolden -golden /path/to/testdata
//
// A schema version to come gets files of its own beside them.
var golden = flag.String("golden", "", "`directory` for golden files, to be written")

var (
	// goldenTime is when they were written, by the log's clock.
	goldenTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	// goldenExpires is when what is in them expires.
	goldenExpires = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// goldenEntries are the messages, by topic, in the order of writing. The topic "busy"
// needs three runs.
func goldenEntries(topic string) (list []lazyrealtime.Entry) {
	add := func(n int, e lazyrealtime.Entry) {
		for i := 1; i <= n; i++ {
			e.Topic, e.ID, e.From, e.Data = topic, "", "", fmt.Appendf(nil, `{"n":%d}`, i)
			if i%3 == 0 {
				e.ID = fmt.Sprint("id-", i)
			}
			if i%5 == 0 {
				e.From = "alice\x00é"
			}
			list = append(list, e)
		}
	}
	switch topic {
	case "busy":
		add(300, lazyrealtime.Entry{})
	case "short":
		add(5, lazyrealtime.Entry{Keep: lazyrealtime.Retention{Messages: 3, Age: time.Hour}})
	case "odd\x00\xff name":
		list = append(list, lazyrealtime.Entry{Topic: topic}, lazyrealtime.Entry{Topic: topic, Data: []byte("\x00\xff")})
	}
	return list
}

var goldenTopics = []string{"busy", "short", "odd\x00\xff name"}

// goldenRecords are the control log.
var goldenRecords = []lazyrealtime.Record{
	{Kind: "revoke", Key: "alice", Value: "1767225600000000000", Expires: goldenExpires},
	{Kind: "forgotten", Key: "k", Value: "v", Expires: goldenTime.Add(time.Second)},
	{Kind: "odd\x00\xff", Expires: goldenExpires},
}

// writeGolden fills a log.
func writeGolden(t *testing.T, l *Log) {
	t.Helper()
	for _, topic := range goldenTopics {
		if _, err := l.Append(t.Context(), goldenEntries(topic)); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range goldenRecords {
		if err := l.Control(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if first, err := l.Claim(t.Context(), "ticket/x", goldenExpires); err != nil || !first {
		t.Fatalf("claim: %v, %v", first, err)
	}
}

// openGolden is openTest with a clock that stands.
func openGolden(t *testing.T, path string, at time.Time) *Log {
	t.Helper()
	l, err := openWith(t.Context(), path, Options{}, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// goldenFiles are a log that was closed, and one whose process was killed: its messages
// are in the WAL, and not in runs.
var goldenFiles = []string{"closed.db", "killed.db"}

// makeGolden makes both in a directory.
func makeGolden(t *testing.T, dir string) {
	t.Helper()
	l := openGolden(t, filepath.Join(dir, "closed.db"), goldenTime)
	writeGolden(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	own := testDir(t)
	l = openGolden(t, filepath.Join(own, "killed.db"), goldenTime)
	writeGolden(t, l)
	copyLog(t, own, dir, "killed.db")
}

// copyLog copies a log as it is on the disk, without its lock.
func copyLog(t *testing.T, from, to, name string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(from, name+suffix))
		if os.IsNotExist(err) && suffix != "" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name+suffix), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// dump returns what a file has in its tables, and which these are.
func dump(t *testing.T, path string) string {
	t.Helper()
	c, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	var b strings.Builder
	for _, query := range []string{
		"SELECT type, name, sql FROM sqlite_schema ORDER BY name", "PRAGMA application_id", "SELECT version FROM schema",
		"SELECT key, CASE key WHEN 'epoch' THEN length(value) ELSE value END FROM meta ORDER BY key",
		"SELECT * FROM topics ORDER BY id", "SELECT * FROM messages ORDER BY seq", "SELECT * FROM runs",
		"SELECT * FROM controls", "SELECT * FROM claims",
	} {
		fmt.Fprintln(&b, query)
		s, err := c.prepare(query)
		if err != nil {
			t.Fatal(err)
		}
		err = s.each(func(row []driver.Value) error {
			for _, v := range row {
				if blob, ok := v.([]byte); ok {
					fmt.Fprintf(&b, "\tx'%x'", blob)
				} else {
					fmt.Fprintf(&b, "\t%q", fmt.Sprint(v))
				}
			}
			fmt.Fprintln(&b)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// What this version writes is what the golden files have, so that what reads these
// reads it: the version that wrote them, for one.
func TestGoldenWrite(t *testing.T) {
	if *golden != "" {
		makeGolden(t, *golden)
		return
	}
	now, then := testDir(t), testDir(t)
	makeGolden(t, now)
	for _, name := range goldenFiles {
		copyLog(t, "testdata", then, name)
		got, want := dump(t, filepath.Join(now, name)), dump(t, filepath.Join(then, name))
		if len(want) < 10_000 {
			t.Fatalf("%s has only %q", name, want)
		}
		if got == want {
			continue
		}
		g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
		i := 0
		for i < min(len(g), len(w))-1 && g[i] == w[i] {
			i++
		}
		t.Errorf("%s: written now\n%s\nwas\n%s", name, g[i], w[i])
	}
}

// What revision e5316bf wrote is read, and goes on.
func TestGoldenRead(t *testing.T) {
	for _, name := range goldenFiles {
		t.Run(name, func(t *testing.T) {
			dir := testDir(t)
			copyLog(t, "testdata", dir, name)
			path := filepath.Join(dir, name)
			for range 2 { // the second time it is this version's file
				l := openGolden(t, path, goldenTime.Add(time.Minute))
				wantGolden(t, l)
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
			l := openGolden(t, path, goldenTime.Add(time.Minute))
			if got := mustAppend(t, l, lazyrealtime.Entry{Topic: "busy"}); got.Position.Offset != 301 || got.Duplicate {
				t.Errorf("the next message is at %+v", got)
			}
		})
	}
}

// wantGolden fails unless a log has what writeGolden writes.
func wantGolden(t *testing.T, l *Log) {
	t.Helper()
	if len(l.epoch) != 13 {
		t.Errorf("the epoch is %q", l.epoch)
	}
	for _, topic := range goldenTopics {
		list := goldenEntries(topic)
		first := 0
		if topic == "short" {
			first = 2
		}
		page, err := l.Read(t.Context(), topic, l.position(uint64(first)), 1000)
		if err != nil || len(page.Messages) != len(list)-first || page.Tail != l.position(uint64(len(list))) {
			t.Fatalf("%q: %d messages, %v", topic, len(page.Messages), err)
		}
		for i, m := range page.Messages {
			e := list[first+i]
			if m.ID != e.ID || m.From != e.From || string(m.Data) != string(e.Data) || m.Topic != topic ||
				m.Position != l.position(uint64(first+i+1)) || !m.Time.Equal(goldenTime) {
				t.Fatalf("%q: %d is %+v", topic, i, m)
			}
		}
	}
	if _, err := l.Read(t.Context(), "short", l.position(1), 10); !errors.As(err, new(*lazyrealtime.GapError)) {
		t.Errorf("behind what is gone: %v", err)
	}
	for _, i := range []int{3, 150, 300} {
		e := lazyrealtime.Entry{Topic: "busy", ID: fmt.Sprint("id-", i)}
		if got := mustAppend(t, l, e); !got.Duplicate || got.Position != l.position(uint64(i)) {
			t.Errorf("%s again: %+v", e.ID, got)
		}
	}
	wantGoldenControls(t, l)
}

func wantGoldenControls(t *testing.T, l *Log) {
	t.Helper()
	records, next, err := l.Controls(context.Background(), 0)
	for i := range records {
		records[i].Seq, records[i].Expires = 0, records[i].Expires.UTC()
	}
	if want := []lazyrealtime.Record{goldenRecords[0], goldenRecords[2]}; err != nil || next != 3 || !slices.Equal(records, want) {
		t.Errorf("control log up to %d: %+v, %v", next, records, err)
	}
	if first, err := l.Claim(t.Context(), "ticket/x", goldenExpires); err != nil || first {
		t.Errorf("claimed again: %v, %v", first, err)
	}
}

// What a later version leaves in the file that is no new schema version is left alone.
func TestGoldenLater(t *testing.T) {
	dir := testDir(t)
	copyLog(t, "testdata", dir, "closed.db")
	path := filepath.Join(dir, "closed.db")
	c, err := dial(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.run("INSERT INTO meta VALUES ('later', x'01')"); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	l := openGolden(t, path, goldenTime.Add(time.Minute))
	wantGolden(t, l)
	if n := count(t, l, "SELECT count(*) FROM meta WHERE key = 'later' AND value = x'01'"); n != 1 {
		t.Error("a key that is not known is gone")
	}
}
