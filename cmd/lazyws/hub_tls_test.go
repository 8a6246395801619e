package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// certificate makes one of 127.0.0.1, and returns the files of it and its key.
func certificate(t *testing.T) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile, roots = dir+"/cert.pem", dir+"/key.pem", x509.NewCertPool()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(certFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		t.Fatal(err)
	}
	roots.AppendCertsFromPEM(text)
	return certFile, keyFile, roots
}

func TestHubTLS(t *testing.T) {
	certFile, keyFile, roots := certificate(t)
	p := startHub(t, "-public", "-publish-key", publishKey, "-tls-cert", certFile, "-tls-key", keyFile)
	if !strings.HasPrefix(p.url, "https://") {
		t.Fatalf("listens at %s", p.url)
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	d := lazywebsocket.Dialer{Subprotocols: []string{"actioncable-v1-ext-json"}, TLSClientConfig: config}
	conn, _, err := d.DialContext(t.Context(), "wss"+strings.TrimPrefix(p.url, "https")+"/cable", nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, conn}
	c.want("welcome")
	c.subscribe(plainName("room"), confirmed)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/_broadcast", strings.NewReader(`{"stream":"room","data":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+publishKey)
	response, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Errorf("%s", response.Status)
	}
	c.wantMessage("1")
	conn.Close()
	p.stop()
}
