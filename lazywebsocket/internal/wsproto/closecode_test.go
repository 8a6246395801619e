package wsproto

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// closeCodes are the codes that may stand on the wire, from IANA's registry
// and RFC 6455, 7.4.2.
var closeCodes = func() map[int]bool {
	codes := map[int]bool{
		1000: true, // normal closure
		1001: true, // going away
		1002: true, // protocol error
		1003: true, // unsupported data
		// 1004 is reserved; 1005 and 1006 are for local use
		1007: true, // invalid frame payload data
		1008: true, // policy violation
		1009: true, // message too big
		1010: true, // mandatory extension
		1011: true, // internal error
		1012: true, // service restart
		1013: true, // try again later
		1014: true, // bad gateway
		// 1015 is for local use; up to 2999 none is registered
	}
	for code := 3000; code <= 4999; code++ { // libraries, applications
		codes[code] = true
	}
	return codes
}()

func TestValidCode(t *testing.T) {
	for code := -1; code <= 0x10000; code++ {
		if got := ValidCode(code); got != closeCodes[code] {
			t.Errorf("ValidCode(%d) = %v", code, got)
		}
	}
}

func TestCloseCodeConstants(t *testing.T) {
	for _, c := range []struct{ got, want int }{
		{CodeNormal, 1000},
		{CodeProtocolError, 1002},
		{CodeNoStatus, 1005},
		{CodeInvalidPayload, 1007},
		{CodePolicyViolation, 1008},
		{CodeMessageTooBig, 1009},
		{MaxControlPayload, 125},
		{MaxCloseReason, 123},
	} {
		if c.got != c.want {
			t.Errorf("constant %d, want %d", c.got, c.want)
		}
	}
}

func TestParseClose(t *testing.T) {
	for _, row := range []struct {
		payload string
		code    int
		reason  string
		err     *ProtocolError
	}{
		{"", 1005, "", nil},
		{"03", 0, "", errCloseSize},
		{"00", 0, "", errCloseSize},
		{"03e8", 1000, "", nil},
		{"03e8 6f6b", 1000, "ok", nil},
		{"03f6", 1014, "", nil},
		{"1387 c3a9", 4999, "é", nil},
		{"0bb8 61*123", 3000, strings.Repeat("a", 123), nil},
		{"0000", 0, "", errCloseCode},
		{"03e7", 0, "", errCloseCode},
		{"03ec", 0, "", errCloseCode},
		{"03ed", 0, "", errCloseCode},
		{"03ee", 0, "", errCloseCode},
		{"03f7", 0, "", errCloseCode},
		{"0bb7", 0, "", errCloseCode},
		{"1388", 0, "", errCloseCode},
		{"ffff", 0, "", errCloseCode},
		{"03e8 ff", 0, "", errCloseText},
		{"03e8 c3", 0, "", errCloseText},
		{"03e8 6f6b eda080", 0, "", errCloseText},
		{"03ed ff", 0, "", errCloseCode},
	} {
		code, reason, err := ParseClose(unhex(t, row.payload))
		if code != row.code || string(reason) != row.reason || !sameError(err, row.err) {
			t.Errorf("ParseClose(%s) = %d, %q, %v, want %d, %q, %v",
				row.payload, code, reason, err, row.code, row.reason, row.err)
		}
	}
}

// sameError reports whether err is exactly the rule, or nil for none.
func sameError(err error, rule *ProtocolError) bool {
	if rule == nil {
		return err == nil
	}
	return err == error(rule) //nolint:errorlint // identity is meant
}

// Every code in a payload of its own, and the reason of a good one aliases it.
func TestParseCloseCodes(t *testing.T) {
	for code := range 0x10000 {
		payload := []byte{byte(code >> 8), byte(code), 'a'}
		got, reason, err := ParseClose(payload)
		switch {
		case !closeCodes[code]:
			if got != 0 || reason != nil || !sameError(err, errCloseCode) {
				t.Fatalf("code %d: %d, %q, %v", code, got, reason, err)
			}
		case got != code || err != nil || &reason[0] != &payload[2] || len(reason) != 1:
			t.Fatalf("code %d: %d, %q, %v", code, got, reason, err)
		}
	}
}

func TestAppendClose(t *testing.T) {
	for _, row := range []struct {
		code         int
		reason, want string
	}{
		{1000, "", "03e8"},
		{1001, "ok", "03e9 6f6b"},
		{4999, "é", "1387 c3a9"},
		{1005, "", ""},
		{1005, "not sent", ""},
	} {
		got := AppendClose([]byte("head"), row.code, row.reason)
		if want := append([]byte("head"), unhex(t, row.want)...); !bytes.Equal(got, want) {
			t.Errorf("AppendClose(%d, %q) = % x, want % x", row.code, row.reason, got, want)
		}
	}
}

func FuzzClose(f *testing.F) {
	for _, s := range []string{
		"", "03", "03e8", "03e8 6f6b", "03ed", "03ec", "03f6", "03f7", "0bb7", "0bb8", "1387", "1388",
		"03e8 c3a9", "03e8 c3", "03e8 f0908080", "03e8 eda080", "03ed ff", "03e8 61*123",
	} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		original := bytes.Clone(payload)
		code, reason, err := ParseClose(payload)
		if !bytes.Equal(payload, original) {
			t.Fatal("ParseClose changed the payload")
		}
		want := 0
		if len(payload) > 0 {
			want = refClose(payload)
		}
		if err != nil {
			rule := err.(*ProtocolError) //nolint:errorlint // the documented type itself
			if rule.Code != want || code != 0 || reason != nil {
				t.Fatalf("%d, %q, %v, want code %d", code, reason, err, want)
			}
			return
		}
		if want != 0 {
			t.Fatalf("accepted %d, %q, want code %d", code, reason, want)
		}
		if code != CodeNoStatus && !ValidCode(code) || !utf8.Valid(reason) {
			t.Fatalf("accepted %d, %q", code, reason)
		}
		if again := AppendClose(nil, code, string(reason)); !bytes.Equal(again, payload) {
			t.Fatalf("% x comes back as % x", payload, again)
		}
	})
}
