package jwt_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"

	"golazy.dev/lazyrealtime/jwt"
)

func pemOf(t *testing.T, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestParseKey(t *testing.T) {
	for _, pair := range keyPairs(t)[1:] {
		key, err := jwt.ParseKey(append([]byte("\n"), pemOf(t, pair.public)...))
		if err != nil || !key.(interface{ Equal(x crypto.PublicKey) bool }).Equal(pair.public) {
			t.Errorf("%s: %T, %v", pair.name, key, err)
		}
	}
	key, err := jwt.ParseKey([]byte(" secret\n"))
	if err != nil || string(key.([]byte)) != "secret" {
		t.Errorf("%v, %v", key, err)
	}
}

func TestParseKeyOfOtherBlocks(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jwt.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	if err != nil || !private.PublicKey.Equal(key.(*ecdsa.PublicKey)) {
		t.Errorf("certificate: %T, %v", key, err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key, err = jwt.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)}))
	if err != nil || !rsaKey.PublicKey.Equal(key.(*rsa.PublicKey)) {
		t.Errorf("PKCS 1: %T, %v", key, err)
	}
}

func TestParseKeyRefuses(t *testing.T) {
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(edPrivate)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := pemOf(t, edPublic)
	for name, text := range map[string][]byte{
		"nothing":      nil,
		"white space":  []byte(" \n"),
		"private":      pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"cut short":    public[:len(public)/2],
		"broken":       pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("broken")}),
		"something":    pem.EncodeToMemory(&pem.Block{Type: "MESSAGE", Bytes: []byte("hello")}),
		"two":          bytes.Join([][]byte{public, public}, nil),
		"a weak curve": pemOf(t, &p224.PublicKey),
	} {
		if key, err := jwt.ParseKey(text); err == nil {
			t.Errorf("%s: %T", name, key)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	weak := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	_, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]any{
		"none": nil, "empty": []byte{}, "a text": "secret", "a private key": edPrivate,
		"weak": weak, "short": ed25519.PublicKey("short"), "a value": rsa.PublicKey{},
	} {
		if _, err := jwt.New(jwt.Options{Key: key}); err == nil {
			t.Errorf("%s is taken for a key", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Authenticate did not panic")
		}
	}()
	jwt.Authenticate(jwt.Options{})
}
