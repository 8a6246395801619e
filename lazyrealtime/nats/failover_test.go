package nats_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/nats"
)

var (
	rounds  = flag.Int("rounds", 1, "how often the failover test kills the leader")
	syncing = flag.Bool("sync", false, "the failover test's servers fsync before each acknowledgement")
)

// What the failover test has.
const (
	writers     = 16
	topicsEach  = 2  // of a writer alone
	sharedTopic = 4  // of all writers
	batchSize   = 12 // entries of a call, or a third of that
)

// Publishers try again, a reader goes on, the leader steps down and is killed: what was
// acknowledged is there once, at its place, in the order of each publisher; and who
// followed has seen just that.
func TestFailover(t *testing.T) {
	c := startProcesses(t, *syncing)
	o := testOptions()
	w := &world{t: t, cluster: c, log: open(t, c.url(), o)}
	for p := range o.Partitions {
		if n := c.info(fmt.Sprintf("%s_log_%d", o.Name, p)).Config.Replicas; n != 3 {
			t.Fatalf("partition %d has %d replicas, want 3", p, n)
		}
	}
	r := newReader(t, open(t, c.url(), o), false)
	r.follow(topics())
	w.write()
	stream := o.Name + "_log_0"
	w.progress("at first")
	for round := range *rounds {
		c.stepDown(stream)
		w.progress("after a step-down")
		leader := c.leader(stream)
		c.kill(leader)
		w.progress(fmt.Sprintf("round %d: after server %d was killed", round, leader))
		c.start(leader)
		c.whole(stream)
		w.progress("after it came back")
	}
	w.stop()
	total := w.verify(r)
	t.Logf("%d messages acknowledged, %d of them live, %d by %d repairs", total, r.lives, r.repaired, r.repairs)
}

// topics returns all topics.
func topics() []string {
	var list []string
	for i := range writers {
		for j := range topicsEach {
			list = append(list, fmt.Sprintf("own.%d.%d", i, j))
		}
	}
	for j := range sharedTopic {
		list = append(list, fmt.Sprint("shared.", j))
	}
	return list
}

// world is the publishers.
type world struct {
	t       *testing.T
	cluster *processes
	log     *nats.Log
	end     atomic.Bool
	wg      sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	acked map[string]map[string]lazyrealtime.Position
	count int
	last  time.Time     // of the latest acknowledgement
	pause time.Duration // the longest time without one since progress was called
}

// write starts the publishers.
func (w *world) write() {
	w.acked = make(map[string]map[string]lazyrealtime.Position)
	w.last = time.Now()
	for i := range writers {
		w.wg.Go(func() { w.writer(i) })
	}
}

// writer appends batches: several entries of a topic in each, in order. Half of the
// entries have an ID.
func (w *world) writer(id int) {
	for i := 0; !w.end.Load(); i++ {
		entries := make([]lazyrealtime.Entry, batchSize)
		if i%2 == 0 { // too few of a topic for a batch
			entries = entries[:batchSize/3]
		}
		for j := range entries {
			topic := fmt.Sprintf("own.%d.%d", id, j%topicsEach)
			if j%3 == 2 {
				topic = fmt.Sprint("shared.", (i+id)%sharedTopic)
			}
			entries[j] = lazyrealtime.Entry{
				Topic: topic, Data: fmt.Appendf(nil, "%d.%d", id, i*batchSize+j),
				Keep: lazyrealtime.Retention{Messages: 1 << 20},
			}
			if j%2 == 0 {
				entries[j].ID = string(entries[j].Data)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		done, err := w.log.Append(ctx, entries)
		cancel()
		if err != nil {
			w.t.Errorf("writer %d: %v", id, err)
			return
		}
		w.note(entries, done)
	}
}

func (w *world) note(entries []lazyrealtime.Entry, done []lazyrealtime.Appended) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, e := range entries {
		if w.acked[e.Topic] == nil {
			w.acked[e.Topic] = make(map[string]lazyrealtime.Position)
		}
		w.acked[e.Topic][string(e.Data)] = done[i].Position
	}
	w.count += len(entries)
	w.pause = max(w.pause, now.Sub(w.last))
	w.last = now
}

// progress waits until all goes on as usual, and says how long nothing did.
func (w *world) progress(when string) {
	w.t.Helper()
	const enough = 2000
	begin := time.Now()
	w.mu.Lock()
	w.pause, w.last = 0, begin
	from := w.count
	w.mu.Unlock()
	eventually(w.t, "messages are acknowledged "+when, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.count-from >= enough
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t.Logf("%s: %d acknowledged in %v; the longest pause was %v", when, w.count-from, time.Since(begin).Round(time.Millisecond), w.pause.Round(time.Millisecond))
}

func (w *world) stop() {
	w.end.Store(true)
	w.wg.Wait()
}

// verify compares what was acknowledged with what is there and what the reader saw.
func (w *world) verify(r *reader) (total int) {
	w.t.Helper()
	for _, topic := range topics() {
		stored := w.stored(topic)
		total += len(stored)
		if len(stored) < len(w.acked[topic]) {
			w.t.Errorf("topic %s: %d messages are there, %d were acknowledged", topic, len(stored), len(w.acked[topic]))
		}
		w.once(topic, stored)
		eventually(w.t, "the reader has seen all of topic "+topic, func() bool {
			return len(r.seenOf(topic)) >= len(stored)
		})
		seen := r.seenOf(topic)
		if !slices.EqualFunc(seen, stored, func(a, b *lazyrealtime.Message) bool {
			return a.Position == b.Position && string(a.Data) == string(b.Data)
		}) {
			w.t.Errorf("topic %s: the reader saw %d messages, which are not the %d that are there", topic, len(seen), len(stored))
		}
	}
	return total
}

// once checks that messages are there once, where they were acknowledged, and in order.
func (w *world) once(topic string, stored []*lazyrealtime.Message) {
	w.t.Helper()
	at := make(map[string]lazyrealtime.Position)
	latest := make(map[string]int) // by writer
	for _, m := range stored {
		data := string(m.Data)
		if _, twice := at[data]; twice {
			w.t.Errorf("topic %s: message %s is there twice", topic, data)
		}
		at[data] = m.Position
		writer, number, _ := strings.Cut(data, ".")
		n, err := strconv.Atoi(number)
		if err != nil {
			w.t.Fatal(err)
		}
		if before, ok := latest[writer]; ok && n <= before {
			w.t.Errorf("topic %s: message %d of writer %s is behind %d", topic, n, writer, before)
		}
		latest[writer] = n
	}
	for data, p := range w.acked[topic] {
		if at[data] != p {
			w.t.Errorf("topic %s: message %s was acknowledged at %+v and is at %+v", topic, data, p, at[data])
		}
	}
}

// stored reads a topic.
func (w *world) stored(topic string) []*lazyrealtime.Message {
	w.t.Helper()
	var list []*lazyrealtime.Message
	var after lazyrealtime.Position
	for {
		page, err := w.log.Read(w.t.Context(), topic, after, 1000)
		if err != nil {
			w.t.Fatalf("Read: %v", err)
		}
		if len(page.Messages) == 0 {
			return list
		}
		list = append(list, page.Messages...)
		after = list[len(list)-1].Position
	}
}
