package lazywebsocket_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

func TestWriteControl(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		soon := time.Now().Add(time.Second)
		must(t, conn.WriteControl(lazywebsocket.PingMessage, nil, soon))
		must(t, conn.WriteControl(lazywebsocket.PingMessage, []byte(strings.Repeat("x", 125)), time.Time{}))
		must(t, conn.WriteControl(lazywebsocket.PongMessage, []byte("po"), soon))
		p.WantPing("")
		p.WantPing(strings.Repeat("x", 125))
		p.WantPong("po")
		for name, err := range map[string]error{
			"too long":        conn.WriteControl(lazywebsocket.PingMessage, make([]byte, 126), soon),
			"text":            conn.WriteControl(lazywebsocket.TextMessage, nil, soon),
			"continuation":    conn.WriteControl(0, nil, soon),
			"reserved":        conn.WriteControl(11, nil, soon),
			"one byte":        conn.WriteControl(lazywebsocket.CloseMessage, []byte{3}, soon),
			"code 1005":       conn.WriteControl(lazywebsocket.CloseMessage, []byte{3, 0xed}, soon),
			"code 1006":       conn.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(1006, ""), soon),
			"code 999":        conn.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(999, ""), soon),
			"reason":          conn.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(1000, "\xff"), soon),
			"long reason":     conn.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(1000, strings.Repeat("x", 124)), soon),
			"by WriteMessage": conn.WriteMessage(lazywebsocket.PingMessage, make([]byte, 126)),
		} {
			var op *lazywebsocket.OpError
			if !errors.As(err, &op) || op.Op != "write" {
				t.Errorf("%s: %v", name, err)
			}
		}
		p.WantNothing()
		must(t, conn.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(4999, strings.Repeat("x", 123)), soon))
		p.Want("88 7d 1387 78*123")
		if err := conn.WriteControl(lazywebsocket.PingMessage, nil, soon); err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
			t.Errorf("after a Close frame: %v", err)
		}
	})
}

func TestFormatCloseMessage(t *testing.T) {
	for _, tc := range []struct {
		code int
		text string
		want string
	}{{1000, "", "03e8"}, {1001, "bye", "03e9627965"}, {1005, "", ""}, {1005, "text", ""}, {4999, "ü", "1387c3bc"}} {
		got := lazywebsocket.FormatCloseMessage(tc.code, tc.text)
		if fmt.Sprintf("%x", got) != tc.want || got == nil {
			t.Errorf("%d, %q: %#v, want %s", tc.code, tc.text, got, tc.want)
		}
	}
}

// Pings that come while a writer is stuck are answered once: the latest.
func TestPongsCoalesce(t *testing.T) {
	everyDriver(t, wstest.Network{Buffer: 4096}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		slow := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 50000)) })
		var messages []string
		read := result(func() (err error) { messages, err = readAll(conn); return err })
		synctest.Wait()
		for i := range 1000 {
			p.Ping(fmt.Sprintf("ping %d", i))
		}
		synctest.Wait() // a pong that is not in line when a Close frame comes need not leave (RFC 6455, 5.5.2)
		p.Text("read all the same")
		p.Close(1000, "")
		synctest.Wait()
		p.WantBinary(make([]byte, 50000))
		must(t, <-slow)
		p.WantPong("ping 999")
		p.WantClose(1000)
		p.WantEOF()
		wantSummary(t, <-read, "close 1000")
		if len(messages) != 1 {
			t.Errorf("messages: %q", messages)
		}
	})
}

// A flood of pings to a connection whose peer does not read takes no memory,
// and the latest is answered when the peer reads again.
func TestPingFlood(t *testing.T) {
	everyDriver(t, wstest.Network{Buffer: 4096}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		stuck := result(func() error { return conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 20000)) })
		synctest.Wait()
		read := result(func() error { _, err := readAll(conn); return err })
		frame := wire(t, roleOf(p), "89 7d|61*125")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		flood := 20000
		if conn.http2 {
			// net/http says that there is room for more behind what the peer does not
			// take: a stream's window is all that it can send until then.
			flood = 5000
		}
		for range flood {
			p.WriteBytes(frame)
		}
		synctest.Wait()
		runtime.ReadMemStats(&after)
		if n := int64(after.HeapAlloc) - int64(before.HeapAlloc); n > 1<<20 && !conn.http2 { // where it holds what the network carries, too
			t.Errorf("the heap grew by %d bytes", n)
		}
		p.Ping("the last")
		synctest.Wait()
		p.WantBinary(make([]byte, 20000))
		must(t, <-stuck)
		p.WantPong("the last")
		p.Close(1000, "")
		wantSummary(t, <-read, "close 1000")
	})
}

// Where the peer reads nothing at all, the pong gives up, and the connection
// with it when the application writes.
func TestPongToAPeerThatDoesNotRead(t *testing.T) {
	everyDriver(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		read := result(func() error { _, err := readAll(conn); return err })
		start := time.Now()
		go func() {
			_, _ = p.Conn.Write(wire(t, roleOf(p), strings.Repeat("89 7d|61*125 / ", 30)+"81 01|'t' / 88 02|03e8"))
		}()
		wantSummary(t, <-read, "close 1000")
		if d := time.Since(start); d > 12*time.Second {
			t.Errorf("the reader was held up for %v", d)
		}
	})
}
