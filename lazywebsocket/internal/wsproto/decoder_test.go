package wsproto

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

var roles = []struct {
	name string
	role Role
}{{"server", Server}, {"client", Client}}

// rule is a row of a table: a script in the notation of wire_test.go, what the
// decoder sees of it, and the rule that it breaks.
type rule struct {
	name   string
	script string
	want   string
	err    *ProtocolError
}

// run checks a row in both roles, against the table and the reference.
func (row rule) run(t *testing.T, l limits) {
	for _, r := range roles {
		t.Run(row.name+"/"+r.name, func(t *testing.T) {
			l.role = r.role
			row.check(t, checkAll(t, l, frames(t, r.role, row.script)))
		})
	}
}

func (row rule) check(t *testing.T, got seen) {
	t.Helper()
	events, _, _ := strings.Cut(got.String(), ", error")
	if strings.HasPrefix(events, "error") {
		events = ""
	}
	if events != row.want {
		t.Errorf("saw  %s\nwant %s", events, row.want)
	}
	want := ""
	if row.err != nil {
		want = row.err.Reason
	}
	if got.reason != want {
		t.Errorf("reason %q, want %q", got.reason, want)
	}
}

func TestDecoderFrames(t *testing.T) {
	for _, row := range []rule{
		{"empty text", "81 00", `text ""`, nil},
		{"text", "81 05|48656c6c6f", `text "Hello"`, nil},
		{"binary need not be UTF-8", "82 02|ff fe", `binary "\xff\xfe"`, nil},
		{"125 bytes", "82 7d|61*125", "binary 61*125", nil},
		{"126 bytes", "82 7e 007e|61*126", "binary 61*126", nil},
		{"65535 bytes", "82 7e ffff|61*65535", "binary 61*65535", nil},
		{"65536 bytes", "82 7f 0000000000010000|61*65536", "binary 61*65536", nil},
		{"2^63-1 bytes declared", "82 7f 7fffffffffffffff|616263", `binary "abc" of 9223372036854775807 open`, nil},
		{"two messages", "81 01|61/82 01|62", `text "a", binary "b"`, nil},
		{"ping and pong", "89 01|61/8a 01|62/89 00", `ping "a", pong "b", ping ""`, nil},
		{"control of 125 bytes", "89 7d|00*125", "ping 0*125", nil},
		{"ping need not be UTF-8", "89 01|ff", `ping "\xff"`, nil},
		{"payload cut off", "81 05|4865", `text "He" of 5 open`, nil},
		{"header cut off", "81 01|61/82 7e 01", `text "a"`, nil},
		{"one byte of a header", "82", "", nil},
	} {
		row.run(t, limits{})
	}
}

// RFC 6455, 5.2, 5.1 and 5.5: what a header must not be anywhere.
func TestDecoderHeaderRules(t *testing.T) {
	rows := []rule{
		{"RSV1", "c1 00", "", errRSV},
		{"RSV2", "a1 00", "", errRSV},
		{"RSV3", "91 00", "", errRSV},
		{"RSV1 on ping", "c9 00", "", errRSV},
		{"RSV1 on continuation", "01 01|61/c0 01|62", `text more "a" open`, errRSV},
		{"length 125 in two bytes", "82 7e 007d", "", errNotMinimal},
		{"length 0 in two bytes", "82 7e 0000", "", errNotMinimal},
		{"length 65535 in eight bytes", "82 7f 000000000000ffff", "", errNotMinimal},
		{"length 1 in eight bytes", "82 7f 0000000000000001", "", errNotMinimal},
		{"top bit of the length", "82 7f 8000000000000000", "", errLengthSign},
		{"all bits of the length", "82 7f ffffffffffffffff", "", errLengthSign},
		{"fragmented close", "08 00", "", errControlSplit},
		{"fragmented ping", "09 01|61", "", errControlSplit},
		{"fragmented pong", "0a 00", "", errControlSplit},
		{"close of 126 bytes", "88 7e 007e|61*126", "", errControlSize},
		{"ping of 126 bytes", "89 7e 007e|61*126", "", errControlSize},
		{"ping of 65536 bytes", "89 7f 0000000000010000", "", errControlSize},
		{"ping of 126 bytes, no length yet", "89 7e", "", errControlSize},
		{"ping of eight length bytes, three there", "89 7f 000000", "", errControlSize},
	}
	for _, opcode := range []int{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		rows = append(rows,
			rule{fmt.Sprintf("opcode %d", opcode), fmt.Sprintf("%02x 00", 0x80|opcode), "", errOpcode},
			rule{fmt.Sprintf("opcode %d not final", opcode), fmt.Sprintf("%02x 00", opcode), "", errOpcode})
	}
	for _, row := range rows {
		row.run(t, limits{})
	}
}

// RFC 6455, 5.4: fragments and what stands between them.
func TestDecoderFragmentation(t *testing.T) {
	for _, row := range []rule{
		{"two fragments", "01 03|48656c/80 02|6c6f", `text more "Hel" open, text "lo"`, nil},
		{"three fragments", "02 01|ff/00 01|fe/80 01|fd", `binary more "\xff" open, binary more "\xfe" open, binary "\xfd"`, nil},
		{"empty fragments", "01 00/00 00/80 00", `text more "" open, text more "" open, text ""`, nil},
		{"empty fragments around a payload", "02 00/00 01|61/80 00", `binary more "" open, binary more "a" open, binary ""`, nil},
		{"ping between", "01 01|61/89 01|ff/80 01|62", `text more "a" open, ping "\xff" open, text "b"`, nil},
		{"empty ping between", "01 01|61/89 00/80 01|62", `text more "a" open, ping "" open, text "b"`, nil},
		{"pong before an empty end", "01 01|61/8a 02|6162/80 00", `text more "a" open, pong "ab" open, text ""`, nil},
		{"message after a fragmented one", "01 01|61/80 01|62/82 01|63", `text more "a" open, text "b", binary "c"`, nil},
		{"close inside a message", "01 01|61/88 00", `text more "a" open, close "" open`, nil},
		{"continuation first", "80 01|61", "", errNoMessage},
		{"continuation first, not final", "00 01|61", "", errNoMessage},
		{"continuation after a whole message", "81 01|61/80 01|62", `text "a"`, errNoMessage},
		{"continuation after the end", "01 01|61/80 01|62/80 01|63", `text more "a" open, text "b"`, errNoMessage},
		{"continuation after a ping", "89 00/80 00", `ping ""`, errNoMessage},
		{"text inside a message", "01 01|61/81 01|62", `text more "a" open`, errInsideMessage},
		{"binary inside a message", "02 01|61/02 01|62", `binary more "a" open`, errInsideMessage},
		{"text inside, after a ping", "01 01|61/89 01|62/81 01|63", `text more "a" open, ping "b" open`, errInsideMessage},
	} {
		row.run(t, limits{})
	}
}

// RFC 6455, 5.5.1: a Close frame is the last; its payload has rules of its own.
func TestDecoderClose(t *testing.T) {
	for _, row := range []rule{
		{"empty", "88 00", `close ""`, nil},
		{"code", "88 02|03e8", `close "\x03\xe8"`, nil},
		{"code and reason", "88 05|03e8 627965", `close "\x03\xe8bye"`, nil},
		{"one byte", "88 01|03", `close "\x03"`, errCloseSize},
		{"code 1005", "88 02|03ed", `close "\x03\xed"`, errCloseCode},
		{"reason is not UTF-8", "88 03|03e8 ff", `close "\x03\xe8\xff"`, errCloseText},
		{"text after", "88 00/81 01|61", `close ""`, errAfterClose},
		{"ping after", "88 02|03e8/89 00", `close "\x03\xe8"`, errAfterClose},
		{"second close", "88 00/88 00", `close ""`, errAfterClose},
		{"continuation after", "01 01|61/88 00/80 01|62", `text more "a" open, close "" open`, errAfterClose},
		{"half a header after", "88 00/81", `close ""`, nil},
		{"two bytes of a header after", "88 00/82 7f", `close ""`, errAfterClose},
	} {
		row.run(t, limits{})
	}
}

// RFC 6455, 8.1: the text of a whole message is UTF-8, and the first byte that
// no valid text has there is where it fails.
func TestDecoderText(t *testing.T) {
	for _, row := range []rule{
		{"character over two fragments", "01 01|c3/80 01|a9", `text more "\xc3" open, text "\xa9"`, nil},
		{"character over four fragments", "01 01|f0/00 01|9f/00 01|98/80 01|80", `text more "\xf0" open, text more "\x9f" open, text more "\x98" open, text "\x80"`, nil},
		{"ping inside a character", "01 01|c3/89 01|ff/80 01|a9", `text more "\xc3" open, ping "\xff" open, text "\xa9"`, nil},
		{"empty fragment inside a character", "01 01|c3/00 00/80 01|a9", `text more "\xc3" open, text more "" open, text "\xa9"`, nil},
		{"bad byte", "81 03|61ff62", `text "a\xffb" open`, errText},
		{"overlong", "81 02|c080", `text "\xc0\x80" open`, errText},
		{"surrogate", "81 03|eda080", `text "\xed\xa0\x80" open`, errText},
		{"beyond U+10FFFF", "81 04|f4908080", `text "\xf4\x90\x80\x80" open`, errText},
		{"bad byte in a continuation", "01 01|61/80 01|ff", `text more "a" open, text "\xff" open`, errText},
		{"bad byte before the rest has come", "81 7d|61 ff", `text "a\xff" of 125 open`, errText},
		{"bad second byte before the character is whole", "81 7d|f490", `text "\xf4\x90" of 125 open`, errText},
		{"character cut off by the end", "81 01|c3", `text "\xc3"`, errText},
		{"character cut off by an empty end", "01 01|c3/80 00", `text more "\xc3" open`, errText},
		{"character cut off by a fragment's ASCII", "01 01|c3/80 01|61", `text more "\xc3" open, text "a" open`, errText},
		{"new message begins anew", "81 02|c3a9/81 02|c3a9", `text "é", text "é"`, nil},
		{"bytes of a binary message do not stay", "02 01|c3/80 01|c3/81 01|61", `binary more "\xc3" open, binary "\xc3", text "a"`, nil},
	} {
		row.run(t, limits{})
	}
}

func TestDecoderLimits(t *testing.T) {
	const maxLength = "7fffffffffffffff"
	for _, row := range []struct {
		limit        int64
		maxFragments int
		rule
	}{
		{5, 0, rule{"at the limit", "82 05|61*5", `binary "aaaaa"`, nil}},
		{4, 0, rule{"above the limit", "82 05|61*5", "", ErrTooBig}},
		{4, 0, rule{"fragments at the limit", "02 02|6161/80 02|6161", `binary more "aa" open, binary "aa"`, nil}},
		{4, 0, rule{"fragments above the limit", "02 02|6161/80 03|616161", `binary more "aa" open`, ErrTooBig}},
		{4, 0, rule{"empty fragment at the limit", "02 04|61*4/80 00", `binary more "aaaa" open, binary ""`, nil}},
		{4, 0, rule{"each message by itself", "82 04|61*4/82 04|61*4/82 05", `binary "aaaa", binary "aaaa"`, ErrTooBig}},
		{1, 0, rule{"control frames do not count", "02 01|61/89 05|62*5/80 00", `binary more "a" open, ping "bbbbb" open, binary ""`, nil}},
		{125, 0, rule{"declared beyond the limit", "82 7f" + maxLength, "", ErrTooBig}},
		{10, 0, rule{"sum overflows", "02 05|61*5/80 7f" + maxLength, `binary more "aaaaa" open`, ErrTooBig}},
		{math.MaxInt64, 0, rule{"sum overflows the largest limit", "02 01|61/80 7f" + maxLength, `binary more "a" open`, ErrTooBig}},
		{0, 0, rule{"sum overflows no limit", "02 01|61/80 7f" + maxLength, `binary more "a" open`, ErrTooBig}},
		{0, 0, rule{"sum up to 2^63-1", "02 01|61/80 7f 7ffffffffffffffe", `binary more "a" open, binary "" of 9223372036854775806 open`, nil}},
		{math.MaxInt64, 0, rule{"largest limit", "82 7f" + maxLength, `binary "" of 9223372036854775807 open`, nil}},
		{-1, -1, rule{"negative is no limit", "02 7e 01f4|61*500/80 00", `binary more 61*500 open, binary ""`, nil}},
		{math.MinInt64, math.MinInt, rule{"very negative is no limit", "02 01|61/80 00", `binary more "a" open, binary ""`, nil}},

		{0, 1, rule{"one fragment", "82 01|61/82 00", `binary "a", binary ""`, nil}},
		{0, 1, rule{"second fragment of one", "02 00/80 00", `binary more "" open`, errFragments}},
		{0, 3, rule{"three fragments", "01 00/00 00/80 00", `text more "" open, text more "" open, text ""`, nil}},
		{0, 3, rule{"fourth fragment of three", "01 00/00 00/00 00/80 00", `text more "" open, text more "" open, text more "" open`, errFragments}},
		{0, 2, rule{"control frames are no fragments", "01 00/89 00/8a 00/89 00/80 00", `text more "" open, ping "" open, pong "" open, ping "" open, text ""`, nil}},
		{0, 2, rule{"count begins anew", "01 00/80 00/01 00/80 00", `text more "" open, text "", text more "" open, text ""`, nil}},
		{1, 1, rule{"too big comes before too many", "02 00/80 02", `binary more "" open`, ErrTooBig}},
	} {
		row.run(t, limits{limit: row.limit, maxFragments: row.maxFragments})
	}
}

// RFC 6455, 5.1 and 5.7: who masks. The bytes here are as on the wire.
func TestDecoderMask(t *testing.T) {
	for _, row := range []struct {
		role Role
		rule // the script has no "|"
	}{
		{Server, rule{"5.7 masked text", "81 85 37fa213d 7f9f4d5158", `text "Hello"`, nil}},
		{Client, rule{"5.7 text", "81 05 48656c6c6f", `text "Hello"`, nil}},
		{Client, rule{"5.7 fragments", "01 03 48656c 80 02 6c6f", `text more "Hel" open, text "lo"`, nil}},
		{Client, rule{"5.7 ping", "89 05 48656c6c6f", `ping "Hello"`, nil}},
		{Server, rule{"5.7 masked pong", "8a 85 37fa213d 7f9f4d5158", `pong "Hello"`, nil}},
		{Server, rule{"key of zeros", "82 82 00000000 6162", `binary "ab"`, nil}},
		{Server, rule{
			"key per frame", "02 82 01020304 6060 89 82 11121314 7272 80 82 21222324 4242",
			"binary more \"ab\" open, ping \"c`\" open, binary \"c`\"", nil,
		}},
		{Server, rule{"not masked", "81 05 48656c6c6f", "", errNotMasked}},
		{Server, rule{"not masked, empty", "81 00", "", errNotMasked}},
		{Server, rule{"not masked, control", "89 00", "", errNotMasked}},
		{Server, rule{"not masked later", "82 81 00000000 61 82 01 61", `binary "a"`, errNotMasked}},
		{Server, rule{"not masked inside a message", "02 80 00000000 80 00", `binary more "" open`, errNotMasked}},
		{Server, rule{"not masked, length missing", "82 7f", "", errNotMasked}},
		{Client, rule{"masked", "81 85 37fa213d 7f9f4d5158", "", errMasked}},
		{Client, rule{"masked, empty", "82 80 00000000", "", errMasked}},
		{Client, rule{"masked, control", "8a 80 00000000", "", errMasked}},
		{Client, rule{"masked, key missing", "82 81", "", errMasked}},
		{Client, rule{"masked later", "02 00 80 80 00000000", `binary more "" open`, errMasked}},
		{Server, rule{"key cut off", "82 81 000000", "", nil}},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.check(t, checkAll(t, limits{role: row.role}, unhex(t, row.script)))
		})
	}
}

// A header is refused as soon as its first two bytes are there, and no earlier;
// one byte of anything is a part of a header.
func TestDecoderPartialHeader(t *testing.T) {
	for b := range 256 {
		var d Decoder
		if f, n, err := d.Next([]byte{byte(b)}); f != (Frame{}) || n != 0 || err != nil || d != (Decoder{}) {
			t.Errorf("one byte %02x: %+v, %d, %v", b, f, n, err)
		}
	}
	for _, row := range []struct {
		wire string
		err  *ProtocolError
	}{
		{"", nil},
		{"82 ff", nil},
		{"82 ff 7fffffffffffffff 010203", nil},
		{"c2 fe", errRSV},
		{"83 fe", errOpcode},
		{"82 7e", errNotMasked},
		{"89 fe", errControlSize},
		{"88 ff", errControlSize},
		{"88 ff 7fffffffffffffff 010203", errControlSize},
		{"09 80", errControlSplit},
		{"80 80", errNoMessage},
		{"80 ff 00", errNoMessage},
		{"80 ff 7fffffffffffffff 010203", errNoMessage},
	} {
		var d Decoder
		if _, n, err := d.Next(unhex(t, row.wire)); n != 0 || !sameError(err, row.err) {
			t.Errorf("%s: %d, %v, want %v", row.wire, n, err, row.err)
		}
	}
}

// Every first byte with many second bytes, in every state, both roles.
func TestDecoderEveryHeader(t *testing.T) {
	tail := "|c3a961*130" // enough for the lengths here
	for _, r := range roles {
		for _, state := range []string{"", "01 01|61/", "02 01|61/", "01 01|c3/89 00/", "82 00/", "88 00/"} {
			for first := range 256 {
				for _, second := range []string{"00", "01", "7d", "7e 007d", "7e 007e", "7f 000000000000007e", "7f ffffffffffffffff"} {
					l := limits{role: r.role, limit: 100, maxFragments: 1 + first%2}
					stream := frames(t, r.role, fmt.Sprintf("%s%02x %s%s", state, first, second, tail))
					want := refDecode(l, stream)
					for _, sizes := range [][]int{nil, {1}} {
						got, chunk := decode(t, l, stream, sizes...)
						checkSame(t, got, chunk, want)
					}
				}
			}
		}
	}
}

// The limit may change between messages, and counts from the next frame on.
func TestDecoderLimitChanges(t *testing.T) {
	d := Decoder{Role: Client, Limit: 2}
	message := unhex(t, "82 03 616263")
	if _, _, err := d.Next(message); !sameError(err, ErrTooBig) {
		t.Fatal(err)
	}
	d = Decoder{Role: Client, Limit: 3}
	if err := d.run(message); err != nil {
		t.Fatal(err)
	}
	d.Limit = 2
	if err := d.run(message); !sameError(err, ErrTooBig) {
		t.Fatal(err)
	}
	// Lowered inside a message below what has come: even an empty frame is too
	// much.
	d = Decoder{Role: Client, Limit: 3}
	if err := d.run(unhex(t, "02 03 616263")); err != nil {
		t.Fatal(err)
	}
	d.Limit = 2
	if err := d.run(unhex(t, "80 00")); !sameError(err, ErrTooBig) {
		t.Fatal(err)
	}
}

// An empty piece of payload changes nothing, wherever it comes.
func TestDecoderEmptyPayload(t *testing.T) {
	d := Decoder{Role: Client}
	stream := unhex(t, "01 01 c3 89 01 61 80 01 a9 88 02 03e8")
	for len(stream) > 0 {
		f, n, err := d.Next(stream)
		if err != nil {
			t.Fatal(err)
		}
		stream = stream[n:]
		for _, p := range [][]byte{nil, stream[:f.Length], nil} {
			before := d
			if err := d.Payload(p); err != nil || len(p) == 0 && d != before {
				t.Fatalf("%v of %d bytes: %v, %+v to %+v", f.Opcode, len(p), err, before, d)
			}
		}
		stream = stream[f.Length:]
	}
	if d.Remaining() != 0 || d.InMessage() {
		t.Errorf("%+v", d)
	}
}
