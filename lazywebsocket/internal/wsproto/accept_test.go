package wsproto

import "testing"

// RFC 6455, 1.3 and 4.2.2.
func TestAcceptKey(t *testing.T) {
	for _, row := range []struct{ key, want string }{
		{"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, // the RFC's example
		// Computed with sha1sum and base64.
		{"AQIDBAUGBwgJCgsMDQ4PEA==", "C/0nmHhBztSRGR1CwL6Tf4ZjwpY="},
		{"", "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w="},
	} {
		if got := AcceptKey(row.key); got != row.want {
			t.Errorf("AcceptKey(%q) = %q, want %q", row.key, got, row.want)
		}
	}
}

func TestAppendAcceptKey(t *testing.T) {
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	if got, want := string(AppendAcceptKey([]byte("a: "), key)), "a: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	dst := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { _ = ValidKey(key); _ = AppendAcceptKey(dst, key) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestValidKey(t *testing.T) {
	for _, row := range []struct {
		key  string
		want bool
	}{
		{"dGhlIHNhbXBsZSBub25jZQ==", true},
		{"AQIDBAUGBwgJCgsMDQ4PEA==", true},
		{"AQIDBAUGBwgJCgsMDQ4PEC==", true}, // as RFC 6455, 4.1, prints it; see erratum 3150
		{"//////////////////////==", true},
		{"++++++++++++++++++++++==", true},
		{"AAAAAAAAAAAAAAAAAAAAAA==", true},
		{"", false},
		{"==", false},
		{"AQIDBAUGBwgJCgsMDQ4P", false},         // 15 bytes
		{"AQIDBAUGBwgJCgsMDQ4PEBE=", false},     // 17 bytes
		{"AQIDBAUGBwgJCgsMDQ4PEBES", false},     // 18 bytes
		{"AQIDBAUGBwgJCgsMDQ4PEBESEw==", false}, // 19 bytes
		{"AQIDBAUGBwgJCgsMDQ4PEA", false},       // no padding
		{"AQIDBAUGBwgJCgsMDQ4PEA=", false},
		{"AQIDBAUGBwgJCgsMDQ4PEA===", false},
		{"AQIDBAUGBwgJCgsMDQ4PEA==\n", false},
		{"AQIDBAUGBwgJ\r\nCgsMDQ4PEA==", false},
		{"\r\nAQIDBAUGBwgJCgsMDQ4P", false}, // 15 bytes
		{" AQIDBAUGBwgJCgsMDQ4PEA==", false},
		{"AQIDBAUGBwgJ CgsMDQ4PEA=", false},
		{"_-_-_-_-_-_-_-_-_-_-_A==", false}, // the URL alphabet
		{"AQIDBAUGBwgJCgsMDQ4P\x00A==", false},
		{"AQIDBAUGBwgJCgsMDQ4é==", false},
	} {
		if got := ValidKey(row.key); got != row.want {
			t.Errorf("ValidKey(%q) = %v", row.key, got)
		}
	}
}
