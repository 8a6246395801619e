package wsproto

import (
	"errors"
	"math"
	"testing"
)

// feed gives the decoder whole frames in the notation of wire_test.go.
func feed(t *testing.T, d *Decoder, script string) error {
	t.Helper()
	for b := frames(t, d.Role, script); len(b) > 0; {
		_, n, err := d.Next(b)
		if err != nil {
			return err
		}
		if n == 0 {
			t.Fatalf("%s is not whole", script)
		}
		b = b[n:]
		n = int(d.Remaining())
		if n > 0 {
			if err := d.Payload(b[:n]); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

// Every first byte, outside a message, inside a plain one and inside a
// compressed one: which reserved bits are allowed (RFC 7692, 6).
func TestDecoderDeflateBits(t *testing.T) {
	for _, r := range roles {
		for name, open := range map[string]string{"outside": "", "plain": "01 01|61", "compressed": "41 01|61"} {
			for first := range 256 {
				d := Decoder{Role: r.role, Deflate: true}
				if open != "" {
					if err := feed(t, &d, open); err != nil {
						t.Fatalf("%s: %v", open, err)
					}
				}
				header := []byte{byte(first), 0}
				if r.role == Server {
					header = []byte{byte(first), 0x80, 1, 2, 3, 4}
				}
				rsv, opcode, fin := first&0x70, first&0x0f, first&0x80 != 0
				begins := opcode == 1 || opcode == 2
				good := rsv == 0 || rsv == 0x40 && begins && open == ""
				if open == "" && opcode == 0 || open != "" && begins ||
					opcode > 2 && opcode < 8 || opcode > 10 || opcode >= 8 && !fin {
					good = false
				}
				_, n, err := d.Next(header)
				if good != (err == nil) {
					t.Errorf("%s, %s, %02x: %v", r.name, name, first, err)
				}
				var rule *ProtocolError
				if err != nil && (!errors.As(err, &rule) || rule.Code != CodeProtocolError) {
					t.Errorf("%s, %s, %02x: %v is no protocol error", r.name, name, first, err)
				}
				if good && n != len(header) {
					t.Errorf("%s, %s, %02x: took %d bytes", r.name, name, first, n)
				}
				if compressed := open == "" && rsv != 0 && begins || name == "compressed" && opcode != 1 && opcode != 2; good && d.Compressed() != compressed {
					t.Errorf("%s, %s, %02x: Compressed() = %v", r.name, name, first, d.Compressed())
				}
			}
		}
	}
}

// The same bits without the extension.
func TestDecoderDeflateNotNegotiated(t *testing.T) {
	for _, script := range []string{"c1 01|61", "c2 00", "41 00"} {
		d := Decoder{Role: Client}
		if err := feed(t, &d, script); !errors.Is(err, errRSV) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// A message is compressed from its first frame to its last, whatever control
// frames come in between, and the next one has its own bit.
func TestDecoderDeflateMessages(t *testing.T) {
	for _, r := range roles {
		d := Decoder{Role: r.role, Deflate: true}
		for _, step := range []struct {
			script           string
			compressed, open bool
		}{
			{"41 01|ff", true, true},
			{"89 01|61", true, true},
			{"00 00", true, true},
			{"8a 00", true, true},
			{"80 01|ff", true, false},
			{"89 01|61", true, false}, // the latest
			{"81 01|61", false, false},
			{"c2 01|61", true, false},
			{"02 01|61", false, true},
			{"80 01|61", false, false},
		} {
			if err := feed(t, &d, step.script); err != nil {
				t.Fatalf("%s: %v", step.script, err)
			}
			if d.Compressed() != step.compressed || d.InMessage() != step.open {
				t.Errorf("%s, %s: compressed %v, open %v", r.name, step.script, d.Compressed(), d.InMessage())
			}
		}
	}
}

// UTF-8 is a matter of the inflated bytes alone.
func TestDecoderDeflateText(t *testing.T) {
	for _, tc := range []struct {
		first  string
		pieces []string
		bad    int // the piece that is refused, len(pieces) for the end, -1 for none
	}{
		{"c1", []string{"a", "\xc2", "\xa2"}, -1},
		{"c1", nil, -1},
		{"c1", []string{"", "\xf0\x9f", "", "\x98\x80", ""}, -1},
		{"c1", []string{"a", "\xff"}, 1},
		{"c1", []string{"\xc2", "a"}, 1},
		{"c1", []string{"a\xc2"}, 1},
		{"c1", []string{"\xed\xa0\x80"}, 0},
		{"c2", []string{"\xff", "\xc2"}, -1},
	} {
		d := Decoder{Role: Client, Deflate: true}
		// A character that the message before has left open does not count.
		if err := feed(t, &d, "c2 01|ff"); err != nil {
			t.Fatal(err)
		}
		_ = d.Inflated([]byte("\xc2"))
		if err := feed(t, &d, tc.first+" 02|ff c2"); err != nil {
			t.Fatalf("the compressed bytes were checked: %v", err)
		}
		bad := -1
		for i, p := range tc.pieces {
			if err := d.Inflated([]byte(p)); err != nil && bad < 0 {
				if bad = i; !errors.Is(err, errText) {
					t.Errorf("%q: %v", tc.pieces, err)
				}
			}
		}
		if bad < 0 && d.EndInflated() != nil {
			bad = len(tc.pieces)
		}
		if bad != tc.bad {
			t.Errorf("%s %q: refused piece %d, want %d", tc.first, tc.pieces, bad, tc.bad)
		}
	}
	// A plain text behind a compressed one is checked as ever.
	d := Decoder{Role: Client, Deflate: true}
	if err := feed(t, &d, "c1 01|ff / 81 01|ff"); !errors.Is(err, errText) {
		t.Errorf("plain text of ff: %v", err)
	}
}

// The limit counts inflated bytes, exactly, and for each message anew.
func TestDecoderDeflateLimit(t *testing.T) {
	d := Decoder{Role: Client, Deflate: true, Limit: 10}
	for range 3 {
		if err := feed(t, &d, "c2 0b|61*11"); err != nil { // more on the wire is good
			t.Fatal(err)
		}
		for _, n := range []int{0, 4, 6, 0} {
			if err := d.Inflated(make([]byte, n)); err != nil {
				t.Fatalf("at the limit: %v", err)
			}
		}
	}
	if err := d.Inflated(make([]byte, 1)); !errors.Is(err, ErrTooBig) {
		t.Errorf("beyond the limit: %v", err)
	}
	// What is not compressed is bounded on the wire.
	d = Decoder{Role: Client, Deflate: true, Limit: 10}
	if err := feed(t, &d, "82 0b|61*11"); !errors.Is(err, ErrTooBig) {
		t.Errorf("plain: %v", err)
	}
	for _, limit := range []int64{0, -1} {
		d = Decoder{Role: Client, Deflate: true, Limit: limit}
		if err := feed(t, &d, "c2 01|61"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := d.Inflated(make([]byte, 1<<20)); err != nil {
				t.Errorf("limit %d: %v", limit, err)
			}
		}
	}
}

// The bytes on the wire are bounded, in one frame or in many, without overflow.
func TestDecoderDeflateWireLimit(t *testing.T) {
	for _, tc := range []struct {
		limit   int64
		lengths []int64 // of the frames
		bad     int     // the frame that is refused, -1 for none
	}{
		{1000, []int64{2149}, -1},
		{1000, []int64{2150}, 0},
		{1000, []int64{2000, 0, 149, 0}, -1},
		{1000, []int64{2000, 149, 1}, 2},
		{1, []int64{1025}, -1},
		{1, []int64{1026}, 0},
		{1000, []int64{math.MaxInt64}, 0},
		{1000, []int64{1, math.MaxInt64}, 1},
		{math.MaxInt64, []int64{math.MaxInt64}, -1},
		{math.MaxInt64, []int64{1, math.MaxInt64}, 1},
		{math.MaxInt64/2 + 1, []int64{math.MaxInt64}, -1},
		{math.MaxInt64 / 2, []int64{math.MaxInt64 / 2}, -1},
		{math.MaxInt64 / 2, []int64{math.MaxInt64}, 0},
		{0, []int64{math.MaxInt64}, -1},
		{-1, []int64{1, math.MaxInt64}, 1}, // no message is that long
	} {
		d := Decoder{Role: Client, Deflate: true, Limit: tc.limit}
		bad := -1
		for i, length := range tc.lengths {
			h := Header{Opcode: Continuation, Length: length}
			if i == 0 {
				h.Opcode, h.RSV = Binary, RSV1
			}
			_, _, err := d.Next(AppendHeader(nil, h))
			if err != nil {
				if bad = i; !errors.Is(err, ErrTooBig) {
					t.Errorf("%v: %v", tc, err)
				}
				break
			}
			d.remaining = 0 // the payload has come, without its memory
		}
		if bad != tc.bad {
			t.Errorf("limit %d, frames of %v: refused %d, want %d", tc.limit, tc.lengths, bad, tc.bad)
		}
	}
}

// Inflating allocates nothing in the decoder.
func TestDecoderDeflateAllocatesNothing(t *testing.T) {
	d := Decoder{Role: Client, Deflate: true, Limit: 1 << 20}
	message, text := frames(t, Client, "c1 02|4a 00"), []byte("hello")
	if n := testing.AllocsPerRun(100, func() {
		_, n, err := d.Next(message)
		if err != nil {
			t.Fatal(err)
		}
		if d.Payload(message[n:]) != nil || d.Inflated(text) != nil || d.EndInflated() != nil {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
