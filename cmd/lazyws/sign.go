package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

const aboutSign = `
Signs the names of topics, and prints each on a line: what a page's subscription
has as signed_stream_name. Whoever has the name may follow the topic on a hub with
the same secret; it does not expire. It is what turbo-rails and AnyCable make of
the same key.`

// runSign is lazyws sign.
func runSign(_ context.Context, p *program, args []string) error {
	var secret key
	f := newFlagSet(p, "sign", " TOPIC...", aboutSign)
	f.Var(&secret, "secret", "`key` of the hub")
	topics, err := f.parse(args)
	switch {
	case err != nil:
		return err
	case len(secret) == 0:
		return usagef("-secret is missing")
	case len(topics) == 0:
		return usagef("which topic?")
	}
	for _, topic := range topics {
		if topic == "" {
			return usagef("a topic must not be empty")
		}
		if _, err := fmt.Fprintln(p.out, signName(secret, topic)); err != nil {
			return err
		}
	}
	return nil
}

// signName signs a name as ActiveSupport::MessageVerifier does for turbo-rails: the
// base64 of its JSON, two hyphens, and the hexadecimal HMAC-SHA256 of the base64.
func signName(secret []byte, topic string) string {
	text, _ := json.Marshal(topic) // a string: never fails
	body := base64.StdEncoding.EncodeToString(text)
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(body))
	return body + "--" + hex.EncodeToString(h.Sum(nil))
}
