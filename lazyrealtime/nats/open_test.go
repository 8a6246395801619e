package nats_test

import (
	"sync"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
	lazy "golazy.dev/lazyrealtime/nats"
)

// Processes that begin at the same time, where there is nothing yet, open one log, and
// none waits for long or fails.
func TestOpenAtOnce(t *testing.T) {
	for name, url := range map[string]string{"single": single(t), "cluster": startCluster(t)} {
		o := testOptions()
		logs := make([]*lazy.Log, 5)
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range logs {
			wg.Go(func() {
				o := o
				o.Partitions = 3 + i%2 // the first decides
				l, err := lazy.Open(t.Context(), url, o)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				logs[i] = l
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		if took := time.Since(begin); took > 18*time.Second { // three rounds, and a slow machine
			t.Errorf("%s: that took %v", name, took)
		}
		at := appendOne(t, logs[0], lazyrealtime.Entry{Topic: "t", Data: []byte("x")})
		for _, l := range logs {
			if got := tailOf(t, l, "t"); got != at {
				t.Errorf("%s: the tail is %v, want %v", name, got, at)
			}
			l.Close()
		}
	}
}
