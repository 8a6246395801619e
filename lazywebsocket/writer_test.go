package lazywebsocket_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

func TestNextWriter(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(w io.Writer) error
		want []string // frames: first byte and payload
	}{
		"nothing":        {func(io.Writer) error { return nil }, []string{"\x81"}},
		"empty writes":   {func(w io.Writer) error { _, err := w.Write(nil); return err }, []string{"\x81"}},
		"small writes":   {writes("he", "", "llo"), []string{"\x81hello"}},
		"exactly full":   {writes(strings.Repeat("a", 511), "b"), []string{"\x81" + strings.Repeat("a", 511) + "b"}},
		"one byte over":  {writes(strings.Repeat("a", 511), "bc"), []string{"\x01" + strings.Repeat("a", 511) + "b", "\x80c"}},
		"full size":      {writes(strings.Repeat("a", 512)), []string{"\x01" + strings.Repeat("a", 512), "\x80"}},
		"behind a small": {writes("x", strings.Repeat("a", 600), "y"), []string{"\x01x", "\x00" + strings.Repeat("a", 600), "\x80y"}},
		"string": {
			func(w io.Writer) error { _, err := io.WriteString(w, strings.Repeat("s", 600)); return err },
			[]string{"\x01" + strings.Repeat("s", 512), "\x80" + strings.Repeat("s", 88)},
		},
		"copy": {func(w io.Writer) error {
			n, err := io.Copy(w, iotest.HalfReader(strings.NewReader(strings.Repeat("c", 600))))
			if n != 600 {
				return errors.New("short")
			}
			return err
		}, []string{"\x01" + strings.Repeat("c", 512), "\x80" + strings.Repeat("c", 88)}},
	} {
		t.Run(name, func(t *testing.T) {
			for poolName, pool := range map[string]lazywebsocket.BufferPool{"own": nil, "application's": new(sync.Pool)} {
				t.Run(poolName, func(t *testing.T) {
					bothRoles(t, options{writeBuffer: 512, pool: pool}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
						for range 2 {
							w, err := conn.NextWriter(lazywebsocket.TextMessage)
							must(t, err)
							must(t, tc.do(w))
							must(t, w.Close())
							for i, want := range tc.want {
								first, payload := p.Next()
								if got := string(first) + string(payload); first != want[0] || string(payload) != want[1:] {
									t.Errorf("frame %d is %.20q (%d bytes), want %.20q (%d)", i, got, len(got), want, len(want))
								}
							}
							var op *lazywebsocket.OpError
							if err := w.Close(); !errors.As(err, &op) {
								t.Errorf("a second Close: %v", err)
							}
							if _, err := w.Write([]byte("x")); !errors.As(err, &op) {
								t.Errorf("a write after Close: %v", err)
							}
							if _, err := io.WriteString(w, "x"); !errors.As(err, &op) {
								t.Errorf("a string after Close: %v", err)
							}
							if _, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("x")); !errors.As(err, &op) {
								t.Errorf("ReadFrom after Close: %v", err)
							}
						}
						p.WantNothing()
					})
				})
			}
		})
	}
}

func writes(parts ...string) func(w io.Writer) error {
	return func(w io.Writer) error {
		for _, part := range parts {
			if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
				return errors.Join(errors.New("short"), err)
			}
		}
		return nil
	}
}

// A reader that fails does not end the message.
func TestReadFromFails(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		w, err := conn.NextWriter(lazywebsocket.BinaryMessage)
		must(t, err)
		boom := errors.New("boom")
		n, err := w.(io.ReaderFrom).ReadFrom(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(boom)))
		if n != 3 || err != boom { //nolint:errorlint // as it was
			t.Errorf("%d, %v", n, err)
		}
		must(t, w.Close())
		p.WantBinary([]byte("abc"))
	})
}

// NextWriter closes a writer that was left open.
func TestNextWriterClosesThePrevious(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		first, err := conn.NextWriter(lazywebsocket.TextMessage)
		must(t, err)
		_, err = io.WriteString(first, "left")
		must(t, err)
		second, err := conn.NextWriter(lazywebsocket.BinaryMessage)
		must(t, err)
		if _, err := io.WriteString(first, "late"); err == nil {
			t.Error("the first writer still writes")
		}
		must(t, second.Close())
		p.WantText("left")
		p.WantBinary(nil)
		p.WantNothing()
	})
}

func TestNextWriterControl(t *testing.T) {
	for name, pool := range map[string]lazywebsocket.BufferPool{"own": nil, "application's": new(sync.Pool)} {
		t.Run(name, func(t *testing.T) { testNextWriterControl(t, pool) })
	}
}

func testNextWriterControl(t *testing.T, pool lazywebsocket.BufferPool) {
	bothRoles(t, options{writeBuffer: 1, pool: pool}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		w, err := conn.NextWriter(lazywebsocket.PingMessage)
		must(t, err)
		for range 25 {
			_, err = io.WriteString(w, "pings")
			must(t, err)
		}
		must(t, w.Close())
		p.WantPing(strings.Repeat("pings", 25))

		w, err = conn.NextWriter(lazywebsocket.PongMessage)
		must(t, err)
		_, err = w.(io.ReaderFrom).ReadFrom(strings.NewReader(strings.Repeat("x", 125)))
		must(t, err)
		must(t, w.Close())
		p.WantPong(strings.Repeat("x", 125))

		w, err = conn.NextWriter(lazywebsocket.PongMessage)
		must(t, err)
		_, err = w.Write(make([]byte, 126))
		if err == nil {
			err = w.Close()
		}
		var op *lazywebsocket.OpError
		if !errors.As(err, &op) {
			t.Errorf("126 bytes: %v", err)
		}
		w, err = conn.NextWriter(lazywebsocket.PongMessage)
		must(t, err)
		if _, err = w.Write(make([]byte, 500)); !errors.As(err, &op) {
			t.Errorf("500 bytes: %v", err)
		}

		w, err = conn.NextWriter(lazywebsocket.CloseMessage)
		must(t, err)
		_, err = w.Write(lazywebsocket.FormatCloseMessage(1001, "x"))
		must(t, err)
		must(t, w.Close())
		p.Want("88 03 03e9 'x'")
		if _, err := conn.NextWriter(lazywebsocket.TextMessage); err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
			t.Errorf("after a Close frame: %v", err)
		}
		p.WantNothing()
	})
}

// Control frames go between the fragments of an open message, messages wait.
func TestControlBetweenFragments(t *testing.T) {
	bothRoles(t, options{writeBuffer: 512}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		w, err := conn.NextWriter(lazywebsocket.TextMessage)
		must(t, err)
		_, err = io.WriteString(w, strings.Repeat("a", 600))
		must(t, err)
		message := result(func() error { return conn.WriteMessage(lazywebsocket.TextMessage, []byte("waits")) })
		jsons := result(func() error { return conn.WriteJSON("waits") })
		synctest.Wait()
		must(t, conn.WriteControl(lazywebsocket.PingMessage, []byte("ours"), time.Time{}))
		p.Ping("theirs")
		p.Text("t")
		wantRead(t, conn, `text "t"`)
		_, err = io.WriteString(w, strings.Repeat("b", 600))
		must(t, err)
		must(t, w.Close())
		must(t, <-message)
		must(t, <-jsons)
		p.Want("01 7e 0200 61*512")
		p.WantPing("ours")
		p.WantPong("theirs")
		p.Want("00 7e 0200 61*88 62*424 80 7e 00b0 62*176")
		if first, payload := p.Next(); first != 0x81 || !bytes.Contains(payload, []byte("waits")) {
			t.Errorf("%02x %q", first, payload)
		}
		if first, payload := p.Next(); first != 0x81 || !bytes.Contains(payload, []byte("waits")) {
			t.Errorf("%02x %q", first, payload)
		}
		p.WantNothing()
	})
}

// A message waits for an open writer until its deadline, or ten seconds, and says
// why it gave up.
func TestMessagesWaitForTheWriter(t *testing.T) {
	prepared, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, []byte("x"))
	must(t, err)
	for name, write := range map[string]func(conn *lazywebsocket.Conn) error{
		"WriteMessage":         func(c *lazywebsocket.Conn) error { return c.WriteMessage(lazywebsocket.TextMessage, []byte("x")) },
		"WriteJSON":            func(c *lazywebsocket.Conn) error { return c.WriteJSON("x") },
		"WritePreparedMessage": func(c *lazywebsocket.Conn) error { return c.WritePreparedMessage(prepared) },
	} {
		t.Run(name, func(t *testing.T) {
			bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
				w, err := conn.NextWriter(lazywebsocket.TextMessage)
				must(t, err)
				start := time.Now()
				err = write(conn)
				if d := time.Since(start); d != 10*time.Second {
					t.Errorf("gave up after %v", d)
				}
				var op *lazywebsocket.OpError
				if !errors.As(err, &op) || !strings.Contains(err.Error(), "writer") {
					t.Errorf("error is %v", err)
				}
				must(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
				start = time.Now()
				wantSummary(t, write(conn), "write timeout")
				if d := time.Since(start); d != time.Second {
					t.Errorf("gave up after %v, want the deadline", d)
				}
				// It cost nothing.
				must(t, conn.SetWriteDeadline(time.Time{}))
				must(t, w.Close())
				p.Want("81 00")
				must(t, write(conn))
				if first, _ := p.Next(); first != 0x81 {
					t.Errorf("%02x", first)
				}
				p.WantNothing()
			})
		})
	}
}

// A deadline that is set while a writer is open holds for what it writes from
// then on, and for its end, as with gorilla's.
func TestWriteDeadlineOfAnOpenWriter(t *testing.T) {
	for name, end := range map[string]func(conn *lazywebsocket.Conn, w io.WriteCloser) error{
		"Write": func(_ *lazywebsocket.Conn, w io.WriteCloser) error { _, err := w.Write(make([]byte, 3000)); return err },
		"Close": func(_ *lazywebsocket.Conn, w io.WriteCloser) error { return w.Close() },
		"NextWriter": func(conn *lazywebsocket.Conn, _ io.WriteCloser) error {
			_, err := conn.NextWriter(lazywebsocket.TextMessage)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, wstest.Network{Buffer: 400}, options{writeBuffer: 2000}, func(t *testing.T, conn *lazywebsocket.Conn, _ *wstest.Peer) {
				w, err := conn.NextWriter(lazywebsocket.BinaryMessage)
				must(t, err)
				_, err = w.Write(make([]byte, 1000))
				must(t, err)
				start := time.Now()
				must(t, conn.SetWriteDeadline(start.Add(time.Second)))
				wantSummary(t, end(conn, w), "write timeout")
				if d := time.Since(start); d != time.Second {
					t.Errorf("took %v", d)
				}
			})
		})
	}
}

// Behind a slow write without an open writer, a message without a deadline waits
// as long as it takes.
func TestMessagesWaitForASlowWrite(t *testing.T) {
	onNetwork(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		slow := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 3000)) })
		synctest.Wait()
		next := result(func() error { return conn.WriteMessage(lazywebsocket.TextMessage, []byte("next")) })
		time.Sleep(time.Minute)
		p.WantBinary(make([]byte, 3000))
		must(t, <-slow)
		must(t, <-next)
		p.WantText("next")
	})
}

// A writer whose write failed lets nobody wait.
func TestFailedWriterFreesTheOthers(t *testing.T) {
	onNetwork(t, wstest.Network{Buffer: 1000}, options{writeBuffer: 512}, func(t *testing.T, conn *lazywebsocket.Conn, _ *wstest.Peer) {
		w, err := conn.NextWriter(lazywebsocket.BinaryMessage)
		must(t, err)
		waiting := result(func() error { return conn.WriteMessage(lazywebsocket.TextMessage, nil) })
		synctest.Wait()
		start := time.Now()
		must(t, conn.SetWriteDeadline(start.Add(time.Second)))
		_, err = w.Write(make([]byte, 3000))
		wantSummary(t, err, "write timeout")
		if again := <-waiting; again != err { //nolint:errorlint // it must be the same
			t.Errorf("the message that waited: %v", again)
		}
		if again := w.Close(); again != err { //nolint:errorlint // it must be the same
			t.Errorf("Close: %v", again)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// A message whose first fragment is out and whose next cannot follow leaves
// nothing that may follow: a message behind it would stand inside it.
func TestHalfAMessageIsFinal(t *testing.T) {
	bothRoles(t, options{writeBuffer: 512}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		must(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
		w, err := conn.NextWriter(lazywebsocket.BinaryMessage)
		must(t, err)
		_, err = w.Write(make([]byte, 600))
		must(t, err)
		time.Sleep(2 * time.Second)
		_, err = w.Write(make([]byte, 600))
		wantSummary(t, err, "write timeout")
		must(t, conn.SetWriteDeadline(time.Time{}))
		if again := conn.WriteMessage(lazywebsocket.TextMessage, nil); again != err { //nolint:errorlint // it must be the same
			t.Errorf("a message behind half a message: %v", again)
		}
		if first, payload := p.Next(); first != 0x02 || len(payload) != 600 {
			t.Errorf("%02x, %d bytes", first, len(payload))
		}
		p.WantNothing()
	})
	// Where nothing of the message is out, nothing is lost.
	bothRoles(t, options{writeBuffer: 512}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		must(t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
		w, err := conn.NextWriter(lazywebsocket.BinaryMessage)
		must(t, err)
		_, err = w.Write(make([]byte, 100))
		must(t, err)
		time.Sleep(2 * time.Second)
		wantSummary(t, w.Close(), "write timeout")
		must(t, conn.SetWriteDeadline(time.Time{}))
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("alive")))
		p.WantText("alive")
	})
}

// The application's pool gets back what it gave, and only when nothing is open.
func TestWriteBufferPool(t *testing.T) {
	for _, r := range []role{server, client} {
		bubble(t, r.String(), func(t *testing.T) {
			pool := &countingPool{}
			conn, _ := r.connect(t, wstest.Network{}, options{writeBuffer: 2000, pool: pool})
			if pool.out != 0 {
				t.Errorf("an idle connection holds %d buffers", pool.out)
			}
			for range 3 {
				w, err := conn.NextWriter(lazywebsocket.TextMessage)
				must(t, err)
				_, err = io.WriteString(w, "x")
				must(t, err)
				if pool.out != 1 {
					t.Errorf("an open writer holds %d buffers", pool.out)
				}
				must(t, w.Close())
				if pool.out != 0 {
					t.Errorf("a closed writer holds %d buffers", pool.out)
				}
			}
			if pool.made != 1 {
				t.Errorf("%d buffers were made", pool.made)
			}
			w, err := conn.NextWriter(lazywebsocket.TextMessage)
			must(t, err)
			_, err = io.WriteString(w, "x")
			must(t, err)
			must(t, conn.Close())
			_ = w.Close()
			if pool.out != 0 {
				t.Errorf("a writer that failed holds %d buffers", pool.out)
			}
		})
	}
}

// countingPool is a BufferPool that counts.
type countingPool struct {
	items     []any
	out, made int
}

func (p *countingPool) Get() any {
	p.out++
	if n := len(p.items); n > 0 {
		item := p.items[n-1]
		p.items = p.items[:n-1]
		return item
	}
	p.made++
	return nil
}

func (p *countingPool) Put(item any) {
	p.out--
	p.items = append(p.items, item)
}

// A buffer of another connection's smaller size is not used.
func TestWriteBufferPoolOfTwoSizes(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		pool := &countingPool{}
		small, _ := server.connect(t, wstest.Network{}, options{writeBuffer: 200, pool: pool})
		large, p := server.connect(t, wstest.Network{}, options{writeBuffer: 1000, pool: pool})
		for _, conn := range []*lazywebsocket.Conn{small, large} {
			w, err := conn.NextWriter(lazywebsocket.TextMessage)
			must(t, err)
			_, err = io.WriteString(w, strings.Repeat("x", 150))
			must(t, err)
			_, err = io.WriteString(w, strings.Repeat("x", 850))
			must(t, err)
			must(t, w.Close())
		}
		p.WantText(strings.Repeat("x", 1000))
	})
}

// NextWriter keeps its deadline also where the writer that it would close is
// stuck in a write. Outside a bubble, where such a wait can be seen.
func TestNextWriterBehindAStuckWriter(t *testing.T) {
	for _, r := range []role{server, client} {
		t.Run(r.String(), func(t *testing.T) {
			conn, p := r.connect(t, wstest.Network{Buffer: 1000}, options{writeBuffer: 512})
			w, err := conn.NextWriter(lazywebsocket.BinaryMessage)
			must(t, err)
			wrote := result(func() error { _, err := w.Write(make([]byte, 3000)); return err })
			for p.Conn.Unread() < 1000 {
				runtime.Gosched()
			}
			must(t, conn.SetWriteDeadline(time.Now().Add(10*time.Millisecond)))
			second := result(func() error { _, err := conn.NextWriter(lazywebsocket.TextMessage); return err })
			select {
			case err := <-second:
				wantSummary(t, err, "write timeout")
			case <-time.After(5 * time.Second):
				t.Error("NextWriter waits behind its deadline")
			}
			must(t, p.Conn.Close())
			<-wrote
		})
	}
}
