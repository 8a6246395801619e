package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// BenchmarkLayout is what the choice of the table's layout was made by: transactions
// of 64 messages of 256 bytes over 10,000 topics, each of which has 30 by then. No
// fsync is waited for: the disk is another measurement.
//
//	index:     messages appended, an index of topic and offset
//	clustered: messages in the order of topic and offset
//	runs:      messages appended, runs written later for many; this is the whole
//	           engine, with what it does for retention and in memory
func BenchmarkLayout(b *testing.B) {
	for _, layout := range []struct{ name, schema string }{
		{"index", `CREATE TABLE m (seq INTEGER PRIMARY KEY, topic INTEGER, off INTEGER, at INTEGER, id BLOB, data BLOB);
			CREATE INDEX i ON m (topic, off)`},
		{"clustered", `CREATE TABLE m (seq INTEGER, topic INTEGER, off INTEGER, at INTEGER, id BLOB, data BLOB, PRIMARY KEY (topic, off)) WITHOUT ROWID`},
	} {
		b.Run(layout.name, func(b *testing.B) { benchmarkLayout(b, layout.schema) })
	}
	b.Run("runs", func(b *testing.B) {
		l := openTest(b, filepath.Join(benchDir(b), "log"), Options{DedupeWindow: -1})
		if err := l.perform(context.Background(), &op{between: func(w *writer) error {
			return w.queries.run("PRAGMA synchronous = OFF")
		}}); err != nil {
			b.Fatal(err)
		}
		fill(b, l, benchFill)
		wrote, cpu := bytesWritten(b), cpuTime()
		entries := make([]lazyrealtime.Entry, 64)
		data := make([]byte, 256)
		b.ResetTimer()
		for i := 0; i < b.N; i += len(entries) {
			for j := range entries {
				entries[j] = lazyrealtime.Entry{Topic: fmt.Sprintf("room:%d", rand.IntN(benchTopics)), ID: fmt.Sprintf("%016x", rand.Uint64()), Data: data}
			}
			if _, err := l.Append(context.Background(), entries); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((bytesWritten(b)-wrote)/float64(b.N), "written-B/publish")
		b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "CPU-µs/publish")
	})
}

func benchmarkLayout(b *testing.B, schema string) {
	c, err := dial(filepath.Join(benchDir(b), "log"), append(writing, "synchronous = OFF", "wal_autocheckpoint = 1000")...)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.close() }()
	if err := c.useWAL(); err != nil {
		b.Fatal(err)
	}
	if err := c.run(schema); err != nil {
		b.Fatal(err)
	}
	insert, err := c.prepare("INSERT INTO m (seq, topic, off, at, id, data) VALUES (?,?,?,?,?,?)")
	if err != nil {
		b.Fatal(err)
	}
	heads := make([]int64, benchTopics)
	seq, data := int64(0), make([]byte, 256)
	add := func(n, batch int) {
		for i := 0; i < n; i += batch {
			must(b, c.run("BEGIN"))
			for range batch {
				t := rand.IntN(benchTopics)
				heads[t]++
				seq++
				_, err := insert.exec(seq, int64(t), heads[t], seq, fmt.Appendf(nil, "%016x", rand.Uint64()), data)
				must(b, err)
			}
			must(b, c.run("COMMIT"))
		}
	}
	add(benchFill*benchTopics, 1000)
	wrote, cpu := bytesWritten(b), cpuTime()
	b.ResetTimer()
	add(b.N, 64)
	b.ReportMetric((bytesWritten(b)-wrote)/float64(b.N), "written-B/publish")
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "CPU-µs/publish")
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkReplay is the reading of a topic's 100 messages, of a million over 10,000
// topics, in one Read; and of the last ten.
func BenchmarkReplay(b *testing.B) {
	l := openTest(b, filepath.Join(benchDir(b), "log"), Options{Relaxed: true})
	fill(b, l, 100)
	for _, last := range []uint64{1000, 10} {
		b.Run(fmt.Sprintf("last=%d", last), func(b *testing.B) {
			times := make([]time.Duration, b.N)
			messages := 0
			for i := range times {
				name := fmt.Sprintf("room:%d", rand.IntN(benchTopics))
				tail, err := l.Tail(b.Context(), name)
				must(b, err)
				after := lazyrealtime.Position{}
				if tail.Offset > last {
					after = l.position(tail.Offset - last)
				}
				began := time.Now()
				page, err := l.Read(b.Context(), name, after, 1000)
				times[i] = time.Since(began)
				must(b, err)
				messages += len(page.Messages)
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(messages)/float64(b.N), "messages")
		})
	}
}
