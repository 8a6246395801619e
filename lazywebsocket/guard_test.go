package lazywebsocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// A handler that takes its time: what is held leaves after two milliseconds at
// most, and what it writes from then on leaves at once.
func TestGuardEndsTheHold(t *testing.T) {
	onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
		for round := range 3 {
			c.burst(t, 4)
			start := time.Now()
			c.echo(t, 2)
			c.p.WantText("m0")
			if d := time.Since(start); d == 0 || d > 2*lazywebsocket.GuardTick {
				t.Errorf("round %d: held for %v", round, d)
			}
			c.p.WantText("m1")
			if writes := c.tap.taken(); len(writes) != 1 {
				t.Errorf("round %d: writes of %v bytes", round, writes)
			}
			for i := range 5 {
				start := time.Now()
				must(t, c.WriteMessage(lazywebsocket.TextMessage, fmt.Append(nil, "s", i)))
				c.p.WantText(fmt.Sprint("s", i))
				wantAt(t, "what is streamed", start, 0)
				if writes := c.tap.taken(); len(writes) != 1 {
					t.Errorf("round %d: writes of %v bytes", round, writes)
				}
				time.Sleep(time.Millisecond)
			}
			c.echo(t, 2) // the third holds anew, because the fourth waits
			c.p.WantText("m2")
			c.p.WantText("m3")
			c.tap.taken()
		}
	})
}

// Every hold has a guard, also the one that begins while the guard is about to
// come for the one before.
func TestGuardComesForEachHold(t *testing.T) {
	onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
		for step := range 30 {
			c.burst(t, 2)
			c.echo(t, 1)
			time.Sleep(time.Duration(step) * 100 * time.Microsecond)
			must(t, c.Flush())
			c.p.WantText("m0")
			c.echo(t, 1)
			start := time.Now()
			c.p.WantText("m1")
			if d := time.Since(start); d > 2*lazywebsocket.GuardTick {
				t.Errorf("step %d: held for %v", step, d)
			}
			time.Sleep(time.Duration(step) * 100 * time.Microsecond)
			// The reader has not waited yet, so that holding may still be on.
			must(t, c.WriteMessage(lazywebsocket.TextMessage, []byte("x")))
			c.p.WantText("x")
		}
	})
}

// Idle connections have no guard: nothing happens by itself.
func TestGuardRests(t *testing.T) {
	onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
		c.burst(t, 3)
		go c.echo(t, 4)
		c.wantEchoes(0, 3)
		time.Sleep(time.Hour)
		if writes := c.tap.taken(); len(writes) != 1 || !c.AtRest() {
			t.Errorf("writes of %v bytes", writes)
		}
		c.p.Text("end")
		c.p.WantText("end")
	})
}

// The guard does not block on one connection: it comes for the others, and the
// stuck one's bytes wait.
func TestGuardIsNotStuck(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		stuck := server.tapped(t, narrow, tappedOptions{})
		other := client.tapped(t, narrow, tappedOptions{})
		for round := range 3 {
			if round == 0 {
				stuck.hold100(t, 3)
			}
			other.burst(t, 2)
			other.echo(t, 1)
			start := time.Now()
			other.p.WantText("m0")
			if d := time.Since(start); d > 2*lazywebsocket.GuardTick {
				t.Errorf("held for %v", d)
			}
			_, _, _ = other.ReadMessage()
		}
		for _, m := range []string{"m0", "m1", "m2"} {
			stuck.p.WantBinary(padded(m, 100))
		}
	})
}

// The reader flushes and reads on, whatever is stuck: both ends write without
// end in one goroutine and read in another.
func TestGuardReaderNeverWaits(t *testing.T) {
	const messages = 2000
	bubble(t, "", func(t *testing.T) {
		server, client := wstest.Network{Buffer: 1000}.NewPair(t, nil, nil)
		var wg sync.WaitGroup
		for _, conn := range []*lazywebsocket.Conn{server, client} {
			wg.Go(func() {
				for i := range messages {
					must(t, conn.WriteMessage(lazywebsocket.TextMessage, fmt.Append(nil, i)))
				}
				must(t, conn.Flush())
			})
			wg.Go(func() {
				for i := range messages {
					wantRead(t, conn, fmt.Sprintf("text %q", fmt.Sprint(i)))
				}
			})
		}
		wg.Wait()
	})
}

// The reader goes on while a flush is stuck: it sees what the peer sends, pings
// and the Close frame too.
func TestGuardReaderGoesOn(t *testing.T) {
	onTapped(t, narrow, tappedOptions{}, func(t *testing.T, c tapped) {
		c.hold100(t, 3)
		start := time.Now()
		read := make(chan string, 10)
		go func() {
			defer close(read)
			for {
				_, data, err := c.ReadMessage()
				if err != nil {
					return
				}
				read <- string(data)
			}
		}()
		if got := <-read; got != "m3" {
			t.Errorf("read %q", got)
		}
		c.p.Text("after")
		if got := <-read; got != "after" {
			t.Errorf("read %q", got)
		}
		wantAt(t, "what follows", start, 0)
		for _, m := range []string{"m0", "m1", "m2"} {
			c.p.WantBinary(padded(m, 100))
		}
	})
}

// socketPair returns both ends of a connection over a socket of the system.
func socketPair(t testing.TB, network string) (server, client *lazywebsocket.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = t.TempDir() + "/s"
	}
	l, err := net.Listen(network, address)
	must(t, err)
	conns := make(chan *lazywebsocket.Conn, 1)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		conns <- conn
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	d := lazywebsocket.Dialer{NetDial: func(_, _ string) (net.Conn, error) {
		return net.Dial(network, l.Addr().String())
	}}
	client, _, err = d.Dial("ws://server/", nil)
	must(t, err)
	server = <-conns
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	return server, client
}

// rawBurst writes n masked messages past the client's own connection, in one
// piece.
func rawBurst(t testing.TB, client *lazywebsocket.Conn, n int) {
	t.Helper()
	frames := make([]string, n)
	for i := range frames {
		frames[i] = fmt.Sprintf("81 02|'m%d'", i)
	}
	_, err := client.NetConn().Write(wire(t, server, strings.Join(frames, " / ")))
	must(t, err)
}

// The guard of the process comes for sockets: for many at a time, and again
// after it has rested.
func TestGuardOfSockets(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			var pairs [20][2]*lazywebsocket.Conn
			for i := range pairs {
				pairs[i][0], pairs[i][1] = socketPair(t, network)
			}
			guarded := 0
			for range 3 {
				for _, pair := range pairs {
					rawBurst(t, pair[1], 3)
					must(t, answer(pair[0], 2, answerWays["WriteMessage"].write)) // and reads no more
					conns, _ := lazywebsocket.Guarding()
					guarded += conns
				}
				for _, pair := range pairs {
					wantRead(t, pair[1], `text "m0"`)
					wantRead(t, pair[1], `text "m1"`)
				}
				for _, pair := range pairs {
					must(t, answer(pair[0], 1, answerWays["WriteMessage"].write))
					wantRead(t, pair[1], `text "m2"`)
				}
				awaitRest(t)
			}
			if guarded == 0 {
				t.Error("the guard of the process had nothing to do")
			}
		})
	}
}

// Sockets that are full take a part of what is held: the rest follows, once and
// in order, while the peer reads.
func TestGuardOfFullSockets(t *testing.T) {
	const rounds, messages = 60, 50
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			server, client := socketPair(t, network)
			must(t, server.NetConn().(interface{ SetWriteBuffer(n int) error }).SetWriteBuffer(20<<10))
			var wrote atomic.Int64
			written := result(func() error {
				for i := range rounds {
					server.Hold()
					for j := range messages {
						text := fmt.Sprintf("%d %s", i*messages+j, strings.Repeat("x", 1000))
						if err := server.WriteMessage(lazywebsocket.TextMessage, []byte(text)); err != nil {
							return err
						}
						wrote.Add(1)
					}
					server.NetConn() // flushes, without waiting
				}
				return nil
			})
			for before := int64(0); before == 0 || wrote.Load() > before; { // until it is full
				before = wrote.Load()
				time.Sleep(5 * time.Millisecond) // polled; more or less of it changes no result
			}
			for i := range rounds * messages {
				_, data, err := client.ReadMessage()
				must(t, err)
				if want := fmt.Sprint(i, " "); !strings.HasPrefix(string(data), want) || strings.Count(string(data), "x") != 1000 {
					t.Fatalf("received %.20q and so on, want message %d", data, i)
				}
			}
			must(t, <-written)
		})
	}
}

// What the reader or the guard cannot send makes the next write fail, which is not
// held then.
func TestGuardOfBrokenSockets(t *testing.T) {
	server, _ := socketPair(t, "tcp")
	must(t, server.NetConn().(*net.TCPConn).CloseWrite()) // behind its back
	server.Hold()
	must(t, server.WriteMessage(lazywebsocket.TextMessage, []byte("held")))
	server.NetConn() // flushes
	if n := server.Held(); n != 0 {
		t.Errorf("%d bytes are held still", n)
	}
	server.Hold()
	err := server.WriteMessage(lazywebsocket.TextMessage, []byte("x"))
	var op *lazywebsocket.OpError
	if !errors.As(err, &op) || op.Op != "write" {
		t.Errorf("the next write: %v", err)
	}
	if again := server.Flush(); again != err { //nolint:errorlint // it must be the same
		t.Errorf("Flush: %v, want the same as %v", again, err)
	}
}

// awaitRest waits until the guard of the process rests, which keeps no
// connection then.
func awaitRest(t *testing.T) {
	t.Helper()
	for range 10_000 {
		if conns, ticking := lazywebsocket.Guarding(); conns == 0 && !ticking {
			return
		}
		time.Sleep(lazywebsocket.GuardTick) // nothing can be waited for: the condition is polled
	}
	t.Error("the guard ticks for nothing")
}

// Many writers, bursts, flushes, the guard, and the end at any moment: what the
// peer gets are whole messages, each writer's in order and none twice, and if
// the end is orderly, all.
func TestGuardUnderPressure(t *testing.T) {
	const writers, messages = 4, 300
	for _, network := range []string{"tcp", "unix", "memory"} {
		for _, orderly := range []bool{true, false} {
			t.Run(fmt.Sprint(network, "/", orderly), func(t *testing.T) {
				var server, client *lazywebsocket.Conn
				if network == "memory" {
					server, client = wstest.Network{Buffer: 3000}.NewPair(t, nil, nil)
				} else {
					server, client = socketPair(t, network)
				}
				// The client asks without end, so that the server's reader has bursts; the
				// answers go between what the writers write.
				answered := make(chan struct{}, 20)
				go ask(client, answered)
				var wg, done sync.WaitGroup
				var streams sync.Mutex
				var written [writers + 1]atomic.Int64
				wg.Go(func() { respond(server, &written[writers]) })
				for i := range writers {
					done.Go(func() { pour(server, i, messages, &streams, &written[i]) })
				}
				received := result(func() []int { return receive(t, client, writers+1, answered) })
				if orderly {
					done.Wait()
				} else {
					time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
				}
				_ = server.Close()
				wg.Wait()
				done.Wait()
				for i, n := range <-received {
					if i < writers && orderly && n != messages {
						t.Errorf("writer %d: %d of %d messages have arrived", i, n, messages)
					}
					if int64(n) > written[i].Load()+1 {
						t.Errorf("writer %d: %d arrived, %d written", i, n, written[i].Load())
					}
				}
				_ = client.Close()
				if !rests(server) {
					t.Error("somebody is inside the gate, or something is held")
				}
			})
		}
	}
}

// rests waits for the last flush to see the end.
func rests(c *lazywebsocket.Conn) bool {
	for range 5000 {
		if c.AtRest() {
			return true
		}
		time.Sleep(time.Millisecond) // nothing can be waited for: the condition is polled
	}
	return false
}

// ask sends questions in bursts, each when the one before is answered, until the
// connection ends.
func ask(c *lazywebsocket.Conn, answered <-chan struct{}) {
	frame := []byte{0x81, 0x81, 0, 0, 0, 0, '?'}
	for {
		n := 1 + rand.IntN(20)
		_, _ = c.NetConn().Write(bytes.Repeat(frame, n))
		for range n {
			if _, ok := <-answered; !ok {
				return
			}
		}
	}
}

// respond answers each question by its number, as the last writer.
func respond(c *lazywebsocket.Conn, written *atomic.Int64) {
	for i := 0; ; i++ {
		_, _, err := c.ReadMessage()
		if err == nil {
			err = c.WriteMessage(lazywebsocket.TextMessage, fmt.Appendf(nil, "4 %d", i))
		}
		if err != nil {
			return
		}
		written.Add(1)
	}
}

// pour writes numbered messages in different ways and sizes.
func pour(c *lazywebsocket.Conn, writer, n int, streams *sync.Mutex, written *atomic.Int64) {
	for i := range n {
		text := fmt.Sprintf("%d %d %s", writer, i, strings.Repeat("x", rand.IntN(300)))
		if i%50 == 49 {
			text += strings.Repeat("y", 70_000)
		}
		ways := []string{"WriteMessage", "WriteMessageContext", "NextWriter", "WritePreparedMessage"}
		way := ways[i%len(ways)]
		if way == "NextWriter" { // of which a connection has one at a time
			streams.Lock()
		}
		err := answerWays[way].write(c, text)
		if way == "NextWriter" {
			streams.Unlock()
		}
		if err != nil {
			return
		}
		written.Add(1)
		switch i % 7 {
		case 3:
			_ = c.Flush()
		case 5:
			_ = c.WriteControl(lazywebsocket.PingMessage, nil, time.Now().Add(time.Second))
		}
	}
}

// receive counts each writer's messages, which must come in order. The last
// writer's are answers.
func receive(t *testing.T, c *lazywebsocket.Conn, writers int, answered chan<- struct{}) []int {
	defer close(answered)
	next := make([]int, writers)
	for {
		_, data, err := c.ReadMessage()
		if err != nil {
			return next
		}
		var writer, number int
		if n, err := fmt.Sscan(string(data), &writer, &number); n != 2 || writer >= writers {
			t.Errorf("received %.50q: %v", data, err)
			return next
		}
		if number != next[writer] {
			t.Errorf("writer %d: message %d comes after %d", writer, number, next[writer]-1)
			return next
		}
		next[writer]++
		if writer == writers-1 {
			answered <- struct{}{}
		}
	}
}

// In a bubble a connection has a timer of its own, which ends with it.
func TestGuardOfBubbles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := server.tapped(t, wstest.Network{}, tappedOptions{})
		c.burst(t, 2)
		c.echo(t, 1)
		if c.Guarded() { // it may have others of the tests before
			t.Error("the guard of the process has it")
		}
		c.p.WantText("m0")
	})
}
