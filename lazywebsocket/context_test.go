package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// cancelled calls f with a context that ends when f waits, and returns f's error.
func cancelled(t *testing.T, f func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := result(func() error { return f(ctx) })
	synctest.Wait()
	select {
	case err := <-done:
		t.Fatalf("returned %v before the context ended", err)
	default:
	}
	cancel()
	return <-done
}

// A cancelled read that has delivered nothing leaves the connection usable,
// wherever in the stream it stood: nothing of what has arrived is lost.
func TestReadMessageContextGoesOn(t *testing.T) {
	for name, tc := range map[string]struct {
		first, second string // what the peer sends before and after cancelling
		message       string // what the second read returns
		out           string // what the peer receives by then
	}{
		"nothing has arrived":              {"", "81 02|'hi'", `text "hi"`, ""},
		"half a header":                    {"82", "82 02|'hi'", `binary "hi"`, ""},
		"half a long header":               {"82 7e 01", "82 7e 0100|61*256", "binary 'a'*256", ""},
		"whole header":                     {"82 02|", "82 02|'hi'", `binary "hi"`, ""},
		"after a ping":                     {"89 01|'p'", "89 01|'p' / 81 02|'hi'", `text "hi"`, "8a 01 'p'"},
		"header of a ping":                 {"89 04", "89 04|'ping' / 81 02|'hi'", `text "hi"`, "8a 04 'ping'"},
		"half a ping":                      {"89 04|'pi'", "89 04|'ping' / 81 02|'hi'", `text "hi"`, "8a 04 'ping'"},
		"empty first fragment":             {"01 00", "01 00 / 80 02|'hi'", `text "hi"`, ""},
		"empty fragment, header of a ping": {"01 00 / 89 04", "01 00 / 89 04|'ping' / 80 02|'hi'", `text "hi"`, "8a 04 'ping'"},
		"empty fragment, half a ping":      {"01 00 / 89 04|'pi'", "01 00 / 89 04|'ping' / 80 02|'hi'", `text "hi"`, "8a 04 'ping'"},
		"empty fragment, half a pong":      {"01 00 / 8a 04|'po'", "01 00 / 8a 04|'pong' / 80 02|'hi'", `text "hi"`, ""},
		"empty fragment, half a header":    {"01 00 / 80", "01 00 / 80 02|'hi'", `text "hi"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
				whole := wire(t, roleOf(p), tc.second)
				n := len(wire(t, roleOf(p), tc.first))
				p.WriteBytes(whole[:n])
				for range 3 { // as often as it likes
					err := cancelled(t, func(ctx context.Context) error {
						_, _, err := conn.ReadMessageContext(ctx)
						return err
					})
					wantOpError(t, err, "read", context.Canceled)
				}
				p.WriteBytes(whole[n:])
				wantRead(t, conn, tc.message)
				p.Want(tc.out)
				p.Text("next")
				wantRead(t, conn, `text "next"`)
			})
		})
	}
}

// The same while the rest of a message that NextReader began is dropped.
func TestReadMessageContextWhileDropping(t *testing.T) {
	for name, tc := range map[string]struct{ first, whole, out string }{
		"inside the payload":         {"81 05|'ab'", "81 05|'abcde'", ""},
		"between fragments":          {"01 02|'ab'", "01 02|'ab' / 80 01|'c'", ""},
		"header of a ping":           {"01 02|'ab' / 89 04", "01 02|'ab' / 89 04|'ping' / 80 01|'c'", "8a 04 'ping'"},
		"half a ping":                {"01 02|'ab' / 89 04|'pi'", "01 02|'ab' / 89 04|'ping' / 80 01|'c'", "8a 04 'ping'"},
		"half a ping in the payload": {"01 03|'abc' / 89 04|'pi'", "01 03|'abc' / 89 04|'ping' / 80 01|'c'", "8a 04 'ping'"},
	} {
		t.Run(name, func(t *testing.T) {
			bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
				whole := wire(t, roleOf(p), tc.whole)
				n := len(wire(t, roleOf(p), tc.first))
				p.WriteBytes(whole[:n])
				_, r, err := conn.NextReader()
				must(t, err)
				_, err = io.ReadFull(r, make([]byte, 2))
				must(t, err)
				for range 2 {
					err := cancelled(t, func(ctx context.Context) error {
						_, _, err := conn.ReadMessageContext(ctx)
						return err
					})
					wantOpError(t, err, "read", context.Canceled)
				}
				p.WriteBytes(whole[n:])
				p.Text("next")
				wantRead(t, conn, `text "next"`)
				p.Want(tc.out)
			})
		})
	}
}

// A reader whose message is being dropped has ended, although the read that
// drops it was cancelled: it would leave out what is gone already.
func TestDroppedReaderHasEnded(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		p.Frame(0x02, []byte("abcd"))
		_, r, err := conn.NextReader()
		must(t, err)
		_, err = io.ReadFull(r, make([]byte, 2))
		must(t, err)
		_ = cancelled(t, func(ctx context.Context) error { // drops "cd"
			_, _, err := conn.ReadMessageContext(ctx)
			return err
		})
		p.Frame(0x80, []byte("efgh"))
		synctest.Wait()
		if n, err := r.Read(make([]byte, 9)); n != 0 || err != io.ErrUnexpectedEOF { //nolint:errorlint // programs compare it
			t.Errorf("read %d bytes behind a gap, %v", n, err)
		}
		p.Text("next")
		wantRead(t, conn, `text "next"`)
	})
}

// The reader of NextReader, too, goes on where a cancelled read stood: in a
// message that was begun and not delivered.
func TestNextReaderAfterCancelling(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		in := wire(t, roleOf(p), "01 00 / 89 04|'ping' / 80 02|'hi'")
		n := len(wire(t, roleOf(p), "01 00 / 89 04|'pi'"))
		p.WriteBytes(in[:n])
		_ = cancelled(t, func(ctx context.Context) error {
			_, _, err := conn.ReadMessageContext(ctx)
			return err
		})
		_, r, err := conn.NextReader()
		must(t, err)
		p.WriteBytes(in[n:])
		got, err := io.ReadAll(r)
		if string(got) != "hi" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		p.WantPong("ping")
	})
}

// Cancelled in the middle of a message, reading has failed, and only reading.
func TestReadMessageContextInsideAMessage(t *testing.T) {
	for name, in := range map[string]string{
		"payload":           "81 05|'he'",
		"large payload":     "82 7e 4000|61*9000",
		"between fragments": "01 02|'he'",
	} {
		t.Run(name, func(t *testing.T) {
			bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
				p.WriteBytes(wire(t, roleOf(p), in))
				err := cancelled(t, func(ctx context.Context) error {
					_, data, err := conn.ReadMessageContext(ctx)
					if data != nil {
						t.Errorf("data %q", data)
					}
					return err
				})
				wantOpError(t, err, "read", context.Canceled)
				if _, _, again := conn.ReadMessage(); again != err { //nolint:errorlint // it must be the same
					t.Errorf("the next read: %v", again)
				}
				must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("w")))
				p.WantText("w")
				must(t, conn.Close())
				p.WantClose(1000)
			})
		})
	}
}

func TestReadMessageContext(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		t.Log("a context that has ended")
		over, cancel := context.WithCancel(t.Context())
		cancel()
		p.Text("one")
		synctest.Wait()
		_, _, err := conn.ReadMessageContext(over)
		wantOpError(t, err, "read", context.Canceled)

		t.Log("the application's deadline is there again afterwards, and when it was set meanwhile")
		wantRead(t, conn, `text "one"`)
		must(t, conn.SetReadDeadline(time.Now().Add(time.Hour)))
		_ = cancelled(t, func(ctx context.Context) error { _, _, err := conn.ReadMessageContext(ctx); return err })
		p.Text("two")
		wantRead(t, conn, `text "two"`)

		t.Log("a deadline of the context")
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, _, err = conn.ReadMessageContext(short)
		wantOpError(t, err, "read", context.DeadlineExceeded)
		if d := time.Since(start); d != time.Second {
			t.Errorf("took %v", d)
		}

		t.Log("a context that does not end")
		p.Text("three")
		if _, data, err := conn.ReadMessageContext(context.Background()); string(data) != "three" || err != nil {
			t.Errorf("%q, %v", data, err)
		}

		t.Log("the application's deadline is not the context's")
		start = time.Now()
		must(t, conn.SetReadDeadline(start.Add(time.Second)))
		_, _, err = conn.ReadMessageContext(t.Context())
		wantSummary(t, err, "read timeout")
		if d := time.Since(start); d != time.Second {
			t.Errorf("took %v", d)
		}

		t.Log("after a failure, the failure")
		if _, _, again := conn.ReadMessageContext(over); again != err { //nolint:errorlint // it must be the same
			t.Errorf("%v", again)
		}
	})
}

// A second reader waits for the first, and can be cancelled there.
func TestReadMessageContextBehindAReader(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		first := result(func() error { _, _, err := conn.ReadMessage(); return err })
		synctest.Wait()
		err := cancelled(t, func(ctx context.Context) error { _, _, err := conn.ReadMessageContext(ctx); return err })
		wantOpError(t, err, "read", context.Canceled)
		p.Text("for the first")
		must(t, <-first)
	})
}

// A deadline that is set while a cancelled read ends is not lost.
func TestReadDeadlineSurvivesCancelling(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, _ *wstest.Peer) {
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(start.Add(time.Second)) })
		defer stop()
		done := result(func() error { _, _, err := conn.ReadMessageContext(ctx); return err })
		synctest.Wait()
		cancel()
		wantOpError(t, <-done, "read", context.Canceled)
		synctest.Wait()
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "read timeout")
		if d := time.Since(start); d != time.Second {
			t.Errorf("took %v", d)
		}
	})
}

func TestWriteMessageContext(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		must(t, conn.WriteMessageContext(t.Context(), lazywebsocket.TextMessage, []byte("one")))
		must(t, conn.WriteMessageContext(context.Background(), lazywebsocket.BinaryMessage, []byte("two")))
		p.WantText("one")
		p.WantBinary([]byte("two"))
		over, cancel := context.WithCancel(t.Context())
		cancel()
		wantOpError(t, conn.WriteMessageContext(over, lazywebsocket.TextMessage, []byte("x")), "write", context.Canceled)
		for _, messageType := range []int{0, 3, lazywebsocket.PingMessage, lazywebsocket.CloseMessage} {
			var op *lazywebsocket.OpError
			if err := conn.WriteMessageContext(t.Context(), messageType, nil); !errors.As(err, &op) {
				t.Errorf("message type %d: %v", messageType, err)
			}
		}
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("three")))
		p.WantText("three")
		must(t, conn.Close())
		if err := conn.WriteMessageContext(t.Context(), lazywebsocket.TextMessage, nil); err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
			t.Errorf("after Close: %v", err)
		}
	})
}

// While it waits for its turn, cancelling a write costs nothing.
func TestWriteMessageContextWaiting(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		w, err := conn.NextWriter(lazywebsocket.TextMessage)
		must(t, err)
		err = cancelled(t, func(ctx context.Context) error {
			return conn.WriteMessageContext(ctx, lazywebsocket.TextMessage, []byte("never"))
		})
		wantOpError(t, err, "write", context.Canceled)
		must(t, w.Close())
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("after")))
		p.Want("81 00")
		p.WantText("after")
	})
	onNetwork(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		slow := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 3000)) })
		synctest.Wait()
		err := cancelled(t, func(ctx context.Context) error {
			return conn.WriteMessageContext(ctx, lazywebsocket.TextMessage, []byte("never"))
		})
		wantOpError(t, err, "write", context.Canceled)
		p.WantBinary(make([]byte, 3000))
		must(t, <-slow)
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("after")))
		p.WantText("after")
	})
}

// Once bytes may have left, cancelling a write ends the connection: the peer has
// a torn frame.
func TestWriteMessageContextInsideAMessage(t *testing.T) {
	onNetwork(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		read := result(func() error { _, _, err := conn.ReadMessage(); return err })
		err := cancelled(t, func(ctx context.Context) error {
			return conn.WriteMessageContext(ctx, lazywebsocket.BinaryMessage, make([]byte, 3000))
		})
		wantOpError(t, err, "write", context.Canceled)
		if again := conn.WriteMessage(lazywebsocket.TextMessage, nil); again != err { //nolint:errorlint // it must be the same
			t.Errorf("the next write: %v", again)
		}
		wantSummary(t, <-read, "read closed")
		got, _ := io.ReadAll(p.Conn)
		if len(got) != 1000 {
			t.Errorf("the peer got %d bytes", len(got))
		}
		must(t, conn.Close())
	})
}

// A context that ends with or after the write does not matter.
func TestWriteMessageContextEndsLater(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		for i := range 50 {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			text := fmt.Sprint(i)
			switch err := conn.WriteMessageContext(ctx, lazywebsocket.TextMessage, []byte(text)); {
			case err == nil:
				p.WantText(text)
			case !errors.Is(err, context.Canceled):
				t.Fatal(err)
			}
		}
		synctest.Wait()
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("alive")))
		p.WantText("alive")
	})
}

func TestMessages(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		t.Log("leaving the loop leaves the connection usable")
		p.Text("one")
		p.Binary([]byte("two"))
		var got []string
		for m, err := range conn.Messages(t.Context()) {
			must(t, err)
			got = append(got, message(m.Type, m.Data))
			if len(got) == 2 {
				break
			}
		}
		if fmt.Sprint(got) != `[text "one" binary "two"]` {
			t.Errorf("got %v", got)
		}

		t.Log("the context's end is the last element")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p.Text("three")
		n := 0
		for m, err := range conn.Messages(ctx) {
			n++
			if n == 1 {
				if message(m.Type, m.Data) != `text "three"` || err != nil {
					t.Errorf("%v, %v", m, err)
				}
				continue
			}
			if m.Type != 0 || m.Data != nil {
				t.Errorf("a message beside an error: %v", m)
			}
			wantOpError(t, err, "read", context.DeadlineExceeded)
		}
		if n != 2 {
			t.Errorf("%d elements", n)
		}

		t.Log("a breach of the protocol is an error")
		p.Frame(0x83, nil)
		n = 0
		for _, err := range conn.Messages(t.Context()) {
			n++
			wantSummary(t, err, "protocol 1002")
		}
		if n != 1 {
			t.Errorf("%d elements", n)
		}
	})
}

// An orderly goodbye ends the loop without an error, another does not.
func TestMessagesEnd(t *testing.T) {
	for code, want := range map[int]int{1000: 0, 1001: 0, 0: 0, 1011: 1, 4000: 1} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
				p.Close(code, "")
				n := 0
				for _, err := range conn.Messages(t.Context()) {
					n++
					if !lazywebsocket.IsCloseError(err, code) {
						t.Error(err)
					}
				}
				if n != want {
					t.Errorf("%d elements, want %d", n, want)
				}
			})
		})
	}
	t.Run("vanished", func(t *testing.T) {
		bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			must(t, p.Conn.Close())
			n := 0
			for _, err := range conn.Messages(t.Context()) {
				n++
				wantSummary(t, err, "close 1006 unexpected EOF")
			}
			if n != 1 {
				t.Errorf("%d elements", n)
			}
		})
	})
}

// The memory of a message is the next one's too.
func TestMessagesReusesMemory(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		p.Text("first")
		p.Text("other")
		p.Close(1000, "")
		var first []byte
		for m, err := range conn.Messages(t.Context()) {
			must(t, err)
			if first == nil {
				first = m.Data
			} else if &first[0] != &m.Data[0] {
				t.Error("the second message has new memory")
			}
		}
	})
}
