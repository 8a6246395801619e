package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// BenchmarkAppend is durable publishes as the hub makes them: so many in flight, one
// message of 256 bytes with an id each, over 10,000 topics of which the latest 30
// messages are kept, so that for each message that is appended one goes; the file has
// that many to begin with. Beside it is what the disk did just before and just
// after: fsyncs/s of 16 KiB that are written over, and publishes for each of those.
func BenchmarkAppend(b *testing.B) {
	for _, flight := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("flight=%d", flight), func(b *testing.B) { benchmarkAppend(b, flight, false) })
	}
	b.Run("flight=64/relaxed", func(b *testing.B) { benchmarkAppend(b, 64, true) })
}

const (
	benchTopics = 10_000
	benchFill   = 30 // messages of each topic to begin with
)

func benchmarkAppend(b *testing.B, flight int, relaxed bool) {
	dir := benchDir(b)
	fsyncs := fsyncRate(b, dir)
	l := openTest(b, filepath.Join(dir, "log"), Options{Relaxed: relaxed})
	fill(b, l, benchFill)
	commits := l.writer.commits.Load()
	wrote, cpu := bytesWritten(b), cpuTime()
	b.ResetTimer()
	start := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range flight {
		wg.Go(func() {
			data := make([]byte, 256)
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				appendOne(b, l, fmt.Sprintf("room:%d", rand.IntN(benchTopics)), fmt.Sprintf("%016x", rand.Uint64()), data)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	elapsed := time.Since(start)
	rate := float64(b.N) / elapsed.Seconds()
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "CPU-µs/publish")
	b.ReportMetric((bytesWritten(b)-wrote)/float64(b.N), "written-B/publish")
	fsyncs = (fsyncs + fsyncRate(b, dir)) / 2
	b.ReportMetric(rate, "publishes/s")
	b.ReportMetric(fsyncs, "fsyncs/s")
	b.ReportMetric(rate/fsyncs, "publishes/fsync")
	b.ReportMetric(float64(b.N)/float64(l.writer.commits.Load()-commits), "publishes/commit")
}

func appendOne(b *testing.B, l *Log, topic, id string, data []byte) {
	_, err := l.Append(context.Background(), []lazyrealtime.Entry{{Topic: topic, ID: id, Data: data, Keep: lazyrealtime.Retention{Messages: benchFill}}})
	if err != nil {
		b.Error(err)
	}
}

// fill gives each topic n messages, in an order as that of life, without ids.
func fill(b *testing.B, l *Log, n int) {
	entries := make([]lazyrealtime.Entry, 1000)
	data := make([]byte, 256)
	for range n * benchTopics / len(entries) {
		for i := range entries {
			entries[i] = lazyrealtime.Entry{Topic: fmt.Sprintf("room:%d", rand.IntN(benchTopics)), Data: data, Keep: lazyrealtime.Retention{Messages: n}}
		}
		if _, err := l.Append(context.Background(), entries); err != nil {
			b.Fatal(err)
		}
	}
}

// fsyncRate is how many appends of 16 KiB, each with its fsync, the disk does.
func fsyncRate(b *testing.B, dir string) float64 {
	f, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	piece := make([]byte, 16<<10)
	// As a WAL is: written over, again and again.
	for range 256 {
		if _, err := f.Write(piece); err != nil {
			b.Fatal(err)
		}
	}
	_ = f.Sync()
	start := time.Now()
	n := 0
	for ; time.Since(start) < time.Second/2; n++ {
		if _, err := f.WriteAt(piece, int64(n%256)*int64(len(piece))); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(start).Seconds()
}

// benchDir is where the benchmarks' files are: in BENCH_DIR, so that the disk can be
// chosen.
func benchDir(b *testing.B) string {
	dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "sqlite") //nolint:usetesting // TempDir is where the tests are
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// bytesWritten is what the process has given the system to write.
func bytesWritten(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0 // no Linux
	}
	var read, written float64
	if _, err := fmt.Sscanf(string(text), "rchar: %f\nwchar: %f", &read, &written); err != nil {
		b.Fatal(err)
	}
	return written
}
