package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// narrow is a network on which the peer must read for the writes to go on.
var narrow = wstest.Network{Buffer: 200}

// hold makes the connection hold n answers of 100 bytes, of which the narrow
// network takes the first alone.
func (c tapped) hold100(t *testing.T, n int) {
	t.Helper()
	c.burst(t, n+1)
	must(t, answer(c.Conn, n, write100))
}

func write100(c *lazywebsocket.Conn, text string) error {
	return c.WriteMessage(lazywebsocket.BinaryMessage, padded(text, 100))
}

// What is held keeps the earliest of the deadlines that were in force when it was
// written. That it passes is a failure, and the same one for every later write.
func TestHoldEarliestDeadline(t *testing.T) {
	for name, deadlines := range map[string][]time.Duration{
		"in the middle": {time.Hour, time.Minute, 2 * time.Minute},
		"first":         {time.Minute, 0, time.Hour},
		"last":          {0, 0, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			onTapped(t, narrow, tappedOptions{}, func(t *testing.T, c tapped) {
				start := time.Now()
				c.burst(t, 4)
				for _, d := range deadlines {
					var deadline time.Time
					if d != 0 {
						deadline = start.Add(d)
					}
					must(t, c.SetWriteDeadline(deadline))
					must(t, answer(c.Conn, 1, write100))
				}
				must(t, c.SetWriteDeadline(noDeadline))
				err := c.Flush()
				wantAt(t, "Flush", start, time.Minute)
				if !isTimeout(err) {
					t.Errorf("Flush: %v", err)
				}
				c.wantSame(t, err)
			})
		})
	}
}

// The guard meets the deadline too, and nobody hears of it before the next write.
func TestHoldDeadlineOfTheGuard(t *testing.T) {
	onTapped(t, narrow, tappedOptions{}, func(t *testing.T, c tapped) {
		start := time.Now()
		must(t, c.SetWriteDeadline(start.Add(time.Minute)))
		c.hold100(t, 3)
		must(t, c.SetWriteDeadline(noDeadline))
		time.Sleep(time.Second)
		err := c.WriteMessage(lazywebsocket.TextMessage, []byte("x")) // waits behind the guard's flush
		wantAt(t, "the next write", start, time.Minute)
		if !isTimeout(err) {
			t.Errorf("the next write: %v", err)
		}
		c.wantSame(t, err)
	})
}

// A deadline that comes before the guard does: nothing is held for it, and the
// connection lives on.
func TestHoldShortDeadline(t *testing.T) {
	onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
		c.burst(t, 4)
		start := time.Now()
		c.echo(t, 1)
		must(t, c.SetWriteDeadline(start.Add(lazywebsocket.GuardTick/2)))
		c.echo(t, 2)
		c.wantEchoes(0, 3)
		wantAt(t, "the answers", start, 0)
		time.Sleep(time.Second)
		must(t, c.SetWriteDeadline(noDeadline))
		c.echo(t, 1)
		c.wantEchoes(3, 4)
	})
}

// No deadline: what is held waits for the peer, as long as it takes.
func TestHoldWaitsForThePeer(t *testing.T) {
	onTapped(t, narrow, tappedOptions{}, func(t *testing.T, c tapped) {
		c.hold100(t, 3)
		later := result(func() error { return c.WriteMessage(lazywebsocket.TextMessage, []byte("x")) })
		time.Sleep(100 * time.Hour)
		for _, m := range []string{"m0", "m1", "m2"} {
			c.p.WantBinary(padded(m, 100))
			time.Sleep(time.Hour)
		}
		c.p.WantText("x")
		must(t, <-later)
	})
}

// A write whose own time runs out while what is held cannot leave: it fails at
// that time, and nothing that is held is lost, however much of it has left.
func TestHoldOwnTimeRunsOut(t *testing.T) {
	for name, write := range map[string]func(c tapped) error{
		"the context of a message": func(c tapped) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			return c.WriteMessageContext(ctx, lazywebsocket.BinaryMessage, padded("lost", 300))
		},
		"the deadline of a message": func(c tapped) error {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			err := c.WriteMessage(lazywebsocket.BinaryMessage, padded("lost", 66000))
			_ = c.SetWriteDeadline(noDeadline)
			return err
		},
		"the deadline of a message with a context": func(c tapped) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			err := c.WriteMessageContext(ctx, lazywebsocket.BinaryMessage, padded("lost", 66000))
			_ = c.SetWriteDeadline(noDeadline)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			onTapped(t, narrow, tappedOptions{hold: 350}, func(t *testing.T, c tapped) {
				c.hold100(t, 3)
				start := time.Now()
				err := write(c)
				wantAt(t, "the write", start, time.Second)
				if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the write: %v", err)
				}
				go c.ReadMessage()
				time.Sleep(time.Minute)
				for _, m := range []string{"m0", "m1", "m2"} {
					c.p.WantBinary(padded(m, 100))
				}
				synctest.Wait()
				c.p.WantNothing()
				must(t, c.WriteMessage(lazywebsocket.TextMessage, []byte("on it goes")))
				c.p.WantText("on it goes")
			})
		})
	}
}

// More is held behind what has left in part: no byte is lost, none sent twice.
func TestHoldBehindAPart(t *testing.T) {
	onTapped(t, narrow, tappedOptions{}, func(t *testing.T, c tapped) {
		c.burst(t, 10)
		must(t, answer(c.Conn, 3, write100))
		ctx, cancel := context.WithTimeout(t.Context(), lazywebsocket.GuardTick/2)
		defer cancel()
		err := c.WriteMessageContext(ctx, lazywebsocket.BinaryMessage, padded("lost", 66000))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the write: %v", err)
		}
		if n := c.Held(); n == 0 || n > 200 {
			t.Fatalf("%d bytes are held: the test tests nothing", n)
		}
		must(t, answer(c.Conn, 7, write100))
		for i := range 10 {
			c.p.WantBinary(padded(fmt.Sprint("m", i), 100))
		}
	})
}

// A deadline that is over before its turn comes: no debt of others is paid then.
func TestHoldLateWriterPaysNothing(t *testing.T) {
	onTapped(t, narrow, tappedOptions{}, func(t *testing.T, c tapped) {
		c.hold100(t, 3)
		time.Sleep(2 * lazywebsocket.GuardTick) // its flush is stuck in the gate
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := c.WriteMessageContext(ctx, lazywebsocket.TextMessage, []byte("x"))
		wantAt(t, "the write", start, time.Second)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the write: %v", err)
		}
		for _, m := range []string{"m0", "m1", "m2"} {
			c.p.WantBinary(padded(m, 100))
		}
	})
}

// A message in fragments that breaks off because what is held cannot leave in
// time: no other message may follow its first half.
func TestHoldBrokenOffMessage(t *testing.T) {
	onTapped(t, narrow, tappedOptions{}, func(t *testing.T, c tapped) {
		c.hold100(t, 2)
		w, err := c.NextWriter(lazywebsocket.BinaryMessage)
		must(t, err)
		_, err = w.Write(padded("first half", 5000)) // held
		must(t, err)
		must(t, c.SetWriteDeadline(time.Now().Add(time.Second)))
		if _, err = w.Write(padded("second half", 66000)); err == nil {
			t.Fatal("66000 bytes have left")
		}
		must(t, c.SetWriteDeadline(noDeadline))
		go io.Copy(io.Discard, c.p.Conn)
		err = c.WriteMessage(lazywebsocket.TextMessage, []byte("x"))
		if !isTimeout(err) {
			t.Errorf("a write behind half a message: %v", err)
		}
		c.wantSame(t, err)
	})
}

// Flush has the write deadline that is in force when it is called.
func TestHoldFlushHasADeadline(t *testing.T) {
	onTapped(t, narrow, tappedOptions{}, func(t *testing.T, c tapped) {
		c.hold100(t, 3)
		start := time.Now()
		must(t, c.SetWriteDeadline(start.Add(time.Second)))
		if err := c.Flush(); !isTimeout(err) {
			t.Errorf("Flush: %v", err)
		}
		wantAt(t, "Flush", start, time.Second)
	})
}

// A keepalive whose ping cannot pass what is held finds the dead peer dead, and
// keeps its hands off a slow one.
func TestHoldKeepalive(t *testing.T) {
	o := tappedOptions{hold: 350, ping: 10 * time.Second, pong: 5 * time.Second}
	stuck := func(t *testing.T, c tapped, start time.Time) { // shortly before the ping
		time.Sleep(10*time.Second - lazywebsocket.GuardTick/2 - time.Since(start))
		c.hold100(t, 3) // no room for a ping behind them: it has to send them first
	}
	t.Run("dead peer", func(t *testing.T) {
		bubble(t, "", func(t *testing.T) {
			start := time.Now()
			c := server.tapped(t, narrow, tappedOptions{hold: 320, ping: o.ping, pong: o.pong})
			limit := time.AfterFunc(time.Hour, func() {
				t.Error("a dead peer is not found dead")
				_ = c.p.Conn.Close()
			})
			defer limit.Stop()
			stuck(t, c, start)
			_, _, err := c.ReadMessage()
			must(t, err)
			_, _, err = c.ReadMessage()
			wantSummary(t, err, "read timeout")
			if d := time.Since(start); d < 15*time.Second || d > 30*time.Second {
				t.Errorf("found dead after %v", d)
			}
		})
	})
	t.Run("slow peer", func(t *testing.T) {
		bubble(t, "", func(t *testing.T) {
			start := time.Now()
			c := server.tapped(t, narrow, tappedOptions{hold: 320, ping: o.ping, pong: o.pong})
			stuck(t, c, start)
			go func() {
				for {
					if _, _, err := c.ReadMessage(); err != nil {
						wantSummary(t, err, "read closed")
						return
					}
				}
			}()
			var got []byte
			for range 90 { // one byte a second
				time.Sleep(time.Second)
				var b [1]byte
				_, err := c.p.Conn.Read(b[:])
				must(t, err)
				got = append(got, b[0])
			}
			if want := string(padded("m0", 88)); string(got[2:]) != want {
				t.Errorf("received %q, want %q", got[2:], want)
			}
			c.p.Want("'.'*12")
			c.p.WantBinary(padded("m1", 100))
			c.p.WantBinary(padded("m2", 100))
		})
	})
}

// The first failure to send what is held is what later writes return.
func TestHoldFailureComesLater(t *testing.T) {
	onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
		c.hold100(t, 2)
		must(t, c.tap.CloseWrite()) // behind our back
		must(t, c.WriteMessage(lazywebsocket.TextMessage, []byte("held too")))
		err := c.Flush()
		var op *lazywebsocket.OpError
		if !errors.As(err, &op) || op.Op != "write" {
			t.Fatalf("Flush: %v", err)
		}
		c.wantSame(t, err)
		if c.Held() != 0 {
			t.Errorf("%d bytes are held that can never leave", c.Held())
		}
	})
}
