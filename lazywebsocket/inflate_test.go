package lazywebsocket_test

import (
	"bytes"
	"context"
	"errors"
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

// wholeWindows is the deal of the scripts: they refer to whatever came before.
const wholeWindows = 4

// inflateScripts are wireScripts with compression.
var inflateScripts = []struct {
	name     string
	in       string
	options  options
	messages string
	err      string
	out      string
	code     int
}{
	// RFC 7692, 7.2.3, the examples.
	{name: "7.2.3.1", in: "c1 07|f248cdc9c90700 / 88 00", messages: `text "Hello"`, err: "close 1005"},
	{name: "7.2.3.1, fragments", in: "41 03|f248cd / 80 04|c9c90700 / 88 00", messages: `text "Hello"`, err: "close 1005"},
	{name: "7.2.3.2", in: "c1 07|f248cdc9c90700 / c1 05|f200110000 / 88 00", messages: `text "Hello", text "Hello"`, err: "close 1005"},
	{name: "7.2.3.3", in: "c1 0b|000500faff48656c6c6f00 / 88 00", messages: `text "Hello"`, err: "close 1005"},
	{name: "7.2.3.4", in: "c1 08|f348cdc9c9070000 / 88 00", messages: `text "Hello"`, err: "close 1005"},
	{name: "7.2.3.5", in: "c1 0d|f248050000 00ffffcac9c90700 / 88 00", messages: `text "Hello"`, err: "close 1005"},
	{name: "7.2.3.6", in: "c1 01|00 / c2 01|00 / 88 00", messages: `text "", binary ""`, err: "close 1005"},

	// What is good.
	{name: "plain messages in between are in no window", in: "c1 07|f248cdc9c90700 / 81 05|'plain' / c1 05|f200110000 / 88 00", messages: `text "Hello", text "plain", text "Hello"`, err: "close 1005"},
	{name: "empty messages in between", in: "c1 07|f248cdc9c90700 / c1 01|00 / 81 00 / c1 05|f200110000 / 88 00", messages: `text "Hello", text "", text "", text "Hello"`, err: "close 1005"},
	{name: "the second in fragments", in: "c1 07|f248cdc9c90700 / 42 01|f2 / 00 02|0011 / 80 02|0000 / 88 00", messages: `text "Hello", binary "Hello"`, err: "close 1005"},
	{name: "empty fragments", in: "41 00 / 00 03|f248cd / 00 00 / 00 04|c9c90700 / 80 00 / c1 05|f200110000 / 88 00", messages: `text "Hello", text "Hello"`, err: "close 1005"},
	{name: "a byte a fragment", in: "41 01|f2 / 00 01|48 / 00 01|cd / 00 01|c9 / 00 01|c9 / 00 01|07 / 80 01|00 / 88 00", messages: `text "Hello"`, err: "close 1005"},
	{name: "control frames in between", in: "41 00 / 89 01|'1' / 00 03|f248cd / 8a 00 / 89 01|'2' / 80 04|c9c90700 / 89 01|'3' / 88 00", messages: `text "Hello"`, err: "close 1005", out: "8a 01 '1' 8a 01 '2' 8a 01 '3'"},
	{name: "binary need not be UTF-8", in: "c2 08|000200fdffc0ff00 / 88 00", messages: `binary "\xc0\xff"`, err: "close 1005"},
	{name: "a character over two blocks", in: "c1 0d|000100feffc2 000100feffa2 00 / 88 00", messages: `text "¢"`, err: "close 1005"},
	{name: "the last byte is a fragment of its own", in: "41 06|f248cdc9c907 / 80 01|00 / 88 00", messages: `text "Hello"`, err: "close 1005"},
	{name: "final block, then nothing", in: "c1 07|f348cdc9c90700 / c1 07|f248cdc9c90700 / 88 00", messages: `text "Hello", text "Hello"`, err: "close 1005"},
	{name: "final block, then another", in: "c1 0e|f348cdc9c90700 f248cdc9c90700 / 88 00", messages: `text "HelloHello"`, err: "close 1005"},

	// Reserved bits (RFC 7692, 6, and RFC 6455, 5.2).
	{name: "RSV1 on a continuation", in: "41 03|f248cd / c0 04|c9c90700", err: "protocol 1002", code: 1002},
	{name: "RSV1 on a continuation that is not the last", in: "41 03|f248cd / 40 01|c9", err: "protocol 1002", code: 1002},
	{name: "RSV1 on a continuation of a plain message", in: "01 01|61 / c0 04|c9c90700", err: "protocol 1002", code: 1002},
	{name: "RSV1 on a ping", in: "c9 00", err: "protocol 1002", code: 1002},
	{name: "RSV1 on a pong between fragments", in: "41 03|f248cd / ca 00", err: "protocol 1002", code: 1002},
	{name: "RSV1 on a Close", in: "c8 02|03e8", err: "protocol 1002", code: 1002},
	{name: "RSV2", in: "a1 01|61", err: "protocol 1002", code: 1002},
	{name: "RSV3", in: "91 01|61", err: "protocol 1002", code: 1002},
	{name: "RSV1 and RSV2", in: "e1 01|00", err: "protocol 1002", code: 1002},
	{name: "RSV1 and RSV3", in: "d1 01|00", err: "protocol 1002", code: 1002},
	{name: "RSV1 on a reserved opcode", in: "c3 01|00", err: "protocol 1002", code: 1002},
	{name: "a new message inside a compressed one", in: "41 03|f248cd / c1 07|f248cdc9c90700", err: "protocol 1002", code: 1002},

	// What is no deflate stream: 1007, as the data does not fit the message.
	{name: "block type 3", in: "c1 01|06", err: "protocol 1007", code: 1007},
	{name: "stored length and its complement", in: "c1 06|000500faff48", err: "protocol 1007", code: 1007},
	{name: "the same, wrong", in: "c1 07|00050000004865", err: "protocol 1007", code: 1007},
	{name: "no payload", in: "c1 00", err: "protocol 1007", code: 1007},
	{name: "a block without its end", in: "c1 03|f248cd", err: "protocol 1007", code: 1007},
	{name: "a distance before the first byte", in: "c1 05|f200110000", err: "protocol 1007", code: 1007},
	{name: "bad code lengths", in: "c1 04|fcffffff", err: "protocol 1007", code: 1007},
	{name: "the marker was not left out", in: "c1 0b|f248cdc9c90700 0000ffff", err: "protocol 1007", code: 1007},
	{name: "a good message, then a corrupt one", in: "c1 07|f248cdc9c90700 / c1 01|06", messages: `text "Hello"`, err: "protocol 1007", code: 1007},

	// UTF-8 (RFC 6455, 8.1), of the inflated text.
	{name: "byte ff", in: "c1 07|000100feffff00", err: "protocol 1007", code: 1007},
	{name: "text ends inside a character", in: "c1 07|000100feffc200", err: "protocol 1007", code: 1007},
	{name: "characters do not go on in the next message", in: "c2 07|000100feffc200 / c1 07|000100feffa200", messages: `binary "\xc2"`, err: "protocol 1007", code: 1007},

	// The limits (RFC 6455, 10.4).
	{name: "at the limit", in: "c1 07|f248cdc9c90700 / 88 00", options: options{readLimit: 5}, messages: `text "Hello"`, err: "close 1005"},
	{name: "over the limit", in: "c1 07|f248cdc9c90700", options: options{readLimit: 4}, err: "limit", code: 1009},
	{name: "over the limit on the wire, by far", in: "c1 7e 07d0|00*2000", options: options{readLimit: 4}, err: "limit", code: 1009},
	{name: "messages do not share the limit", in: "c1 07|f248cdc9c90700 / c1 05|f200110000 / 88 00", options: options{readLimit: 5}, messages: `text "Hello", text "Hello"`, err: "close 1005"},
	{name: "fragments at the limit", in: "41 03|f248cd / 80 04|c9c90700 / 88 00", options: options{maxFragments: 2}, messages: `text "Hello"`, err: "close 1005"},
	{name: "a fragment too many", in: "41 03|f248cd / 00 01|c9 / 80 03|c90700", options: options{maxFragments: 2}, err: "protocol 1008", code: 1008},

	// The end inside a message.
	{name: "Close inside a message", in: "41 03|f248cd / 88 02|03e8", err: "close 1000", code: 1000},
	{name: "Close inside a message of which nothing has come", in: "41 00 / 88 02|03e8", err: "close 1000", code: 1000},
}

// waysToRead are the ways to read a message.
var waysToRead = map[string]func(t *testing.T, conn *lazywebsocket.Conn) func() (int, []byte, error){
	"ReadMessage": func(_ *testing.T, conn *lazywebsocket.Conn) func() (int, []byte, error) { return conn.ReadMessage },
	"AppendMessage": func(t *testing.T, conn *lazywebsocket.Conn) func() (int, []byte, error) {
		return func() (int, []byte, error) {
			messageType, data, err := conn.AppendMessage([]byte("before"))
			if !strings.HasPrefix(string(data), "before") {
				t.Errorf("appended to %.10q", data)
			}
			return messageType, bytes.TrimPrefix(data, []byte("before")), err
		}
	},
	"NextReader": func(_ *testing.T, conn *lazywebsocket.Conn) func() (int, []byte, error) {
		n := 0
		return func() (int, []byte, error) {
			messageType, r, err := conn.NextReader()
			if err != nil {
				return messageType, nil, err
			}
			n++
			data, err := io.ReadAll(smallBuffers{r, 1 + n%3})
			return messageType, data, err
		}
	},
	"ReadMessageContext": func(t *testing.T, conn *lazywebsocket.Conn) func() (int, []byte, error) {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		return func() (int, []byte, error) { return conn.ReadMessageContext(ctx) }
	},
	"Messages": func(t *testing.T, conn *lazywebsocket.Conn) func() (int, []byte, error) {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		return func() (int, []byte, error) {
			for m, err := range conn.Messages(ctx) {
				return m.Type, bytes.Clone(m.Data), err
			}
			return conn.ReadMessage() // an orderly goodbye
		}
	},
}

// smallBuffers reads n bytes at a time.
type smallBuffers struct {
	r io.Reader
	n int
}

func (s smallBuffers) Read(p []byte) (int, error) { return s.r.Read(p[:min(s.n, len(p))]) }

func TestInflateWire(t *testing.T) {
	for _, s := range inflateScripts {
		t.Run(s.name, func(t *testing.T) {
			for way, reading := range waysToRead {
				for name, chunk := range fewChunkings() {
					for _, r := range []role{server, client} {
						bubble(t, way+"/"+name+"/"+r.String(), func(t *testing.T) {
							conn, p := deals[wholeWindows].connect(t, r, wstest.Network{Chunk: chunk()}, s.options)
							in := wire(t, r, s.in)
							go func() { _, _ = p.Conn.Write(in) }() // perhaps more than anybody reads
							read := reading(t, conn)
							var messages []string
							var err error
							for err == nil {
								var messageType int
								var data []byte
								if messageType, data, err = read(); err == nil {
									messages = append(messages, message(messageType, data))
								}
							}
							if got := strings.Join(messages, ", "); got != s.messages {
								t.Errorf("read %s\nwant %s", got, s.messages)
							}
							wantSummary(t, err, s.err)
							playWire(t, conn, p.Peer, wanted{"", s.err, s.out, s.code})
						})
					}
				}
			}
		})
	}
}

// The same, for who is served by a Poller: what is wrong with a compressed message
// shows when that is complete.
func TestInflateWireServed(t *testing.T) {
	for _, s := range inflateScripts {
		t.Run(s.name, func(t *testing.T) {
			for name, chunk := range fewChunkings() {
				for way := range drivers() {
					for _, r := range []role{server, client} {
						bubble(t, way+"/"+name+"/"+r.String(), func(t *testing.T) {
							d := drivers()[way]
							conn, p := deals[wholeWindows].connect(t, r, wstest.Network{Chunk: chunk()}, s.options)
							in := wire(t, r, s.in)
							go func() { _, _ = p.Conn.Write(in) }() // perhaps more than anybody reads
							playWire(t, drive(t, conn, d), p.Peer, wanted{s.messages, s.err, s.out, s.code})
							if d.poller != nil {
								_ = d.poller.Close()
							}
						})
					}
				}
			}
		})
	}
}

// A read that is cancelled wherever the bytes stop: before the payload of a
// compressed message nothing is lost; inside, reading has failed for good.
func TestInflateCancelled(t *testing.T) {
	script := []struct {
		frame string
		mid   bool // cancelled behind its first payload byte, the message is lost
		whole bool // and behind its last one, it is not
	}{
		{"c1 07|f248cdc9c90700", true, true},
		{"89 02|'hi'", false, true},
		{"c1 05|f200110000", true, true},
		{"41 00", false, true},
		{"89 02|'hi'", false, true},
		{"00 02|f200", true, false},
		{"8a 02|'hi'", true, false},
		{"80 03|110000", true, true},
		{"81 05|'plain'", true, true},
	}
	const all = `text "Hello", text "Hello", text "Hello", text "plain"`
	for _, r := range []role{server, client} {
		var stream []byte
		lost := []bool{false} // what it means to be cancelled behind so many bytes
		for _, s := range script {
			frame := wire(t, r, s.frame)
			_, payload, _ := strings.Cut(s.frame, "|")
			header, inside := len(frame)-len(unhex(t, payload)), lost[len(stream)]
			for n := 1; n < len(frame); n++ {
				lost = append(lost, inside || s.mid && n > header)
			}
			lost = append(lost, !s.whole)
			stream = append(stream, frame...)
		}
		for cut := range stream {
			bubble(t, fmt.Sprint(r, " after ", cut), func(t *testing.T) {
				conn, p := deals[wholeWindows].connect(t, r, wstest.Network{}, options{})
				p.WriteBytes(stream[:cut])
				ctx, cancel := context.WithCancel(t.Context())
				type end struct {
					messages []string
					err      error
				}
				reading := result(func() (e end) {
					for {
						messageType, data, err := conn.ReadMessageContext(ctx)
						if err != nil {
							return end{e.messages, err}
						}
						e.messages = append(e.messages, message(messageType, data))
					}
				})
				synctest.Wait()
				cancel()
				e := <-reading
				if !errors.Is(e.err, context.Canceled) {
					t.Fatalf("cancelled read: %v", e.err)
				}
				p.WriteBytes(append(bytes.Clone(stream[cut:]), wire(t, r, "88 00")...))
				rest, err := readAll(conn)
				want := "close 1005"
				if lost[cut] {
					want = "read: context canceled"
				}
				wantSummary(t, err, want)
				got := strings.Join(append(e.messages, rest...), ", ")
				if got != all && !lost[cut] || !strings.HasPrefix(all, got) {
					t.Errorf("read %s", got)
				}
				must(t, conn.Close())
			})
		}
	}
}

// The rest of a compressed message cannot be dropped later: who cancels that has
// ended reading, and the peer is not blamed.
func TestInflateCancelledDrop(t *testing.T) {
	everyDeal(t, wstest.Network{}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		p.Frame(0x41, append(p.pack(chats(0, 3000)), 0, 0, 0xff, 0xff))
		_, r, err := conn.NextReader()
		must(t, err)
		_, err = r.Read(make([]byte, 1))
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		reading := result(func() error {
			_, _, err := conn.ReadMessageContext(ctx)
			return err
		})
		synctest.Wait()
		cancel()
		if err := <-reading; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled read: %v", err)
		}
		p.Frame(0x80, p.pack(chats(1, 100)))
		p.send(chats(0, 3000))
		if _, _, err := conn.ReadMessage(); !errors.Is(err, context.Canceled) {
			t.Errorf("the next read: %v", err)
		}
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("writing goes on")))
		p.want("writing goes on")
	})
}

// A message that its reader has left, wherever, is in the window all the same,
// and in no other message.
func TestInflateLeftReader(t *testing.T) {
	everyDeal(t, wstest.Network{}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		for n := range 12 {
			if n%2 == 0 {
				p.send(chats(n, 3000))
			} else {
				p.sendPieces(chats(n, 3000), 100)
			}
			_, r, err := conn.NextReader()
			must(t, err)
			_, err = io.ReadFull(r, make([]byte, n*n*20))
			must(t, err)
			p.send(chats(n, 2000))
			wantRead(t, conn, message(1, []byte(chats(n, 2000))))
			if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the reader that was left: %d, %v", n, err)
			}
		}
	})
}

// bomb returns the payload of a message of n zeros.
func bomb(p *packer, n int) []byte { return p.pack(strings.Repeat("\x00", n)) }

// A decompression bomb is inflated up to the limit, and no further.
func TestInflateBomb(t *testing.T) {
	const limit = 1 << 20
	twoDeals(t, wstest.Network{Buffer: -1}, options{readLimit: limit}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		whole := bomb(p, limit)
		p.Frame(0xc2, whole)
		_, data, err := conn.ReadMessage()
		if must(t, err); len(data) != limit {
			t.Fatalf("at the limit: %d bytes", len(data))
		}
		tooMuch := bomb(p, 8*limit)
		p.Frame(0xc2, tooMuch)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, data, err = conn.AppendMessage(nil)
		runtime.ReadMemStats(&after)
		if err != lazywebsocket.ErrReadLimit { //nolint:errorlint // programs compare it
			t.Errorf("error is %v, want ErrReadLimit", err)
		}
		if len(data) > limit {
			t.Errorf("%d bytes were inflated", len(data))
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 5*limit { // memory doubles up to twice the limit
			t.Errorf("%d bytes were allocated", used)
		}
		p.WantClose(1009)
	})
}

// The same through a reader, which gets no byte beyond the limit, and for a
// message that nobody reads.
func TestInflateBombInPieces(t *testing.T) {
	const limit = 100_000
	for _, left := range []bool{false, true} {
		twoDeals(t, wstest.Network{Buffer: -1}, options{readLimit: limit}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
			p.Frame(0xc2, bomb(p, 100*limit))
			_, r, err := conn.NextReader()
			must(t, err)
			if left {
				_, r, err = conn.NextReader()
				if r != nil || err != lazywebsocket.ErrReadLimit { //nolint:errorlint // programs compare it
					t.Errorf("next reader: %v, %v", r, err)
				}
			} else {
				data, err := io.ReadAll(smallBuffers{r, 999})
				if len(data) > limit || err != lazywebsocket.ErrReadLimit { //nolint:errorlint // programs compare it
					t.Errorf("read %d bytes, %v", len(data), err)
				}
			}
			p.WantClose(1009)
		})
	}
}

// Shutdown drops messages, and inflates them no further than the limit either.
func TestInflateBombInShutdown(t *testing.T) {
	twoDeals(t, wstest.Network{Buffer: -1}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		p.Frame(0xc2, bomb(p, 8<<20))
		if err := conn.Shutdown(t.Context(), 1000, ""); !errors.Is(err, lazywebsocket.ErrReadLimit) {
			t.Errorf("shutdown: %v", err)
		}
	})
}

// Shutdown drops what is on its way, and finds the goodbye behind it.
func TestInflateShutdown(t *testing.T) {
	twoDeals(t, wstest.Network{Buffer: -1}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		p.sendPieces(chats(0, 3000), 100)
		_, r, err := conn.NextReader()
		must(t, err)
		_, err = r.Read(make([]byte, 1))
		must(t, err)
		p.send(chats(1, 3000))
		p.Close(1000, "")
		must(t, conn.Shutdown(t.Context(), 1000, ""))
	})
}

// Empty blocks say nothing for ever; the bytes on the wire are bounded too.
func TestInflateEmptyBlocks(t *testing.T) {
	const limit = 8000
	twoDeals(t, wstest.Network{Buffer: -1}, options{readLimit: limit}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		block := []byte("\x00\x00\x00\xff\xff")
		first := byte(0x41)
		for range 4 {
			p.Frame(first, bytes.Repeat(block, limit/4/len(block)))
			first = 0
		}
		p.Frame(0x80, []byte{0})
		wantRead(t, conn, `text ""`)
		first = 0x41
		for range 8 {
			p.Frame(first, bytes.Repeat(block, limit/4/len(block)))
			first = 0
		}
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "limit")
		p.WantClose(1009)
	})
}

// A peer that flushes behind each byte costs reads of the network in proportion
// to its bytes, and no memory beyond the message.
func TestInflateByteAtATime(t *testing.T) {
	reads := 0
	n := wstest.Network{Buffer: -1, Chunk: func() int { reads++; return 1 << 20 }}
	twoDeals(t, n, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
		text := chats(0, 20_000)
		p.out.Reset()
		for i := range len(text) {
			_, err := p.w.Write([]byte{text[i]})
			must(t, err)
			must(t, p.w.Flush())
		}
		payload := bytes.TrimSuffix(p.out.Bytes(), []byte("\x00\x00\xff\xff"))
		reads = 0
		p.Frame(0xc1, payload)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, data, err := conn.AppendMessage(nil)
		runtime.ReadMemStats(&after)
		if must(t, err); string(data) != text {
			t.Errorf("read %d bytes", len(data))
		}
		if most := len(payload)/1024 + 4; reads > most {
			t.Errorf("%d reads for %d bytes", reads, len(payload))
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<10 {
			t.Errorf("%d bytes were allocated", used)
		}
	})
}

// What has arrived of a message that breaks off is delivered, as it is without
// compression, and then the error.
func TestInflateVanished(t *testing.T) {
	for want, payload := range map[string]string{
		"close 1006 unexpected EOF": "f248cd",
		"protocol 1007":             "000200fdff486506", // block type 3
		"close 1000":                "f248cd",
	} {
		for _, way := range []string{"NextReader", "AppendMessage"} { // which give what has come
			twoDeals(t, wstest.Network{}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
				p.Frame(0x41, unhex(t, payload))
				p.Frame(0x00, nil)
				if want == "close 1000" {
					p.Close(1000, "")
				}
				must(t, p.Conn.CloseWrite())
				_, data, err := waysToRead[way](t, conn)()
				if !strings.HasPrefix(string(data), "He") {
					t.Errorf("%s delivered %q", way, data)
				}
				wantSummary(t, err, want)
			})
		}
	}
}

// A connection that ends with a message half read gives back what it has
// borrowed for it, whatever ends it.
func TestInflateGivesBack(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, conn *lazywebsocket.Conn, p *packer){
		"Close":    func(t *testing.T, conn *lazywebsocket.Conn, _ *packer) { must(t, conn.Close()) },
		"Shutdown": func(t *testing.T, conn *lazywebsocket.Conn, _ *packer) { shutdownCancelled(t, conn) },
		"the peer has vanished": func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
			must(t, p.Conn.CloseWrite())
			_, _, err := conn.ReadMessage()
			wantSummary(t, err, "close 1006 unexpected EOF")
		},
		"a deadline": func(t *testing.T, conn *lazywebsocket.Conn, _ *packer) {
			must(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
			_, _, err := conn.ReadMessage()
			wantSummary(t, err, "read timeout")
			_, _, again := conn.NextReader()
			wantSummary(t, again, "read timeout")
		},
		"a handler": func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
			ours := errors.New("ours")
			conn.SetPingHandler(func(string) error { return ours })
			p.Ping("")
			if _, _, err := conn.ReadMessage(); !errors.Is(err, ours) {
				t.Errorf("read: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			twoDeals(t, wstest.Network{}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
				p.Frame(0x41, append(p.pack(chats(0, 3000)), 0, 0, 0xff, 0xff))
				_, r, err := conn.NextReader()
				must(t, err)
				_, err = io.ReadFull(r, make([]byte, 100))
				if must(t, err); !conn.Inflating() {
					t.Error("nothing is borrowed in the middle of a message")
				}
				end(t, conn, p)
				_ = p.Conn.Close()
				time.Sleep(time.Minute) // of the bubble: whoever lingers has left
				if conn.Inflating() {
					t.Error("what was borrowed was not given back")
				}
				if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil {
					t.Errorf("the reader goes on: %d, %v", n, err)
				}
			})
		})
	}
}

func shutdownCancelled(t *testing.T, conn *lazywebsocket.Conn) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := conn.Shutdown(ctx, 1000, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
}
