package lazywebsocket_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// wireScripts are played by the peer of a server and of a client, in pieces of
// many sizes. The application reads until the connection fails, reads once more,
// which must give the same error, writes, and closes.
var wireScripts = []struct {
	name     string
	in       string // what the peer sends: see wire
	hangup   bool   // the peer then shuts its writing side
	options  options
	messages string // what the application reads, joined with ", "
	err      string // what stops it: see summary
	out      string // what the peer receives before the Close frame
	code     int    // of the Close frame that the peer receives
}{
	// 5.2 and 5.6: what is good.
	{name: "text", in: "81 05|'hello' / 88 00", messages: `text "hello"`, err: "close 1005"},
	{name: "binary", in: "82 02|00 ff / 88 00", messages: `binary "\x00\xff"`, err: "close 1005"},
	{name: "empty messages", in: "81 00 / 82 00 / 88 00", messages: `text "", binary ""`, err: "close 1005"},
	{name: "125 bytes", in: "82 7d|61*125 / 88 00", messages: "binary 'a'*125", err: "close 1005"},
	{name: "126 bytes", in: "82 7e 007e|61*126 / 88 00", messages: "binary 'a'*126", err: "close 1005"},
	{name: "65535 bytes", in: "82 7e ffff|61*65535 / 88 00", messages: "binary 'a'*65535", err: "close 1005"},
	{name: "65536 bytes", in: "82 7f 0000000000010000|61*65536 / 88 00", messages: "binary 'a'*65536", err: "close 1005"},
	{name: "fragments", in: "01 02|'he' / 00 01|'l' / 80 02|'lo' / 81 01|'x' / 88 00", messages: `text "hello", text "x"`, err: "close 1005"},
	{name: "empty fragments", in: "01 00 / 00 00 / 00 01|'x' / 80 00 / 88 00", messages: `text "x"`, err: "close 1005"},
	{name: "large fragments", in: "02 7e 2000|61*8192 / 80 7e 2000|61*8192 / 88 00", messages: "binary 'a'*16384", err: "close 1005"},
	{name: "control frames between fragments", in: "01 02|'he' / 89 02|'p1' / 00 01|'l' / 8a 00 / 80 02|'lo' / 88 00", messages: `text "hello"`, err: "close 1005", out: "8a 02 'p1'"},
	{name: "largest ping", in: "89 7d|61*125 / 88 00", err: "close 1005", out: "8a 7d 61*125"},
	{name: "empty ping", in: "89 00 / 88 00", err: "close 1005", out: "8a 00"},
	{name: "unasked pong", in: "8a 02|'po' / 88 00", err: "close 1005"},
	{name: "pings in order", in: "89 01|'1' / 89 01|'2' / 89 01|'3' / 88 00", err: "close 1005", out: "8a 01 '1' 8a 01 '2' 8a 01 '3'"},

	// 5.2: lengths.
	{name: "16 bits for a short length", in: "82 7e 007d|61*125", err: "protocol 1002", code: 1002},
	{name: "16 bits for zero", in: "82 7e 0000", err: "protocol 1002", code: 1002},
	{name: "64 bits for a short length", in: "82 7f 000000000000007d|61*125", err: "protocol 1002", code: 1002},
	{name: "64 bits for a middle length", in: "82 7f 000000000000ffff|61*100", err: "protocol 1002", code: 1002},
	{name: "64 bits with the top bit set", in: "82 7f 8000000000000000|61", err: "protocol 1002", code: 1002},
	{name: "64 bits all set", in: "82 7f ffffffffffffffff|61", err: "protocol 1002", code: 1002},
	{name: "top bit set without a limit", in: "82 7f ffffffffffffffff|61", options: options{readLimit: -1}, err: "protocol 1002", code: 1002},
	{name: "largest length", in: "82 7f 7fffffffffffffff|61", err: "limit", code: 1009},
	{name: "length overflows what the limit leaves", in: "02 01|61 / 00 7f 7fffffffffffffff|61", err: "limit", code: 1009},
	{name: "lengths overflow without a limit", in: "02 01|61 / 00 7f 7fffffffffffffff|61", options: options{readLimit: -1}, err: "limit", code: 1009},

	// 5.2: reserved bits and opcodes.
	{name: "RSV1 on text", in: "c1 01|61", err: "protocol 1002", code: 1002},
	{name: "RSV2 on text", in: "a1 01|61", err: "protocol 1002", code: 1002},
	{name: "RSV3 on text", in: "91 01|61", err: "protocol 1002", code: 1002},
	{name: "RSV1 on a continuation", in: "01 01|61 / c0 01|61", err: "protocol 1002", code: 1002},
	{name: "RSV1 on a ping", in: "c9 00", err: "protocol 1002", code: 1002},
	{name: "RSV2 on a Close", in: "a8 00", err: "protocol 1002", code: 1002},
	{name: "opcode 3", in: "83 00", err: "protocol 1002", code: 1002},
	{name: "opcode 7", in: "87 00", err: "protocol 1002", code: 1002},
	{name: "opcode b", in: "8b 00", err: "protocol 1002", code: 1002},
	{name: "opcode f", in: "8f 00", err: "protocol 1002", code: 1002},
	{name: "a good message before a bad frame", in: "81 01|61 / 83 00", messages: `text "a"`, err: "protocol 1002", code: 1002},

	// 5.4: fragmentation.
	{name: "continuation of nothing", in: "80 01|61", err: "protocol 1002", code: 1002},
	{name: "continuation of nothing, not final", in: "00 01|61", err: "protocol 1002", code: 1002},
	{name: "continuation of a finished message", in: "81 01|61 / 80 01|61", messages: `text "a"`, err: "protocol 1002", code: 1002},
	{name: "text inside a message", in: "01 01|61 / 81 01|61", err: "protocol 1002", code: 1002},
	{name: "binary inside a message", in: "01 01|61 / 02 01|61", err: "protocol 1002", code: 1002},
	{name: "fragments at the limit", in: "02 01|61 / 00 00 / 80 01|61 / 88 00", options: options{maxFragments: 3}, messages: `binary "aa"`, err: "close 1005"},
	{name: "a fragment too many", in: "02 01|61 / 00 00 / 00 01|61 / 00 00", options: options{maxFragments: 3}, err: "protocol 1008", code: 1008},
	{name: "messages do not share the bound on fragments", in: "02 00 / 80 00 / 02 00 / 80 00 / 82 00 / 88 00", options: options{maxFragments: 2}, messages: `binary "", binary "", binary ""`, err: "close 1005"},
	{name: "control frames are no fragments", in: "02 00 / 8a 00 / 8a 00 / 80 00 / 88 00", options: options{maxFragments: 2}, messages: `binary ""`, err: "close 1005"},

	// 5.5: control frames.
	{name: "ping of 126 bytes", in: "89 7e 007e|61*126", err: "protocol 1002", code: 1002},
	{name: "pong of 64 bit length", in: "8a 7f 0000000000010000|61*100", err: "protocol 1002", code: 1002},
	{name: "Close of 126 bytes", in: "88 7e 007e|03e8 61*124", err: "protocol 1002", code: 1002},
	{name: "fragmented ping", in: "09 01|61", err: "protocol 1002", code: 1002},
	{name: "fragmented pong", in: "0a 00", err: "protocol 1002", code: 1002},
	{name: "fragmented Close", in: "08 02|03e8", err: "protocol 1002", code: 1002},

	// 5.5.1 and 7.4: Close.
	{name: "Close", in: "88 02|03e8", err: "close 1000", code: 1000},
	{name: "Close with a reason", in: "88 05|03e9 'bye'", err: "close 1001 bye", code: 1001},
	{name: "Close with the longest reason", in: "88 7d|03e8 61*123", err: "close 1000 " + strings.Repeat("a", 123), code: 1000},
	{name: "Close inside a message", in: "01 01|61 / 88 02|03e8", err: "close 1000", code: 1000},
	{name: "frames after Close", in: "88 02|03e8 / 81 01|61 / 89 00", err: "close 1000", code: 1000},
	{name: "Close of one byte", in: "88 01|03", err: "protocol 1002", code: 1002},
	{name: "reason with bytes that are not UTF-8", in: "88 04|03e8 'a' ff", err: "protocol 1007", code: 1007},
	{name: "reason that ends inside a character", in: "88 04|03e8 e282", err: "protocol 1007", code: 1007},

	// 8.1: UTF-8.
	{name: "characters of all lengths", in: "81 0a|24 c2a2 e282ac f09d849e / 88 00", messages: `text "$¢€𝄞"`, err: "close 1005"},
	{name: "character over three fragments", in: "01 01|f0 / 00 02|9d84 / 80 01|9e / 88 00", messages: `text "𝄞"`, err: "close 1005"},
	{name: "character over an empty fragment and a ping", in: "01 01|c2 / 00 00 / 89 01|ff / 80 01|a2 / 88 00", messages: `text "¢"`, err: "close 1005", out: "8a 01 ff"},
	{name: "lone continuation byte", in: "81 03|61 80 61", err: "protocol 1007", code: 1007},
	{name: "overlong slash", in: "81 02|c0af", err: "protocol 1007", code: 1007},
	{name: "overlong of three bytes", in: "81 03|e080af", err: "protocol 1007", code: 1007},
	{name: "surrogate", in: "81 03|eda080", err: "protocol 1007", code: 1007},
	{name: "beyond U+10FFFF", in: "81 04|f4908080", err: "protocol 1007", code: 1007},
	{name: "byte ff", in: "81 01|ff", err: "protocol 1007", code: 1007},
	{name: "text ends inside a character", in: "81 02|e282", err: "protocol 1007", code: 1007},
	{name: "text ends inside a character, empty last fragment", in: "01 02|e282 / 80 00", err: "protocol 1007", code: 1007},
	{name: "bad second half in the next fragment", in: "01 01|c2 / 80 01|61", err: "protocol 1007", code: 1007},
	{name: "characters do not go on in the next message", in: "82 01|c2 / 81 01|a2", messages: `binary "\xc2"`, err: "protocol 1007", code: 1007},
	{name: "binary is not checked", in: "82 02|c0ff / 88 00", messages: `binary "\xc0\xff"`, err: "close 1005"},
	{name: "bad byte behind a large text", in: "81 7e 2001|61*8192 ff", err: "protocol 1007", code: 1007},

	// 10.4: the read limit.
	{name: "at the limit", in: "82 04|61*4 / 88 00", options: options{readLimit: 4}, messages: `binary "aaaa"`, err: "close 1005"},
	{name: "over the limit", in: "82 05|61*5", options: options{readLimit: 4}, err: "limit", code: 1009},
	{name: "over the limit in fragments", in: "02 03|61*3 / 00 00 / 80 02|61*2", options: options{readLimit: 4}, err: "limit", code: 1009},
	{name: "control frames do not count", in: "02 03|61*3 / 8a 05|61*5 / 80 01|61 / 88 00", options: options{readLimit: 4}, messages: `binary "aaaa"`, err: "close 1005"},
	{name: "messages do not share the limit", in: "82 04|61*4 / 82 04|61*4 / 88 00", options: options{readLimit: 4}, messages: `binary "aaaa", binary "aaaa"`, err: "close 1005"},
	{name: "default limit", in: "82 7f 0000000000100001|61", err: "limit", code: 1009},
	{name: "default limit of fragments", in: "02 7e ffff|61*65535 / 80 7f 00000000000f0002|61", err: "limit", code: 1009},

	// The connection ends without a goodbye.
	{name: "end before a frame", in: "", hangup: true, err: "close 1006 unexpected EOF", code: 1000},
	{name: "end inside a header", in: "81", hangup: true, err: "close 1006 unexpected EOF", code: 1000},
	{name: "end inside a long header", in: "82 7e 01", hangup: true, err: "close 1006 unexpected EOF", code: 1000},
	{name: "end inside a payload", in: "81 05|'hel'", hangup: true, err: "close 1006 unexpected EOF", code: 1000},
	{name: "end inside a large payload", in: "82 7e 8000|61*20000", hangup: true, err: "close 1006 unexpected EOF", code: 1000},
	{name: "end between fragments", in: "01 01|61", hangup: true, err: "close 1006 unexpected EOF", code: 1000},
	{name: "end inside a ping", in: "89 02|61", hangup: true, err: "close 1006 unexpected EOF", code: 1000},
	{name: "end after a message", in: "81 01|61", hangup: true, messages: `text "a"`, err: "close 1006 unexpected EOF", code: 1000},
}

func chunkings() map[string]func() func() int {
	all := map[string]func() func() int{
		"whole":    func() func() int { return nil },
		"bytewise": func() func() int { return wstest.Bytewise },
	}
	for seed := range uint64(3) {
		all[fmt.Sprint("random", seed)] = func() func() int { return wstest.RandomChunks(seed, 1+int(seed)*7) }
	}
	return all
}

func TestWire(t *testing.T) {
	for _, s := range wireScripts {
		t.Run(s.name, func(t *testing.T) {
			for name, chunk := range chunkings() {
				t.Run(name, func(t *testing.T) {
					everyDriver(t, wstest.Network{Chunk: chunk()}, s.options, func(t *testing.T, conn *driven, p *wstest.Peer) {
						in := wire(t, roleOf(p), s.in)
						go func() { // the peer may send more than anybody reads
							_, _ = p.Conn.Write(in)
							if s.hangup {
								_ = p.Conn.CloseWrite()
							}
						}()
						playWire(t, conn, p, wanted{s.messages, s.err, s.out, s.code})
					})
				})
			}
		})
	}
}

type wanted struct {
	messages, err, out string
	code               int
}

// wireConn is a *lazywebsocket.Conn, however it is read.
type wireConn interface {
	messageSource
	NextReader() (messageType int, r io.Reader, err error)
	WriteMessage(messageType int, data []byte) error
	Close() error
}

// playWire is the application, and then what the peer sees of it.
func playWire(t *testing.T, conn wireConn, p *wstest.Peer, want wanted) {
	t.Helper()
	messages, err := readAll(conn)
	if got := strings.Join(messages, ", "); got != want.messages {
		t.Errorf("read %s\nwant %s", got, want.messages)
	}
	wantSummary(t, err, want.err)
	if _, _, again := conn.ReadMessage(); again != err { //nolint:errorlint // it must be the same
		t.Errorf("the second read failed with %v, want the same as %v", again, err)
	}
	if _, _, again := conn.NextReader(); again != err { //nolint:errorlint // it must be the same
		t.Errorf("NextReader failed with %v, want the same as %v", again, err)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := conn.WriteMessage(lazywebsocket.TextMessage, nil); err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
		t.Errorf("write: %v, want ErrCloseSent", err)
	}
	p.Want(want.out)
	p.WantClose(want.code)
	p.WantEOF()
	_ = p.Conn.CloseWrite()
	synctest.Wait()
}

// What is wrong with the mask depends on the role.
func TestWireMasks(t *testing.T) {
	for name, tc := range map[string]struct {
		r    role
		in   string
		err  string
		code int
	}{
		"unmasked frame from a client":       {server, "81 01 61", "protocol 1002", 1002},
		"unmasked empty frame from a client": {server, "81 00", "protocol 1002", 1002},
		"unmasked ping from a client":        {server, "89 00", "protocol 1002", 1002},
		"unmasked Close from a client":       {server, "88 02 03e8", "protocol 1002", 1002},
		"mask goes away inside a message":    {server, "01 81 00000000 61 80 01 61", "protocol 1002", 1002},
		"masked frame from a server":         {client, "81 81 00000000 61", "protocol 1002", 1002},
		"masked empty frame from a server":   {client, "81 80 00000000", "protocol 1002", 1002},
		"masked Close from a server":         {client, "88 82 00000000 03e8", "protocol 1002", 1002},
		"mask appears inside a message":      {client, "01 01 61 80 81 00000000 61", "protocol 1002", 1002},
	} {
		for chunks, chunk := range chunkings() {
			bubble(t, name+"/"+chunks, func(t *testing.T) {
				for _, d := range drivers() {
					conn, p := tc.r.connect(t, wstest.Network{Chunk: chunk()}, options{})
					p.WriteBytes(unhex(t, tc.in))
					playWire(t, drive(t, conn, d), p, wanted{err: tc.err, code: tc.code})
					if d.poller != nil {
						_ = d.poller.Close()
					}
				}
			})
		}
	}
}

// Every close code that a frame can carry (RFC 6455, 7.4, and IANA).
func TestWireCloseCodes(t *testing.T) {
	good := map[int]bool{}
	for _, codes := range [][2]int{{1000, 1003}, {1007, 1014}, {3000, 4999}} {
		for code := codes[0]; code <= codes[1]; code++ {
			good[code] = true
		}
	}
	for _, code := range []int{
		0, 1, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012,
		1013, 1014, 1015, 1016, 1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535,
	} {
		everyDriver(t, wstest.Network{}, options{}, func(t *testing.T, conn *driven, p *wstest.Peer) {
			p.Frame(0x88, []byte{byte(code >> 8), byte(code)})
			want := wanted{err: fmt.Sprint("close ", code), code: code}
			if !good[code] {
				want = wanted{err: "protocol 1002", code: 1002}
			}
			playWire(t, conn, p, want)
		})
	}
}
