package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	golangjwt "github.com/golang-jwt/jwt/v5"

	"golazy.dev/lazyrealtime/jwt"
)

// runToken is lazyws token.
func runToken(_ context.Context, p *program, args []string) error {
	var secret key
	f := newFlagSet(p, "token", " SUBJECT", `
Makes a JSON Web Token for a hub that has -jwt-key, and prints it: to try the hub,
or in scripts. Clients send it as ?jid=TOKEN, as the header X-JID, as a bearer
token, or as the subprotocol anycable-token.TOKEN. The key is a secret (HS256);
tokens of public keys come from whoever has the private one.`)
	f.Var(&secret, "jwt-key", "`key` of the hub")
	issuer := f.String("jwt-issuer", "", "what `iss` says")
	audience := f.String("jwt-audience", "", "what `aud` says")
	info := f.String("info", "", "what others see of somebody who is present, as `JSON`")
	ttl := f.Duration("ttl", time.Hour, "how long the token is good")
	rest, err := f.parse(args)
	switch {
	case err != nil:
		return err
	case len(secret) == 0:
		return usagef("-jwt-key is missing")
	case len(rest) != 1 || rest[0] == "":
		return usagef("one subject is needed, behind the flags")
	case *info != "" && !json.Valid([]byte(*info)):
		return usagef("-info is not JSON")
	case *ttl < time.Second:
		return usagef("-ttl is a second at least")
	}
	now := time.Now()
	claims := golangjwt.MapClaims{"sub": rest[0], "iat": now.Unix(), "exp": now.Add(*ttl).Unix()}
	if *issuer != "" {
		claims["iss"] = *issuer
	}
	if *audience != "" {
		claims["aud"] = *audience
	}
	if *info != "" {
		claims["info"] = json.RawMessage(*info)
	}
	token, err := signClaims(secret, claims)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, token)
	return err
}

// signClaims signs with what the hub would verify with.
func signClaims(text []byte, claims golangjwt.MapClaims) (string, error) {
	key, err := jwt.ParseKey(text)
	if err != nil {
		return "", usagef("-jwt-key: %w", err)
	}
	secret, ok := key.([]byte)
	if !ok {
		return "", &usageError{errors.New("-jwt-key: a public key signs nothing")}
	}
	return golangjwt.NewWithClaims(golangjwt.SigningMethodHS256, claims).SignedString(secret)
}
