package frametest_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"golazy.dev/lazywebsocket/internal/frametest"
)

// The heads are those of RFC 6455, 5.2 and 5.7.
func TestFrames(t *testing.T) {
	for _, test := range []struct {
		n              int
		masked, server string
	}{
		{0, "8280", "8200"},
		{125, "82fd", "827d"},
		{126, "82fe007e", "827e007e"},
		{65535, "82feffff", "827effff"},
		{65536, "82ff0000000000010000", "827f0000000000010000"},
	} {
		payload := strings.Repeat("x", test.n)
		if got := frametest.Masked(0x82, payload); hex.EncodeToString(got) != test.masked+"00000000"+strings.Repeat("78", test.n) {
			t.Errorf("%d bytes: %x", test.n, got[:min(len(got), 20)])
		}
		head, err := hex.DecodeString(test.server)
		if err != nil {
			t.Fatal(err)
		}
		whole := string(head) + payload
		r := iotest.HalfReader(strings.NewReader(whole + "\x89\x00"))
		for _, want := range []struct {
			first   byte
			payload string
			err     error
		}{{0x82, payload, nil}, {0x89, "", nil}, {0, "", io.EOF}} {
			if first, got, err := frametest.Read(r); first != want.first || got != want.payload || !errors.Is(err, want.err) {
				t.Errorf("%d bytes: read %02x, %d bytes, %v", test.n, first, len(got), err)
			}
		}
		for _, cut := range []int{1, len(head) - 1, len(whole) - 1} {
			if _, _, err := frametest.Read(bytes.NewReader([]byte(whole)[:cut])); cut > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d of %d bytes: %v", cut, len(whole), err)
			}
		}
	}
	if got := frametest.Code(1011); got != "\x03\xf3" {
		t.Errorf("%q", got)
	}
}
