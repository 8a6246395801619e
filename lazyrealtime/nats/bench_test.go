package nats_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/nats"
)

var (
	clustered  = flag.Bool("clustered", false, "benchmarks run on three servers instead of one")
	partitions = flag.Int("partitions", 0, "how many partitions benchmarks have, if not the default")
)

// benchLog opens a log on servers in this process.
func benchLog(b *testing.B) *nats.Log {
	b.Helper()
	var url string
	if *clustered {
		url = startCluster(b)
	} else {
		url = startFor(b, b.TempDir()).ClientURL()
	}
	l, err := nats.Open(b.Context(), url, nats.Options{Partitions: *partitions})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

// processor returns a function that reports the processor time per message of this
// process, the server's share too: it says more than the time that has passed on a
// machine that has other work.
func processor(b *testing.B, perOp int) func() {
	b.Helper()
	begin := processorTime(b)
	return func() {
		used := processorTime(b) - begin
		b.ReportMetric(float64(used.Microseconds())/float64(b.N*perOp), "cpu-us/each")
		b.ReportMetric(float64(b.N*perOp)/b.Elapsed().Seconds(), "each/s")
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const benchTopics = 10_000

var payload = make([]byte, 256)

// BenchmarkAppend is one message per call, over 10,000 topics, each with an ID.
func BenchmarkAppend(b *testing.B) {
	for _, inFlight := range []int{1, 64, 256} {
		b.Run(fmt.Sprint("inflight=", inFlight), func(b *testing.B) {
			l := benchLog(b)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			defer processor(b, 1)()
			for range inFlight {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						e := lazyrealtime.Entry{Topic: fmt.Sprint("topic:", i%benchTopics), ID: fmt.Sprint(i), Data: payload}
						if _, err := l.Append(b.Context(), []lazyrealtime.Entry{e}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkAppendBatch is many messages per call, of many topics and of one.
func BenchmarkAppendBatch(b *testing.B) {
	const size = 256
	for _, topics := range []int{benchTopics, 16, 4, 1} {
		b.Run(fmt.Sprintf("entries=%d/topics=%d", size, topics), func(b *testing.B) {
			l := benchLog(b)
			b.ReportAllocs()
			b.ResetTimer()
			defer processor(b, size)()
			for i := range b.N {
				entries := make([]lazyrealtime.Entry, size)
				for j := range entries {
					entries[j] = lazyrealtime.Entry{Topic: fmt.Sprint("topic:", (i*size+j)%topics), Data: payload}
				}
				if _, err := l.Append(b.Context(), entries); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fill appends n messages over the topics.
func fill(b *testing.B, l *nats.Log, n int) []lazyrealtime.Position {
	b.Helper()
	last := make([]lazyrealtime.Position, benchTopics)
	for i := 0; i < n; {
		var entries []lazyrealtime.Entry
		for range benchTopics / 5 {
			entries = append(entries, lazyrealtime.Entry{Topic: fmt.Sprint("topic:", i%benchTopics), Data: payload})
			i++
		}
		done, err := l.Append(b.Context(), entries)
		if err != nil {
			b.Fatal(err)
		}
		if i <= n*9/10 {
			for j, d := range done {
				last[(i-len(done)+j)%benchTopics] = d.Position
			}
		}
	}
	return last
}

var messages = flag.Int("messages", 300_000, "how many messages the log has that BenchmarkRead reads")

// BenchmarkRead reads topics, of a log with many messages over 10,000 topics.
func BenchmarkRead(b *testing.B) {
	l := benchLog(b)
	at := fill(b, l, *messages)
	read := func(b *testing.B, topic int, after lazyrealtime.Position) {
		page, err := l.Read(b.Context(), fmt.Sprint("topic:", topic), after, 200)
		if err != nil || len(page.Messages) == 0 {
			b.Errorf("%d messages, %v", len(page.Messages), err)
		}
	}
	b.Run("whole", func(b *testing.B) {
		defer processor(b, 1)()
		for range b.N {
			read(b, rand.IntN(benchTopics), lazyrealtime.Position{})
		}
	})
	b.Run("whole/parallel", func(b *testing.B) {
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				read(b, rand.IntN(benchTopics), lazyrealtime.Position{})
			}
		})
	})
	b.Run("last tenth", func(b *testing.B) {
		defer processor(b, 1)()
		for range b.N {
			i := rand.IntN(benchTopics)
			read(b, i, at[i])
		}
	})
	b.Run("tail", func(b *testing.B) {
		defer processor(b, 1)()
		for range b.N {
			if _, err := l.Tail(b.Context(), fmt.Sprint("topic:", rand.IntN(benchTopics))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFollow begins to follow 20,000 topics at once.
func BenchmarkFollow(b *testing.B) {
	l := benchLog(b)
	for range b.N {
		n, err := l.Join(b.Context(), silent{})
		if err != nil {
			b.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 20_000 {
			wg.Go(func() {
				if err := n.Follow(b.Context(), fmt.Sprint("topic:", i)); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		b.StopTimer()
		if err := n.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkLive is messages that go through a log to a node that follows their topics.
func BenchmarkLive(b *testing.B) {
	const topics, size = 100, 500
	l := benchLog(b)
	c := &counter{want: int64(b.N), done: make(chan struct{})}
	n, err := l.Join(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	for i := range topics {
		if err := n.Follow(b.Context(), fmt.Sprint("topic:", i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	defer processor(b, 1)()
	for i := 0; i < b.N; {
		var entries []lazyrealtime.Entry
		for ; i < b.N && len(entries) < size; i++ {
			entries = append(entries, lazyrealtime.Entry{Topic: fmt.Sprint("topic:", i%topics), Data: payload})
		}
		if _, err := l.Append(b.Context(), entries); err != nil {
			b.Fatal(err)
		}
	}
	<-c.done
}

// counter is a feed that counts what is live.
type counter struct {
	silent
	want int64
	n    atomic.Int64
	done chan struct{}
}

func (c *counter) Live(*lazyrealtime.Message, uint64) {
	if c.n.Add(1) == c.want {
		close(c.done)
	}
}

// silent is a feed that does nothing.
type silent struct{}

func (silent) Live(*lazyrealtime.Message, uint64)  {}
func (silent) Fleeting(string, string, []byte)     {}
func (silent) Lost(string)                         {}
func (silent) Presence(lazyrealtime.PresenceEvent) {}
func (silent) Gone(string)                         {}
func (silent) Changed()                            {}
