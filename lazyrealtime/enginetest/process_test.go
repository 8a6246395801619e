package enginetest_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazyrealtime/memory"
)

// lease is how long a killed process's members stay.
const lease = 200 * time.Millisecond

// process is what a process has of a store that outlives it: a memory log that
// several of them share.
type process struct {
	*enginetest.Faulty
	store  *memory.Log
	closed atomic.Bool

	mu    sync.Mutex // guards nodes
	nodes []lazyrealtime.Node
}

func start(store *memory.Log) *process {
	p := &process{Faulty: enginetest.NewFaulty(store), store: store}
	p.Before(func(context.Context, enginetest.Call) error { return p.ended() })
	p.After(func(context.Context, enginetest.Call) error { return p.ended() })
	return p
}

func (p *process) ended() error {
	if p.closed.Load() {
		return lazyrealtime.ErrClosed
	}
	return nil
}

// Join notes the node, so that it ends with the process.
func (p *process) Join(ctx context.Context, feed lazyrealtime.Feed) (lazyrealtime.Node, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := p.Faulty.Join(ctx, feed)
	if err == nil {
		p.nodes = append(p.nodes, n)
	}
	return n, err
}

// Close ends the nodes and leaves the store.
func (p *process) Close() error {
	p.closed.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		_ = n.Close(context.Background())
	}
	p.nodes = nil
	return nil
}

// kill fails all calls, those under way too, and ends the nodes with their lease.
func kill(t *testing.T, log lazyrealtime.Log) {
	p := log.(*process)
	p.closed.Store(true)
	end := time.AfterFunc(lease, func() { _ = p.Close() })
	t.Cleanup(func() { end.Stop() })
}

// The tests of the suite that memory.Log alone does not run, on processes that
// share a store; and a Faulty without faults, which is between them.
func TestRunOnProcesses(t *testing.T) {
	for _, bubble := range []bool{true, false} {
		enginetest.Run(t, func(*testing.T) lazyrealtime.Log { return start(memory.Open()) }, enginetest.Options{
			Bubble: bubble,
			Exact:  true,
			MinAge: 100 * time.Millisecond,
			Lease:  lease,
			Reopen: func(t *testing.T, log lazyrealtime.Log) lazyrealtime.Log {
				if err := log.Close(); err != nil {
					t.Error(err)
				}
				return start(log.(*process).store)
			},
			Crash: func(t *testing.T, log lazyrealtime.Log) lazyrealtime.Log {
				kill(t, log)
				return start(log.(*process).store)
			},
			Peer: func(_ *testing.T, log lazyrealtime.Log) lazyrealtime.Log {
				return start(log.(*process).store)
			},
			KillPeer: kill,
		})
	}
}
