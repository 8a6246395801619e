package local

import (
	"fmt"
	"runtime"
	"testing"

	"golazy.dev/lazyrealtime"
)

// follow makes a node follow many topics, and returns a message of each, and the
// bytes of heap that a topic takes, without its name.
func follow(b *testing.B, l *Local, topics int) (list []*lazyrealtime.Message, each float64) {
	n := join(b, l, feed{})
	list = make([]*lazyrealtime.Message, topics)
	for i := range list {
		list[i] = &lazyrealtime.Message{Topic: fmt.Sprint("room:", i)}
	}
	before := heap()
	for _, m := range list {
		must(b, n.Follow(b.Context(), m.Topic))
	}
	return list, (float64(heap()) - float64(before)) / float64(topics)
}

// BenchmarkPublish is the way from a commit to one node's feed, and of a message
// that nobody follows.
func BenchmarkPublish(b *testing.B) {
	for _, topics := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint("topics=", topics), func(b *testing.B) {
			l := New()
			list, each := follow(b, l, topics)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				l.Publish(list[i*7919%topics], 0)
			}
			b.ReportMetric(each, "B/topic")
		})
		b.Run(fmt.Sprint("unfollowed/topics=", topics), func(b *testing.B) {
			l := New()
			follow(b, l, topics)
			m := &lazyrealtime.Message{Topic: "nobody"}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				l.Publish(m, 0)
			}
		})
		b.Run(fmt.Sprint("parallel/topics=", topics), func(b *testing.B) {
			l := New()
			list, _ := follow(b, l, topics)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					l.Publish(list[i*7919%topics], 0)
				}
			})
		})
	}
}

// BenchmarkNodes is a message of a topic that many nodes follow.
func BenchmarkNodes(b *testing.B) {
	for _, nodes := range []int{1, 10, 100} {
		b.Run(fmt.Sprint("nodes=", nodes), func(b *testing.B) {
			l := New()
			for range nodes {
				follow(b, l, 1)
			}
			m := &lazyrealtime.Message{Topic: "room:0"}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				l.Publish(m, 0)
			}
		})
	}
}

// BenchmarkFollow is Follow and Unfollow beside many other topics.
func BenchmarkFollow(b *testing.B) {
	l := New()
	follow(b, l, 100_000)
	n := join(b, l, feed{})
	ctx := b.Context()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		must(b, n.Follow(ctx, "one"))
		n.Unfollow("one")
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
