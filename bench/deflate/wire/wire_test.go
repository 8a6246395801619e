package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// A message survives framing and compression, whatever its size, and takeover
// makes the second one small.
func TestRoundTrip(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		for _, bits := range []int{0, 9, 12, 15} {
			t.Run(fmt.Sprintf("takeover=%t/bits=%d", takeover, bits), func(t *testing.T) {
				d, err := NewDeflater(1, takeover)
				if bits > 0 {
					d, err = NewWindowDeflater(bits, takeover)
				}
				if err != nil {
					t.Fatal(err)
				}
				f := Inflater{Takeover: takeover}
				for i, n := range []int{0, 1, 300, 300, 90, 20, 5000, 70000} {
					plain := []byte(strings.Repeat(fmt.Sprintf("%d squared is %d; ", n, n*n), n/10+1))
					packed, err := d.Deflate(plain)
					if err != nil {
						t.Fatal(err)
					}
					if takeover && i == 3 && len(packed) > 20 {
						t.Errorf("a repeated message takes %d bytes", len(packed))
					}
					frame := AppendFrame(nil, packed, true, []byte{1, 2, 3, 250})
					m, err := ReadMessage(bufio.NewReader(bytes.NewReader(frame)), nil)
					if err != nil || m.Size != len(frame) || !m.Compressed {
						t.Fatalf("read %d of %d bytes, compressed %t: %v", m.Size, len(frame), m.Compressed, err)
					}
					got, err := f.Inflate(nil, m.Payload)
					if err != nil || !bytes.Equal(got, plain) {
						t.Fatalf("message of %d bytes came as %d: %v", len(plain), len(got), err)
					}
				}
			})
		}
	}
}

func TestFrames(t *testing.T) {
	for _, n := range []int{0, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte{7}, n)
		m, err := ReadMessage(bufio.NewReader(bytes.NewReader(AppendFrame(nil, payload, false, nil))), nil)
		if err != nil || m.Compressed || !bytes.Equal(m.Payload, payload) {
			t.Errorf("frame of %d bytes came as %d: %v", n, len(m.Payload), err)
		}
	}
	hello := "\x81\x8a\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\xd6\x01\x4a\x58\x88" // "Hello, wor", masked (RFC 6455, 5.3)
	if m, err := ReadMessage(bufio.NewReader(strings.NewReader(hello)), nil); err != nil || string(m.Payload) != "Hello, wor" {
		t.Errorf("a masked frame came as %q: %v", m.Payload, err)
	}
	fragments := "\x41\x01a\x00\x01b\x80\x01c" // compressed, as its first frame says
	m, err := ReadMessage(bufio.NewReader(strings.NewReader(fragments)), nil)
	if err != nil || string(m.Payload) != "abc" || !m.Compressed || m.Size != len(fragments) {
		t.Errorf("three fragments came as %+v: %v", m, err)
	}
	for _, bad := range []string{"\x88\x00", "\x80\x00", "\x01\x00\x81\x00", "\x89\x00", "\x81\x05abc", "\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"} {
		if _, err := ReadMessage(bufio.NewReader(strings.NewReader(bad)), nil); err == nil {
			t.Errorf("%x was accepted", bad)
		}
	}
}

func TestParseAnswer(t *testing.T) {
	for _, c := range []struct {
		header string
		want   Params
	}{
		{"", Params{false, false, false, 15, 15}},
		{"permessage-deflate", Params{true, false, false, 15, 15}},
		{"permessage-deflate; client_max_window_bits=12", Params{true, false, false, 15, 12}},
		{"permessage-deflate; server_no_context_takeover; client_no_context_takeover", Params{true, true, true, 15, 15}},
		{"permessage-deflate;server_max_window_bits=10;client_max_window_bits=9", Params{true, false, false, 10, 9}},
	} {
		if got, err := ParseAnswer(c.header); err != nil || got != c.want {
			t.Errorf("%q is %+v, %v", c.header, got, err)
		}
	}
	for _, bad := range []string{"x-webkit-deflate-frame", "permessage-deflate; what", "permessage-deflate; client_max_window_bits"} {
		if _, err := ParseAnswer(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
