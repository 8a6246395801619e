package wsproto

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

// A Decoder lives as long as its connection. The budget is its size today, on
// 64 bits; what makes it grow has to be worth it, times a million.
func TestDecoderSize(t *testing.T) {
	const budget = 72
	if size := unsafe.Sizeof(Decoder{}); size > budget {
		t.Errorf("a Decoder takes %d bytes, budget %d", size, budget)
	}
	if size := unsafe.Sizeof(UTF8{}); size > 3 {
		t.Errorf("a UTF8 takes %d bytes, budget 3", size)
	}
}

// run consumes a stream of whole frames with as many calls as frames.
func (d *Decoder) run(stream []byte) error {
	for len(stream) > 0 {
		f, n, err := d.Next(stream)
		if err != nil || n == 0 {
			return err
		}
		stream = stream[n:]
		if f.Length > 0 {
			if err := d.Payload(stream[:f.Length]); err != nil {
				return err
			}
			stream = stream[f.Length:]
		}
	}
	return nil
}

// Nothing is allocated per frame, nor for a frame that breaks a rule.
func TestDecoderAllocates(t *testing.T) {
	good := "81 05|48656c6c6f/01 02|c3a9/89 04|70696e67/80 03|e282ac/82 7e 0400|61*1024/88 02|03e8"
	for _, row := range []struct {
		script string
		fails  bool
	}{
		{good, false},
		{"c1 00", true},
		{"83 00", true},
		{"09 00", true},
		{"89 7e 007e|61*126", true},
		{"82 7e 0001|61", true},
		{"82 7f 8000000000000000", true},
		{"80 00", true},
		{"81 02|c328", true},
		{"81 01|c3", true},
		{"82 7e 0800|61*2048", true},
		{"01 00/00 00/00 00/80 00", true},
	} {
		for _, r := range roles {
			stream := frames(t, r.role, row.script)
			work := make([]byte, len(stream))
			n := testing.AllocsPerRun(100, func() {
				copy(work, stream) // Payload unmasks in place
				d := Decoder{Role: r.role, Limit: 1024, MaxFragments: 3}
				if err := d.run(work); (err != nil) != row.fails {
					t.Fatalf("%s: %s: %v", row.script, r.name, err)
				}
			})
			if n != 0 {
				t.Errorf("%s: %s: %v allocations", row.script, r.name, n)
			}
		}
	}
}

func TestParseCloseAllocates(t *testing.T) {
	payload := append([]byte{0x03, 0xe8}, strings.Repeat("é", 60)...)
	buf := make([]byte, 0, MaxControlPayload)
	n := testing.AllocsPerRun(100, func() {
		code, reason, err := ParseClose(payload)
		if buf = AppendClose(buf[:0], code, "bye"); err != nil || len(reason) != 120 || len(buf) != 5 {
			t.Fatal(code, reason, err)
		}
		if _, _, err := ParseClose(payload[:1]); err == nil {
			t.Fatal("accepted")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The decoder writes into the payload that it is given and nowhere else.
func TestDecoderPayloadInPlace(t *testing.T) {
	stream := frames(t, Server, "82 04|61626364")
	stream = append(stream, "rest"...)
	d := Decoder{}
	_, n, err := d.Next(stream)
	if err != nil {
		t.Fatal(err)
	}
	header := bytes.Clone(stream[:n])
	if err := d.Payload(stream[n : n+4]); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stream[:n], header) || string(stream[n:]) != "abcdrest" {
		t.Errorf("%q", stream)
	}
}

func BenchmarkDecoder(b *testing.B) {
	for _, c := range []struct {
		name, unit string
		opcode     Opcode
	}{{"binary", "a", Binary}, {"text", "a", Text}, {"text cjk", "漢字", Text}} {
		for _, size := range []int{20, 125, 1 << 10, 16 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d", c.name, size), func(b *testing.B) {
				payload := []byte(strings.Repeat(c.unit, size/len(c.unit)))
				// A key of zeros costs what any other does and leaves the payload
				// as it is, so that it can be read again.
				frame := AppendHeader(nil, Header{Fin: true, Opcode: c.opcode, Masked: true, Length: int64(len(payload))})
				frame = append(frame, payload...)
				var d Decoder
				b.SetBytes(int64(len(payload)))
				b.ReportAllocs()
				for b.Loop() {
					if err := d.run(frame); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
