package jwt_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	lib "github.com/golang-jwt/jwt/v5"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/jwt"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

// fields are claims to be signed.
type fields = map[string]any

// good returns the claims of a token that is good for an hour, with changes; a nil
// takes a claim away.
func good(changes fields) fields {
	now := time.Now().Unix()
	claims := fields{"sub": "alice", "iat": now, "exp": now + 3600}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// sign returns a token.
func sign(t testing.TB, method lib.SigningMethod, key any, claims fields) string {
	t.Helper()
	token, err := lib.NewWithClaims(method, lib.MapClaims(claims)).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// verifier returns one for options, with the secret unless they have a key.
func verifier(t testing.TB, o jwt.Options) *jwt.Verifier {
	t.Helper()
	if o.Key == nil && o.Keys == nil {
		o.Key = secret
	}
	v, err := jwt.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantDenied checks that a token is refused for good.
func wantDenied(t *testing.T, v *jwt.Verifier, token string) {
	t.Helper()
	id, err := v.Identity(t.Context(), token)
	switch {
	case err == nil:
		t.Fatalf("accepted as %+v", id)
	case !errors.Is(err, lazyrealtime.ErrDenied) || errors.Is(err, lazyrealtime.ErrTokenExpired):
		t.Fatalf("error %v, want ErrDenied", err)
	case id.ID != "" || id.Value != nil:
		t.Fatalf("an identity beside the error: %+v", id)
	}
}

func TestIdentity(t *testing.T) {
	claims := good(fields{"info": fields{"name": "Alice"}, "role": "admin"})
	id, err := verifier(t, jwt.Options{}).Identity(t.Context(), sign(t, lib.SigningMethodHS256, secret, claims))
	if err != nil {
		t.Fatal(err)
	}
	if id.ID != "alice" || string(id.Info) != `{"name":"Alice"}` {
		t.Errorf("identity %q, info %s", id.ID, id.Info)
	}
	if id.Issued.Unix() != claims["iat"] || id.Expires.Unix() != claims["exp"] {
		t.Errorf("issued %v, expires %v, claims %v", id.Issued, id.Expires, claims)
	}
	var role string
	if err := id.Value.(jwt.Claims).Get("role", &role); err != nil || role != "admin" {
		t.Errorf("role %q, %v", role, err)
	}
}

// Wherever TokenOf finds a token, and where an application says.
func TestAuthenticate(t *testing.T) {
	token := sign(t, lib.SigningMethodHS256, secret, good(nil))
	r := httptest.NewRequest(http.MethodGet, "/cable?jid="+token, nil)
	id, err := jwt.Authenticate(jwt.Options{Key: secret})(r)
	if err != nil || id.ID != "alice" {
		t.Fatalf("%+v, %v", id, err)
	}
	own := verifier(t, jwt.Options{Token: func(r *http.Request) string { return r.Header.Get("X-Mine") }})
	if _, err := own.Authenticate(r); !errors.Is(err, lazyrealtime.ErrDenied) {
		t.Fatalf("without a token: %v", err)
	}
	r.Header.Set("X-Mine", token)
	if id, err := own.Authenticate(r); err != nil || id.ID != "alice" {
		t.Fatalf("%+v, %v", id, err)
	}
}

// keyPair is a key of one kind and what it may sign with.
type keyPair struct {
	name            string
	private, public any
	methods         []lib.SigningMethod
}

func keyPairs(t *testing.T) []keyPair {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return []keyPair{
		{"secret", secret, secret, []lib.SigningMethod{lib.SigningMethodHS256, lib.SigningMethodHS384, lib.SigningMethodHS512}},
		{"rsa", rsaKey, &rsaKey.PublicKey, []lib.SigningMethod{lib.SigningMethodRS256, lib.SigningMethodRS512, lib.SigningMethodPS256}},
		{"p256", p256, &p256.PublicKey, []lib.SigningMethod{lib.SigningMethodES256}},
		{"p384", p384, &p384.PublicKey, []lib.SigningMethod{lib.SigningMethodES384}},
		{"ed25519", edPrivate, edPublic, []lib.SigningMethod{lib.SigningMethodEdDSA}},
	}
}

// Each key takes the algorithms of its kind, and none of another's.
func TestAlgorithms(t *testing.T) {
	pairs := keyPairs(t)
	for _, verifies := range pairs {
		v := verifier(t, jwt.Options{Key: verifies.public})
		byName := verifier(t, jwt.Options{Keys: func(context.Context, string) (any, error) { return verifies.public, nil }})
		for _, signs := range pairs {
			for _, method := range signs.methods {
				token := sign(t, method, signs.private, good(nil))
				if signs.name != verifies.name {
					wantDenied(t, v, token)
					wantDenied(t, byName, token)
					continue
				}
				if id, err := v.Identity(t.Context(), token); err != nil || id.ID != "alice" {
					t.Errorf("%s, %s: %+v, %v", verifies.name, method.Alg(), id, err)
				}
				if _, err := byName.Identity(t.Context(), token); err != nil {
					t.Errorf("%s by name, %s: %v", verifies.name, method.Alg(), err)
				}
			}
		}
	}
}

// The library's verification looks at the length of a signature, and not at the
// curve: a key of one curve could sign what names the algorithm of another.
func TestCurve(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(assemble(t, fields{"alg": "ES384"}, good(nil), ""), ".")
	hash := sha512.Sum384([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, private, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 96)
	r.FillBytes(signature[:48])
	s.FillBytes(signature[48:])
	wantDenied(t, verifier(t, jwt.Options{Key: &private.PublicKey}), text+"."+base64.RawURLEncoding.EncodeToString(signature))
}

func TestNone(t *testing.T) {
	token := sign(t, lib.SigningMethodNone, lib.UnsafeAllowNoneSignatureType, good(nil))
	for _, pair := range keyPairs(t) {
		wantDenied(t, verifier(t, jwt.Options{Key: pair.public}), token)
	}
	// Whatever Keys returns, also what makes the library accept "none".
	wantDenied(t, verifier(t, jwt.Options{Keys: func(context.Context, string) (any, error) {
		return lib.UnsafeAllowNoneSignatureType, nil
	}}), token)
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "hs256"} {
		wantDenied(t, verifier(t, jwt.Options{}), assemble(t, fields{"alg": alg}, good(nil), ""))
	}
	wantDenied(t, verifier(t, jwt.Options{}), assemble(t, fields{}, good(nil), ""))
}

// assemble makes a token of any header, with a signature as it is.
func assemble(t *testing.T, header, claims fields, signature string) string {
	t.Helper()
	var parts []string
	for _, part := range []fields{header, claims} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(text))
	}
	return strings.Join(append(parts, signature), ".")
}

// A public key is no secret: an attacker who signs with its text is refused,
// however the application came by the key.
func TestConfusion(t *testing.T) {
	for _, pair := range keyPairs(t)[1:] {
		text := pemOf(t, pair.public)
		forged := sign(t, lib.SigningMethodHS256, text, good(nil))
		wantDenied(t, verifier(t, jwt.Options{Key: pair.public}), forged)
		if _, err := jwt.New(jwt.Options{Key: text}); err == nil {
			t.Errorf("%s: a PEM text is taken for a secret", pair.name)
		}
		wantDenied(t, verifier(t, jwt.Options{Keys: func(context.Context, string) (any, error) { return text, nil }}), forged)
	}
}

func TestSignature(t *testing.T) {
	v := verifier(t, jwt.Options{})
	token := sign(t, lib.SigningMethodHS256, secret, good(nil))
	other := sign(t, lib.SigningMethodHS256, secret, good(fields{"sub": "root"}))
	head, mine := strings.Split(token, "."), strings.Split(other, ".")

	wantDenied(t, v, sign(t, lib.SigningMethodHS256, []byte("another secret of 32 random bytes"), good(nil)))
	wantDenied(t, v, head[0]+"."+mine[1]+"."+head[2])
	wantDenied(t, v, head[0]+"."+head[1]+".")
	wantDenied(t, v, head[0]+"."+head[1])
	wantDenied(t, v, token+".")
	wantDenied(t, v, token+"=")
	wantDenied(t, v, " "+token)
	wantDenied(t, v, "")
	wantDenied(t, v, "..")
	wantDenied(t, v, sign(t, lib.SigningMethodHS256, secret, good(fields{"sub": strings.Repeat("a", 17<<10)})))
	for i := range 10 {
		wantDenied(t, v, token[:len(token)-1-i])
	}
}

// The last character of base64 has bits that say nothing: the library's strict
// decoding refuses texts that differ in them, so that a token has one form.
func TestOneForm(t *testing.T) {
	token := sign(t, lib.SigningMethodHS256, secret, good(nil))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	wantDenied(t, verifier(t, jwt.Options{}), token[:len(token)-1]+string(alphabet[last^1]))
}

func TestCritical(t *testing.T) {
	token := lib.NewWithClaims(lib.SigningMethodHS256, lib.MapClaims(good(nil)))
	token.Header["crit"] = []string{"b64"}
	text, err := token.SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	wantDenied(t, verifier(t, jwt.Options{}), text)
}

// What a good key has signed and is refused all the same.
func TestClaimsRefused(t *testing.T) {
	now := time.Now().Unix()
	year := int64(365 * 24 * 3600)
	for name, changes := range map[string]fields{
		"no subject":          {"sub": nil},
		"empty subject":       {"sub": ""},
		"subject in capitals": {"sub": nil, "SUB": "root"},
		"subject a number":    {"sub": 42},
		"no expiry":           {"exp": nil},
		"expiry null":         {"exp": json.RawMessage("null")},
		"expiry a text":       {"exp": "tomorrow"},
		"expiry huge":         {"exp": 1e300},
		"expiry in a year":    {"exp": now + year},
		"issued never":        {"iat": -1},
		"issued huge":         {"iat": 1e300},
		"issued tomorrow":     {"iat": now + 24*3600, "exp": now + 25*3600},
		"issued too early":    {"iat": now - year},
		"not before tomorrow": {"nbf": now + 24*3600},
		"not before 1970":     {"nbf": -1},
		"no issuer":           {"iss": nil},
		"another issuer":      {"iss": "https://evil.example"},
		"no audience":         {"aud": nil},
		"another audience":    {"aud": []string{"billing"}},
		"audience a number":   {"aud": 1},
	} {
		t.Run(name, func(t *testing.T) {
			claims := good(fields{"iss": "https://example.com", "aud": "cable"})
			for claim, value := range changes {
				if claims[claim] = value; value == nil {
					delete(claims, claim)
				}
			}
			v := verifier(t, jwt.Options{Issuer: "https://example.com", Audience: "cable"})
			wantDenied(t, v, sign(t, lib.SigningMethodHS256, secret, claims))
		})
	}
}

func TestClaimsAccepted(t *testing.T) {
	now := time.Now().Unix()
	for name, changes := range map[string]fields{
		"as they are":        {},
		"several audiences":  {"aud": []string{"billing", "cable"}},
		"fractions":          {"exp": float64(now) + 10.5, "iat": float64(now) - 10.5},
		"a clock ahead":      {"iat": now + 2},
		"subject twice":      {"SUB": "root", "Sub": "root"},
		"not before by now":  {"nbf": now},
		"info null":          {"info": json.RawMessage("null")},
		"a claim of its own": {"rooms": []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			claims := good(fields{"iss": "https://example.com", "aud": "cable"})
			for claim, value := range changes {
				claims[claim] = value
			}
			v := verifier(t, jwt.Options{Issuer: "https://example.com", Audience: "cable"})
			id, err := v.Identity(t.Context(), sign(t, lib.SigningMethodHS256, secret, claims))
			if err != nil || id.ID != "alice" || id.Info != nil {
				t.Fatalf("%+v, %v", id, err)
			}
		})
	}
}

// A token without iat is older than every revocation, and not one of somebody whom
// the application has just checked, which the zero time means.
func TestNotIssued(t *testing.T) {
	id, err := verifier(t, jwt.Options{}).Identity(t.Context(), sign(t, lib.SigningMethodHS256, secret, good(fields{"iat": nil})))
	if err != nil || id.Issued.IsZero() || time.Since(id.Issued) < 31*24*time.Hour {
		t.Fatalf("issued %v, %v", id.Issued, err)
	}
}

// A token lives for a number of seconds: the clock must not go on between its signing
// and its judging.
func TestLife(t *testing.T) { synctest.Test(t, testLife) }

func testLife(t *testing.T) {
	now := time.Now().Unix()
	for _, test := range []struct {
		o       jwt.Options
		changes fields
		ok      bool
	}{
		{jwt.Options{}, fields{"exp": now + 31*24*3600}, true},
		{jwt.Options{}, fields{"exp": now + 31*24*3600 + 1}, false},
		{jwt.Options{}, fields{"exp": now + 31*24*3600 + 10, "iat": nil}, false},
		{jwt.Options{Life: time.Minute}, fields{"exp": now + 60}, true},
		{jwt.Options{Life: time.Minute}, fields{"exp": now + 61}, false},
		{jwt.Options{Life: -1}, fields{"exp": now + 100*365*24*3600}, true},
		{jwt.Options{Forever: true}, fields{"exp": nil}, true},
		{jwt.Options{Forever: true}, fields{"exp": now + 32*24*3600}, false},
	} {
		_, err := verifier(t, test.o).Identity(t.Context(), sign(t, lib.SigningMethodHS256, secret, good(test.changes)))
		if (err == nil) != test.ok {
			t.Errorf("%+v, %v: %v", test.o, test.changes, err)
		}
	}
}

// Expired is said only of a token that is good but for that.
func TestExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const leeway = 10 * time.Second
		v := verifier(t, jwt.Options{Leeway: leeway, Audience: "cable"})
		sign := func(key []byte, changes fields) string {
			claims := good(fields{"aud": "cable"})
			for claim, value := range changes {
				claims[claim] = value
			}
			return sign(t, lib.SigningMethodHS256, key, claims)
		}
		token := sign(secret, nil)
		forged := sign([]byte("another secret of 32 random bytes"), nil)
		faulty := []string{forged, sign(secret, fields{"aud": "billing"}), sign(secret, fields{"sub": ""}), sign(secret, fields{"iat": 0})}

		time.Sleep(time.Hour + leeway - time.Second)
		id, err := v.Identity(t.Context(), token)
		if err != nil || time.Until(id.Expires) != time.Second {
			t.Fatalf("within the leeway: expires %v, %v", id.Expires, err)
		}
		time.Sleep(time.Second)
		id, err = v.Identity(t.Context(), token)
		if !errors.Is(err, lazyrealtime.ErrTokenExpired) || errors.Is(err, lazyrealtime.ErrDenied) || id.ID != "" {
			t.Fatalf("expired: %+v, %v", id, err)
		}
		for _, token := range faulty {
			wantDenied(t, v, token)
		}
	})
}

// Keys are asked by the token's own word for them, and may be unreachable.
func TestKeys(t *testing.T) {
	down := errors.New("down")
	v := verifier(t, jwt.Options{Keys: func(_ context.Context, kid string) (any, error) {
		switch kid {
		case "a":
			return secret, nil
		case "":
			return nil, nil
		default:
			return nil, down
		}
	}})
	token := func(kid any) string {
		token := lib.NewWithClaims(lib.SigningMethodHS256, lib.MapClaims(good(nil)))
		if kid != nil {
			token.Header["kid"] = kid
		}
		text, err := token.SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if id, err := v.Identity(t.Context(), token("a")); err != nil || id.ID != "alice" {
		t.Errorf("%+v, %v", id, err)
	}
	wantDenied(t, v, token(nil))
	wantDenied(t, v, token(7))
	wantDenied(t, v, token("b"))
	if _, err := v.Identity(t.Context(), token("b")); !errors.Is(err, down) {
		t.Errorf("the error of Keys is lost: %v", err)
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add(sign(f, lib.SigningMethodHS256, secret, good(nil)))
	f.Add("e30.e30.")
	f.Add("bnVsbA.bnVsbA.bnVsbA")
	v, err := jwt.New(jwt.Options{Key: []byte("a secret that no input was signed with"), Forever: true, Life: -1})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if id, err := v.Identity(t.Context(), token); err == nil || !errors.Is(err, lazyrealtime.ErrDenied) {
			t.Fatalf("%+v, %v", id, err)
		}
	})
}
