package lazywebsocket

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// pongCounter is a net.Conn that takes every write and counts the pongs.
type pongCounter struct {
	net.Conn
	pongs atomic.Int64
}

func (c *pongCounter) Write(b []byte) (int, error) {
	if b[0] == 0x8a {
		c.pongs.Add(1)
	}
	return len(b), nil
}

func (*pongCounter) SetWriteDeadline(time.Time) error { return nil }

// A ping that arrives in the moment in which a writer leaves, or in which the
// latest pong has just left, is answered all the same. They meet as often as a
// test may take; a pong that is lost is lost in some of the runs.
func TestNoPongIsLost(t *testing.T) {
	nc := &pongCounter{}
	c := newConn(nc, settings{})
	ping := c.PingHandler()
	start, done := make(chan int), make(chan struct{})
	go func() {
		for n := range start {
			for range n { // sooner or later
				_ = c.Subprotocol()
			}
			_ = ping("")
			done <- struct{}{}
		}
	}()
	defer close(start)
	for i := range 3000 {
		start <- i % 100
		for range 3 {
			if err := c.WriteMessage(TextMessage, nil); err != nil {
				t.Fatal(err)
			}
		}
		<-done
		for wait := time.Now(); nc.pongs.Load() <= int64(i); runtime.Gosched() {
			if time.Since(wait) > 10*time.Second {
				t.Fatalf("after %d pings there are %d pongs", i+1, nc.pongs.Load())
			}
		}
	}
}
