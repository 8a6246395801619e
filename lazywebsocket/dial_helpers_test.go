package lazywebsocket

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// goodAnswer is an answer that completes the handshake, once <accept> is
// replaced.
const goodAnswer = "HTTP/1.1 101 Switching Protocols\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: <accept>\r\n" +
	"\r\n"

// pipeDial returns a dial function whose connections are pipes with serve at
// their other end.
func pipeDial(serve func(nc net.Conn)) dialFunc {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			serve(server)
		}()
		return client, nil
	}
}

// answering returns a script that reads one request, writes answer with
// <accept> replaced, and reads until the client has closed.
func answering(answer string) func(nc net.Conn) {
	return func(nc net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			return
		}
		accept := wsproto.AcceptKey(r.Header.Get(headerKey))
		if _, err := io.WriteString(nc, strings.ReplaceAll(answer, "<accept>", accept)); err == nil {
			_, _ = io.Copy(io.Discard, nc)
		}
	}
}

// silent is a script that reads and never answers.
func silent(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }

// captured is what a dial has put on the wire: it ends with a refusal.
func captured(t *testing.T, d Dialer, url string, header http.Header) string {
	t.Helper()
	var wire strings.Builder
	d.NetDialContext = pipeDial(func(nc net.Conn) {
		br := bufio.NewReader(io.TeeReader(nc, &wire))
		if _, err := http.ReadRequest(br); err == nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		}
	})
	if _, _, err := d.Dial(url, header); !same(err, ErrBadHandshake) {
		t.Fatalf("Dial(%q): %v, want the refusal", url, err)
	}
	return wire.String()
}

// refusesToSend dials and wants an error without a byte on the network, whose
// text contains want.
func refusesToSend(t *testing.T, d Dialer, url string, header http.Header, want string) error {
	t.Helper()
	d.NetDialContext = func(context.Context, string, string) (net.Conn, error) {
		t.Errorf("Dial(%q, %q) went to the network", url, header)
		return nil, io.EOF
	}
	c, resp, err := d.Dial(url, header)
	if c != nil || resp != nil || err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Dial(%q, %q): %v, %v, %v; want an error with %q", url, header, c, resp, err, want)
	}
	return err
}

// wantDialError wants an *OpError of the dial that is target.
func wantDialError(t *testing.T, err, target error) {
	t.Helper()
	var op *OpError
	if !errors.As(err, &op) || op.Op != "dial" || !errors.Is(err, target) {
		t.Errorf("error %v (%T), want an *OpError of the dial that is %v", err, err, target)
	}
}

// echoHandler upgrades and echoes messages until the connection ends.
func echoHandler(t *testing.T, u Upgrader) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		defer c.Close()
		for {
			messageType, data, err := c.ReadMessage()
			if err != nil || c.WriteMessage(messageType, data) != nil {
				return
			}
		}
	})
}

// echoes wants a message back that it sends, and closes the connection.
func echoes(t *testing.T, c *Conn) {
	t.Helper()
	defer c.Close()
	if err := c.WriteMessage(TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.ReadMessage(); err != nil || string(p) != "hello" {
		t.Fatalf("echo: %q, %v", p, err)
	}
}

// wsURL returns the WebSocket URL of a test server.
func wsURL(s *httptest.Server) string { return "ws" + strings.TrimPrefix(s.URL, "http") }

// noDialGoroutines waits until no goroutine runs a part of a dial.
func noDialGoroutines(t *testing.T) {
	t.Helper()
	var stacks string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); runtime.Gosched() {
		b := make([]byte, 1<<20)
		stacks = string(b[:runtime.Stack(b, true)])
		if !strings.Contains(stacks, "lazywebsocket.abandonable") && !strings.Contains(stacks, "lazywebsocket.(*Dialer)") {
			return
		}
	}
	t.Errorf("a dial has left a goroutine:\n%s", stacks)
}

// pki is a certificate authority for tests.
type pki struct {
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate
	Roots *x509.CertPool
}

// testPKI is made once: its certificates are valid in the real time and in that
// of a synctest bubble.
var testPKI = sync.OnceValue(func() *pki {
	p := &pki{Roots: x509.NewCertPool()}
	p.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.cert = p.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, &p.key.PublicKey)
	p.Roots.AddCert(p.cert)
	return p
})

func (p *pki) sign(template *x509.Certificate, public *ecdsa.PublicKey) *x509.Certificate {
	template.SerialNumber, _ = rand.Int(rand.Reader, big.NewInt(1<<62))
	template.NotBefore = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	template.NotAfter = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	parent := p.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, p.key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

// serverConfig returns the TLS configuration of a server with a certificate for
// name, a DNS name or an IP address.
func (p *pki) serverConfig(name string, protocols ...string) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	cert := p.sign(template, &key.PublicKey)
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   protocols,
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
	}
}

// overTLS returns serve behind a server's TLS handshake.
func overTLS(config *tls.Config, serve func(nc net.Conn)) func(nc net.Conn) {
	return func(nc net.Conn) {
		tc := tls.Server(nc, config)
		if tc.Handshake() == nil {
			serve(tc)
		}
	}
}

// discardLog is a log for servers that are meant to see failures.
func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// same reports whether err is target itself, as programs compare it.
func same(err, target error) bool {
	return err == target //nolint:errorlint // that is the point
}

// timesOut reports whether err itself, not only what it wraps, is a time-out.
func timesOut(err error) bool {
	ne, ok := err.(net.Error) //nolint:errorlint // programs use a type assertion
	return ok && ne.Timeout()
}
