package lazywebsocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// prepare returns a prepared text message.
func prepare(t testing.TB, s string) *lazywebsocket.PreparedMessage {
	t.Helper()
	pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, []byte(s))
	must(t, err)
	return pm
}

// publish publishes text messages.
func publish(t testing.TB, conn *lazywebsocket.Conn, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if err := conn.Publish(prepare(t, s)); err != nil {
			t.Fatalf("publish %.20q: %v", s, err)
		}
	}
}

// tight is a network that holds few bytes.
var tight = wstest.Network{Buffer: 1024}

// queued are options with a queue.
func queued(q lazywebsocket.QueueOptions) options { return options{queue: q} }

// stuff publishes a message that the peer's buffer cannot hold, so that what is
// published behind it waits, and returns it.
func stuff(t testing.TB, conn *lazywebsocket.Conn) string {
	t.Helper()
	s := strings.Repeat("s", 4000)
	publish(t, conn, s)
	synctest.Wait()
	return s
}

func TestPublish(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		publish(t, conn, "a", "", strings.Repeat("b", 200))
		p.Want("81 01 'a' 81 00 81 7e 00c8 'b'*200")
		large := strings.Repeat("c", 300_000)
		publish(t, conn, "before", large, "behind")
		p.WantText("before")
		p.WantText(large)
		p.WantText("behind")
		synctest.Wait()
		if s := conn.QueueStats(); s != (lazywebsocket.QueueStats{}) {
			t.Errorf("%+v is queued", s)
		}
		if !conn.AtRest() {
			t.Error("not at rest")
		}
	})
}

func TestPublishRefuses(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		ping, err := lazywebsocket.NewPreparedMessage(lazywebsocket.PingMessage, nil)
		must(t, err)
		if err := conn.Publish(ping); summary(err) != "publish: message type is neither text nor binary" {
			t.Errorf("a ping: %v", err)
		}
		var g lazywebsocket.Group
		if err := g.Broadcast(ping); summary(err) != "publish: message type is neither text nor binary" {
			t.Errorf("a ping to a group: %v", err)
		}
		if err := g.BroadcastMessage(7, nil); err == nil {
			t.Error("a message of type 7 is broadcast")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := conn.PublishContext(ctx, prepare(t, "x")); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		must(t, conn.Close())
		if err := conn.Publish(prepare(t, "x")); err != lazywebsocket.ErrCloseSent { //nolint:errorlint // it is documented as it is
			t.Errorf("after Close: %v", err)
		}
		p.WantClose(1000)
	})
}

// What is queued leaves in few writes, in the order of the calls, and before what
// is written by other means.
func TestPublishOrder(t *testing.T) {
	ways := map[string]func(t *testing.T, conn *lazywebsocket.Conn, s string){
		"WriteMessage": func(t *testing.T, conn *lazywebsocket.Conn, s string) {
			must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(s)))
		},
		"WriteMessageContext": func(t *testing.T, conn *lazywebsocket.Conn, s string) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			must(t, conn.WriteMessageContext(ctx, lazywebsocket.TextMessage, []byte(s)))
		},
		"WritePreparedMessage": func(t *testing.T, conn *lazywebsocket.Conn, s string) {
			must(t, conn.WritePreparedMessage(prepare(t, s)))
		},
		"NextWriter": func(t *testing.T, conn *lazywebsocket.Conn, s string) {
			w, err := conn.NextWriter(lazywebsocket.TextMessage)
			must(t, err)
			_, err = w.Write([]byte(s))
			must(t, err)
			must(t, w.Close())
		},
	}
	for name, write := range ways {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, tight, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
				stuffed := stuff(t, conn)
				done := result(func() error {
					for i := range 40 {
						for j := range 3 {
							publish(t, conn, fmt.Sprint("queued ", i, " ", j, strings.Repeat("q", 100*i)))
						}
						write(t, conn, fmt.Sprint("written ", i))
					}
					return nil
				})
				p.WantText(stuffed)
				for i := range 40 {
					for j := range 3 {
						p.WantText(fmt.Sprint("queued ", i, " ", j, strings.Repeat("q", 100*i)))
					}
					p.WantText(fmt.Sprint("written ", i))
				}
				must(t, <-done)
				synctest.Wait()
				if !conn.AtRest() {
					t.Error("not at rest")
				}
			})
		})
	}
}

func TestPublishCoalesces(t *testing.T) {
	for _, r := range []role{server, client} {
		bubble(t, r.String(), func(t *testing.T) {
			c := r.tapped(t, tight, tappedOptions{})
			s := stuff(t, c.Conn)
			c.tap.taken()
			for i := range 100 {
				publish(t, c.Conn, fmt.Sprint(i))
			}
			c.p.WantText(s)
			for i := range 100 {
				c.p.WantText(fmt.Sprint(i))
			}
			synctest.Wait()
			if sizes := c.tap.taken(); len(sizes) > 3 {
				t.Errorf("writes of %d bytes", sizes)
			}
			// A writer takes what is queued along.
			g := new(lazywebsocket.Group)
			s = stuff(t, c.Conn)
			publish(t, c.Conn, "queued")
			done := result(func() error { return c.WriteMessage(lazywebsocket.TextMessage, []byte("written")) })
			synctest.Wait()
			c.tap.taken()
			c.p.WantText(s)
			c.p.WantText("queued")
			c.p.WantText("written")
			must(t, <-done)
			_ = g
		})
	}
}

// While a message is open what is queued waits, and control frames pass.
func TestPublishWhileStreaming(t *testing.T) {
	bothRoles(t, options{writeBuffer: 128}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		publish(t, conn, "first")
		w, err := conn.NextWriter(lazywebsocket.TextMessage)
		must(t, err)
		publish(t, conn, "second")
		_, err = w.Write(bytes.Repeat([]byte("a"), 128))
		must(t, err)
		publish(t, conn, "third")
		must(t, conn.WriteControl(lazywebsocket.PingMessage, []byte("p"), noDeadline))
		must(t, conn.Flush())
		p.WantText("first")
		p.Want("01 7e 0080 'a'*128 89 01 'p'")
		p.WantNothing()
		must(t, w.Close())
		p.Want("80 00")
		p.WantText("second")
		p.WantText("third")
		publish(t, conn, "fourth")
		p.WantText("fourth")
	})
}

// The end of a message that fails lets the queue go.
func TestPublishWhileStreamFails(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		w, err := conn.NextWriter(lazywebsocket.TextMessage)
		must(t, err)
		publish(t, conn, "queued")
		must(t, conn.SetWriteDeadline(time.Now().Add(-time.Second)))
		if _, err = w.Write(make([]byte, 5000)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("write: %v", err)
		}
		p.WantText("queued") // nothing of the message had left
	})
}

func TestQueueClose(t *testing.T) {
	o := queued(lazywebsocket.QueueOptions{Bytes: 100})
	onNetwork(t, tight, o, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		reads := result(func() error { _, _, err := conn.ReadMessage(); return err })
		s := stuff(t, conn)
		publish(t, conn, strings.Repeat("x", 98)) // 100 bytes with the header
		if q := conn.QueueStats(); q.Messages != 1 || q.Bytes < 100 || q.Dropped != 0 {
			t.Errorf("%+v is queued", q)
		}
		err := conn.Publish(prepare(t, ""))
		if !errors.Is(err, lazywebsocket.ErrQueueFull) || summary(err) != "publish: outgoing queue is full" {
			t.Errorf("publish: %v", err)
		}
		p.WantText(s) // it had begun
		if reason := p.WantClose(1008); reason != "slow reader" {
			t.Errorf("reason %q", reason)
		}
		if err := <-reads; !errors.Is(err, lazywebsocket.ErrQueueFull) || summary(err) != "read: outgoing queue is full" {
			t.Errorf("read: %v", err)
		}
		if err := conn.Publish(prepare(t, "")); !errors.Is(err, lazywebsocket.ErrQueueFull) {
			t.Errorf("publish: %v", err)
		}
		if q := conn.QueueStats(); q.Messages != 0 {
			t.Errorf("%+v is queued", q)
		}
	})
}

// A peer that takes nothing at all does not hear of it, and nobody waits for it.
func TestQueueCloseUnheard(t *testing.T) {
	o := queued(lazywebsocket.QueueOptions{Messages: 1})
	onNetwork(t, tight, o, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		stuff(t, conn)
		publish(t, conn, "waits")
		start := time.Now()
		if err := conn.Publish(prepare(t, "x")); !errors.Is(err, lazywebsocket.ErrQueueFull) {
			t.Errorf("publish: %v", err)
		}
		wantAt(t, "publish", start, 0)
		_, _, err := conn.ReadMessage()
		if !errors.Is(err, lazywebsocket.ErrQueueFull) {
			t.Errorf("read: %v", err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !conn.AtRest() {
			t.Error("not at rest")
		}
		_ = p
	})
}

func TestQueueDropOldest(t *testing.T) {
	o := queued(lazywebsocket.QueueOptions{Messages: 3, Policy: lazywebsocket.QueueDropOldest})
	onNetwork(t, tight, o, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		s := stuff(t, conn)
		for i := range 10 {
			publish(t, conn, fmt.Sprint(i))
		}
		if q := conn.QueueStats(); q.Messages != 3 || q.Dropped != 7 || q.Bytes < 9 {
			t.Errorf("%+v is queued", q)
		}
		p.WantText(s)
		for i := 7; i < 10; i++ {
			p.WantText(fmt.Sprint(i))
		}
		publish(t, conn, "x")
		p.WantText("x")
	})
}

func TestQueueBlock(t *testing.T) {
	o := queued(lazywebsocket.QueueOptions{Messages: 1, Policy: lazywebsocket.QueueBlock})
	onNetwork(t, tight, o, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		s := stuff(t, conn)
		publish(t, conn, "1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := conn.PublishContext(ctx, prepare(t, "x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("context: %v", err)
		}
		wantAt(t, "context", start, time.Second)
		must(t, conn.SetWriteDeadline(start.Add(3*time.Second)))
		if err := conn.Publish(prepare(t, "x")); !isTimeout(err) {
			t.Errorf("deadline: %v", err)
		}
		wantAt(t, "deadline", start, 3*time.Second)
		must(t, conn.SetWriteDeadline(noDeadline))
		done := result(func() error { return conn.Publish(prepare(t, "2")) })
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		p.WantText(s)
		p.WantText("1")
		p.WantText("2")
		must(t, <-done)

		stuff(t, conn)
		publish(t, conn, "3")
		done = result(func() error { return conn.Publish(prepare(t, "4")) })
		synctest.Wait()
		_ = conn.Close()
		if err := <-done; !errors.Is(err, lazywebsocket.ErrCloseSent) {
			t.Errorf("closed while it waits: %v", err)
		}
	})
}

// A peer that takes nothing loses its connection; one that takes little does not.
func TestQueuePatience(t *testing.T) {
	for patience, want := range map[time.Duration]time.Duration{0: 30 * time.Second, 5 * time.Second: 5 * time.Second} {
		o := queued(lazywebsocket.QueueOptions{Patience: patience})
		onNetwork(t, tight, o, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			var g lazywebsocket.Group
			g.Add(conn)
			reads := result(func() error { _, _, err := conn.ReadMessage(); return err })
			publish(t, conn, strings.Repeat("x", 20_000))
			buf := make([]byte, 500)
			for range 10 {
				if conn.OverStream() {
					break // it is not seen that a peer takes little there
				}
				time.Sleep(want - time.Second)
				_, err := p.Conn.Read(buf)
				must(t, err)
			}
			start := time.Now()
			err := <-reads
			if !isTimeout(err) || !strings.Contains(err.Error(), "the peer takes nothing") {
				t.Errorf("read: %v", err)
			}
			if d := time.Since(start); d > 2*want || d < want-time.Second {
				t.Errorf("after %v", d)
			}
			if err := conn.Publish(prepare(t, "x")); err == nil {
				t.Error("published")
			}
			synctest.Wait()
			if g.Len() != 0 {
				t.Error("it is still in its group")
			}
			if !conn.AtRest() || conn.QueueStats() != (lazywebsocket.QueueStats{}) {
				t.Errorf("not at rest: %+v", conn.QueueStats())
			}
		})
	}
}

// Without a limit the queue waits as long as the connection lives.
func TestQueueEndlessPatience(t *testing.T) {
	o := queued(lazywebsocket.QueueOptions{Patience: -1})
	onNetwork(t, tight, o, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		s := stuff(t, conn)
		time.Sleep(100 * time.Hour)
		p.WantText(s)
	})
}

// What was accepted leaves before the Close frame.
func TestCloseSendsTheQueue(t *testing.T) {
	ends := map[string]func(conn *lazywebsocket.Conn) error{
		"Close": (*lazywebsocket.Conn).Close,
		"Shutdown": func(conn *lazywebsocket.Conn) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = conn.Shutdown(ctx, 1000, "")
			return nil
		},
		"WriteControl": func(conn *lazywebsocket.Conn) error {
			return conn.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(1000, ""), noDeadline)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, tight, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
				s := stuff(t, conn)
				for i := range 100 {
					publish(t, conn, fmt.Sprint(i, strings.Repeat("x", 1000)))
				}
				done := result(func() error { return end(conn) })
				synctest.Wait() // it stands at the gate
				p.WantText(s)
				for i := range 100 {
					p.WantText(fmt.Sprint(i, strings.Repeat("x", 1000)))
				}
				p.WantClose(1000)
				must(t, <-done)
				if err := conn.Publish(prepare(t, "late")); !errors.Is(err, lazywebsocket.ErrCloseSent) {
					t.Errorf("publish: %v", err)
				}
			})
		})
	}
}

// A peer that takes nothing keeps Close no longer than ever.
func TestCloseGivesTheQueueUp(t *testing.T) {
	onNetwork(t, tight, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		stuff(t, conn)
		publish(t, conn, "waits")
		start := time.Now()
		_ = conn.Close()
		if d := time.Since(start); d > 260*time.Millisecond {
			t.Errorf("Close took %v", d)
		}
		synctest.Wait()
		if !conn.AtRest() || conn.QueueStats().Messages != 0 {
			t.Errorf("not at rest: %+v", conn.QueueStats())
		}
		_ = p
	})
}

// A failed writing direction empties the queue.
func TestFailureEmptiesTheQueue(t *testing.T) {
	onNetwork(t, tight, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		stuff(t, conn)
		publish(t, conn, "waits")
		must(t, p.Conn.Close())
		synctest.Wait()
		if q := conn.QueueStats(); q.Messages != 0 || q.Bytes != 0 {
			t.Errorf("%+v is queued", q)
		}
		err := conn.Publish(prepare(t, "x"))
		if again := conn.WriteMessage(lazywebsocket.TextMessage, nil); err == nil || again != err { //nolint:errorlint // it must be the same
			t.Errorf("publish: %v, write: %v", err, again)
		}
	})
}

// A writer that runs out of its own time before its message has begun leaves the
// queue going.
func TestWriterGivesUpBehindTheQueue(t *testing.T) {
	onNetwork(t, tight, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		large := strings.Repeat("l", 100_000)
		publish(t, conn, large, large)
		synctest.Wait()
		for name, f := range map[string]func() error{
			"deadline": func() error {
				must(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
				defer conn.SetWriteDeadline(noDeadline)
				return conn.WriteMessage(lazywebsocket.TextMessage, []byte("x"))
			},
			"context": func() error {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				return conn.WriteMessageContext(ctx, lazywebsocket.TextMessage, []byte("x"))
			},
			"Flush": func() error {
				must(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
				defer conn.SetWriteDeadline(noDeadline)
				return conn.Flush()
			},
		} {
			start := time.Now()
			if err := f(); err == nil {
				t.Errorf("%s: no error", name)
			}
			wantAt(t, name, start, time.Second)
		}
		p.WantText(large)
		p.WantText(large)
		publish(t, conn, "behind")
		p.WantText("behind")
	})
}

func TestFlushSendsTheQueue(t *testing.T) {
	onNetwork(t, tight, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		s := stuff(t, conn)
		publish(t, conn, "last")
		done := result(conn.Flush)
		p.WantText(s)
		p.WantText("last")
		must(t, <-done)
		if q := conn.QueueStats(); q.Messages != 0 {
			t.Errorf("%+v is queued", q)
		}
	})
}
