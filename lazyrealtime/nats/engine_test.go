package nats_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazyrealtime/nats"
)

var opened atomic.Int64 // logs so far, for their names

// testOptions are those of a new log. A busy machine may be slow to answer.
func testOptions() nats.Options {
	return nats.Options{
		Name:       fmt.Sprint("test", opened.Add(1)),
		Partitions: 3,
		Retain:     lazyrealtime.Retention{Messages: 1 << 20},
		Connect:    []client.Option{client.Timeout(patience)},
	}
}

func open(t *testing.T, url string, o nats.Options) *nats.Log {
	t.Helper()
	l, err := nats.Open(t.Context(), url, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// engine opens logs for the suite, and again with the same contents.
type engine struct {
	url     string
	options sync.Map // *nats.Log to nats.Options
}

// open opens a log for a test. What ends with a time is short where the test waits for
// its end, and else longer than a busy machine takes for the test.
func (e *engine) open(t *testing.T) lazyrealtime.Log {
	o := testOptions()
	o.AckWait = 10 * time.Second // what is sent again is its own duplicate
	switch _, name, _ := strings.Cut(t.Name(), "/engine/"); {
	case name == "Dedupe/window":
		o.Window = window
	case strings.HasPrefix(name, "Kill/"), strings.HasPrefix(name, "Crash/"):
		o.Lease = lease
	}
	js := admin(t, e.url)
	t.Cleanup(func() { remove(js, o.Name) })
	return e.with(t, o)
}

// remove deletes a log's streams: those of all tests together keep a cluster busy.
func remove(js jetstream.JetStream, name string) {
	names := js.StreamNames(context.Background())
	for stream := range names.Name() {
		if strings.HasPrefix(stream, name+"_") {
			_ = js.DeleteStream(context.Background(), stream)
		}
	}
}

func (e *engine) with(t *testing.T, o nats.Options) lazyrealtime.Log {
	t.Helper()
	l := open(t, e.url, o)
	e.options.Store(l, o)
	return l
}

// again opens another log with the contents of one.
func (e *engine) again(t *testing.T, log lazyrealtime.Log) lazyrealtime.Log {
	t.Helper()
	o, _ := e.options.Load(log)
	return e.with(t, o.(nats.Options))
}

func kill(log lazyrealtime.Log) { log.(*nats.Log).Kill() }

const (
	window = 8 * time.Second
	lease  = 4 * time.Second
)

// suite returns what the suite has to know.
func (e *engine) suite() enginetest.Options {
	return enginetest.Options{
		Reopen: func(t *testing.T, log lazyrealtime.Log) lazyrealtime.Log {
			log.Close()
			return e.again(t, log)
		},
		Crash: func(t *testing.T, log lazyrealtime.Log) lazyrealtime.Log {
			kill(log)
			return e.again(t, log)
		},
		Peer:     e.again,
		KillPeer: func(_ *testing.T, peer lazyrealtime.Log) { kill(peer) },
		Lease:    2 * lease, // and the server's and our rounds
		Wait:     patience,
	}
}

func TestEngine(t *testing.T) {
	e := &engine{url: single(t)}
	o := e.suite()
	o.Window = window
	enginetest.Run(t, e.open, o)
}

func TestEngineOnCluster(t *testing.T) {
	e := &engine{url: startCluster(t)}
	enginetest.Run(t, e.open, e.suite())
}
