// Package enginetest has the suite that every engine of lazyrealtime passes, and
// Faulty, an engine whose failures a test decides.
package enginetest

import (
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
)

// Options says what an engine can do beside the contract, and how fast. A test that
// needs a function that is nil is left out.
type Options struct {
	// Bubble runs each test in a bubble of testing/synctest: for engines without I/O.
	Bubble bool

	// Exact says that feeds hear of each message exactly once and in order, whatever
	// the load: for engines of one process.
	Exact bool

	// Reopen closes a log and returns another one with the same contents.
	Reopen func(t *testing.T, log lazyrealtime.Log) lazyrealtime.Log

	// Crash ends a log as kill -9 of its process would, in the middle of calls, and
	// returns another one with the same contents. Calls of the old one have to return
	// in the end; the suite closes it later, and ignores the error.
	Crash func(t *testing.T, log lazyrealtime.Log) lazyrealtime.Log

	// Peer returns another log with the same contents, as another process would have
	// it. If nil, all nodes join one log.
	Peer func(t *testing.T, log lazyrealtime.Log) lazyrealtime.Log

	// KillPeer ends what Peer has returned, as kill -9 of its process would.
	KillPeer func(t *testing.T, peer lazyrealtime.Log)

	// Lease is how long the members of a killed peer may remain. If zero, 5 s.
	Lease time.Duration

	// Window is how long the ids of messages are remembered in the logs under test.
	// If zero, that they are forgotten is not tested.
	Window time.Duration

	// MaxData is the size of the largest message. If zero, 1 MiB.
	MaxData int

	// MinAge is the shortest that a retention's age, a claim or a record can last. If
	// zero, 1 s.
	MinAge time.Duration

	// Wait is how long anything that comes about by itself may take. If zero, 10 s.
	Wait time.Duration
}

func (o Options) orDefault() Options {
	o.Lease = orDefault(o.Lease, 5*time.Second)
	o.MaxData = orDefault(o.MaxData, 1<<20)
	o.MinAge = orDefault(o.MinAge, time.Second)
	o.Wait = orDefault(o.Wait, 10*time.Second)
	return o
}

func orDefault[T int | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// Run tests an engine. Open returns a new, empty log that shares nothing with those
// that it has returned before; Run closes it. The tests are run in parallel, as
// subtests of "engine", and have all ended when Run returns.
func Run(t *testing.T, open func(t *testing.T) lazyrealtime.Log, options Options) {
	o := options.orDefault()
	t.Run("engine", func(t *testing.T) {
		for _, c := range cases(o) {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				run := func(t *testing.T) { c.test(newEnv(t, open, o)) }
				if o.Bubble {
					synctest.Test(t, run)
				} else {
					run(t)
				}
			})
		}
	})
}

// testCase is one test of the suite.
type testCase struct {
	name string
	test func(*env)
}

// cases returns the tests that an engine with these options has to pass.
func cases(o Options) []testCase {
	all := [][]testCase{
		appendCases, dedupeCases, readCases, liveCases, fleetingCases,
		retentionCases, presenceCases, controlCases, claimCases, endCases,
	}
	if o.Window > 0 {
		all = append(all, windowCases)
	}
	if o.Reopen != nil {
		all = append(all, reopenCases)
	}
	if o.Crash != nil {
		all = append(all, crashCases)
	}
	if o.Peer != nil && o.KillPeer != nil {
		all = append(all, killCases)
	}
	var list []testCase
	for _, some := range all {
		list = append(list, some...)
	}
	return list
}
