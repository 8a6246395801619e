package lazywebsocket_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

func TestAppendMessage(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		p.Text("hello")
		p.Binary(bytes.Repeat([]byte{7}, 60000))
		p.Text("")
		dst := append(make([]byte, 0, 70000), "before "...)
		messageType, data, err := conn.AppendMessage(dst)
		if messageType != lazywebsocket.TextMessage || string(data) != "before hello" || err != nil || &data[0] != &dst[0] {
			t.Errorf("%d, %q, %v", messageType, data, err)
		}
		messageType, data, err = conn.AppendMessage(dst)
		if messageType != lazywebsocket.BinaryMessage || err != nil || &data[0] != &dst[0] ||
			!bytes.Equal(data, append([]byte("before "), bytes.Repeat([]byte{7}, 60000)...)) {
			t.Errorf("%d, %d bytes, %v", messageType, len(data), err)
		}
		if _, data, err := conn.AppendMessage(nil); len(data) != 0 || err != nil {
			t.Errorf("%q, %v", data, err)
		}
		p.Frame(0x01, []byte("half"))
		p.Frame(0x83, nil)
		messageType, data, err = conn.AppendMessage(dst)
		if messageType != -1 || string(data) != "before half" {
			t.Errorf("%d, %q", messageType, data)
		}
		wantSummary(t, err, "protocol 1002")
	})
}

// A message's memory is the caller's own: not nil, not shared with the next.
func TestReadMessageMemory(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		p.Text("first")
		p.Text("")
		p.Text("other")
		_, first, err := conn.ReadMessage()
		must(t, err)
		if _, empty, err := conn.ReadMessage(); empty == nil || len(empty) != 0 || err != nil {
			t.Errorf("an empty message is %#v, %v", empty, err)
		}
		wantRead(t, conn, `text "other"`)
		if string(first) != "first" {
			t.Errorf("the first message became %q", first)
		}
		must(t, p.Conn.Close())
		if messageType, data, err := conn.ReadMessage(); messageType != -1 || data != nil || err == nil {
			t.Errorf("%d, %q, %v", messageType, data, err)
		}
	})
}

// Text fails as soon as its first bad byte has arrived, inside a frame and
// across fragments, whatever is still to come.
func TestBadUTF8FailsFast(t *testing.T) {
	for name, in := range map[string]string{
		"inside a frame":             "81 7e 1000|'hello' ff",
		"inside a large frame":       "81 7f 0000000000010000|61*20000 ff",
		"impossible second byte":     "81 0a|f4 90",
		"surrogate's second byte":    "81 0a|ed a0",
		"overlong's first byte":      "81 0a|c0",
		"inside a fragment":          "01 02|'hi' / 00 05|'ab' ff",
		"second half in a fragment":  "01 01|e2 / 00 09|28",
		"ended by the last fragment": "01 01|e2 / 80 00",
	} {
		for _, chunk := range []func() int{nil, wstest.Bytewise} {
			t.Run(name, func(t *testing.T) {
				everyDriver(t, wstest.Network{Chunk: chunk}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
					p.WriteBytes(wire(t, roleOf(p), in))
					must(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
					_, _, err := conn.ReadMessage()
					wantSummary(t, err, "protocol 1007")
					p.WantClose(1007)
				})
			})
		}
	}
}

// Whatever a byte of the text is, it comes through in every split.
func TestUTF8SplitEverywhere(t *testing.T) {
	const text = "a¢€𝄞\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffffz"
	for cut := range len(text) + 1 {
		everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			p.Frame(0x01, []byte(text[:cut]))
			p.Frame(0x80, []byte(text[cut:]))
			_, data, err := conn.ReadMessage()
			if string(data) != text || err != nil {
				t.Errorf("cut at %d: %q, %v", cut, data, err)
			}
		})
	}
}

func TestReadLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		field  int64
		set    func(conn *lazywebsocket.Conn)
		length int
		ok     bool
	}{
		"default":                 {0, nil, 1 << 20, true},
		"over the default":        {0, nil, 1<<20 + 1, false},
		"field":                   {100, nil, 100, true},
		"over the field":          {100, nil, 101, false},
		"negative field":          {-1, nil, 1<<20 + 1, true},
		"SetReadLimit":            {100, func(c *lazywebsocket.Conn) { c.SetReadLimit(200) }, 200, true},
		"over SetReadLimit":       {100, func(c *lazywebsocket.Conn) { c.SetReadLimit(200) }, 201, false},
		"SetReadLimit(0)":         {100, func(c *lazywebsocket.Conn) { c.SetReadLimit(0) }, 1<<20 + 1, true},
		"SetReadLimit(-1)":        {100, func(c *lazywebsocket.Conn) { c.SetReadLimit(-1) }, 1<<20 + 1, true},
		"larger than the default": {4 << 20, nil, 1<<20 + 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, wstest.Network{Buffer: -1}, options{readLimit: tc.field}, func(t *testing.T, conn *driven, p *wstest.Peer) {
				if tc.set != nil {
					tc.set(conn.Conn)
				}
				if tc.ok || tc.length < 1<<16 {
					p.Binary(make([]byte, tc.length))
				} else { // a part, or the drain behind Close would stop before the end
					p.WriteBytes(wire(t, roleOf(p), fmt.Sprintf("82 7f %016x|61*100", tc.length)))
				}
				_, data, err := conn.ReadMessage()
				if !tc.ok {
					if err != lazywebsocket.ErrReadLimit { //nolint:errorlint // programs compare it
						t.Errorf("%d bytes, %v", len(data), err)
					}
					p.WantClose(1009)
				} else if len(data) != tc.length || err != nil {
					t.Errorf("%d bytes, %v", len(data), err)
				}
			})
		})
	}
}

// The limit holds from the next message on.
func TestSetReadLimitInsideAMessage(t *testing.T) {
	bothRoles(t, options{readLimit: 10}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		p.Frame(0x02, []byte("12345"))
		_, r, err := conn.NextReader()
		must(t, err)
		_, err = io.ReadFull(r, make([]byte, 5))
		must(t, err)
		conn.SetReadLimit(4)
		p.Frame(0x80, []byte("67890"))
		if rest, err := io.ReadAll(r); string(rest) != "67890" || err != nil {
			t.Errorf("the rest of the open message: %q, %v", rest, err)
		}
		p.Binary([]byte("12345"))
		if _, _, err := conn.ReadMessage(); err != lazywebsocket.ErrReadLimit { //nolint:errorlint // programs compare it
			t.Errorf("the next message: %v", err)
		}
	})
}

// What a header declares costs nothing.
func TestHugeDeclaredLengthAllocatesNothing(t *testing.T) {
	for name, in := range map[string]string{
		"header alone":    "82 7f 0000000040000000|",
		"largest, alone":  "82 7f 7fffffffffffffff|",
		"fragment, alone": "02 02|61*2 / 00 7f 0000000040000000|",
		"1 GiB":           "82 7f 0000000040000000|61*100",
		"largest":         "82 7f 7fffffffffffffff|61*100",
		"in fragments":    "02 7e 1000|61*4096 / 00 7f 0000000040000000|61*100",
		"dropped largest": "82 7f 7fffffffffffffff|61*100",
	} {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, wstest.Network{}, options{readLimit: -1}, func(t *testing.T, conn *driven, p *wstest.Peer) {
				p.WriteBytes(wire(t, roleOf(p), in))
				must(t, p.Conn.CloseWrite())
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				var err error
				if name == "dropped largest" && conn.poller == nil {
					_, _, err = conn.NextReader()
					must(t, err)
					_, _, err = conn.NextReader()
				} else {
					_, _, err = conn.ReadMessage()
				}
				runtime.ReadMemStats(&after)
				wantSummary(t, err, "close 1006 unexpected EOF")
				most := uint64(64<<10 + 4<<10) // and the Poller's
				if conn.http2 {
					most = 256 << 10 // and what the network and net/http take
				}
				if n := after.TotalAlloc - before.TotalAlloc; n > most {
					t.Errorf("%d bytes were allocated for 100 that arrived", n)
				}
			})
		})
	}
}

// Memory at most doubles with the bytes that have arrived.
func TestMemoryFollowsTheBytes(t *testing.T) {
	everyDriver(t, wstest.Network{Buffer: -1}, options{readLimit: -1}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		const length = 1 << 20
		p.Binary(make([]byte, length))
		_, data, err := conn.ReadMessage()
		must(t, err)
		if cap(data) > 2*length+4096 {
			t.Errorf("%d bytes of memory for %d", cap(data), length)
		}
	})
}

// A flood of empty fragments is bounded by default.
func TestDefaultMaxFragments(t *testing.T) {
	for _, tc := range []struct {
		field, frames int
		want          string
	}{{0, 1 << 17, "close 1000"}, {0, 1<<17 + 1, "protocol 1008"}, {-1, 1<<17 + 1, "close 1000"}} {
		everyDriver(t, wstest.Network{Buffer: -1}, options{maxFragments: tc.field}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			frame := wire(t, roleOf(p), "00 00")
			var in []byte
			in = append(in, wire(t, roleOf(p), "02 00")...)
			in = append(in, bytes.Repeat(frame, tc.frames-2)...)
			in = append(in, wire(t, roleOf(p), "80 00")...)
			p.WriteBytes(in)
			p.Close(1000, "")
			messages, err := readAll(conn)
			wantSummary(t, err, tc.want)
			if ok := len(messages) == 1; ok != (tc.want == "close 1000") {
				t.Errorf("%d messages", len(messages))
			}
		})
	}
}

// A read after a deadline fails as the first one did; writes go on.
func TestReadDeadline(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		start := time.Now()
		must(t, conn.SetReadDeadline(start.Add(time.Second)))
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "read timeout")
		if d := time.Since(start); d != time.Second {
			t.Errorf("took %v", d)
		}
		if !strings.Contains(err.Error(), "i/o timeout") {
			t.Errorf("the text is %q", err)
		}
		must(t, conn.SetReadDeadline(time.Time{}))
		p.Text("late")
		synctest.Wait()
		if _, _, again := conn.ReadMessage(); again != err { //nolint:errorlint // it must be the same
			t.Errorf("the next read: %v", again)
		}
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("w")))
		p.WantText("w")
		must(t, conn.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(1001, ""), time.Time{}))
		p.WantClose(1001)
	})
}

// A deadline can be moved while a read waits, from another goroutine and from a
// handler.
func TestReadDeadlineMoves(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		start := time.Now()
		must(t, conn.SetReadDeadline(start.Add(time.Second)))
		conn.SetPongHandler(func(string) error { return conn.SetReadDeadline(time.Now().Add(2 * time.Second)) })
		read := result(func() error { _, _, err := conn.ReadMessage(); return err })
		time.Sleep(time.Second / 2)
		p.Pong("")
		wantSummary(t, <-read, "read timeout")
		if d := time.Since(start); d != 2500*time.Millisecond {
			t.Errorf("took %v", d)
		}
	})
}

// The sizes of the buffers do not limit messages, and a tiny one is enough.
func TestReadBufferSizes(t *testing.T) {
	for _, size := range []int{-1, 1, 139, 1000, 100000} {
		everyDriver(t, wstest.Network{Buffer: -1}, options{readBuffer: size}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			for _, n := range []int{0, 100, 139, 140, 5000, 65536} {
				p.Ping(strings.Repeat("a", 125))
				p.Text(strings.Repeat("n", n))
				_, data, err := conn.ReadMessage()
				if len(data) != n || err != nil {
					t.Fatalf("buffer %d, message %d: %d, %v", size, n, len(data), err)
				}
				p.WantPong(strings.Repeat("a", 125))
			}
		})
	}
}

// Two readers at once wait for each other; each message goes to one of them.
func TestConcurrentReaders(t *testing.T) {
	everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
		counts := make(chan int)
		for range 3 {
			go func() {
				messages, _ := readAll(conn)
				counts <- len(messages)
			}()
		}
		for range 30 {
			p.Text("m")
		}
		p.Close(1000, "")
		if n := <-counts + <-counts + <-counts; n != 30 {
			t.Errorf("%d messages were read, of 30", n)
		}
	})
}
