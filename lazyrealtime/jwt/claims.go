package jwt

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// lastSecond is the last one of the year 9999: what comes after has no text in
// RFC 3339, and far behind it time.Time overflows.
const lastSecond = 253402300799

// Claims are what a token says, by name, as JSON. They must not be changed.
//
// A map because encoding/json matches the fields of a struct in any case: the last
// of {"sub":"alice","SUB":"root"} would win.
type Claims map[string]json.RawMessage

// Get unmarshals a claim into v; without one v stays as it is.
func (c Claims) Get(name string, v any) error {
	raw, ok := c[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("jwt: claim %s: %w", name, err)
	}
	return nil
}

// text returns a claim that is a string; empty without one.
func (c Claims) text(name string) (s string, err error) {
	err = c.Get(name, &s)
	return s, err
}

// date returns a claim that is a NumericDate (RFC 7519, 2), rounded down to the
// second; nil without one.
func (c Claims) date(name string) (*jwt.NumericDate, error) {
	var seconds *float64
	if err := c.Get(name, &seconds); err != nil || seconds == nil {
		return nil, err
	}
	if *seconds < 0 || *seconds > lastSecond {
		return nil, fmt.Errorf("jwt: claim %s: no date", name)
	}
	return &jwt.NumericDate{Time: time.Unix(int64(math.Floor(*seconds)), 0)}, nil
}

// GetExpirationTime returns the claim exp. It and its neighbours are what the
// library validates by.
func (c Claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.date("exp") }

// GetNotBefore returns the claim nbf.
func (c Claims) GetNotBefore() (*jwt.NumericDate, error) { return c.date("nbf") }

// GetIssuedAt returns the claim iat.
func (c Claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.date("iat") }

// GetIssuer returns the claim iss.
func (c Claims) GetIssuer() (string, error) { return c.text("iss") }

// GetSubject returns the claim sub.
func (c Claims) GetSubject() (string, error) { return c.text("sub") }

// GetAudience returns the claim aud, which is one string or several.
func (c Claims) GetAudience() (audience jwt.ClaimStrings, err error) {
	err = c.Get("aud", &audience)
	return audience, err
}
