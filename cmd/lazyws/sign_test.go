package main

import (
	"strings"
	"testing"
)

// What turbo-rails' verifier makes of the same secret: base64 of the topic's JSON, and
// an HMAC that openssl was asked for:
//
//	printf %s InJvb206NDIi | openssl dgst -sha256 -hmac secret
func TestSign(t *testing.T) {
	const want = "InJvb206NDIi--3d0391a364d0115d2d7e0c299819190d8556849e41fa7e9982e9dab1cbbc59d7"
	code, out, err := run(t, map[string]string{"LAZYWS_SECRET": "secret"}, "", "sign", "room:42", "a/b ü")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if code != exitOK || err != "" || len(lines) != 2 || lines[0] != want {
		t.Fatalf("code %d, output %q, error %q", code, out, err)
	}
}
