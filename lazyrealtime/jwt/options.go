package jwt

import (
	"context"
	"net/http"
	"time"
)

const (
	// defaultLife is that of lazyrealtime.Config.CredentialLife: what lives longer
	// than a revocation is remembered could outlive it.
	defaultLife = 31 * 24 * time.Hour
	// skew is how far ahead the issuer's clock may be, for iat.
	skew = 5 * time.Second
	// maxToken is the longest token in bytes. It comes in a URL or a header.
	maxToken = 16 << 10
)

// Options say which tokens are good. One of Key and Keys is required.
type Options struct {
	// Key verifies all tokens. Its type says which algorithms they may name:
	//
	//	[]byte               HS256, HS384, HS512: a secret, 32 random bytes or more
	//	*rsa.PublicKey       RS256, RS384, RS512, PS256, PS384, PS512: 2048 bits or more
	//	*ecdsa.PublicKey     ES256, ES384 or ES512, by its curve
	//	ed25519.PublicKey    EdDSA
	//
	// ParseKey makes one of a PEM text.
	Key any

	// Keys returns the key of a token, of the types above, by the name that its
	// header has (kid, RFC 7515, 4.1.4), which is empty if it has none and can be
	// anything: it has not been verified. An error refuses the token. It is called
	// if Key is nil, for each token, concurrently; a program that fetches keys
	// keeps them.
	Keys func(ctx context.Context, kid string) (any, error)

	// Issuer is what the claim iss must be. If empty, anything or nothing.
	Issuer string

	// Audience is what the claim aud must be or have. If empty, anything or nothing.
	// A key that signs for several services needs it (RFC 8725, 3.9).
	Audience string

	// Leeway is how long after exp and before nbf a token is good, for clocks that
	// differ; Identity.Expires has it added. If zero or negative, none. For iat it is
	// five seconds at least.
	Leeway time.Duration

	// Life is the longest time between iat (now, without one) and exp. A hub ends tokens
	// Config.CredentialLife after their iat in any case, because revocations are
	// forgotten then; of those without iat it has to rely on the issuer not to let them
	// live longer. If zero, 31 days. If negative, no limit.
	Life time.Duration

	// Forever accepts tokens without exp. Their connections do not expire, but a hub
	// takes them only until Config.CredentialLife after their iat has passed, and not
	// at all without an iat: a revocation is not remembered for ever. With a
	// Config.CredentialLife of a hundred years it is, and both are taken.
	Forever bool

	// Token finds the token of a request; empty if it has none. If nil,
	// lazyrealtime.TokenOf.
	Token func(r *http.Request) string
}

// life returns the longest life of a token; zero for no limit.
func (o *Options) life() time.Duration {
	switch {
	case o.Life < 0:
		return 0
	case o.Life == 0:
		return defaultLife
	default:
		return o.Life
	}
}
