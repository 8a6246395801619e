package proxies_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience is how long a test waits for what should come at once.
const patience = 30 * time.Second

// shared is what all tests have in common, in a directory that is gone at the end.
var shared struct {
	dir         string
	certificate string // a file with a certificate and its key, for localhost
	lazyws      string // the program
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "proxies-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o755) // nginx's workers are another user
	}
	if err == nil {
		err = prepare(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxies:", err)
		return 1
	}
	return m.Run()
}

// prepare finds the proxies, and builds what the tests need.
func prepare(dir string) error {
	for _, path := range []string{"/usr/sbin", "/usr/local/sbin"} {
		os.Setenv("PATH", os.Getenv("PATH")+":"+path)
	}
	for _, name := range []string{"nginx", "haproxy", "caddy"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is missing: install Debian's package of that name", name)
		}
	}
	shared.dir = dir
	shared.certificate = filepath.Join(dir, "cert.pem")
	if err := writeCertificate(shared.certificate); err != nil {
		return err
	}
	shared.lazyws = filepath.Join(dir, "lazyws")
	return build(filepath.Join("..", ".."), ".", shared.lazyws)
}

// build builds a package of the module cmd/lazyws of a source tree, with more flags.
func build(tree, pkg, to string, flags ...string) error {
	command := exec.Command("go", append(append([]string{"build", "-o", to}, flags...), pkg)...)
	command.Dir = filepath.Join(tree, "cmd", "lazyws")
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false "+os.Getenv("GOFLAGS"))
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s of %s does not build: %w\n%s", pkg, tree, err, out)
	}
	return nil
}

func writeCertificate(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	return os.WriteFile(file, text, 0o600)
}
