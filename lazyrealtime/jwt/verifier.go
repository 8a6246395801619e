package jwt

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"golazy.dev/lazyrealtime"
)

// Verifier tells who has a token. Its methods may be called concurrently.
type Verifier struct {
	options Options
	parser  *jwt.Parser
}

// Authenticate returns a function for lazyrealtime.Config. It panics if New has an
// error: there is no key, or none that can be used.
func Authenticate(o Options) func(*http.Request) (lazyrealtime.Identity, error) {
	v, err := New(o)
	if err != nil {
		panic(err)
	}
	return v.Authenticate
}

// New returns a Verifier. An error says that the options have no key or one that
// cannot be used.
func New(o Options) (*Verifier, error) {
	switch {
	case o.Key != nil && o.Keys != nil:
		return nil, errors.New("jwt: Key and Keys exclude each other")
	case o.Key != nil:
		if _, err := algorithms(o.Key); err != nil {
			return nil, err
		}
	case o.Keys == nil:
		return nil, errors.New("jwt: no key")
	}
	o.Leeway = max(o.Leeway, 0)
	if o.Token == nil {
		o.Token = lazyrealtime.TokenOf
	}
	parser := []jwt.ParserOption{jwt.WithLeeway(o.Leeway), jwt.WithStrictDecoding()}
	if o.Issuer != "" {
		parser = append(parser, jwt.WithIssuer(o.Issuer))
	}
	if o.Audience != "" {
		parser = append(parser, jwt.WithAudience(o.Audience))
	}
	if !o.Forever {
		parser = append(parser, jwt.WithExpirationRequired())
	}
	return &Verifier{options: o, parser: jwt.NewParser(parser...)}, nil
}

// Authenticate returns who makes a request, by its token. The error wraps
// lazyrealtime.ErrTokenExpired if nothing else is wrong with the token, and
// lazyrealtime.ErrDenied otherwise; it says why, and nothing of the token.
func (v *Verifier) Authenticate(r *http.Request) (lazyrealtime.Identity, error) {
	return v.Identity(r.Context(), v.options.Token(r))
}

// Identity returns whose a token is, as Authenticate does.
func (v *Verifier) Identity(ctx context.Context, token string) (lazyrealtime.Identity, error) {
	var id lazyrealtime.Identity
	switch {
	case token == "":
		return id, denied(errors.New("no token"))
	case len(token) > maxToken:
		return id, denied(errors.New("the token is too long"))
	}
	claims := Claims{}
	_, err := v.parser.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) { return v.key(ctx, t) })
	if err != nil && !onlyExpired(err) {
		return id, denied(err)
	}
	// What is wrong beside the expiry is an error first: a client that fetches
	// another token because of the expiry would come back with the same fault.
	id, fault := v.identity(claims)
	switch {
	case fault != nil:
		return lazyrealtime.Identity{}, denied(fault)
	case err != nil:
		return lazyrealtime.Identity{}, fmt.Errorf("jwt: %w", lazyrealtime.ErrTokenExpired)
	}
	return id, nil
}

// key returns the key of a token whose algorithm is one of the key's own.
func (v *Verifier) key(ctx context.Context, t *jwt.Token) (key any, err error) {
	if _, ok := t.Header["crit"]; ok {
		return nil, errors.New("critical extensions are not known")
	}
	if key = v.options.Key; key == nil {
		kid, _ := t.Header["kid"].(string)
		if key, err = v.options.Keys(ctx, kid); err != nil {
			return nil, err
		}
	}
	names, err := algorithms(key)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, t.Method.Alg()) {
		return nil, fmt.Errorf("algorithm %s is not one of the key's", t.Method.Alg())
	}
	return key, nil
}

// identity makes an identity of claims whose signature is good, and checks what
// the library does not.
func (v *Verifier) identity(claims Claims) (id lazyrealtime.Identity, err error) {
	if id.ID, err = claims.GetSubject(); err != nil {
		return id, err
	}
	if id.ID == "" {
		return id, errors.New("no subject")
	}
	if id.Issued, err = v.issued(claims); err != nil {
		return id, err
	}
	if id.Expires, err = v.expires(claims); err != nil {
		return id, err
	}
	if info := claims["info"]; len(info) > 0 && string(info) != "null" {
		id.Info = info
	}
	id.Value = claims
	return id, nil
}

// issued returns when the token was issued. One from the future could not be
// revoked until then; one that does not say is older than every revocation.
func (v *Verifier) issued(claims Claims) (time.Time, error) {
	iat, err := claims.GetIssuedAt()
	switch {
	case err != nil:
		return time.Time{}, err
	case iat == nil:
		return time.Unix(0, 0), nil
	case time.Until(iat.Time) > max(v.options.Leeway, skew):
		return time.Time{}, errors.New("the token is issued in the future")
	}
	return iat.Time, nil
}

// expires returns when the token ends, zero for never, and checks its life.
func (v *Verifier) expires(claims Claims) (time.Time, error) {
	exp, err := claims.GetExpirationTime()
	if err != nil || exp == nil {
		return time.Time{}, err
	}
	from := time.Now()
	if iat, _ := claims.GetIssuedAt(); iat != nil {
		from = iat.Time
	}
	if life := v.options.life(); life > 0 && exp.Sub(from) > life {
		return time.Time{}, fmt.Errorf("the token lives longer than %v", life)
	}
	return exp.Add(v.options.Leeway), nil
}

// onlyExpired reports whether a token is good but for its age: the library looks
// at claims only when the signature is good, and joins all that is wrong.
func onlyExpired(err error) bool {
	if !errors.Is(err, jwt.ErrTokenExpired) {
		return false
	}
	others := []error{
		jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable, jwt.ErrTokenSignatureInvalid,
		jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenInvalidAudience, jwt.ErrTokenUsedBeforeIssued,
		jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidSubject, jwt.ErrTokenNotValidYet,
		jwt.ErrTokenInvalidId, jwt.ErrInvalidType,
	}
	return !slices.ContainsFunc(others, func(other error) bool { return errors.Is(err, other) })
}

// denied says why a token is refused.
func denied(err error) error { return fmt.Errorf("jwt: %w: %w", lazyrealtime.ErrDenied, err) }
