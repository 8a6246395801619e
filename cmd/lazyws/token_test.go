package main

import (
	"strings"
	"testing"
	"time"

	"golazy.dev/lazyrealtime/jwt"
)

func TestToken(t *testing.T) {
	env := map[string]string{"LAZYWS_JWT_KEY": "0123456789abcdef0123456789abcdef"}
	code, out, text := run(t, env, "", "token", "-jwt-issuer", "me", "-jwt-audience", "hub", "-info", `{"name":"A"}`, "-ttl", "5m", "alice")
	if code != exitOK || text != "" || strings.Count(out, "\n") != 1 {
		t.Fatalf("code %d, %q, %q", code, out, text)
	}
	v, err := jwt.New(jwt.Options{Key: []byte(env["LAZYWS_JWT_KEY"]), Issuer: "me", Audience: "hub"})
	if err != nil {
		t.Fatal(err)
	}
	id, err := v.Identity(t.Context(), strings.TrimSpace(out))
	if err != nil || id.ID != "alice" || string(id.Info) != `{"name":"A"}` || time.Until(id.Expires) > 5*time.Minute || time.Until(id.Expires) < 4*time.Minute {
		t.Errorf("%+v, %v", id, err)
	}
}

// A public key signs nothing.
func TestTokenPublicKey(t *testing.T) {
	certFile, _, _ := certificate(t)
	if code, out, text := run(t, nil, "", "token", "-jwt-key", "@"+certFile, "alice"); code != exitUsage || out != "" || !strings.Contains(text, "public key") {
		t.Errorf("code %d, %q, %q", code, out, text)
	}
}
