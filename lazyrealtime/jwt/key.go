package jwt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// minRSABits is what RFC 7518, 3.3 asks for.
const minRSABits = 2048

// pemStart is how every PEM text begins.
var pemStart = []byte("-----BEGIN")

// ParseKey returns the key in a text: of a PEM text the public key in it (PUBLIC
// KEY, RSA PUBLIC KEY or CERTIFICATE, whose names and dates are not looked at), of
// anything else the text itself, without white space around it, as a secret.
func ParseKey(text []byte) (any, error) {
	text = bytes.TrimSpace(text)
	if !bytes.HasPrefix(text, pemStart) {
		if len(text) == 0 {
			return nil, errors.New("jwt: the key is empty")
		}
		return bytes.Clone(text), nil
	}
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, errors.New("jwt: the key begins like PEM and is not")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("jwt: more than one key in the PEM text")
	}
	key, err := parseBlock(block)
	if err != nil {
		return nil, err
	}
	if _, err := algorithms(key); err != nil {
		return nil, err
	}
	return key, nil
}

// parseBlock returns the public key in a block of PEM.
func parseBlock(block *pem.Block) (key any, err error) {
	switch {
	case block.Type == "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = certificate.PublicKey
		}
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("jwt: a private key: tokens are verified with the public one")
	default:
		return nil, fmt.Errorf("jwt: PEM of type %q has no public key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("jwt: PEM of type %q: %w", block.Type, err)
	}
	return key, nil
}

// algorithms returns what a token that this key verifies may name as its algorithm
// (RFC 7518, 3.1; RFC 8037, 3.1).
func algorithms(key any) ([]string, error) {
	switch key := key.(type) {
	case []byte:
		switch {
		case len(key) == 0:
			return nil, errors.New("jwt: the key is empty")
		case bytes.HasPrefix(key, pemStart):
			// A public key used as a secret verifies what anybody has signed with it.
			return nil, errors.New("jwt: the secret is a PEM text; see ParseKey")
		}
		return []string{"HS256", "HS384", "HS512"}, nil
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits {
			return nil, fmt.Errorf("jwt: an RSA key of %d bits: %d is the least", bits, minRSABits)
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		return curveAlgorithm(key.Curve)
	case ed25519.PublicKey:
		if len(key) != ed25519.PublicKeySize {
			return nil, errors.New("jwt: an Ed25519 key of the wrong length")
		}
		return []string{"EdDSA"}, nil
	case nil:
		return nil, errors.New("jwt: no key")
	default:
		return nil, fmt.Errorf("jwt: a key of type %T", key)
	}
}

// curveAlgorithm returns the one algorithm of a curve (RFC 7518, 3.4).
func curveAlgorithm(curve elliptic.Curve) ([]string, error) {
	switch curve {
	case elliptic.P256():
		return []string{"ES256"}, nil
	case elliptic.P384():
		return []string{"ES384"}, nil
	case elliptic.P521():
		return []string{"ES512"}, nil
	default:
		return nil, errors.New("jwt: an ECDSA key of a curve that tokens do not use")
	}
}
